//! All routes, in one list.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, patch, post, put};

use super::api::answer::Asked;
use super::api::middleware::{RestState, pass};
use super::api::{
    account, archive, commit, compare, content, content_change, delivery, hook, new_object,
    reference, status, tree,
};
use super::render::Links;
use super::server::Server;
use super::{page, raw, transport};
use local_kit::guard;
use local_kit::page::is_browser;

impl FromRef<RestState> for Arc<Server> {
    fn from_ref(state: &RestState) -> Self {
        Self::clone(&state.server)
    }
}

/// Where a browser that asks for `/` is led.
const INDEX: &str = "/local/repositories";

/// Bodies of REST calls may have files in them; in bytes.
const BODY: usize = 40 << 20;

/// The whole server.
pub fn routes(server: &Arc<Server>) -> Router {
    let state = RestState {
        server: Arc::clone(server),
        meter: Arc::default(),
    };
    let rest = rest()
        .layer(from_fn_with_state(state.clone(), pass))
        .layer(DefaultBodyLimit::max(BODY));
    let inner = rest
        .route(
            "/local/faults",
            get(page::fault::show_faults).post(page::fault::set_faults),
        )
        .route(
            INDEX,
            get(page::index::list_repositories).post(page::index::make_repository),
        )
        .route("/{owner}/{repo}", get(page::repository::show_repository))
        .route(
            "/{owner}/{repo}/commits/{*branch}",
            get(page::repository::show_branch),
        )
        .route(
            "/{owner}/{repo}/tree/{*branch}",
            get(page::repository::show_branch),
        )
        .route(
            "/{owner}/{repo}/settings/hooks/{hook}/deliveries/{delivery}/redeliver",
            post(page::hook::redeliver),
        )
        .route(
            "/{owner}/{repo}/settings/hooks/{hook}/ping",
            post(page::hook::ping),
        )
        .route("/{owner}/{repo}/raw/{*rest}", get(raw::show_file))
        .route("/{owner}/{repo}/blob/{*rest}", get(raw::show_file))
        .route("/raw/{owner}/{repo}/{*rest}", get(raw::show_file))
        .route(
            "/{owner}/{repo}/archive/{*rest}",
            get(archive::lead_to_archive),
        )
        .route(
            "/codeload/{owner}/{repo}/{format}/{*ref}",
            get(archive::serve_archive),
        )
        .route(
            "/{owner}/{repo}/commit/{sha}",
            get(page::change::show_commit),
        )
        .route("/{owner}/{repo}/info/refs", get(transport::list_refs))
        .route(
            "/{owner}/{repo}/git-upload-pack",
            post(transport::upload_pack),
        )
        .route(
            "/{owner}/{repo}/git-receive-pack",
            post(transport::receive_pack),
        )
        .layer(DefaultBodyLimit::max(1 << 20))
        .with_state(state);
    Router::new()
        .fallback_service(inner)
        .layer(from_fn_with_state(Arc::clone(server), resolve))
        .layer(from_fn(guard::loopback_only))
}

fn rest() -> Router<RestState> {
    Router::new()
        .route("/", get(account::get_root))
        .route("/user", get(account::get_user))
        .route(
            "/user/repos",
            get(account::list_repositories).post(account::create_repository),
        )
        .route("/rate_limit", get(account::get_rate_limit))
        .route("/meta", get(account::get_meta))
        .nest("/repos/{owner}/{repo}", repository())
        // an id that nobody has; one that somebody has was resolved before
        .route("/repositories/{*rest}", get(account::not_found))
        .route("/repos/{owner}", get(account::not_found))
        .route("/users/{login}", get(account::get_account))
        .route("/users/{login}/repos", get(account::list_repositories))
        .fallback(account::not_found)
        .method_not_allowed_fallback(account::not_found)
}

fn repository() -> Router<RestState> {
    Router::new()
        .route(
            "/",
            get(account::get_repository).patch(account::change_repository),
        )
        .route("/hooks", get(hook::list_hooks).post(hook::create_hook))
        .route(
            "/hooks/{hook}",
            get(hook::get_hook).merge(patch(hook::update_hook).delete(hook::delete_hook)),
        )
        .route(
            "/hooks/{hook}/config",
            get(hook::get_config).patch(hook::update_config),
        )
        .route("/hooks/{hook}/pings", post(hook::ping_hook))
        .route("/hooks/{hook}/tests", post(hook::test_hook))
        .route("/hooks/{hook}/deliveries", get(delivery::list_deliveries))
        .route(
            "/hooks/{hook}/deliveries/{delivery}",
            get(delivery::get_delivery),
        )
        .route(
            "/hooks/{hook}/deliveries/{delivery}/attempts",
            post(delivery::redeliver),
        )
        .route("/tags", get(commit::list_tags))
        .route("/branches", get(commit::list_branches))
        .route("/branches/{*branch}", get(commit::get_branch))
        .route("/commits", get(commit::list_commits))
        .route("/commits/{*ref}", get(commit::get_commit))
        .route("/compare/{*range}", get(compare::compare_commits))
        .route(
            "/statuses/{sha}",
            get(status::list_statuses).post(status::create_status),
        )
        .route("/zipball", get(archive::lead_to_zipball))
        .route("/zipball/{*ref}", get(archive::lead_to_zipball))
        .route("/tarball", get(archive::lead_to_tarball))
        .route("/tarball/{*ref}", get(archive::lead_to_tarball))
        .route("/readme", get(content::get_readme))
        .route("/contents", get(content::get_content))
        .route("/contents/", get(content::get_content))
        .route(
            "/contents/{*path}",
            get(content::get_content)
                .merge(put(content_change::put_content).delete(content_change::delete_content)),
        )
        .route("/git/ref/{*ref}", get(reference::get_ref))
        .route(
            "/git/refs",
            get(reference::list_refs).post(reference::create_ref),
        )
        .route(
            "/git/refs/{*ref}",
            get(reference::get_ref)
                .merge(patch(reference::update_ref).delete(reference::delete_ref)),
        )
        .route("/git/matching-refs/{*ref}", get(reference::list_refs))
        .route("/git/commits", post(new_object::create_commit))
        .route("/git/commits/{sha}", get(commit::get_git_commit))
        .route("/git/trees", post(new_object::create_tree))
        .route("/git/trees/{*sha}", get(tree::get_tree))
        .route("/git/blobs", post(new_object::create_blob))
        .route("/git/blobs/{sha}", get(tree::get_blob))
        .route("/git/tags", post(new_object::create_tag))
        .route("/git/tags/{sha}", get(tree::get_tag))
}

/// Makes `/api/v3/…` (as an enterprise server has it) and `/repositories/{id}/…` the same as `/repos/{owner}/{repo}/…`.
async fn resolve(State(server): State<Arc<Server>>, mut request: Request, next: Next) -> Response {
    let asked = request.uri().clone();
    let links = links(&server, &request);
    let path = asked.path();
    let path = below_v3(path).unwrap_or(path);
    let path = match by_name(&server, path) {
        Some(path) => path,
        None if path == "/" && is_browser(request.headers()) => INDEX.to_owned(),
        None => path.to_owned(),
    };
    let path = match asked.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(path) = path.parse::<PathAndQuery>() {
        let mut parts = asked.clone().into_parts();
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request.extensions_mut().insert(Asked { uri: asked, links });
    next.run(request).await
}

fn below_v3(path: &str) -> Option<&str> {
    match path.strip_prefix("/api/v3")? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

/// This server as the caller names it, which is a name of loopback or the caller would not be here.
fn links(server: &Server, request: &Request) -> Links {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(Authority::as_str);
    let web = match authority.or(host) {
        Some(host) => format!("http://{host}"),
        None => server.url.clone(),
    };
    let mut links = Links::new(&web);
    if below_v3(request.uri().path()).is_some() {
        links.api.push_str("/api/v3");
    }
    links
}

fn by_name(server: &Server, path: &str) -> Option<String> {
    let rest = path.strip_prefix("/repositories/")?;
    let (id, rest) = rest
        .split_once('/')
        .map_or((rest, None), |(id, rest)| (id, Some(rest)));
    let id: u64 = id.parse().ok()?;
    let name = server.store.read(|world| {
        world
            .repositories
            .iter()
            .find(|r| r.id == id)
            .map(super::state::Repository::full_name)
    })?;
    Some(match rest {
        Some(rest) => format!("/repos/{name}/{rest}"),
        None => format!("/repos/{name}"),
    })
}

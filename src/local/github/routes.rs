//! All routes, in one list.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};

use super::api::answer::Asked;
use super::api::gate::{Gate, pass};
use super::api::{account, commit, compare, delivery, hook, status, tree};
use super::fault::Order;
use super::guard::refuse_strangers;
use super::hub::Hub;
use super::{page, transport};

impl FromRef<Gate> for Arc<Hub> {
    fn from_ref(gate: &Gate) -> Self {
        Self::clone(&gate.hub)
    }
}

/// Where a browser that asks for `/` is led.
const INDEX: &str = "/local/repositories";

/// The whole server.
pub fn routes(hub: &Arc<Hub>) -> Router {
    let gate = Gate {
        hub: Arc::clone(hub),
        meter: Arc::default(),
    };
    let rest = rest().layer(from_fn_with_state(gate.clone(), pass));
    let inner = rest
        .route("/local/faults", get(show_faults).post(set_faults))
        .route(INDEX, get(page::index::list_repositories))
        .route("/{owner}/{repo}", get(page::repository::show_repository))
        .route(
            "/{owner}/{repo}/commit/{sha}",
            get(page::change::show_commit),
        )
        .route(
            "/{owner}/{repo}/compare/{*range}",
            get(page::change::show_comparison),
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
        .with_state(gate);
    Router::new()
        .fallback_service(inner)
        .layer(from_fn_with_state(Arc::clone(hub), resolve))
        .layer(from_fn(refuse_strangers))
}

fn rest() -> Router<Gate> {
    Router::new()
        .route("/", get(account::get_root))
        .route("/user", get(account::get_user))
        .route(
            "/user/repos",
            get(account::not_found).post(account::create_repository),
        )
        .route("/rate_limit", get(account::get_rate_limit))
        .route("/meta", get(account::get_meta))
        .nest("/repos/{owner}/{repo}", repository())
        // an id that nobody has; one that somebody has was resolved before
        .route("/repositories/{*rest}", get(account::not_found))
        .route("/repos/{owner}", get(account::not_found))
        .route("/users/{login}", get(account::not_found))
        .fallback(account::not_found)
}

fn repository() -> Router<Gate> {
    Router::new()
        .route("/", get(account::get_repository))
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
        .route("/branches", get(commit::list_branches))
        .route("/branches/{*branch}", get(commit::get_branch))
        .route("/commits", get(commit::list_commits))
        .route("/commits/{*ref}", get(commit::get_commit))
        .route("/compare/{*range}", get(compare::compare_commits))
        .route(
            "/statuses/{sha}",
            get(status::list_statuses).post(status::create_status),
        )
        .route("/contents", get(tree::get_content))
        .route("/contents/", get(tree::get_content))
        .route("/contents/{*path}", get(tree::get_content))
        .route("/git/ref/{*ref}", get(commit::get_ref))
        .route("/git/commits/{sha}", get(commit::get_git_commit))
        .route("/git/trees/{*sha}", get(tree::get_tree))
        .route("/git/blobs/{sha}", get(tree::get_blob))
}

/// Makes `/api/v3/…` (as an enterprise server has it) and `/repositories/{id}/…` the same as `/repos/{owner}/{repo}/…`.
async fn resolve(State(hub): State<Arc<Hub>>, mut request: Request, next: Next) -> Response {
    let asked = request.uri().clone();
    let path = asked.path();
    let path = match path.strip_prefix("/api/v3") {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    };
    let path = match by_name(&hub, path) {
        Some(path) => path,
        None if path == "/" && is_browser(&request) => INDEX.to_owned(),
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
    request.extensions_mut().insert(Asked(asked));
    next.run(request).await
}

fn is_browser(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    accept.is_some_and(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    })
}

fn by_name(hub: &Hub, path: &str) -> Option<String> {
    let rest = path.strip_prefix("/repositories/")?;
    let (id, rest) = rest
        .split_once('/')
        .map_or((rest, None), |(id, rest)| (id, Some(rest)));
    let id: u64 = id.parse().ok()?;
    let name = hub.store.read(|world| {
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

async fn show_faults(State(gate): State<Gate>) -> Response {
    Json(gate.hub.faults.report()).into_response()
}

/// `POST /local/faults`; see [`super::fault`] for the bodies.
async fn set_faults(State(gate): State<Gate>, body: Bytes) -> Response {
    match serde_json::from_slice::<Order>(&body) {
        Ok(order) => {
            gate.hub.faults.apply(&order);
            Json(gate.hub.faults.report()).into_response()
        }
        Err(error) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("not a fault: {error}\n"),
        )
            .into_response(),
    }
}

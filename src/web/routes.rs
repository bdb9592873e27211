//! The routes, and what surrounds them.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::csrf::CsrfLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use super::error::{Failure, Rendered};
use super::fresh::unless_changed;
use super::negotiate::{Wants, wants};
use super::people::{Operator, OverTls, Stranger, who};
use super::{
    Web, diff, events, feed, hook, html, lifecycle, live, logs, openapi, operate, pages, seed,
    session, tokens, webhook, why,
};
use crate::api::{Problem, ProblemCode};

/// All routes.
pub fn router(web: Web) -> Router {
    // what browsers keep and ask for again
    let kept = Router::new()
        .route("/", get(pages::list_apps))
        .route("/apps", get(pages::list_apps).post(lifecycle::register_app))
        .route("/apps.json", get(pages::list_apps))
        .route(
            "/apps/{id}",
            get(pages::show_app).delete(lifecycle::destroy_app),
        )
        .route("/apps/{id}/deploys/{n}", get(pages::show_deploy))
        .route("/apps/{id}/diff", get(diff::show))
        .route("/apps/{id}/hook", get(pages::show_hook))
        .route("/apps/{id}/hook.json", get(pages::show_hook))
        .route("/events", get(events::list_events))
        .route("/events.json", get(events::list_events))
        .route("/feed.atom", get(feed::show))
        .route("/why/{sha}", get(why::explain_commit))
        // within what is kept: a page that many look at is packed once
        .route_layer(packing())
        .route_layer(from_fn_with_state(web.clone(), unless_changed));
    let packed = Router::new()
        .route("/events.jsonl", get(events::export_events))
        .route("/openapi.json", get(openapi::show_document))
        .route("/docs", get(openapi::browse))
        .route("/static/{name}", get(asset))
        .route_layer(packing());
    let people = Router::new()
        .merge(kept)
        .merge(packed)
        .route(
            "/apps/{id}/rollback",
            get(operate::confirm_rollback).post(rollback),
        )
        .route(
            "/apps/{id}/destroy",
            get(lifecycle::confirm_destroy).post(lifecycle::destroy_by_form),
        )
        .route("/apps/{id}/hook/{action}", post(hook::act_on_hook))
        .route("/apps/{id}/logs", get(logs::show))
        .route(
            "/apps/{id}/{action}",
            get(operate::confirm).post(operate::act),
        )
        .route("/live", get(live::listen))
        .route("/login", get(session::show_login).post(session::log_in))
        .route("/logout", post(session::log_out))
        .route("/tokens", get(tokens::list).post(tokens::make))
        .route("/tokens.json", get(tokens::list))
        .route("/tokens/{name}", delete(tokens::revoke))
        .route("/tokens/{name}/revoke", post(tokens::revoke))
        .route(
            "/sessions",
            get(session::list_sessions).delete(session::end_all),
        )
        .route("/sessions.json", get(session::list_sessions))
        .route("/sessions/{id}", delete(session::end_session))
        .route("/sessions/{id}/end", post(session::end_session))
        .route("/sessions/end", post(session::end_all))
        .route("/status", get(seed::show_status))
        .route("/register", get(seed::moved))
        .route("/reset", get(seed::moved))
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(CsrfLayer::new());
    // GitHub sends no Origin and has no cookie: its route stands outside of the cross-site check
    let github = Router::new().route("/dploy", post(webhook::receive_push).fallback(wrong_method));
    people
        .merge(github)
        .layer(from_fn_with_state(web.clone(), errors_as_read))
        .layer(from_fn_with_state(web.clone(), promise_tls))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"),
        ))
        .layer(SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(SetResponseHeaderLayer::overriding(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            let id = request.headers().get("x-request-id").and_then(|i| i.to_str().ok()).unwrap_or_default();
            tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
        }).on_request(()).on_failure(()))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .with_state(web)
}

/// What is sent packed to who takes it: pages and lists that are the same for all who are shown the same. No answer that has a token
/// in it, and no stream whose next line somebody waits for.
fn packing() -> CompressionLayer<impl Predicate> {
    // a refusal is still to be put in words
    let good = |status: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| status.is_success();
    let what = DefaultPredicate::new().and(good);
    CompressionLayer::new().gzip(true).compress_when(what)
}

async fn rollback(
    state: State<Web>,
    operator: Operator,
    Path(id): Path<String>,
    act: super::action_body::Act<crate::api::ActBody>,
) -> Result<Response, Failure> {
    operate::act(state, operator, Path((id, "rollback".to_owned())), act).await
}

/// Paths that no route has: a service with its slashes plain, or nothing.
async fn elsewhere(
    State(web): State<Web>,
    _stranger: Stranger,
    request: Request,
) -> Result<Response, Failure> {
    let path = request.uri().path().to_owned();
    let of_service = path.strip_prefix("/apps/").map(|p| p.matches('/').count());
    if request.method() == Method::POST && of_service.is_some_and(|slashes| slashes > 1) {
        use axum::extract::{FromRequest, FromRequestParts};
        let (mut parts, body) = request.into_parts();
        let operator = Operator::from_request_parts(&mut parts, &web).await?;
        let uri = parts.uri.clone();
        let act =
            super::action_body::Act::from_request(Request::from_parts(parts, body), &web).await?;
        return operate::act_on_service(State(web), operator, uri, act).await;
    }
    Err(Failure::missing(format!(
        "there is nothing at {}",
        crate::secret::plain(&path, 200)
    ))
    .hint("GET / lists the apps"))
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let detail = format!("{} does not take {method}", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, ProblemCode::Method, detail)
}

fn panicked(_cause: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        ProblemCode::Internal,
        "something went wrong here; the observer's own log says what",
    )
    .into_response()
}

/// Browsers keep it for the whole host, whatever port: it is promised only where the host is ours alone, by its usual port, and by a
/// certificate that they can check.
async fn promise_tls(State(web): State<Web>, request: Request, next: Next) -> Response {
    let ours = request.extensions().get::<OverTls>().is_some();
    let mut response = next.run(request).await;
    let url = reqwest::Url::parse(&web.public_url).ok();
    let alone = url.is_some_and(|u| u.scheme() == "https" && u.port().is_none());
    if ours && alone && !web.self_signed {
        let promise = HeaderValue::from_static("max-age=86400");
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, promise);
    }
    response
}

/// A handler's error becomes a page where a page was asked for; a browser that is not logged in goes to the login.
async fn errors_as_read(State(web): State<Web>, request: Request, next: Next) -> Response {
    let reads = wants(request.uri(), request.headers());
    let path = request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let get = request.method() == Method::GET;
    // who acted comes back to the page where that was
    let path = if get {
        path
    } else {
        acted_on(request.headers())
    };
    let (parts, body) = request.into_parts();
    let mut asking = parts.clone();
    // a token was judged by the handler
    asking.headers.remove(header::AUTHORIZATION);
    let response = next.run(Request::from_parts(parts, body)).await;
    let (mut response, mut problem) = in_words(response).await;
    // whoever pasted a secret where it does not belong does not get it back
    let redactor = web.context.store.log().redactor();
    if let Some(problem) = &mut problem
        && redactor.clean(&problem.detail) != problem.detail
    {
        problem.detail = redactor.clean(&problem.detail);
        response = Failure(Box::new(problem.clone())).into_response();
    }
    let Some(problem) = problem.filter(|_| reads == Wants::Html) else {
        return response;
    };
    if problem.is(ProblemCode::Login) && get {
        let next = percent_encoding::utf8_percent_encode(&path, percent_encoding::NON_ALPHANUMERIC);
        return axum::response::Redirect::to(&format!("/login?next={next}")).into_response();
    }
    // who is logged in is not asked to log in
    let person = who(&web, &asking).await.ok().flatten();
    // a link to what strangers are not shown leads there after the login
    let chrome = web.chrome(person, &path);
    let mut page = (response.status(), Html(html::problem(&chrome, &problem))).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        page.headers_mut().insert(header::ALLOW, allow.clone());
    }
    page
}

/// The page whose form was sent: the cross-site check has seen to it that it is one of ours.
fn acted_on(headers: &axum::http::HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|r| r.to_str().ok());
    let url = referer.and_then(|r| reqwest::Url::parse(r).ok());
    let Some(url) = url else {
        return "/".to_owned();
    };
    let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
    format!("{}{query}", url.path())
}

/// What refuses before a handler (the cross-site check, axum's extractors) answers with an empty body or bare text: it
/// becomes a problem like every other.
async fn in_words(response: Response) -> (Response, Option<Problem>) {
    let status = response.status();
    if let Some(Rendered(problem)) = response.extensions().get::<Rendered>().cloned() {
        return (response, Some(problem));
    }
    let html = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|c| c.as_bytes().starts_with(b"text/html"));
    if !status.is_client_error() || html {
        return (response, None);
    }
    let crossed = response
        .extensions()
        .get::<tower_http::csrf::ProtectionError>();
    let failure = if crossed.is_some() {
        Failure::new(
            status,
            ProblemCode::CrossSite,
            "another site sent this request",
        )
        .hint("act on the observer's own pages")
    } else {
        let text = axum::body::to_bytes(response.into_body(), 4096).await;
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        Failure::new(
            status,
            ProblemCode::Invalid,
            crate::secret::plain(text.trim(), 500),
        )
    };
    let problem = (*failure.0).clone();
    (failure.into_response(), Some(problem))
}

async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let found = html::assets().iter().find(|(n, ..)| *n == name);
    let (_, content_type, content) =
        found.ok_or_else(|| Failure::missing(format!("there is no {name:?}")))?;
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, *content).into_response())
}

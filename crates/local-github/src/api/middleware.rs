//! What every REST call goes through: faults, `User-Agent`, token, rate limit, and afterwards `ETag`.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::answer::Refusal;
use super::rate_limit::{Meter, Usage};
use crate::clock;
use crate::server::{Server, Token};

/// API versions that are known; others are refused, as at GitHub.
const VERSIONS: &[&str] = &["2022-11-28", "2026-03-10"];

/// Who calls: nobody in particular, or the owner of a token.
#[derive(Debug, Clone)]
pub struct Caller(pub Option<Token>);

/// What the handlers of REST calls share.
#[derive(Clone)]
pub struct RestState {
    pub server: Arc<Server>,
    pub meter: Arc<Meter>,
}

/// Lets a REST call through to its handler, or refuses it.
pub async fn pass(State(state): State<RestState>, mut request: Request, next: Next) -> Response {
    let faults = &state.server.faults;
    tokio::time::sleep(faults.slowness()).await;
    if faults.is_down() {
        return Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No server is currently available to service your request.",
        )
        .into_response();
    }
    if faults.is_secondary_limited() {
        return secondary(state.server.pace.limit_reset.as_secs());
    }
    let caller = match admit(&state.server, request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let token = caller.0.clone();
    let path = request.uri().path().to_owned();
    let version = version(request.headers()).unwrap_or(VERSIONS[0]);
    request.extensions_mut().insert(caller);
    let mut response = state.meter(token.as_ref(), request, next).await;
    let headers = response.headers_mut();
    headers.insert(
        "x-github-api-version-selected",
        HeaderValue::from_static(version),
    );
    finish(headers, token.as_ref(), accepted(&path));
    response
}

/// Too much at once, says GitHub, and for how long to be quiet.
fn secondary(seconds: u64) -> Response {
    let pause = [(header::RETRY_AFTER, seconds.to_string())];
    (pause, Refusal::secondary_limited()).into_response()
}

/// The scopes that open this path.
fn accepted(path: &str) -> &'static str {
    if path.contains("/hooks") {
        "admin:repo_hook, public_repo, read:repo_hook, repo, write:repo_hook"
    } else if path.contains("/statuses/") {
        "public_repo, repo, repo:status"
    } else {
        ""
    }
}

impl RestState {
    /// Answers a request that was let in, and counts it.
    async fn meter(&self, token: Option<&Token>, mut request: Request, next: Next) -> Response {
        let login = token.map(|token| token.login.as_str());
        let free = request.uri().path() == "/rate_limit";
        let hourly = self.server.pace.requests_an_hour;
        let usage = self
            .meter
            .count(login, hourly, i32::from(!free), clock::now());
        if let Some(none_left) = self.exhausted(usage, free) {
            return limited(none_left, login);
        }
        let method = request.method().clone();
        let wanted = request.headers().get(header::IF_NONE_MATCH).cloned();
        request.extensions_mut().insert(usage);
        let mut response = tagged(&method, wanted.as_ref(), next.run(request).await).await;
        let unchanged = response.status() == StatusCode::NOT_MODIFIED;
        let usage = self
            .meter
            .count(login, hourly, -i32::from(unchanged), clock::now());
        usage.write(response.headers_mut());
        response
    }

    /// The usage to show where no more requests are answered.
    fn exhausted(&self, usage: Usage, free: bool) -> Option<Usage> {
        if self.server.faults.is_rate_limited() {
            let pause = i64::try_from(self.server.pace.limit_reset.as_secs()).unwrap_or(i64::MAX);
            return Some(usage.exhausted(clock::now().as_second().saturating_add(pause)));
        }
        (!free && usage.used > usage.limit).then(|| usage.exhausted(usage.reset))
    }
}

fn admit(server: &Server, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if text(&header::USER_AGENT).is_none_or(|agent| agent.trim().is_empty()) {
        let sentence = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
    }
    if headers.contains_key("x-github-api-version") && version(headers).is_none() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "The X-GitHub-Api-Version is not a supported version",
        ));
    }
    match text(&header::AUTHORIZATION).map(|said| server.token(said)) {
        None => Ok(Caller(None)),
        Some(Some(token)) => Ok(Caller(Some(token.clone()))),
        Some(None) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "Bad credentials")),
    }
}

/// The version that is asked for, if it is known.
fn version(headers: &HeaderMap) -> Option<&'static str> {
    let asked = headers.get("x-github-api-version")?;
    VERSIONS.iter().copied().find(|known| asked == known)
}

fn limited(usage: Usage, login: Option<&str>) -> Response {
    let whose = login.map_or_else(|| "127.0.0.1".to_owned(), |login| format!("user {login}"));
    let mut response =
        Refusal::limited(format!("API rate limit exceeded for {whose}.")).into_response();
    usage.write(response.headers_mut());
    response
}

fn finish(headers: &mut HeaderMap, token: Option<&Token>, accepted: &'static str) {
    headers.insert(
        "x-github-media-type",
        HeaderValue::from_static("github.v3; format=json"),
    );
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.entry(header::CACHE_CONTROL).or_insert(match token {
        Some(_) => HeaderValue::from_static("private, max-age=60, s-maxage=60"),
        None => HeaderValue::from_static("public, max-age=60, s-maxage=60"),
    });
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Authorization, Cookie, X-GitHub-OTP"),
    );
    let request = uuid::Uuid::new_v4().simple().to_string();
    if let Ok(value) = HeaderValue::from_str(&request) {
        headers.insert("x-github-request-id", value);
    }
    if let Some(Ok(scopes)) = token.map(|token| HeaderValue::from_str(&token.scopes)) {
        headers.insert("x-oauth-scopes", scopes);
        headers.insert(
            "x-accepted-oauth-scopes",
            HeaderValue::from_static(accepted),
        );
    }
    if headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t == "application/json")
    {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
    }
}

/// Gives a successful `GET` its `ETag`, and answers 304 where the caller has that already.
async fn tagged(method: &Method, wanted: Option<&HeaderValue>, response: Response) -> Response {
    if method != Method::GET || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error").into_response();
    };
    let tag = parts
        .headers
        .entry(header::ETAG)
        .or_insert_with(|| digest(&body))
        .clone();
    if !wanted.is_some_and(|wanted| matches(wanted, &tag)) {
        return Response::from_parts(parts, Body::from(body));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

fn digest(body: &Bytes) -> HeaderValue {
    let tag = format!("W/\"{}\"", hex::encode(Sha256::digest(body)));
    HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

/// The weak comparison of `If-None-Match`.
fn matches(wanted: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(wanted), Ok(tag)) = (wanted.to_str(), tag.to_str()) else {
        return false;
    };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    wanted
        .split(',')
        .any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

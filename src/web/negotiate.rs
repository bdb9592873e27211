//! Whether the caller reads JSON or a page: `.json` and `Accept` decide.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

/// What the caller reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Json,
    Html,
}

/// By the path's ending, then by which of the two `Accept` names first; programs that name neither get JSON.
pub(super) fn wants(uri: &Uri, headers: &HeaderMap) -> Wants {
    if is_json(uri) {
        return Wants::Json;
    }
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|a| a.to_str().ok())
        .unwrap_or("*/*");
    let at = |what: &str| accept.find(what).unwrap_or(usize::MAX);
    match (at("json"), at("text/html")) {
        (json, html) if json < html => Wants::Json,
        (_, html) if html < usize::MAX => Wants::Html,
        _ => Wants::Json,
    }
}

/// A page for people without `Accept`, as `curl` without options is.
pub(super) fn wants_page(uri: &Uri, headers: &HeaderMap) -> Wants {
    let named = headers
        .get(header::ACCEPT)
        .and_then(|a| a.to_str().ok())
        .is_some_and(|a| a.contains("json"));
    if named || is_json(uri) {
        wants(uri, headers)
    } else {
        Wants::Html
    }
}

/// The same data, as the caller reads it.
pub(super) fn respond<T: Serialize>(
    wants: Wants,
    body: &T,
    page: impl FnOnce() -> String,
) -> Response {
    match wants {
        Wants::Json => json(StatusCode::OK, body),
        Wants::Html => Html(page()).into_response(),
    }
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        serde_json::to_vec(body).unwrap_or_default(),
    )
        .into_response()
}

/// Whether the path names the JSON form.
fn is_json(uri: &Uri) -> bool {
    uri.path().strip_suffix(".json").is_some()
}

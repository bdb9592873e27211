//! Answers as Mesos puts them together, and who may have them.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::api::call::{self, Call};
use crate::options::Credentials;

/// JSON, or a script that calls what `jsonp` names with it.
pub fn json(call: &Call, body: &Value) -> Response {
    raw_json(call, body.to_string().into_bytes())
}

/// The same, of bytes that need not be UTF-8.
pub fn raw_json(call: &Call, body: Vec<u8>) -> Response {
    let Some(callback) = call.first("jsonp") else {
        return of("application/json", body);
    };
    // unlike JSON, any web page may run a script: what a task wrote is not for it
    if from_another_page(call) {
        return text(403, "web pages of other origins may not use this server\n");
    }
    let script = [callback.as_bytes(), b"(", &body, b")"].concat();
    of("text/javascript", script)
}

/// Whether a browser says that a page from elsewhere asks.
fn from_another_page(call: &Call) -> bool {
    let site = call.headers.get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn of(kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = call::text(200, kind, String::new());
    *response.body_mut() = Body::from(body);
    response
}

/// Plain text.
pub fn text(status: u16, body: impl Into<String>) -> Response {
    call::text(status, "text/plain", body.into())
}

/// What Mesos says of a parameter that is not a number.
pub fn no_number(name: &str, text: &str) -> String {
    format!("Failed to parse {name}: Failed to convert '{text}' to number.")
}

/// What Mesos says where there is nothing.
pub fn not_found() -> Response {
    text(404, "404 Not Found.")
}

/// A 401 of that realm unless the request carries the credentials.
pub fn refused(call: &Call, wanted: Option<&Credentials>, realm: &str) -> Option<Response> {
    let wanted = wanted?.expose().as_bytes();
    let given = call.headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let right = given
        .and_then(|pair| STANDARD.decode(pair).ok())
        .is_some_and(|pair| pair == wanted);
    let response = || {
        let realm = format!("Basic realm=\"{realm}\"");
        call::with_header(text(401, "401 Unauthorized."), "www-authenticate", &realm)
    };
    (!right).then(response)
}

//! Basic authentication, as Marathon asks for it with `--http_credentials`.

use axum::http::header;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::{self, Call};

/// A 401 unless the request carries the credentials. Nothing is open without them.
pub fn refused(call: &Call, wanted: Option<&str>) -> Option<Response> {
    let wanted = wanted?;
    let given = call.headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.split_once(' '));
    let right = given.is_some_and(|(scheme, value)| {
        scheme.eq_ignore_ascii_case("basic")
            && STANDARD
                .decode(value.trim())
                .is_ok_and(|pair| pair == wanted.as_bytes())
    });
    (!right).then(|| unauthorized(call))
}

fn unauthorized(call: &Call) -> Response {
    let response = call::error_page(call, 401, "Unauthorized", &call.path(), "Unauthorized");
    call::with_header(response, "www-authenticate", "basic realm=\"null\"")
}

//! Keeps web pages out of the local servers: they start processes, so only programs on this machine may talk to them.
//!
//! A browser names the host it thinks it talks to (`Host`) and the page that asks (`Origin`). Requests for another
//! name than loopback (DNS rebinding) are refused with 403, and so is everything but reading from a page of another
//! origin. Reading changes nothing, and as no answer allows it (CORS), the browser shows the page nothing of it.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Middleware for `axum::middleware::from_fn`: answers 403 unless the request is addressed to loopback and, if it
/// comes from a web page, that page has the same loopback origin.
pub async fn loopback_only(request: Request, next: Next) -> Response {
    match refusal(
        request.method().is_safe(),
        request.headers(),
        request
            .uri()
            .authority()
            .map(axum::http::uri::Authority::as_str),
    ) {
        Some(why) => (StatusCode::FORBIDDEN, Json(json!({ "message": why }))).into_response(),
        None => next.run(request).await,
    }
}

/// Why a request is refused, if it is. `authority` is the host of a request line in absolute form.
fn refusal(reading: bool, headers: &HeaderMap, authority: Option<&str>) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        (None, _) => authority.unwrap_or_default(),
        (Some(_), Some(_)) => return Some("more than one Host header"),
    };
    if !is_loopback(host) || authority.is_some_and(|a| !is_loopback(a)) {
        return Some("this server answers only to localhost, 127.0.0.1 and [::1]");
    }
    let same = |origin: &str| {
        origin
            .strip_prefix("http://")
            .is_some_and(|o| o.eq_ignore_ascii_case(host))
    };
    let mut origins = headers.get_all(ORIGIN).iter();
    let foreign = origins.any(|o| !o.to_str().is_ok_and(same));
    (foreign && !reading).then_some("web pages of other origins may not use this server")
}

/// Whether `host` (with or without a port) is one of the names of the loopback interface.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    // names below localhost are loopback everywhere (RFC 6761)
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "127.0.0.1" | "[::1]" | "localhost") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, refusal};
    use axum::http::{HeaderMap, HeaderValue, header};

    #[test]
    fn only_the_names_of_loopback_pass() {
        for good in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:1",
            "api.github.localhost",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "127.0.0.1.example.com",
            "localhost.:80",
            "127.0.0.2",
            "::1",
            "evillocalhost",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            map.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        map
    }

    #[test]
    fn a_page_must_have_the_origin_of_this_server() {
        assert!(refusal(false, &headers("localhost:80", None), None).is_none());
        assert!(
            refusal(
                false,
                &headers("localhost:80", Some("http://localhost:80")),
                None
            )
            .is_none()
        );
        for foreign in [
            "http://localhost:81",
            "https://localhost:80",
            "null",
            "http://example.com",
        ] {
            assert!(
                refusal(false, &headers("localhost:80", Some(foreign)), None).is_some(),
                "{foreign}"
            );
            let reading = refusal(true, &headers("localhost:80", Some(foreign)), None);
            assert!(reading.is_none(), "{foreign}");
        }
        assert!(refusal(true, &headers("example.com", None), None).is_some());
    }
}

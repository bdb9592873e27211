//! Keeps web pages out: this server changes repositories and calls hooks for whoever asks.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses a `Host` that is not loopback (DNS rebinding) and an `Origin` that is not this server (another site's form or script).
pub async fn refuse_strangers(request: Request, next: Next) -> Response {
    let host = text(&request, &header::HOST)
        .or_else(|| request.uri().authority().map(ToString::to_string))
        .unwrap_or_default();
    if !is_loopback(&host) {
        return refusal("this server answers to 127.0.0.1 and localhost only");
    }
    if request.headers().contains_key(header::ORIGIN) {
        let origin = text(&request, &header::ORIGIN).unwrap_or_default();
        if origin.strip_prefix("http://") != Some(host.as_str()) {
            return refusal("this server takes no requests from other sites");
        }
    }
    next.run(request).await
}

fn text(request: &Request, name: &header::HeaderName) -> Option<String> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap_or_default().to_owned())
}

fn refusal(sentence: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("{sentence}\n")).into_response()
}

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
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:3000",
            "LOCALHOST:1",
            "[::1]:80",
            "[::1]",
            "api.github.localhost",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil",
            "evillocalhost",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

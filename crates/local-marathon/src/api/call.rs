//! A request taken apart, and answers put together.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response as HttpResponse, StatusCode, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::definition::refusal::Refusal;
use crate::world::change::Accepted;

/// What a handler gives back.
pub type Answer = Result<Response, Refusal>;

/// A request.
pub struct Call {
    /// Its method; HEAD counts as GET.
    pub method: Method,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Path as it came, without a base path, and query, for events.
    pub uri: String,
    /// The other end.
    pub peer: SocketAddr,
    segments: Vec<String>,
    query: Vec<(String, String)>,
}

impl Call {
    /// Reads a request to its end.
    pub async fn read(request: Request, peer: SocketAddr, limit: usize) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, limit).await;
        let body = body.map_err(|_| Refusal::message(413, "Request Entity Too Large"))?;
        let path = parts.uri.path();
        let base = ["/service/marathon", "/marathon"]
            .into_iter()
            .find_map(|base| path.strip_prefix(base));
        let path = base
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .unwrap_or(path);
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split('/')
            .map(decoded)
            .collect();
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                decoded(&key.replace('+', " ")),
                decoded(&value.replace('+', " ")),
            )
        };
        let query = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty())
            .map(pair)
            .collect();
        Ok(Self {
            method: if parts.method == Method::HEAD {
                Method::GET
            } else {
                parts.method
            },
            headers: parts.headers,
            body,
            uri: path.to_owned(),
            peer,
            segments,
            query,
        })
    }

    /// The path alone.
    pub fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// Whether an error may be told as a page: where nothing else is asked for, or HTML among others.
    pub fn takes_page(&self) -> bool {
        let values = self.headers.get_all(header::ACCEPT).iter();
        let accept: Vec<&str> = values.filter_map(|v| v.to_str().ok()).collect();
        let listed = accept.join(",");
        accept.is_empty() || ["*/*", "text/html", ","].iter().any(|p| listed.contains(p))
    }

    /// The segments of the path; an empty one at the end (a trailing slash) does not count.
    pub fn resource(&self) -> &[String] {
        match self.segments.split_last() {
            Some((last, rest)) if last.is_empty() && !rest.is_empty() => rest,
            _ => &self.segments,
        }
    }

    /// The first value of a query parameter.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter as Java reads booleans: anything but `true` is false.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.first(name)
            .map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether nothing is to be changed.
    pub fn is_dry_run(&self) -> bool {
        self.flag("dryRun", false)
    }

    /// 405 unless the method is one of these.
    pub fn allow(&self, methods: &[Method]) -> Result<(), Refusal> {
        if methods.contains(&self.method) {
            Ok(())
        } else {
            Err(Refusal::message(405, "Method Not Allowed"))
        }
    }

    /// 406 unless the client takes JSON.
    pub fn accept_json(&self) -> Result<(), Refusal> {
        let accepted = self.accepted();
        if accepted.is_empty()
            || accepted
                .iter()
                .any(|a| matches!(a.as_str(), "*/*" | "application/*" | "application/json"))
        {
            Ok(())
        } else {
            Err(Refusal::message(406, "Not Acceptable"))
        }
    }

    /// The media types of the `Accept` headers, without parameters.
    pub fn accepted(&self) -> Vec<String> {
        let values = self
            .headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|v| v.to_str().ok());
        values
            .flat_map(|v| v.split(','))
            .map(media_type)
            .filter(|v| !v.is_empty())
            .collect()
    }

    /// 415 unless the body says it is JSON, or nothing.
    pub fn content_json(&self) -> Result<(), Refusal> {
        let kind = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(media_type);
        match kind.as_deref() {
            None | Some("" | "*/*" | "application/*" | "application/json") => Ok(()),
            Some(_) => Err(Refusal::message(415, "Unsupported Media Type")),
        }
    }
}

fn media_type(text: &str) -> String {
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_lowercase()
}

/// A JSON answer.
pub fn json(status: u16, body: &Value) -> Response {
    text(status, "application/json", body.to_string())
}

/// An answer of any type.
pub fn text(status: u16, kind: &str, body: String) -> Response {
    let mut response = empty(status);
    if let Ok(kind) = header::HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    *response.body_mut() = Body::from(body);
    response
}

/// An answer without a body.
pub fn empty(status: u16) -> Response {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An error answer.
pub fn failure(refusal: &Refusal) -> Response {
    json(refusal.status, &refusal.body)
}

/// An error that the web server below Marathon answers itself: a page, or nothing.
pub fn error_page(call: &Call, status: u16, title: &str, path: &str, reason: &str) -> Response {
    let mut response = if call.takes_page() || (call.method != Method::GET && status == 405) {
        let (path, reason) = (escaped(path), escaped(reason));
        let html = format!(
            "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=utf-8\"/>\n<title>Error {status} {title}</title>\n\
             </head>\n<body><h2>HTTP ERROR {status}</h2>\n<p>Problem accessing {path}. Reason:\n<pre>    {reason}</pre></p>\n</body>\n</html>\n"
        );
        text(status, "text/html;charset=iso-8859-1", html)
    } else {
        empty(status)
    };
    let cache = header::HeaderValue::from_static("must-revalidate,no-cache,no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A 302.
pub fn redirect(location: &str) -> Response {
    with_header(empty(302), "location", location)
}

/// Adds a header.
pub fn with_header(mut response: Response, name: &'static str, value: &str) -> Response {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        response
            .headers_mut()
            .insert(header::HeaderName::from_static(name), value);
    }
    response
}

/// `{"version", "deploymentId"}` with the id in a header too.
pub fn accepted(status: u16, accepted: &Accepted) -> Response {
    deployment_header(json(status, &accepted.render()), accepted)
}

/// Adds the id of the deployment.
pub fn deployment_header(response: Response, accepted: &Accepted) -> Response {
    with_header(response, "marathon-deployment-id", &accepted.deployment)
}

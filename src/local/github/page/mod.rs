//! Pages for people who want to look.

pub mod change;
pub mod fault;
pub mod hook;
pub mod index;
pub mod repository;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::hub::Hub;
use super::state::Repository;

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.6rem .8rem;background:#8882;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
h1 small{font-weight:normal;font-size:.9rem;opacity:.7} h2{margin-top:2rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%} td,th{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top}
form{display:inline} button,input{font:inherit;padding:.1rem .5rem} input[type=number]{width:5rem} input{max-width:12rem}
@media(max-width:34rem){.stack td{display:block} .stack td+td{padding-bottom:.6rem}}
.ok{color:#1a7f37}.bad{color:#cf222e} summary{cursor:pointer} .dim{opacity:.7}
@media(prefers-color-scheme:dark){form{display:inline} button,input{font:inherit;padding:.1rem .5rem} input[type=number]{width:5rem} input{max-width:12rem}
@media(max-width:34rem){.stack td{display:block} .stack td+td{padding-bottom:.6rem}}
.ok{color:#3fb950}.bad{color:#ff7b72}}
";

/// Whether somebody wants to look, and no program to read.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    })
}

/// A rendered page, or a short word about why there is none.
fn answer(page: anyhow::Result<String>) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    match page {
        Ok(page) => (headers, page).into_response(),
        Err(error) => {
            tracing::error!("a page of the local GitHub: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, "git failed\n").into_response()
        }
    }
}

fn missing(what: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        format!("There is no such {what} here.\n"),
    )
        .into_response()
}

fn find(hub: &Hub, owner: &str, name: &str) -> Option<Repository> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    hub.store
        .read(|world| world.repository(owner, name).cloned())
}

//! What the pages of the local servers have in common: the frame, and who is shown them.

use askama::Template;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Their style; nothing is loaded from elsewhere.
const STYLE: &str = "
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}
pre{overflow:auto;padding:.6rem .8rem;background:#8882;border-radius:6px;white-space:pre-wrap}
h1 small{font-weight:normal;font-size:.9rem;opacity:.75} h2{margin-top:2rem;font-size:1.1rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem} .wide{overflow-x:auto}
table{border-collapse:collapse;width:100%} td,th{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}
th{font-weight:600;font-size:.85rem;opacity:.75} tr+tr td{border-top:1px solid #8883}
.ok{color:#1a7f37}.bad{color:#cf222e}.on{color:#9a6700} summary{cursor:pointer} .dim{opacity:.75}
.now{white-space:nowrap}
form{display:inline} button,input{font:inherit;padding:.2rem .6rem;margin:.1rem .3rem .1rem 0} button{cursor:pointer}
input{max-width:12rem} input[type=number]{width:5rem}
@media(max-width:34rem){.stack td{display:block} .stack td+td{border:0;padding-bottom:.6rem}}
.note{padding:.5rem .8rem;border-left:4px solid #bf8700;background:#bf870022}
@media(prefers-color-scheme:dark){.ok{color:#3fb950}.bad{color:#ff7b72}.on{color:#d29922}a{color:#79b8ff}}
";

/// What stands in the body of a page.
pub trait Page: Template {
    /// What the browser calls the page.
    fn title(&self) -> String;

    /// Seconds after which the browser looks again; never, where there are none.
    fn again(&self) -> Option<u32> {
        None
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
{% if let Some(seconds) = again %}<meta http-equiv="refresh" content="{{ seconds }}">
{% endif %}<style>{{ STYLE|safe }}</style></head><body>
{{ body|safe }}
</body></html>
"#
)]
struct Frame {
    title: String,
    again: Option<u32>,
    /// Rendered: whatever is in it is escaped already.
    body: String,
}

/// The page in its frame, or a short word about why there is none. It may do nothing but send forms home.
pub fn show(page: &impl Page) -> Response {
    let framed = page.render().and_then(|body| {
        let (title, again) = (page.title(), page.again());
        Frame { title, again, body }.render()
    });
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    match framed {
        Ok(page) => (headers, page).into_response(),
        Err(error) => failed(&error.into()),
    }
}

/// Why there is no page.
pub fn failed(error: &anyhow::Error) -> Response {
    tracing::error!("a page of a local server: {error:#}");
    let text = format!("The page cannot be shown: {error:#}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// Whether somebody wants to look, and no program to read.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    })
}

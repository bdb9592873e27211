//! What the pages of the local servers have in common.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Their style; nothing is loaded from elsewhere.
pub const STYLE: &str = "
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
.row{display:flex;flex-wrap:wrap;gap:.2rem 1rem;justify-content:space-between;padding:.5rem 0;border-top:1px solid #8883}
.row>:first-child{flex:1 1 20rem}
form{display:inline} button,input{font:inherit;padding:.2rem .6rem;margin:.1rem .3rem .1rem 0} button{cursor:pointer}
input{max-width:12rem} input[type=number]{width:5rem}
@media(max-width:34rem){.stack td{display:block} .stack td+td{border:0;padding-bottom:.6rem}}
.note{padding:.5rem .8rem;border-left:4px solid #bf8700;background:#bf870022}
@media(prefers-color-scheme:dark){.ok{color:#3fb950}.bad{color:#ff7b72}.on{color:#d29922}a{color:#79b8ff}}
";

/// A rendered page, or a short word about why there is none. The page may do nothing but send forms home.
pub fn respond(page: anyhow::Result<String>) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    match page {
        Ok(page) => (headers, page).into_response(),
        Err(error) => {
            tracing::error!("a page of a local server: {error:#}");
            let text = format!("The page cannot be shown: {error:#}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

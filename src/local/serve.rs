//! The tiny web server that tasks of the local world run: enough to look at, to check and to break.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

/// One page on one port.
#[derive(Debug, Clone)]
pub struct Page {
    /// Of 127.0.0.1.
    pub port: u16,
    /// What the page is called.
    pub title: String,
    /// Which version of it this is.
    pub version: String,
    /// Its background, as CSS says it: `#2563eb`, `teal`.
    pub colour: String,
    /// What `/health` and the page answer with; 200 is healthy.
    pub status: u16,
    /// How long it takes to begin.
    pub listen_after: Duration,
    /// When it ends by itself, counted from when it listens, and with which exit code.
    pub exit_after: Option<(Duration, i32)>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            port: 0,
            title: "hello".to_owned(),
            version: "1".to_owned(),
            colour: "#2563eb".to_owned(),
            status: 200,
            listen_after: Duration::ZERO,
            exit_after: None,
        }
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ page.title }} {{ page.version }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
html{height:100%;background:{{ colour }};color:#fff;font:16px/1.4 system-ui,sans-serif}
body{min-height:100%;margin:0;display:grid;place-content:center;text-align:center}
h1{font-size:4rem;margin:0} p{font-size:1.5rem;margin:.5rem;opacity:.85}
</style></head><body><main><h1>{{ page.title }}</h1><p>version {{ page.version }}</p></main></body></html>
"#
)]
struct Shown<'a> {
    page: &'a Page,
    colour: &'a str,
}

/// Serves the page until a signal ends the process, or `exit_after` does.
///
/// # Errors
/// When the port is taken.
pub async fn run(page: Page) -> anyhow::Result<()> {
    tokio::time::sleep(page.listen_after).await;
    let address = (Ipv4Addr::LOCALHOST, page.port);
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listening on 127.0.0.1:{}", page.port))?;
    if let Some((after, code)) = page.exit_after {
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            std::process::exit(code);
        });
    }
    println!(
        "{} {} listens on http://{}",
        page.title,
        page.version,
        listener.local_addr()?
    );
    serve(listener, page).await
}

/// Serves the page on a listener that is there.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, page: Page) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/", get(show_page))
        .route("/health", get(show_health))
        .route("/version", get(show_version))
        .with_state(page);
    Ok(axum::serve(listener, app).await?)
}

async fn show_page(State(page): State<Page>) -> Response {
    let shown = Shown {
        page: &page,
        colour: css_colour(&page.colour),
    };
    match shown.render() {
        Ok(html) => (status(&page), Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn show_health(State(page): State<Page>) -> Response {
    let status = status(&page);
    let words = if status.is_success() {
        "ok\n"
    } else {
        "not ok\n"
    };
    (status, words).into_response()
}

async fn show_version(State(page): State<Page>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        format!("{}\n", page.version),
    )
        .into_response()
}

fn status(page: &Page) -> StatusCode {
    StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The colour, or a grey where it is none: nothing else of CSS gets in.
fn css_colour(colour: &str) -> &str {
    let name = colour.strip_prefix('#').unwrap_or(colour);
    let sound = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if sound { colour } else { "#555" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_colour_is_a_colour() {
        assert_eq!(css_colour("#2563eb"), "#2563eb");
        assert_eq!(css_colour("teal"), "teal");
        assert_eq!(css_colour("red;}body{display:none"), "#555");
    }
}

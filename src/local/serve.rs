//! The tiny web server that tasks of the local world run: enough to look at, to check and to break, also while it runs.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use askama::Template;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
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
    let answers = AtomicU16::new(page.status);
    let app = Router::new()
        .route("/", get(show_page))
        .route("/health", get(show_health))
        .route("/version", get(show_version))
        .route("/status/{code}", post(answer_so))
        .route("/exit/{code}", post(end_so))
        .layer(from_fn(no_page_breaks_it))
        .with_state(Arc::new(Serving { page, answers }));
    Ok(axum::serve(listener, app).await?)
}

/// A page, and what it answers with at the moment.
struct Serving {
    page: Page,
    answers: AtomicU16,
}

impl Serving {
    fn status(&self) -> StatusCode {
        let code = self.answers.load(Ordering::Relaxed);
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Says what was answered: on standard output, and where it is an error, on standard error. Whoever closed them reads neither.
    fn said(&self, path: &str, status: StatusCode) {
        let line = format!(
            "{} {}: GET {path} {}\n",
            self.page.title,
            self.page.version,
            status.as_u16()
        );
        let _ = if status.is_success() {
            std::io::stdout().write_all(line.as_bytes())
        } else {
            std::io::stderr().write_all(line.as_bytes())
        };
    }
}

/// Reading is for everybody; a web page of somebody must not break what runs here.
async fn no_page_breaks_it(request: Request, next: Next) -> Response {
    if request.method() != Method::GET && request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "not from a web page\n").into_response();
    }
    next.run(request).await
}

/// From now on page and health answer with another status.
async fn answer_so(State(serving): State<Arc<Serving>>, Path(code): Path<u16>) -> Response {
    if StatusCode::from_u16(code).is_err() {
        return (
            StatusCode::BAD_REQUEST,
            "a status is a number from 100 to 999\n",
        )
            .into_response();
    }
    serving.answers.store(code, Ordering::Relaxed);
    (StatusCode::OK, format!("it answers {code} from now on\n")).into_response()
}

/// The process ends with a code, as one does that crashes.
async fn end_so(State(serving): State<Arc<Serving>>, Path(code): Path<i32>) -> Response {
    let why = format!(
        "{} {}: told to exit with {code}\n",
        serving.page.title, serving.page.version
    );
    let _ = std::io::stderr().write_all(why.as_bytes());
    std::process::exit(code)
}

async fn show_page(State(serving): State<Arc<Serving>>) -> Response {
    let page = &serving.page;
    let shown = Shown {
        page,
        colour: css_colour(&page.colour),
    };
    let status = serving.status();
    serving.said("/", status);
    match shown.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is well is not said: it is asked for every second.
async fn show_health(State(serving): State<Arc<Serving>>) -> Response {
    let status = serving.status();
    let words = if status.is_success() {
        "ok\n"
    } else {
        serving.said("/health", status);
        "not ok\n"
    };
    (status, words).into_response()
}

async fn show_version(State(serving): State<Arc<Serving>>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        format!("{}\n", serving.page.version),
    )
        .into_response()
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

//! Beside a port that speaks TLS: plain HTTP, which leads there and takes nothing but the webhook.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::Web;
use super::error::Failure;
use super::{pages, webhook};
use crate::api::ProblemCode;

/// The routes of plain HTTP.
pub fn plain_router(web: Web) -> Router {
    Router::new()
        .route("/dploy", post(webhook::receive_push))
        .route("/healthz", get(pages::healthz))
        .fallback(lead_on)
        .with_state(web)
}

/// Reads are led to TLS; what acts is not, as it has been read on the way.
async fn lead_on(State(web): State<Web>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Redirect::permanent(&format!("{}{path}", web.public_url)).into_response();
    }
    Failure::new(
        StatusCode::FORBIDDEN,
        ProblemCode::PlainHttp,
        "this is plain HTTP, which takes nothing but GitHub's webhook; whatever was sent with this may have been read on the way",
    )
    .hint(format!("send it to {}", web.public_url))
    .into_response()
}

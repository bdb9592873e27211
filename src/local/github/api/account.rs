//! Calls about the server, the caller and repositories as a whole.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::gate::{Caller, Gate};
use super::limit::Usage;
use super::repo::Repo;
use crate::local::github::shape;

/// `GET /`
pub async fn get_root(State(gate): State<Gate>) -> Json<Value> {
    let base = &gate.hub.url;
    Json(json!({
        "current_user_url": format!("{base}/user"),
        "rate_limit_url": format!("{base}/rate_limit"),
        "repository_url": format!("{base}/repos/{{owner}}/{{repo}}"),
    }))
}

/// `GET /user`
pub async fn get_user(State(gate): State<Gate>, Extension(caller): Extension<Caller>) -> Answer {
    let refusal = || Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication");
    let token = caller.0.ok_or_else(refusal)?;
    Ok(Json(shape::user(&gate.hub.url, &token.login)))
}

/// `GET /rate_limit`, which costs nothing.
pub async fn get_rate_limit(Extension(usage): Extension<Usage>) -> Json<Value> {
    let core = usage.shown();
    Json(json!({"resources": {"core": core}, "rate": core}))
}

/// `GET /meta`
pub async fn get_meta() -> Json<Value> {
    Json(json!({
        "verifiable_password_authentication": false,
        "hooks": ["127.0.0.0/8", "::1/128"],
        "web": ["127.0.0.0/8", "::1/128"],
        "api": ["127.0.0.0/8", "::1/128"],
        "git": ["127.0.0.0/8", "::1/128"],
    }))
}

/// `GET /repos/{owner}/{repo}`
pub async fn get_repository(repo: Repo) -> Json<Value> {
    Json(shape::repository(&repo.hub.url, &repo.record))
}

/// Everything else.
pub async fn not_found() -> Refusal {
    Refusal::not_found()
}

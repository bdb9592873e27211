//! Calls about the server, the caller and repositories as a whole.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Body, Refusal};
use super::gate::{Caller, Gate};
use super::limit::Usage;
use super::repo::Repo;
use crate::local::github::hub::{Token, is_repository_name};
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

/// The owner of the token that came with the call.
fn signed_in(caller: Caller) -> Result<Token, Refusal> {
    let refusal = || Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication");
    caller.0.ok_or_else(refusal)
}

/// `GET /user`
pub async fn get_user(State(gate): State<Gate>, Extension(caller): Extension<Caller>) -> Answer {
    let token = signed_in(caller)?;
    Ok(Json(shape::user(&gate.hub.url, &token.login)))
}

/// The body of a creation. What else GitHub takes, `private` and `description` among it, is not known here.
#[derive(Debug, Deserialize)]
pub struct RepositoryWish {
    name: Option<String>,
    #[serde(default)]
    auto_init: bool,
}

/// `POST /user/repos`: an empty, public repository of the caller. Its default branch is the one GitHub proposes.
pub async fn create_repository(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<RepositoryWish>,
) -> Answer<Response> {
    let hub = &gate.hub;
    let owner = signed_in(caller)?;
    if !owner.may(&["repo", "public_repo"]) {
        return Err(Refusal::not_found());
    }
    let wanting = || Refusal::unprocessable("Invalid request.\n\n\"name\" wasn't supplied.");
    let name = wish.name.ok_or_else(wanting)?;
    if !is_repository_name(&name) {
        return Err(Refusal::not_created(
            "name can only contain ASCII letters, digits, and the characters ., -, and _",
        ));
    }
    if wish.auto_init {
        let sentence = "The local GitHub makes empty repositories only: push the first commit";
        return Err(Refusal::unprocessable(sentence));
    }
    let (id, new) = hub.create_repository(&owner.login, &name, "main").await?;
    if !new {
        return Err(Refusal::not_created("name already exists on this account"));
    }
    let made = hub
        .store
        .read(|world| world.repositories.iter().find(|r| r.id == id).cloned());
    let made = made.ok_or_else(Refusal::not_found)?;
    let location = [(header::LOCATION, shape::api_url(&hub.url, &made))];
    let shown = Json(shape::repository(&hub.url, &made));
    Ok((StatusCode::CREATED, location, shown).into_response())
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

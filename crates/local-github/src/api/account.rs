//! Calls about the server, the caller and repositories as a whole.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Asked, Body, Paging, Refusal};
use super::content_change::begin;
use super::middleware::{Caller, RestState};
use super::rate_limit::Usage;
use super::repo::{Repo, Writer};
use crate::render::{self, Links};
use crate::server::{Server, Token, is_repository_name};

/// `GET /`
pub async fn get_root(Extension(asked): Extension<Asked>) -> Json<Value> {
    let api = &asked.links.api;
    Json(json!({
        "current_user_url": format!("{api}/user"),
        "rate_limit_url": format!("{api}/rate_limit"),
        "repository_url": format!("{api}/repos/{{owner}}/{{repo}}"),
        "user_url": format!("{api}/users/{{user}}"),
        "current_user_repositories_url": format!("{api}/user/repos{{?type,page,per_page,sort}}"),
    }))
}

/// The owner of the token that came with the call.
fn signed_in(caller: Caller) -> Result<Token, Refusal> {
    let refusal = || Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication");
    caller.0.ok_or_else(refusal)
}

/// `GET /user`
pub async fn get_user(
    State(state): State<RestState>,
    Extension(caller): Extension<Caller>,
    Extension(asked): Extension<Asked>,
) -> Answer {
    let token = signed_in(caller)?;
    let mut shown = account(&state.server, &asked.links, &token.login);
    for name in [
        "private_gists",
        "total_private_repos",
        "owned_private_repos",
        "disk_usage",
        "collaborators",
    ] {
        shown[name] = 0.into();
    }
    shown["two_factor_authentication"] = false.into();
    Ok(Json(shown))
}

/// `GET /users/{login}`: somebody with a token or with repositories.
pub async fn get_account(
    State(state): State<RestState>,
    Extension(asked): Extension<Asked>,
    Path(login): Path<String>,
) -> Answer {
    let same = |known: &str| known.eq_ignore_ascii_case(&login);
    let server = &state.server;
    let known = server.tokens.iter().map(|token| token.login.clone());
    let owners = server.store.read(|world| {
        let all = world.repositories.iter();
        all.map(|r| r.owner.clone()).collect::<Vec<_>>()
    });
    let mut all = known.chain(owners);
    let login = all.find(|known| same(known));
    let login = login.ok_or_else(Refusal::not_found)?;
    Ok(Json(account(server, &asked.links, &login)))
}

/// A user with what their own page says.
fn account(server: &Server, links: &Links, login: &str) -> Value {
    let mut own = server.store.read(|world| {
        let all = world.repositories.iter();
        let own = all.filter(|r| r.owner.eq_ignore_ascii_case(login));
        own.map(|r| r.created_at).collect::<Vec<_>>()
    });
    own.sort_unstable();
    let since = own.first().copied().unwrap_or_default();
    let mut shown = render::user(links, login);
    for name in [
        "name",
        "company",
        "location",
        "email",
        "hireable",
        "bio",
        "twitter_username",
    ] {
        shown[name] = Value::Null;
    }
    for name in ["public_gists", "followers", "following"] {
        shown[name] = 0.into();
    }
    shown["blog"] = "".into();
    shown["public_repos"] = own.len().into();
    shown["created_at"] = json!(since);
    shown["updated_at"] = json!(since);
    shown
}

/// `GET /user/repos`: those of the caller; `GET /users/{login}/repos`: the public ones of somebody.
pub async fn list_repositories(
    State(state): State<RestState>,
    Extension(caller): Extension<Caller>,
    Extension(asked): Extension<Asked>,
    login: Option<Path<String>>,
    Query(paging): Query<Paging>,
) -> Answer<Response> {
    let (login, sees) = if let Some(Path(login)) = login {
        (login, false)
    } else {
        let own = signed_in(caller)?;
        let sees = own.may(&["repo"]);
        (own.login, sees)
    };
    let shown = state.server.store.read(|world| {
        let all = world.repositories.iter();
        let own = all.filter(|r| r.owner.eq_ignore_ascii_case(&login) && (!r.private || sees));
        own.map(|r| render::repository(&asked.links, r))
            .collect::<Vec<_>>()
    });
    Ok(paging.answer(&asked, &shown))
}

/// The body of a creation. What else GitHub takes is not known here.
#[derive(Debug, Deserialize)]
pub struct RepositoryWish {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    auto_init: bool,
}

/// The body of a change. What else GitHub takes is not known here.
#[derive(Debug, Deserialize)]
pub struct RepositoryChange {
    description: Option<String>,
    private: Option<bool>,
    visibility: Option<String>,
}

/// `PATCH /repos/{owner}/{repo}`: its description, and who may see it.
pub async fn change_repository(
    Writer { mut repo, .. }: Writer,
    Body(change): Body<RepositoryChange>,
) -> Answer<Json<Value>> {
    let private = match change.visibility.as_deref() {
        Some("private") => Some(true),
        Some("public") => Some(false),
        Some(other) => {
            let why = format!("{other} is not a visibility that this server knows");
            return Err(Refusal::unprocessable(why));
        }
        None => change.private,
    };
    if private == Some(true) {
        repo.may_hide()?;
    }
    let changed = repo.server.store.change(|world| {
        let changed = world.repository_mut(repo.record.id)?;
        if let Some(private) = private {
            changed.private = private;
        }
        if change.description.is_some() {
            changed.description = change.description;
        }
        Some(changed.clone())
    });
    repo.server.store.durable().await?;
    let record = changed.ok_or_else(Refusal::not_found)?;
    repo.record = record;
    Ok(Json(repo.shown()))
}

/// `POST /user/repos`: a repository of the caller, empty or with a README. Its default branch is the one GitHub proposes.
pub async fn create_repository(
    State(state): State<RestState>,
    Extension(caller): Extension<Caller>,
    Extension(asked): Extension<Asked>,
    Body(wish): Body<RepositoryWish>,
) -> Answer<Response> {
    let server = &state.server;
    let owner = signed_in(caller)?;
    let needed: &[&str] = if wish.private {
        &["repo"]
    } else {
        &["repo", "public_repo"]
    };
    if !owner.may(needed) {
        return Err(Refusal::not_found());
    }
    let wanting = || Refusal::unprocessable("Invalid request.\n\n\"name\" wasn't supplied.");
    let name = wish.name.ok_or_else(wanting)?;
    if !is_repository_name(&name) {
        return Err(Refusal::not_created(
            "name can only contain ASCII letters, digits, and the characters ., -, and _",
        ));
    }
    let (id, new) = server
        .create_repository(&owner.login, &name, "main")
        .await?;
    if !new {
        return Err(Refusal::not_created("name already exists on this account"));
    }
    let made = server.store.change(|world| {
        let made = world.repository_mut(id)?;
        made.description = wish.description;
        made.private = wish.private;
        Some(made.clone())
    });
    let repo = Repo::new(
        server,
        made.ok_or_else(Refusal::not_found)?,
        asked,
        owner.clone(),
    );
    if wish.auto_init {
        begin(&repo, &owner.login).await?;
    }
    server.store.durable().await?;
    let location = [(header::LOCATION, repo.url())];
    Ok((StatusCode::CREATED, location, Json(repo.shown())).into_response())
}

/// `GET /rate_limit`, which costs nothing.
pub async fn get_rate_limit(Extension(usage): Extension<Usage>) -> Json<Value> {
    let core = usage.shown();
    let other =
        |limit: u32| json!({"limit": limit, "used": 0, "remaining": limit, "reset": usage.reset});
    Json(json!({
        "resources": {"core": core, "search": other(30), "graphql": other(0)},
        "rate": core,
    }))
}

/// `GET /meta`, which go-github reads.
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
    Json(repo.shown())
}

/// Everything else.
pub async fn not_found() -> Refusal {
    Refusal::not_found()
}

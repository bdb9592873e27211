//! Tokens, made, listed and revoked while the observer runs.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::Web;
use super::action_body::{Act, Nothing};
use super::error::Failure;
use super::html;
use super::negotiate::{json as json_answer, respond, wants};
use super::people::{Admin, needs_everywhere};
use crate::access::{NAME, Person, Role, is_name};
use crate::api::{
    Came, MadeTokenBody, NewTokenBody, ProblemCode, ResultBody, TokenBody, TokensBody,
};
use crate::clock::{moment, stamp};
use crate::secret::{Secret, plain};
use crate::store::{NewToken, TokenRow};

fn body(row: TokenRow, now: &str) -> TokenBody {
    TokenBody {
        over: row.is_over(now),
        name: row.person.name,
        role: row.person.role,
        apps: row.person.apps,
        expires: row.expires_at,
        created_at: row.created_at,
        of_settings: row.of_settings,
    }
}

async fn all(web: &Web) -> Result<Vec<TokenBody>, Failure> {
    let now = stamp(web.context.clock.now());
    let rows = web.context.store.tokens().await?;
    Ok(rows.into_iter().map(|row| body(row, &now)).collect())
}

pub(super) async fn list(
    State(web): State<Web>,
    Admin(person): Admin,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    needs_everywhere(&person, Role::Admin)?;
    let tokens = all(&web).await?;
    let mut chrome = web.chrome(Some(person), "/tokens");
    chrome.did = html::did(uri.query());
    let body = TokensBody { tokens };
    Ok(respond(wants(&uri, &headers), &body, || {
        html::tokens(&chrome, &body.tokens, None, None)
    }))
}

/// What is asked for, where it can be.
async fn read(web: &Web, wish: NewTokenBody) -> Result<(Person, Option<String>), Failure> {
    let invalid = |why: String| Failure::unprocessable(ProblemCode::Invalid, why);
    if !is_name(&wish.name) {
        let name = plain(&wish.name, 100);
        return Err(invalid(format!("name: {name:?} is none: {NAME}")));
    }
    if wish.apps.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(invalid(
            "apps: is empty, and the token would be for nothing; null is for all".to_owned(),
        ));
    }
    for app in wish.apps.iter().flatten() {
        let known = web.context.store.app(app).await?;
        if known.is_none_or(|app| app.destroyed) {
            return Err(invalid(format!("apps: there is no app {app}")));
        }
    }
    let now = web.context.clock.now();
    let expires = wish
        .expires
        .map(|text| moment(&text).map_err(|why| invalid(format!("expires: {why}"))))
        .transpose()?;
    if expires.is_some_and(|end| end <= now) {
        return Err(invalid("expires: is over already".to_owned()));
    }
    let person = Person {
        name: wish.name,
        role: wish.role,
        apps: wish.apps,
        proof: None,
    };
    Ok((person, expires.map(stamp)))
}

pub(super) async fn make(
    State(web): State<Web>,
    Admin(admin): Admin,
    act: Act<NewTokenBody>,
) -> Result<Response, Failure> {
    needs_everywhere(&admin, Role::Admin)?;
    let (person, expires_at) = read(&web, act.body).await?;
    let token = Secret::random()?;
    // whoever pastes it where it does not belong does not find it in the log
    web.context.store.log().redactor().learn(token.expose());
    let name = person.name.clone();
    let new = NewToken {
        person,
        hash: token.sha256(),
        expires_at,
    };
    web.context.store.add_token(new).await?;
    tracing::info!(by = %admin.name, token = %name, "a token was made");
    let tokens = all(&web).await?;
    let made = tokens.iter().find(|t| t.name == name).cloned();
    let about = made.ok_or_else(|| Failure::missing(format!("the token {name} is gone again")))?;
    let made = MadeTokenBody {
        about,
        token: token.expose().to_owned(),
    };
    if act.form {
        let chrome = web.chrome(Some(admin), "/tokens");
        let page = html::tokens(&chrome, &tokens, Some(&made), None);
        return Ok((StatusCode::CREATED, Html(page)).into_response());
    }
    Ok(json_answer(StatusCode::CREATED, &made))
}

pub(super) async fn revoke(
    State(web): State<Web>,
    Admin(admin): Admin,
    Path(name): Path<String>,
    act: Act<Nothing>,
) -> Result<Response, Failure> {
    needs_everywhere(&admin, Role::Admin)?;
    let known = web.context.store.tokens().await?;
    if known.iter().all(|t| t.person.name != name) {
        let name = plain(&name, 100);
        return Err(
            Failure::missing(format!("there is no token {name:?}")).hint("GET /tokens lists them")
        );
    }
    web.context.store.drop_token(&name, false).await?;
    web.pulse.close_door();
    tracing::info!(by = %admin.name, token = %name, "a token was revoked");
    if act.form {
        return Ok(Redirect::to("/tokens?did=revoke-done").into_response());
    }
    Ok(json_answer(StatusCode::OK, &ResultBody::of(Came::Done)))
}

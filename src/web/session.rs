//! Login of browsers: an operator token for a random session id, of which only the hash is kept.

use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use jiff::ToSpan;
use serde::Deserialize;

use super::Web;
use super::error::Failure;
use super::extract::{COOKIE, NOT_SAFE, Viewer, is_safe};
use super::html;
use crate::api::ProblemCode;
use crate::clock::stamp;
use crate::secret::Secret;

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// Only a path of ours: a login must not send people elsewhere.
fn inside(next: &str) -> &str {
    let ours =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if ours { next } else { "/" }
}

pub(super) async fn show_login(
    State(web): State<Web>,
    Query(query): Query<Next>,
    parts: Parts,
) -> Response {
    let closed = (!is_safe(&web, &parts)).then_some(NOT_SAFE);
    let chrome = web.chrome(None, "/login");
    Html(html::login(&chrome, inside(&query.next), None, closed)).into_response()
}

pub(super) async fn log_in(
    State(web): State<Web>,
    parts: Parts,
    axum::Form(form): axum::Form<Credentials>,
) -> Result<Response, Failure> {
    if !is_safe(&web, &parts) {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            ProblemCode::PlainHttp,
            NOT_SAFE,
        ));
    }
    let next = inside(&form.next).to_owned();
    let Some(name) = web
        .context
        .store
        .token_name(&Secret::new(form.token.trim()).sha256())
        .await?
    else {
        web.refused("/login", "a token that is not ours").await;
        let chrome = web.chrome(None, "/login");
        let page = html::login(
            &chrome,
            &next,
            Some("This token is not one of this observer."),
            None,
        );
        return Ok((StatusCode::UNAUTHORIZED, Html(page)).into_response());
    };
    let session = Secret::random().map_err(|e| {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::Random,
            e.to_string(),
        )
    })?;
    let expires = web
        .context
        .clock
        .now()
        .checked_add(12.hours())
        .map_err(|e| {
            Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ProblemCode::Clock,
                e.to_string(),
            )
        })?;
    web.context
        .store
        .put_session(&session.sha256(), &name, &stamp(expires))
        .await?;
    let https = parts
        .headers
        .get("x-forwarded-proto")
        .is_some_and(|p| p == "https");
    let cookie = Cookie::build((COOKIE, session.expose().to_owned()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(https)
        .build();
    Ok((CookieJar::new().add(cookie), Redirect::to(&next)).into_response())
}

pub(super) async fn log_out(
    State(web): State<Web>,
    headers: HeaderMap,
    _viewer: Viewer,
) -> Result<Response, Failure> {
    let jar = CookieJar::from_headers(&headers);
    if let Some(cookie) = jar.get(COOKIE) {
        web.context
            .store
            .drop_session(&Secret::new(cookie.value()).sha256())
            .await?;
    }
    let gone = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response())
}

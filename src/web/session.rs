//! Login of browsers: an operator token for a random session id, of which only the hash is kept.

use axum::body::Body;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use jiff::ToSpan;
use serde::Deserialize;

use super::Web;
use super::action_body::LARGEST;
use super::error::Failure;
use super::extract::{NOT_SAFE, Viewer, cookie_name, is_safe, over_tls, read_body};
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

/// Only a path of ours, as a browser would read it: a login must not send people elsewhere.
fn inside(next: &str) -> String {
    let here = reqwest::Url::parse("http://here.invalid/");
    let read = here.and_then(|here| Ok((here.join(next)?, here)));
    match read {
        Ok((read, here)) if next.starts_with('/') && read.origin() == here.origin() => {
            let query = read.query().map(|q| format!("?{q}")).unwrap_or_default();
            format!("{}{query}", read.path())
        }
        _ => "/".to_owned(),
    }
}

pub(super) async fn show_login(
    State(web): State<Web>,
    Query(query): Query<Next>,
    parts: Parts,
) -> Response {
    let closed = (!is_safe(&web, &parts)).then_some(NOT_SAFE);
    let chrome = web.chrome(None, "/login");
    Html(html::login(&chrome, &inside(&query.next), None, closed)).into_response()
}

pub(super) async fn log_in(State(web): State<Web>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    if !is_safe(&web, &parts) {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            ProblemCode::PlainHttp,
            NOT_SAFE,
        ));
    }
    let body = Body::from(read_body(body, LARGEST).await?);
    let request = Request::from_parts(parts.clone(), body);
    let form = match axum::Form::<Credentials>::from_request(request, &web).await {
        Ok(axum::Form(form)) => form,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let next = inside(&form.next);
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
    let https = over_tls(&web, &parts);
    // a link from a chat comes from another site and is to find who is logged in; what changes something is no link
    let cookie = Cookie::build((cookie_name(&web, https), session.expose().to_owned()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(https)
        .build();
    Ok((CookieJar::new().add(cookie), Redirect::to(&next)).into_response())
}

pub(super) async fn log_out(
    State(web): State<Web>,
    headers: HeaderMap,
    _viewer: Viewer,
) -> Result<Response, Failure> {
    let mut jar = CookieJar::from_headers(&headers);
    for https in [false, true] {
        let name = cookie_name(&web, https);
        let Some(cookie) = jar.get(&name) else {
            continue;
        };
        web.context
            .store
            .drop_session(&Secret::new(cookie.value()).sha256())
            .await?;
        let gone = Cookie::build((name, "")).path("/").http_only(true);
        jar = jar.remove(gone.same_site(SameSite::Lax).secure(https).build());
    }
    Ok((jar, Redirect::to("/")).into_response())
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn a_login_leads_to_no_other_site() {
        for away in [
            "//evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\\evil.example",
            "/\\/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "evil.example",
            "",
        ] {
            let led = inside(away);
            assert!(
                led == "/" || !led.contains("//"),
                "{away:?} leads to {led:?}"
            );
            assert!(
                !led.starts_with("//") && led.starts_with('/'),
                "{away:?} leads to {led:?}"
            );
        }
        assert_eq!(inside("/\t/evil.example"), "/");
        assert_eq!(inside("/apps/shop?before=%2340"), "/apps/shop?before=%2340");
        assert_eq!(inside("/apps/../events"), "/events");
    }
}

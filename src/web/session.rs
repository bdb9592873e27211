//! Login of browsers: an operator token for a random session id, of which only the hash is kept.

use axum::body::Body;
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use jiff::ToSpan;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::action_body::{Act, LARGEST, Nothing};
use super::error::Failure;
use super::extract::read_body;
use super::html;
use super::negotiate::{Wants, json as json_answer, respond, wants, wants_page};
use super::people::{
    NOT_SAFE, Stranger, Viewer, cookie_name, is_safe, login, not_allowed, of_token, over_tls, peer,
    session_of,
};
use crate::access::{Person, Proof, Role};
use crate::api::{Came, ProblemCode, ResultBody, SessionBody, SessionsBody};
use crate::clock::stamp;
use crate::secret::Secret;
use crate::store::{NewSession, SESSION_ID, SessionRow, StoreError};

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Credentials {
    /// The token.
    #[serde(default)]
    token: String,
    /// The page to go on to.
    #[serde(default)]
    next: String,
}

/// Only a path of ours, as a browser would read it: a login must not send people elsewhere.
fn inside(next: &str) -> String {
    let here = reqwest::Url::parse("http://here.invalid/");
    let read = here.and_then(|here| Ok((here.join(next)?, here)));
    match read {
        // a path that begins with two slashes is a host to browsers
        Ok((read, here))
            if next.starts_with('/')
                && read.origin() == here.origin()
                && !read.path().starts_with("//") =>
        {
            let query = read.query().map(|q| format!("?{q}")).unwrap_or_default();
            format!("{}{query}", read.path())
        }
        _ => "/".to_owned(),
    }
}

pub(super) async fn show_login(
    State(web): State<Web>,
    Query(query): Query<Next>,
    _stranger: Stranger,
    parts: Parts,
) -> Response {
    let closed = (!is_safe(&web, &parts)).then_some(NOT_SAFE);
    let chrome = web.chrome(None, "/login");
    Html(html::login(&chrome, &inside(&query.next), None, closed)).into_response()
}

pub(super) async fn log_in(State(web): State<Web>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    web.patience.may_ask(peer(&web, &parts))?;
    let reads = wants_page(&parts.uri, &parts.headers);
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
    let person = match of_token(&web, &parts, &form.token, "/login").await {
        Ok(person) => person,
        Err(failure) if failure.0.is(ProblemCode::Token) || failure.0.is(ProblemCode::TooMany) => {
            let chrome = web.chrome(None, "/login");
            let said = format!(
                "{}{}.",
                failure.0.detail[..1].to_uppercase(),
                &failure.0.detail[1..]
            );
            let page = html::login(&chrome, &next, Some(&said), None);
            if reads == Wants::Json {
                return Err(failure);
            }
            let status = StatusCode::from_u16(failure.0.status).unwrap_or(StatusCode::UNAUTHORIZED);
            let mut answer = (status, Html(page)).into_response();
            if let Some(seconds) = failure.0.retry_after {
                answer
                    .headers_mut()
                    .insert(axum::http::header::RETRY_AFTER, seconds.into());
            }
            return Ok(answer);
        }
        Err(other) => return Err(other),
    };
    let session = Secret::random()?;
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
    let from = peer(&web, &parts).map(|ip| ip.to_string());
    tracing::info!(token = %person.name, peer = from.as_deref().unwrap_or_default(), "a browser logged in");
    let Some(Proof::Token(token_hash)) = person.proof else {
        return Err(StoreError::Ended.into());
    };
    let begun = NewSession {
        hash: session.sha256(),
        token: person.name,
        token_hash,
        peer: from,
        expires_at: stamp(expires),
    };
    web.context.store.put_session(begun).await?;
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
        let session = Secret::new(cookie.value()).sha256();
        web.context.store.drop_session(&session).await?;
        web.pulse.close_door();
        let gone = Cookie::build((name, "")).path("/").http_only(true);
        jar = jar.remove(gone.same_site(SameSite::Lax).secure(https).build());
    }
    Ok((jar, Redirect::to("/")).into_response())
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfToken {
    /// Of this token; else one's own.
    #[serde(default)]
    token: Option<String>,
    /// What led here, for the page to say.
    #[serde(default)]
    did: Option<String>,
}

/// Who is known; sessions are nobody else's.
fn known(viewer: Viewer) -> Result<Person, Failure> {
    let nobody = || login("sessions are shown to those who are logged in");
    viewer.person.ok_or_else(nobody)
}

/// Whose sessions a person means, and may see: their own; of others, whoever makes tokens.
fn whose(person: &Person, wanted: Option<String>) -> Result<Option<String>, Failure> {
    let wanted = wanted.filter(|w| !w.is_empty());
    if person.may_everywhere(Role::Admin) {
        return Ok(wanted);
    }
    match wanted {
        Some(other) if other != person.name => Err(not_allowed(
            "the sessions of others are for whoever makes tokens".to_owned(),
        )),
        _ => Ok(Some(person.name.clone())),
    }
}

async fn sessions(web: &Web, token: Option<&str>) -> Result<Vec<SessionRow>, Failure> {
    let now = stamp(web.context.clock.now());
    Ok(web.context.store.sessions(token, &now).await?)
}

pub(super) async fn list_sessions(
    State(web): State<Web>,
    viewer: Viewer,
    Query(query): Query<OfToken>,
    parts: Parts,
) -> Result<Response, Failure> {
    let person = known(viewer)?;
    let token = whose(&person, query.token)?;
    let this = session_of(&web, &parts).map(|hash| hash[..SESSION_ID].to_owned());
    let rows = sessions(&web, token.as_deref()).await?;
    let body = SessionsBody {
        sessions: rows
            .into_iter()
            .map(|row| SessionBody {
                this: this.as_ref() == Some(&row.id),
                id: row.id,
                token: row.token,
                since: row.created_at,
                seen: row.seen_at,
                peer: row.peer,
                expires: row.expires_at,
            })
            .collect(),
    };
    let mut chrome = web.chrome(Some(person), "/sessions");
    chrome.did = query.did.as_deref().and_then(html::said);
    Ok(respond(wants(&parts.uri, &parts.headers), &body, || {
        html::sessions(&chrome, &body.sessions, token.as_deref())
    }))
}

pub(super) async fn end_session(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<String>,
    act: Act<Nothing>,
) -> Result<Response, Failure> {
    let person = known(viewer)?;
    let own = whose(&person, None)?;
    let mut all = sessions(&web, own.as_deref()).await?.into_iter();
    let found = all.find(|row| row.id == id);
    let found = found.ok_or_else(|| {
        Failure::missing("there is no such session").hint("GET /sessions lists them")
    })?;
    web.context.store.drop_session(&found.id).await?;
    web.pulse.close_door();
    tracing::info!(by = %person.name, token = %found.token, "a session was ended");
    Ok(ended(act.form))
}

/// Ends all that `GET /sessions` lists.
pub(super) async fn end_all(
    State(web): State<Web>,
    viewer: Viewer,
    Query(query): Query<OfToken>,
    act: Act<OfToken>,
) -> Result<Response, Failure> {
    let person = known(viewer)?;
    let token = whose(&person, act.body.token.or(query.token))?;
    web.context.store.drop_sessions(token.as_deref()).await?;
    web.pulse.close_door();
    let whose = token.as_deref().unwrap_or("all");
    tracing::info!(by = %person.name, token = %whose, "sessions were ended");
    Ok(ended(act.form))
}

fn ended(form: bool) -> Response {
    if form {
        return Redirect::to("/sessions?did=end-done").into_response();
    }
    json_answer(StatusCode::OK, &ResultBody::of(Came::Done))
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
            "/..//evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2e%2e//evil.example",
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

//! What a handler may do stands in its signature: [`SignedBody`], [`Operator`], [`Viewer`]. There is no unverified variant.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum_extra::extract::CookieJar;

use super::Web;
use super::error::Failure;
use crate::api::ProblemCode;
use crate::clock::stamp;
use crate::history::Command;
use crate::id::AppId;
use crate::secret::Secret;
use crate::signature;

/// GitHub sends at most 25 MB; a little slack.
const LARGEST_BODY: usize = 26 * 1024 * 1024;

/// Bodies up to so many bytes take no place: as many as there may be connections have room.
const SMALL_BODY: usize = 64 * 1024;

/// The name of the session cookie.
const COOKIE: &str = "dploy_session";

/// A webhook body whose signature was verified with the secret of a repository.
pub(super) struct SignedBody {
    pub repository: u64,
    pub event: String,
    pub delivery: String,
    pub hook: Option<u64>,
    pub form: bool,
    pub body: Bytes,
}

/// Counts refused calls, so that the log says so at most once a minute and reason.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<String, (u64, Option<Duration>)>>);

impl Refusals {
    /// Counts one; answers how many to write down now, if it is time.
    fn count(&self, reason: &str, now: Duration) -> Option<u64> {
        let mut map = self.0.lock().ok()?;
        let entry = map.entry(reason.to_owned()).or_default();
        entry.0 += 1;
        if entry
            .1
            .is_some_and(|last| now.saturating_sub(last) < Duration::from_mins(1))
        {
            return None;
        }
        entry.1 = Some(now);
        Some(std::mem::take(&mut entry.0))
    }
}

impl Web {
    /// Notes a refused call. What it carried is not kept.
    pub(super) async fn refused(&self, route: &str, reason: &str) {
        let Some(count) = self.refusals.count(reason, self.context.clock.elapsed()) else {
            return;
        };
        let command = Command::Refused {
            route: route.to_owned(),
            reason: reason.to_owned(),
            count,
        };
        // it belongs to no app; the log wants a name to look at, and there is none
        let Ok(nobody) = "-".parse::<AppId>() else {
            return;
        };
        if let Err(error) = self
            .context
            .store
            .log()
            .command(&nobody, "observer", None, command)
            .await
        {
            tracing::error!(%error, "a refused call could not be noted");
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    // two values of one header is nothing that GitHub sends
    values.next().is_none().then_some(first)
}

/// One answer for every cause: who asks learns nothing about which repositories there are.
fn unsigned() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        ProblemCode::Signature,
        "no valid signature of a repository that is deployed from here",
    )
    .hint("GitHub signs with the secret of the webhook; `repair` on the hook page sets it anew")
}

impl FromRequest<Web> for SignedBody {
    type Rejection = Failure;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        // what the headers alone show is not worth a byte of the body
        if announced(headers).is_some_and(|length| length > LARGEST_BODY) {
            return Err(too_large(LARGEST_BODY));
        }
        let Some(repository) = repository(web, headers).await? else {
            web.refused("/dploy", "unknown repository").await;
            return Err(unsigned());
        };
        let given = headers.contains_key("x-hub-signature-256");
        let reason = if given {
            "wrong signature"
        } else {
            "no signature"
        };
        let shown = text(headers, "x-hub-signature-256").filter(|s| signature::has_form(s));
        let Some(shown) = shown else {
            web.refused("/dploy", reason).await;
            return Err(unsigned());
        };
        let busy = || {
            Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ProblemCode::Busy,
                "too many bodies are being received; deliver again",
            )
        };
        // who drips a large one holds up large ones only
        let small = announced(headers).is_some_and(|length| length <= SMALL_BODY);
        let _place = if small {
            None
        } else {
            let place = tokio::time::timeout(Duration::from_secs(5), web.bodies.acquire());
            Some(place.await.map_err(|_| busy())?.map_err(|_| busy())?)
        };
        let body = read_body(body, LARGEST_BODY).await?;
        let secrets = web.context.store.hook_secrets(repository).await?;
        if !signature::verify(&secrets, &body, shown) {
            web.refused("/dploy", reason).await;
            return Err(unsigned());
        }
        let unreadable = |what: &str| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                ProblemCode::Unreadable,
                what.to_owned(),
            )
        };
        let content_type = text(headers, "content-type").unwrap_or_default();
        let form = match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => false,
            "application/x-www-form-urlencoded" => true,
            other => {
                let detail = format!("the content type {other:?} is not application/json");
                return Err(Failure::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    ProblemCode::ContentType,
                    detail,
                )
                .hint("set the webhook's content type to application/json"));
            }
        };
        let delivery = text(headers, "x-github-delivery")
            .filter(|d| !d.is_empty())
            .ok_or_else(|| unreadable("X-GitHub-Delivery is missing"))?;
        let event = text(headers, "x-github-event")
            .ok_or_else(|| unreadable("X-GitHub-Event is missing"))?;
        Ok(Self {
            repository,
            event: event.to_owned(),
            delivery: delivery.to_owned(),
            hook: text(headers, "x-github-hook-id").and_then(|h| h.parse().ok()),
            form,
            body,
        })
    }
}

/// The length that was announced.
fn announced(headers: &HeaderMap) -> Option<usize> {
    text(headers, "content-length").and_then(|l| l.parse().ok())
}

fn too_large(most: usize) -> Failure {
    let why = if most == LARGEST_BODY {
        "the body is larger than 26 MiB; GitHub sends at most 25 MB".to_owned()
    } else {
        format!("the body is larger than {} KiB", most / 1024)
    };
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, ProblemCode::TooLarge, why)
}

/// A body of at most so many bytes, in half a minute.
pub(super) async fn read_body(body: Body, most: usize) -> Result<Bytes, Failure> {
    let read = axum::body::to_bytes(body, most);
    let read = tokio::time::timeout(Duration::from_secs(30), read).await;
    let slow = || {
        Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            ProblemCode::Slow,
            "the body did not arrive within 30 s",
        )
    };
    read.map_err(|_| slow())?.map_err(|_| too_large(most))
}

/// The repository whose secret must have signed: the one GitHub names, or the only one that is known.
async fn repository(web: &Web, headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let mut known = web.context.store.repositories().await?;
    // its webhook can be there before its app
    let standing = web.configured.standing();
    known.extend(
        standing
            .repository
            .filter(|id| standing.hooks && !known.contains(id)),
    );
    Ok(
        match (
            headers.contains_key("x-github-hook-installation-target-id"),
            known.as_slice(),
        ) {
            (true, known) => {
                let named = text(headers, "x-github-hook-installation-target-id")
                    .and_then(|id| id.parse().ok());
                named.filter(|id| known.contains(id))
            }
            (false, [only]) => Some(*only),
            _ => None,
        },
    )
}

/// Somebody with an operator token; the name is the actor in the log.
pub(super) struct Operator {
    pub name: String,
}

impl Operator {
    /// The actor in the log.
    pub fn actor(&self) -> String {
        format!("operator:{}", self.name)
    }
}

/// Somebody who looks; perhaps an operator.
pub(super) struct Viewer {
    pub operator: Option<String>,
}

/// The cookie of a session. Cookies reach every port of a host: it is called by ours, and over TLS nobody but this host can set it.
pub(super) fn cookie_name(web: &Web, https: bool) -> String {
    let url = reqwest::Url::parse(&web.public_url).ok();
    let port = url.and_then(|u| u.port_or_known_default()).unwrap_or(0);
    let prefix = if https { "__Host-" } else { "" };
    format!("{prefix}{COOKIE}_{port}")
}

/// Whether a proxy that we believe says that it was TLS until there.
pub(super) fn over_tls(web: &Web, parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|c| c.0.ip().to_canonical());
    peer.is_some()
        && peer == web.trusted_proxy
        && text(&parts.headers, "x-forwarded-proto") == Some("https")
}

/// Where a request comes from, and whether others on the way can read it.
pub(super) fn is_safe(web: &Web, parts: &Parts) -> bool {
    let peer: Option<IpAddr> = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|c| c.0.ip());
    let local = peer.is_some_and(|p| p.to_canonical().is_loopback());
    let by_proxy = over_tls(web, parts);
    // a request that a proxy on this machine hands on is not local
    let forwarded =
        parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key("forwarded");
    (local && !forwarded) || by_proxy || web.plain_login
}

/// Why credentials are not taken here, and the ways out.
pub(super) const NOT_SAFE: &str = "this is plain HTTP: anybody on the way could read the token; put a TLS-terminating proxy in front and name it with \
     DPLOY_OBSERVER_TRUSTED_PROXY, use the observer from its own machine, or set DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN=true";

/// The operator who asks, where it is one.
pub(super) async fn who(web: &Web, parts: &Parts) -> Result<Option<String>, Failure> {
    // credentials of another kind are not for us: a browser may have them from who else was at this address
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    if let Some(token) = bearer {
        if !is_safe(web, parts) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                ProblemCode::PlainHttp,
                NOT_SAFE,
            ));
        }
        let hash = Secret::new(token.trim()).sha256();
        let name = web.context.store.token_name(&hash).await?;
        if name.is_none() {
            web.refused("api", "a token that is not ours").await;
            return Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                ProblemCode::Token,
                "the token is not one of this observer",
            )
            .hint("`observer token list` names the tokens, `observer token add NAME` makes one"));
        }
        return Ok(name);
    }
    let jar = CookieJar::from_headers(&parts.headers);
    let cookie = [true, false]
        .into_iter()
        .find_map(|https| jar.get(&cookie_name(web, https)));
    let Some(cookie) = cookie.map(|c| c.value().to_owned()) else {
        return Ok(None);
    };
    if !is_safe(web, parts) {
        return Ok(None);
    }
    let now = stamp(web.context.clock.now());
    Ok(web
        .context
        .store
        .session(&Secret::new(cookie).sha256(), &now)
        .await?)
}

impl FromRequestParts<Web> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        match who(web, parts).await? {
            Some(name) => Ok(Self { name }),
            None => Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                ProblemCode::Login,
                "this needs an operator",
            )
            .hint("log in, or send Authorization: Bearer <operator token>")),
        }
    }
}

impl FromRequestParts<Web> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let operator = who(web, parts).await?;
        if web.private == Some(true) && operator.is_none() {
            return Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                ProblemCode::Login,
                "this observer shows nothing without a login",
            )
            .hint("log in, or send Authorization: Bearer <operator token>"));
        }
        Ok(Self { operator })
    }
}

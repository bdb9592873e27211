//! Who asks, and what they may do. It stands in the signature of a handler: [`Viewer`], [`Operator`], [`Admin`].

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum_extra::extract::CookieJar;
use ipnet::IpNet;

use super::Web;
use super::error::Failure;
use crate::access::{Person, Proof, Role};
use crate::api::ProblemCode;
use crate::clock::stamp;
use crate::history::App;
use crate::secret::Secret;

/// The name of the session cookie.
const COOKIE: &str = "dploy_session";

/// Somebody who looks; perhaps somebody who is known.
#[derive(Clone)]
pub(super) struct Viewer {
    pub person: Option<Person>,
}

/// Somebody whose role may act; on which apps is asked by [`Web::app_for`].
pub(super) struct Operator(pub Person);

/// Somebody whose role may register, destroy and adopt.
pub(super) struct Admin(pub Person);

impl Viewer {
    /// Whether they may do to this app what the role may.
    pub fn may(&self, role: Role, app: &App) -> bool {
        let person = self.person.as_ref();
        person.is_some_and(|p| p.may(role, &app.id))
    }
}

/// Marks what came over TLS of our own.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// The cookie of a session. Cookies reach every port of a host: it is called by ours, and over TLS nobody but this host can set it.
pub(super) fn cookie_name(web: &Web, https: bool) -> String {
    let url = reqwest::Url::parse(&web.public_url).ok();
    let port = url.and_then(|u| u.port_or_known_default()).unwrap_or(0);
    let prefix = if https { "__Host-" } else { "" };
    format!("{prefix}{COOKIE}_{port}")
}

/// Proxies in front of us, which are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// By addresses and networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this address is one.
    #[must_use]
    pub fn has(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&peer.to_canonical()))
    }
}

/// A header that is there once, and text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    // two values of one header is nothing that GitHub sends
    values.next().is_none().then_some(first)
}

/// The address of the connection.
fn neighbour(parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.0.ip().to_canonical())
}

/// Whether the neighbour is a proxy that we believe.
fn by_proxy(web: &Web, parts: &Parts) -> bool {
    neighbour(parts).is_some_and(|peer| web.proxies.has(peer))
}

/// An address as proxies write it: `203.0.113.9`, `203.0.113.9:5555`, `[2001:db8::1]:5555`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|at| at.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip = bare.or_else(with_port).or_else(bracketed)?;
    Some(ip.to_canonical())
}

/// The address of who asks: the neighbour, or whom a proxy that we believe names. It names the nearest last; what stands before
/// that anybody may have written.
pub(super) fn peer(web: &Web, parts: &Parts) -> Option<IpAddr> {
    let near = neighbour(parts)?;
    if !web.proxies.has(near) {
        return Some(near);
    }
    let named = parts.headers.get_all("x-forwarded-for").iter();
    let named: Vec<&str> = named
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .collect();
    // what is no address hides whatever the client wrote before it
    let addresses = named.into_iter().rev().map_while(address);
    let stranger = addresses.into_iter().find(|ip| !web.proxies.has(*ip));
    Some(stranger.unwrap_or(near))
}

/// Whether it came over TLS: ours, or that of a proxy that we believe.
pub(super) fn over_tls(web: &Web, parts: &Parts) -> bool {
    let ours = parts.extensions.get::<OverTls>().is_some();
    ours || by_proxy(web, parts) && text(&parts.headers, "x-forwarded-proto") == Some("https")
}

/// Where a request comes from, and whether others on the way can read it.
pub(super) fn is_safe(web: &Web, parts: &Parts) -> bool {
    let local = neighbour(parts).is_some_and(|p| p.is_loopback());
    // a request that a proxy on this machine hands on is not local
    let headers = ["x-forwarded-for", "x-forwarded-proto", "forwarded"];
    let forwarded = headers.iter().any(|name| parts.headers.contains_key(*name));
    (local && !forwarded) || over_tls(web, parts) || web.plain_login
}

/// Why credentials are not taken here, and the ways out.
pub(super) const NOT_SAFE: &str = "this is plain HTTP: anybody on the way could read the token; give the observer a certificate (-tls-cert, -tls-key), put a TLS-terminating proxy \
     in front and name it with -trusted-proxy, use the observer from its own machine, or set -allow-plain-login";

/// A token that nobody has, or that is over.
fn no_token(why: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, ProblemCode::Token, why)
        .hint("`observer token list` and the page /tokens name the tokens, `dploy token add NAME` makes one")
}

/// Whom a token belongs to.
pub(super) async fn of_token(
    web: &Web,
    parts: &Parts,
    token: &str,
    route: &str,
) -> Result<Person, Failure> {
    let peer = peer(web, parts);
    web.patience.may_try(peer)?;
    let hash = Secret::new(token.trim()).sha256();
    let now = stamp(web.context.clock.now());
    match web.context.store.token(&hash).await? {
        Some(row) if !row.is_over(&now) => Ok(Person {
            proof: Some(Proof::Token(hash)),
            ..row.person
        }),
        Some(row) => {
            let end = row.expires_at.unwrap_or_default();
            web.refused(route, "a token that is over").await;
            Err(no_token(&format!("this token ended at {end}")))
        }
        None => {
            web.patience.tried_in_vain(peer);
            web.refused(route, "a token that is not ours").await;
            Err(no_token("the token is not one of this observer"))
        }
    }
}

/// The hash of the session that a request carries.
pub(super) fn session_of(web: &Web, parts: &Parts) -> Option<String> {
    let jar = CookieJar::from_headers(&parts.headers);
    // over TLS only the one that nobody but this host can have set
    let cookie = jar.get(&cookie_name(web, over_tls(web, parts)))?;
    Some(Secret::new(cookie.value()).sha256())
}

/// The token that a request carries; credentials of another kind are not for us: a browser may have them from who else was at this
/// address.
pub(super) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Who asks, where they are known.
pub(super) async fn who(web: &Web, parts: &Parts) -> Result<Option<Person>, Failure> {
    if let Some(token) = bearer(parts) {
        if !is_safe(web, parts) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                ProblemCode::PlainHttp,
                NOT_SAFE,
            ));
        }
        return of_token(web, parts, token, "api").await.map(Some);
    }
    let Some(session) = session_of(web, parts).filter(|_| is_safe(web, parts)) else {
        return Ok(None);
    };
    let now = web.context.clock.now();
    let store = &web.context.store;
    let Some((row, seen)) = store.session(&session, &stamp(now)).await? else {
        return Ok(None);
    };
    let seen: Option<jiff::Timestamp> = seen.and_then(|at| at.parse().ok());
    let proof = Some(Proof::Session(session.clone()));
    if seen.is_none_or(|at| now.duration_since(at).as_secs().abs() >= 60) {
        let store = store.clone();
        // who reads does not wait for it, and does not hear that it failed
        tokio::spawn(async move { store.session_seen(&session).await });
    }
    Ok(Some(Person {
        proof,
        ..row.person
    }))
}

/// The way in, for who is not known.
pub(super) const LOGIN: &str = "log in, or send Authorization: Bearer <token>";

pub(super) fn login(why: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, ProblemCode::Login, why).hint(LOGIN)
}

/// Refuses whose role is less than this one.
pub(super) fn needs(person: &Person, role: Role) -> Result<(), Failure> {
    if person.role >= role {
        return Ok(());
    }
    let why = format!(
        "this needs the role {role}, and the token {} has the role {}",
        person.name, person.role
    );
    Err(not_allowed(why))
}

/// Refuses who may not act on all there is.
pub(super) fn needs_everywhere(person: &Person, role: Role) -> Result<(), Failure> {
    needs(person, role)?;
    if person.apps.is_none() {
        return Ok(());
    }
    let why = format!(
        "this needs a token for all apps, and {} is for some",
        person.name
    );
    Err(not_allowed(why))
}

pub(super) fn not_allowed(why: String) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, ProblemCode::Role, why)
        .hint("whoever has the role admin for all apps makes tokens: `dploy token add`, or the page /tokens")
}

async fn known(parts: &Parts, web: &Web, role: Role) -> Result<Person, Failure> {
    let Some(person) = who(web, parts).await? else {
        web.patience.may_ask(peer(web, parts))?;
        if session_of(web, parts).is_some() {
            return Err(login("your session has ended, and nothing was done"));
        }
        return Err(login(&format!("this needs the role {role}")));
    };
    needs(&person, role)?;
    Ok(person)
}

/// Whoever asks for what is shown to everybody, as often as strangers may.
pub(super) struct Stranger;

impl FromRequestParts<Web> for Stranger {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        web.patience.may_ask(peer(web, parts))?;
        Ok(Self)
    }
}

impl FromRequestParts<Web> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        known(parts, web, Role::Operator).await.map(Self)
    }
}

impl FromRequestParts<Web> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        known(parts, web, Role::Admin).await.map(Self)
    }
}

impl FromRequestParts<Web> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let person = who(web, parts).await?;
        if person.is_none() {
            web.patience.may_ask(peer(web, parts))?;
            if web.private == Some(true) {
                return Err(login("this observer shows nothing without a login"));
            }
        }
        Ok(Self { person })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_proxies_write_it() {
        for (text, is) in [
            ("203.0.113.9", Some("203.0.113.9")),
            (" 203.0.113.9:5555", Some("203.0.113.9")),
            ("[2001:db8::1]:5555", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("unknown", None),
            ("_hidden:80", None),
            ("", None),
        ] {
            let is: Option<IpAddr> = is.map(|ip| ip.parse().unwrap());
            assert_eq!(address(text), is, "{text}");
        }
    }
}

//! Whether a page is what it was: its `ETag` is of everything that it is made of, so that nothing is made where nothing changed.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Web;
use super::html;
use super::people::{bearer, is_safe, peer, who};
use crate::access::Person;
use crate::clock::stamp;
use crate::secret::Secret;

/// How long relative times on a page may be old, in seconds.
const TIMES: i64 = 60;

/// What a page is made of, for this caller.
async fn tag(web: &Web, parts: &Parts, person: Option<&Person>) -> String {
    // what runs may have changed although nobody listened; the log and what is said of commits do not show it
    let log = ["/events", "/why", "/feed.atom"];
    if !log.iter().any(|page| parts.uri.path().starts_with(page)) {
        web.pulse.seen().await;
    }
    // a feed says when, and not how long ago
    let feed = parts.uri.path() == "/feed.atom";
    let now = web.context.clock.now().as_second();
    let (minute, picture) = if feed {
        (0, String::new())
    } else {
        (now / TIMES, web.pulse.number())
    };
    let accept = parts.headers.get(header::ACCEPT);
    let of = format!(
        "{} {accept:?} {person:?} {} {} {picture} {minute}",
        parts.uri,
        html::assets_version(),
        *web.context.store.head().borrow(),
    );
    let digest = Sha256::digest(of.as_bytes());
    format!("\"{}\"", hex::encode(&digest[..12]))
}

/// Who asks, where they are who they say.
async fn asks(web: &Web, parts: &Parts) -> Option<Option<Person>> {
    let Some(token) = bearer(parts) else {
        return who(web, parts).await.ok();
    };
    web.patience.may_try(peer(web, parts)).ok()?;
    if !is_safe(web, parts) {
        return None;
    }
    let hash = Secret::new(token.trim()).sha256();
    let row = web.context.store.token(&hash).await.ok()??;
    let now = stamp(web.context.clock.now());
    (!row.is_over(&now)).then_some(Some(row.person))
}

/// The head of a request alone.
fn head_of(request: &Request) -> Parts {
    let mut head = axum::http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head.into_parts().0
}

/// Answers 304 to whoever has the page as it is.
pub(super) async fn unless_changed(
    State(web): State<Web>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let parts = head_of(&request);
    // whoever is not who they say is told by the page itself, and counted there
    let Some(person) = asks(&web, &parts).await else {
        return next.run(request).await;
    };
    let tag = tag(&web, &parts, person.as_ref()).await;
    let known = parts.headers.get(header::IF_NONE_MATCH);
    let known = known.and_then(|k| k.to_str().ok());
    let same = known.is_some_and(|k| k.split(',').any(|k| k.trim() == tag));
    let value = HeaderValue::from_str(&tag);
    let private = HeaderValue::from_static("private, no-cache");
    let mut answer = if same {
        if person.is_none()
            && let Err(failure) = web.patience.may_ask(peer(&web, &parts))
        {
            return failure.into_response();
        }
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        next.run(request).await
    };
    if let (Ok(value), true) = (value, answer.status() == StatusCode::OK || same) {
        answer.headers_mut().insert(header::ETAG, value);
        // what somebody who is known was shown is not kept for who comes after them
        if person.is_none() {
            answer.headers_mut().insert(header::CACHE_CONTROL, private);
        }
    }
    answer
}

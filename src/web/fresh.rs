//! Whether a page is what it was: its `ETag` is of everything that it is made of, so that nothing is made where nothing changed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::Web;
use super::html;
use super::people::{bearer, is_safe, peer, who};
use crate::access::Person;
use crate::clock::stamp;
use crate::secret::Secret;

/// How long relative times on a page may be old, in seconds.
const TIMES: i64 = 60;

/// So many pages are kept for others who ask for the same.
const KEPT: usize = 16;

/// So long they serve others: what is asked for when something happened comes within this, and what no event tells of is as old at most.
const SERVES: Duration = Duration::from_millis(500);

/// A larger one is made for each who asks, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Pages as they were made last, by their tag: a hundred who look at one page have it made once.
#[derive(Default)]
pub struct Made(Mutex<VecDeque<Kept>>);

struct Kept {
    tag: String,
    /// When it was asked for first.
    since: Duration,
    page: Place,
}

/// Where a page is kept once it is made; `None` where it is not one for others, and each makes their own.
type Place = Arc<OnceCell<Option<Page>>>;

/// A page as it was made.
#[derive(Clone)]
struct Page {
    headers: HeaderMap,
    body: Bytes,
}

impl Made {
    /// The place of a page; whoever is first makes it, and the others wait.
    fn page(&self, tag: &str, now: Duration) -> Place {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| now.saturating_sub(k.since) < SERVES);
        if let Some(known) = kept.iter().find(|k| k.tag == tag) {
            return known.page.clone();
        }
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        let page = Arc::default();
        kept.push_back(Kept {
            tag: tag.to_owned(),
            since: now,
            page: Arc::clone(&page),
        });
        page
    }
}

impl Page {
    /// The answer, and the page that others may have too, where it is one.
    async fn of(answer: Response) -> (Response, Option<Self>) {
        let size = answer.body().size_hint().upper();
        // how large it is when it is packed is known afterwards
        let packed = answer.headers().contains_key(header::CONTENT_ENCODING);
        let large = size.map_or(!packed, |size| size > LARGEST as u64);
        if answer.status() != StatusCode::OK || large {
            return (answer, None);
        }
        let (head, body) = answer.into_parts();
        match axum::body::to_bytes(body, usize::MAX).await {
            Ok(body) => {
                let page = Self {
                    headers: head.headers,
                    body,
                };
                let small = page.body.len() <= LARGEST;
                (page.answer(), small.then_some(page))
            }
            Err(error) => {
                tracing::error!(%error, "a page could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR.into_response(), None)
            }
        }
    }

    fn answer(&self) -> Response {
        (self.headers.clone(), self.body.clone()).into_response()
    }
}

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
    let accept = [header::ACCEPT, header::ACCEPT_ENCODING].map(|name| parts.headers.get(name));
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

/// The page of this place; answers whether it was made for this request.
async fn made_once(place: &Place, request: Request, next: Next) -> (Response, bool) {
    let (mut own, mut left) = (None, Some((request, next)));
    let making = async {
        let (request, next) = left.take()?;
        let (answer, page) = Page::of(next.run(request).await).await;
        own = Some(answer);
        page
    };
    let kept = place.get_or_init(|| making).await;
    if let Some(own) = own {
        return (own, true);
    }
    match (kept, left) {
        (Some(page), _) => (page.answer(), false),
        // what is no page for others each makes, side by side
        (None, Some((request, next))) => (next.run(request).await, true),
        (None, None) => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), true),
    }
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
    let (mut answer, made) = if same {
        (StatusCode::NOT_MODIFIED.into_response(), false)
    } else {
        let place = web.made.page(&tag, web.context.clock.elapsed());
        made_once(&place, request, next).await
    };
    // whoever made it was counted there
    if !made
        && person.is_none()
        && let Err(failure) = web.patience.may_ask(peer(&web, &parts))
    {
        return failure.into_response();
    }
    if let (Ok(value), true) = (value, answer.status() == StatusCode::OK || same) {
        answer.headers_mut().insert(header::ETAG, value);
        // what somebody who is known was shown is not kept for who comes after them
        if person.is_none() {
            answer.headers_mut().insert(header::CACHE_CONTROL, private);
        }
    }
    answer
}

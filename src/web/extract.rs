//! What came in: bodies that GitHub signed, and bodies of bounded size. There is no unverified variant.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::Web;
use super::error::Failure;
use super::people::{peer, text};
use crate::api::ProblemCode;
use crate::history::Command;
use crate::id::AppId;
use crate::signature;

/// GitHub sends at most 25 MB; a little slack.
const LARGEST_BODY: usize = 26 * 1024 * 1024;

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
        // who drips a large one holds up large ones only
        let length = announced(headers).unwrap_or(LARGEST_BODY);
        let _room = web.bodies.room(peer(web, &parts), length).await?;
        let body = read_body(body, length).await?;
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

/// A body of at most so many bytes, in half a minute. It takes the memory of its bytes once.
pub(super) async fn read_body(body: Body, most: usize) -> Result<Bytes, Failure> {
    let read = async {
        let mut body = Limited::new(body, most);
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| too_large(most))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if bytes.capacity() - bytes.len() < data.len() {
                // doubling would take twice what there is
                let more = (bytes.len() / 4).max(data.len());
                bytes.reserve_exact(more.min(most - bytes.len()).max(data.len()));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Bytes::from(bytes))
    };
    let read = tokio::time::timeout(Duration::from_secs(30), read);
    let slow = || {
        Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            ProblemCode::Slow,
            "the body did not arrive within 30 s",
        )
    };
    read.await.map_err(|_| slow())?
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

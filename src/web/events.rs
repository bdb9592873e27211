//! The log, as it is read: in pages, and as JSON lines.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::error::Failure;
use super::html::{self, EventsPage};
use super::negotiate::{respond, wants};
use super::people::Viewer;
use super::view::line;
use crate::api::{EventsBody, ProblemCode};
use crate::event::Fact;
use crate::store::{EventFilter, StoreError};

#[derive(Deserialize, JsonSchema)]
pub(super) struct EventsQuery {
    /// Of this app.
    app: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// By this actor: `github:ana`, `operator:ben`, `observer`.
    actor: Option<String>,
    /// After this one.
    since: Option<i64>,
    /// Before this one.
    before: Option<i64>,
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.is_empty())
}

impl EventsQuery {
    fn filter(self) -> Result<EventFilter, Failure> {
        let app = filled(self.app)
            .map(|a| {
                a.parse()
                    .map_err(|e| Failure::unprocessable(ProblemCode::Invalid, format!("app: {e}")))
            })
            .transpose()?;
        let kind = filled(self.kind);
        if let Some(kind) = kind.as_ref().filter(|k| !Fact::KINDS.contains(&k.as_str())) {
            return Err(Failure::unprocessable(
                ProblemCode::Invalid,
                format!("kind: there are no {kind:?} events"),
            )
            .hint(format!("one of {}", Fact::KINDS.join(", "))));
        }
        Ok(EventFilter {
            app,
            kind,
            actor: filled(self.actor),
            since: self.since,
            before: self.before,
            ..EventFilter::default()
        })
    }
}

pub(super) async fn list_events(
    State(web): State<Web>,
    viewer: Viewer,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Failure> {
    // with `since` alone one reads on from there, oldest first; otherwise the newest come first
    let newest_first = query.since.is_none() || query.before.is_some();
    let filter = EventFilter {
        newest_first,
        within: web.within(&viewer),
        limit: 101,
        ..query.filter()?
    };
    let mut events = web.context.store.events(&filter).await?;
    let more = events.len() > 100;
    events.truncate(100);
    if !newest_first {
        events.reverse();
    }
    let older = events
        .last()
        .filter(|e| (more || !newest_first) && e.seq > 1)
        .map(|e| e.seq);
    let newer = newer_page(&web, &filter, events.first().map(|e| e.seq)).await?;
    let page = EventsPage {
        app: filter.app.as_ref().map(ToString::to_string),
        kind: filter.kind.clone(),
        actor: filter.actor.clone(),
        lines: events.iter().map(line).collect(),
        older,
        newer,
        kinds: Fact::KINDS.to_vec(),
    };
    let mut chrome = web.chrome(viewer.person, "/events");
    // a page of old events stays as it is
    chrome.live = filter.before.is_none().then(|| "/live".to_owned());
    let body = EventsBody {
        events,
        older,
        newer,
    };
    Ok(respond(wants(&uri, &headers), &body, || {
        html::events(&chrome, &page)
    }))
}

/// The `before` of the page that comes before this one, if there is one.
async fn newer_page(
    web: &Web,
    filter: &EventFilter,
    first: Option<i64>,
) -> Result<Option<i64>, Failure> {
    if filter.before.is_none() && filter.since.is_none() {
        return Ok(None);
    }
    let after = EventFilter {
        since: first,
        before: None,
        newest_first: false,
        limit: 100,
        ..filter.clone()
    };
    let newer = web.context.store.events(&after).await?;
    Ok(newer.last().map(|e| e.seq + 1))
}

/// The log as JSON lines, oldest first. It is read in pages, so that no cursor stays open while a client is slow.
pub(super) async fn export_events(
    State(web): State<Web>,
    viewer: Viewer,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Failure> {
    let filter = EventFilter {
        within: web.within(&viewer),
        limit: 500,
        ..query.filter()?
    };
    let start = (web, viewer, filter);
    let pages = futures_util::stream::try_unfold(start, |(web, viewer, filter)| async move {
        // whoever is sent away meanwhile reads no further
        if !web.still(&viewer).await.map_err(std::io::Error::other)? {
            return Err(std::io::Error::other(StoreError::Ended));
        }
        let events = web
            .context
            .store
            .events(&filter)
            .await
            .map_err(std::io::Error::other)?;
        let Some(last) = events.last() else {
            return Ok::<_, std::io::Error>(None);
        };
        let next = EventFilter {
            since: Some(last.seq),
            ..filter
        };
        let mut lines = Vec::new();
        for event in &events {
            serde_json::to_writer(&mut lines, event).map_err(std::io::Error::other)?;
            lines.push(b'\n');
        }
        Ok(Some((lines, (web, viewer, next))))
    });
    Ok((
        [(header::CONTENT_TYPE, "application/jsonl")],
        Body::from_stream(pages),
    )
        .into_response())
}

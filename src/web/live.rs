//! `GET /live`: says that something changed, and of which app; what it is now, the page that shows it says. One hub for all who listen.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Interval;

use super::Web;
use super::error::Failure;
use super::people::Viewer;
use crate::id::AppId;
use crate::pulse::Beat;
use crate::store::EventFilter;

/// So often a ping keeps the connection, which pages wait for, and who listens is looked at again.
const EVERY: Duration = Duration::from_secs(10);

/// So many events that were missed are told by their apps; behind more than those everything counts as changed.
const MISSED: i64 = 500;

/// Whether one app is meant, or all.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfApp {
    /// Of this app alone.
    #[serde(default)]
    pub app: Option<AppId>,
}

/// Somebody who listens.
struct Ear {
    web: Web,
    viewer: Viewer,
    app: Option<AppId>,
    beats: Receiver<Beat>,
    doors: watch::Receiver<u64>,
    /// When they are looked at again, whatever is said meanwhile.
    every: Interval,
}

pub(super) async fn listen(
    State(web): State<Web>,
    viewer: Viewer,
    Query(query): Query<OfApp>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Some(app) = &query.app {
        web.app_shown(&viewer, app.as_str()).await?;
    }
    let ear = Ear {
        beats: web.pulse.listen(),
        doors: web.pulse.doors(),
        every: tokio::time::interval(EVERY),
        app: query.app,
        viewer,
        web,
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let missed = match last.and_then(|id| id.trim().parse::<i64>().ok()) {
        Some(last) => ear.missed(last).await?,
        None => Vec::new(),
    };
    let stop = ear.web.pulse.stopping();
    let live = stream::iter(missed).map(Ok).chain(ear.beats());
    let live = live.take_until(stop.cancelled_owned());
    let mut answer = Sse::new(live).into_response();
    // proxies that collect answers would tell nothing
    let headers = answer.headers_mut();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

/// What is told.
fn told(seq: i64, app: Option<&AppId>, picture: u64) -> Event {
    let data = json!({"seq": seq, "app": app, "picture": picture});
    Event::default().id(seq.to_string()).data(data.to_string())
}

impl Ear {
    /// What happened behind an event, of each app its newest.
    async fn missed(&self, last: i64) -> Result<Vec<Event>, Failure> {
        let filter = EventFilter {
            app: self.app.clone(),
            since: Some(last),
            limit: MISSED + 1,
            within: self.web.within(&self.viewer),
            ..EventFilter::default()
        };
        let events = self.web.context.store.events(&filter).await?;
        let picture = self.web.pulse.picture();
        if i64::try_from(events.len()).is_ok_and(|n| n > MISSED) {
            let seq = *self.web.context.store.head().borrow();
            return Ok(vec![told(seq, None, picture)]);
        }
        let newest: BTreeMap<_, i64> = events.iter().map(|e| (&e.app, e.seq)).collect();
        let mut newest: Vec<_> = newest.into_iter().collect();
        newest.sort_by_key(|(_, seq)| *seq);
        let told = |(app, seq): (&Option<AppId>, i64)| told(seq, app.as_ref(), picture);
        Ok(newest.into_iter().map(told).collect())
    }

    /// What happens from now on, until who listens is sent away.
    fn beats(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut ear| async move {
            let event = ear.next().await?;
            Some((Ok(event), ear))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                beat = self.beats.recv() => match beat {
                    Ok(beat) => if let Some(event) = self.hears(&beat) {
                        return Some(event);
                    },
                    Err(RecvError::Lagged(_)) => {
                        let seq = *self.web.context.store.head().borrow();
                        return Some(told(seq, None, self.web.pulse.picture()));
                    }
                    Err(RecvError::Closed) => return None,
                },
                door = self.doors.changed() => {
                    if door.is_err() || !self.is_still_known().await {
                        return None;
                    }
                }
                _ = self.every.tick() => {
                    // a token may have ended, or been revoked beside us
                    if !self.is_still_known().await {
                        return None;
                    }
                    return Some(Event::default().event("ping").data("{}"));
                }
            }
        }
    }

    async fn is_still_known(&self) -> bool {
        self.web.still(&self.viewer).await.unwrap_or(false)
    }

    /// What this listener is told of a beat: nothing of what they are not shown.
    fn hears(&self, beat: &Beat) -> Option<Event> {
        let Some(app) = &beat.app else {
            return Some(told(beat.seq, None, beat.picture));
        };
        let meant = self.app.as_ref().is_none_or(|id| *id == app.id);
        (meant && self.web.shows(&self.viewer, app))
            .then(|| told(beat.seq, Some(&app.id), beat.picture))
    }
}

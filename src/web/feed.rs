//! `GET /feed.atom`: what deploys came to and what operators did, for whoever reads feeds (RFC 4287).

use askama::Template as _;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Web;
use super::error::Failure;
use super::html::{Entry, Feed};
use super::live::OfApp;
use super::people::Viewer;
use crate::api::ProblemCode;
use crate::event::{Event, summary};
use crate::secret::plain;
use crate::store::EventFilter;

/// What somebody who does not look at the pages wants to be told.
const TOLD: &[&str] = &[
    "app_registered",
    "app_destroyed",
    "app_pinned",
    "app_resumed",
    "app_locked",
    "app_unlocked",
    "app_adopted",
    "push_held",
    "service_scaled",
    "drift_seen",
    "hook_failed",
    "deploy_succeeded",
    "deploy_failed",
    "deploy_cancelled",
];

/// So many of them.
const ENTRIES: i64 = 50;

pub(super) async fn show(
    State(web): State<Web>,
    viewer: Viewer,
    Query(query): Query<OfApp>,
) -> Result<Response, Failure> {
    if let Some(app) = &query.app {
        web.app_shown(&viewer, app.as_str()).await?;
    }
    let filter = EventFilter {
        app: query.app.clone(),
        kinds: TOLD,
        within: web.within(&viewer),
        newest_first: true,
        limit: ENTRIES,
        ..EventFilter::default()
    };
    let events = web.context.store.events(&filter).await?;
    let entries: Vec<Entry> = events.iter().map(|event| entry(&web, event)).collect();
    let path = match &query.app {
        Some(app) => format!("/feed.atom?app={app}"),
        None => "/feed.atom".to_owned(),
    };
    let feed = Feed {
        title: query
            .app
            .map_or_else(|| "Deploys".to_owned(), |app| format!("Deploys of {app}")),
        address: format!("{}{path}", web.public_url),
        page: web.public_url.clone(),
        updated: entries
            .first()
            .map_or_else(|| "1970-01-01T00:00:00Z".to_owned(), |e| e.at.clone()),
        version: env!("CARGO_PKG_VERSION"),
        entries,
    };
    let text = feed.render().map_err(|error| {
        tracing::error!(%error, "a feed could not be written");
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Failure::new(
            status,
            ProblemCode::Internal,
            "the feed could not be written",
        )
    })?;
    let headers = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
    Ok((headers, text).into_response())
}

fn entry(web: &Web, event: &Event) -> Entry {
    let said = event.fact().map_or_else(|e| e.to_string(), |f| summary(&f));
    let app = event.app.as_ref().map_or("-", |app| app.as_str());
    let (subject, page) = match event.deploy {
        Some(number) => (
            format!("{app} {number}"),
            format!("/apps/{app}/deploys/{}", number.0),
        ),
        None => (app.to_owned(), format!("/apps/{app}")),
    };
    Entry {
        // the same in every feed and for ever
        id: format!("urn:sha256:{}", event.hash),
        title: plain(&format!("{subject}: {said}"), 300),
        said: plain(&said, 4000),
        at: event.at.clone(),
        by: plain(&event.actor, 100),
        kind: event.kind.clone(),
        page: format!("{}{page}", web.public_url),
    }
}

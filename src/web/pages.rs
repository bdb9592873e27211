//! What is read: each page is HTML for browsers and the same data as JSON.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::error::Failure;
use super::html;
use super::negotiate::{Wants, json, respond, wants};
use super::people::{Stranger, Viewer};
use super::view::line;
use crate::access::Role;
use crate::api::{AppBody, AppsBody};
use crate::event::Fact;
use crate::history::App;
use crate::id::{AppId, DeployNumber};
use crate::marathon::Moment;
use crate::store::EventFilter;
use crate::witness;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ListQuery {
    /// The apps after this one.
    after: Option<String>,
    /// The deploys before this one.
    before: Option<String>,
    /// Which page of a hundred apps of the overview, from 1.
    page: Option<usize>,
    /// What is looked for: on the overview in names, repositories, commits and sentences; in an app's history in commits, messages, actors,
    /// reasons and failures.
    #[serde(default)]
    q: String,
    /// Of the apps `attention`, `deploying`, `pinned` or `locked`, of an app's deploys `worked`, `failed` or `rollbacks`: those alone.
    #[serde(default)]
    show: String,
}

impl Web {
    /// The app of this name; `.json` at its end only says what the caller reads.
    pub(super) async fn app_named(&self, name: &str) -> Result<App, Failure> {
        let name = name.strip_suffix(".json").unwrap_or(name);
        let missing =
            || Failure::missing(format!("there is no app {name:?}")).hint("GET /apps lists them");
        let id: AppId = name.parse().map_err(|_| missing())?;
        self.context.store.app(&id).await?.ok_or_else(missing)
    }
}

pub(super) async fn list_apps(
    State(web): State<Web>,
    viewer: Viewer,
    uri: Uri,
    headers: HeaderMap,
    Query(page): Query<ListQuery>,
) -> Result<Response, Failure> {
    let seq = *web.context.store.head().borrow();
    let after = page.after.as_deref().unwrap_or_default();
    let apps = web.apps_shown(&viewer, after, 1001).await?;
    let next = (apps.len() > 1000).then(|| apps[999].id.to_string());
    let seen = web.pulse.seen().await;
    let shown = apps.iter().take(1000);
    let shown = shown
        .map(|app| web.with_what_runs(app, seen.as_deref()))
        .collect();
    let mut body = AppsBody {
        seq,
        next,
        all: web.shows_all(&viewer),
        apps: shown,
        registering: web.registering(&viewer),
    };
    let mut chrome = web.chrome(viewer.person, "/");
    chrome.live = Some("/live".to_owned());
    chrome.trial.clone_from(&web.trial);
    let at = seen.as_ref().map(|s| crate::clock::stamp(s.at));
    if !body.apps.is_empty() {
        chrome.banners.extend(web.silence(at.as_deref()));
    }
    chrome.banners.extend(web.hooks_banner(&apps));
    let sought = html::Sought {
        words: page.q.trim(),
        show: page.show.trim(),
        page: page.page.unwrap_or(1),
    };
    let wants = wants(&uri, &headers);
    if wants == Wants::Json {
        body.apps.retain(|app| sought.finds(app));
    }
    Ok(respond(wants, &body, || {
        html::overview(&chrome, &body, &sought)
    }))
}

pub(super) async fn show_app(
    State(web): State<Web>,
    viewer: Viewer,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Query(page): Query<ListQuery>,
) -> Result<Response, Failure> {
    let app = web.app_shown(&viewer, &name).await?;
    let before = page
        .before
        .as_deref()
        .and_then(|b| b.trim_start_matches('#').parse().ok());
    let operator = viewer.may(Role::Operator, &app);
    let mut body = web.app_page(&app, before, operator).await?;
    if !operator {
        body.settings.clear();
    }
    let mut chrome = web.chrome(viewer.person, &format!("/apps/{}", app.id));
    chrome.live = Some(format!("/live?app={}", app.id));
    // and only as long as it is so
    chrome.did = html::did(uri.query()).filter(|_| {
        let query = uri.query().unwrap_or_default();
        let is = |act: &str| query.contains(&format!("did={act}-"));
        !(is("lock") && app.lock.is_none()
            || is("unlock") && app.lock.is_some()
            || is("resume") && app.pin.is_some())
    });
    let trial = web.trial.as_ref().filter(|trial| trial.app == app.id);
    chrome.trial = trial.cloned();
    chrome.banners.extend(web.app_banners(&app).await);
    chrome
        .banners
        .extend(web.silence(body.app.seen_at.as_deref()));
    let past = html::Past {
        words: page.q.trim(),
        show: page.show.trim(),
    };
    let wants = wants(&uri, &headers);
    let found = if past.is_all() {
        None
    } else {
        Some(web.past(&app, before, &past).await?)
    };
    if wants == Wants::Html {
        return Ok(Html(html::app(&chrome, &body, &past, found.as_ref())).into_response());
    }
    if let Some((deploys, next)) = found {
        (body.deploys, body.next) = (deploys, next);
    }
    Ok(json(StatusCode::OK, &body))
}

pub(super) async fn show_deploy(
    State(web): State<Web>,
    viewer: Viewer,
    Path((name, number)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let app = web.app_shown(&viewer, &name).await?;
    let missing = || Failure::missing(format!("{} has no deploy {number}", app.id));
    let number = number
        .strip_suffix(".json")
        .unwrap_or(&number)
        .parse()
        .map(DeployNumber)
        .map_err(|_| missing())?;
    let deploy = web
        .context
        .store
        .deploy(&app.id, number)
        .await?
        .ok_or_else(missing)?;
    let operator = viewer.may(Role::Operator, &app);
    let mut body = web.deploy_body(&app, &deploy, operator).await;
    let words = if operator {
        witness::kept(&web.context, &app, &deploy).await
    } else {
        None
    };
    if let Some(failure) = &mut body.failure {
        failure.log.clone_from(&words);
    }
    let filter = EventFilter {
        app: Some(app.id.clone()),
        deploy: Some(number),
        limit: 300,
        ..EventFilter::default()
    };
    let timeline: Vec<_> = web
        .context
        .store
        .events(&filter)
        .await?
        .iter()
        .map(line)
        .collect();
    let diff = web.deploy_diff(&app, &deploy, operator).await?;
    let mut chrome = web.chrome(
        viewer.person,
        &format!("/apps/{}/deploys/{}", app.id, number.0),
    );
    chrome.live = Some(format!("/live?app={}", app.id));
    // what it came to is said by the deploy itself
    chrome.did = html::did(uri.query()).filter(|_| !deploy.state().ended());
    chrome.banners.extend(web.app_banners(&app).await);
    let shown = AppBody::from(&app);
    Ok(respond(wants(&uri, &headers), &body, || {
        html::deploy(&chrome, &shown, &body, words.as_ref(), &timeline, &diff)
    }))
}

pub(super) async fn show_hook(
    State(web): State<Web>,
    viewer: Viewer,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let app = web.app_shown(&viewer, &name).await?;
    let body = web.hook(&app).await?;
    let mut chrome = web.chrome(viewer.person, &format!("/apps/{}/hook", app.id));
    chrome.live = Some(format!("/live?app={}", app.id));
    chrome.did = html::did(uri.query());
    chrome.banners.extend(web.app_banners(&app).await);
    Ok(respond(wants(&uri, &headers), &body, || {
        html::hook(&chrome, &AppBody::from(&app), &body, web.poll_seconds)
    }))
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready is what only we can break: the log. GitHub or Marathon down is degraded, so that webhooks go on arriving.
pub(super) async fn readyz(State(web): State<Web>, _stranger: Stranger) -> Response {
    if let Err(error) = web.context.store.log().ping().await {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the log cannot be written: {error}\n"),
        )
            .into_response();
    }
    // whoever asks here, as anybody may, does not ask Marathon each time
    let seen = web.context.picture.since(Moment::default());
    let marathon = tokio::time::timeout(std::time::Duration::from_secs(2), seen).await;
    match marathon {
        Ok(Ok(_)) => "ready\n".into_response(),
        Ok(Err(error)) => format!("ready\ndegraded: {error}\n").into_response(),
        Err(_) => {
            let silence = web.context.marathon.silence();
            format!("ready\ndegraded: {silence}\n").into_response()
        }
    }
}

/// The end of a destroy, for its page.
pub(super) async fn destroyed_sentence(web: &Web, app: &AppId) -> Result<Option<String>, Failure> {
    let filter = EventFilter {
        app: Some(app.clone()),
        kind: Some("app_destroyed".to_owned()),
        newest_first: true,
        limit: 1,
        ..EventFilter::default()
    };
    let event = web.context.store.events(&filter).await?.into_iter().next();
    Ok(event.and_then(|e| e.fact().ok()).and_then(|f| match f {
        Fact::AppDestroyed { sentence, .. } => Some(sentence),
        _ => None,
    }))
}

//! One app: what runs, what stands in the way, its services, its history.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use super::status;
use super::week::{Week, week};
use crate::api::{AppBody, AppPage, DeployBody, Health};
use crate::event::Cause;
use crate::history::{AppState, DeployState};

#[derive(Template)]
#[template(path = "app.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    page: &'a AppPage,
    app: &'a AppBody,
    rows: Vec<Row<'a>>,
    week: Week,
    trouble: Option<&'a DeployBody>,
    live: Option<&'a DeployBody>,
}

/// A deploy in the history.
struct Row<'a> {
    deploy: &'a DeployBody,
    live: bool,
    took: Option<String>,
    lived: Option<String>,
}

impl Row<'_> {
    fn worked(&self) -> bool {
        worked(self.deploy.state)
    }

    fn rollback(&self) -> bool {
        self.deploy.cause == Cause::Rollback
    }
}

impl View<'_> {
    fn acts(&self) -> bool {
        self.chrome.operates(&self.app.app)
            && !matches!(self.app.state, AppState::Destroying | AppState::Destroyed)
    }

    fn head_is_live(&self) -> bool {
        match (&self.app.head, &self.app.live) {
            (Some(head), Some(live)) => head.commit == live.commit,
            _ => false,
        }
    }
}

fn worked(state: DeployState) -> bool {
    matches!(state, DeployState::Succeeded | DeployState::Unchanged)
}

/// How long each version was live: until the next one that worked.
fn rows<'a>(chrome: &Chrome, page: &'a AppPage) -> Vec<Row<'a>> {
    let live = page.app.live.as_ref().map(|l| l.deploy);
    let mut next: Option<&str> = None;
    let mut rows = Vec::new();
    for deploy in &page.deploys {
        let is_live = live == Some(deploy.deploy);
        let ended = deploy.ended_at.as_deref();
        let lived = match (worked(deploy.state), ended, next) {
            (true, Some(ended), _) if is_live => chrome.lasted(ended, None),
            (true, Some(ended), Some(until)) => chrome.lasted(ended, Some(until)),
            _ => None,
        };
        if worked(deploy.state) {
            next = ended;
        }
        let took = deploy
            .started_at
            .as_deref()
            .and_then(|from| chrome.lasted(from, ended));
        rows.push(Row {
            deploy,
            live: is_live,
            took,
            lived,
        });
    }
    rows
}

/// The newest deploy that ended, where it failed: the app's page begins with it.
fn trouble(page: &AppPage) -> Option<&DeployBody> {
    let newest = page
        .deploys
        .iter()
        .find(|d| d.state.ended() && d.state != DeployState::Superseded)?;
    (page.app.health == Health::Failed && newest.failure.is_some()).then_some(newest)
}

/// `GET /apps/{id}`.
#[must_use]
pub fn app(chrome: &Chrome, page: &AppPage) -> String {
    let live = page.app.live.as_ref();
    render(&View {
        chrome,
        title: format!("{}: {}", page.app.app, status::of_app(&page.app).word()),
        json: Some(format!("/apps/{}.json", page.app.app)),
        page,
        app: &page.app,
        rows: rows(chrome, page),
        week: week(&page.deploys, chrome.now),
        trouble: trouble(page),
        live: live.and_then(|l| page.deploys.iter().find(|d| d.deploy == l.deploy)),
    })
}

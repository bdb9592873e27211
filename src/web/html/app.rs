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
    past: &'a Past<'a>,
    /// Where older deploys begin.
    next: Option<&'a str>,
    week: Week,
    trouble: Option<&'a DeployBody>,
    live: Option<&'a DeployBody>,
}

/// What somebody looks for in the history.
#[derive(Default)]
pub struct Past<'a> {
    /// In commits, messages, authors, actors, reasons and failures.
    pub words: &'a str,
    /// `failed`, `worked` or `rollbacks`; empty: all.
    pub show: &'a str,
}

impl Past<'_> {
    /// Whether it is the whole history.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.words.is_empty() && self.show.is_empty()
    }

    /// Whether a deploy is one of those.
    #[must_use]
    pub fn shows(&self, state: DeployState, cause: Cause) -> bool {
        match self.show {
            "failed" => matches!(state, DeployState::Failed | DeployState::Cancelled),
            "worked" => worked(state),
            "rollbacks" => cause == Cause::Rollback,
            _ => true,
        }
    }

    /// Whether a deploy has the words.
    #[must_use]
    pub fn says(&self, deploy: &DeployBody) -> bool {
        let words = self.words.to_lowercase();
        let info = deploy.message.as_ref();
        let failure = deploy.failure.as_ref();
        let texts = [
            Some(deploy.actor.as_str()),
            deploy.reason.as_deref(),
            info.map(|i| i.message.as_str()),
            info.map(|i| i.author.as_str()),
            failure.map(|f| f.code.as_str()),
            failure.map(|f| f.sentence.as_str()),
        ];
        deploy.commit.as_str().starts_with(&words)
            || deploy.deploy.to_string() == words
            || texts
                .into_iter()
                .flatten()
                .any(|t| t.to_lowercase().contains(&words))
    }
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
fn rows<'a>(
    chrome: &Chrome,
    page: &'a AppPage,
    deploys: &'a [DeployBody],
    whole: bool,
) -> Vec<Row<'a>> {
    let live = page.app.live.as_ref().map(|l| l.deploy);
    let mut next: Option<&str> = None;
    let mut rows = Vec::new();
    for deploy in deploys {
        let is_live = live == Some(deploy.deploy);
        let ended = deploy.ended_at.as_deref();
        // of a part of the history it is not known what came after
        let lived = match (worked(deploy.state) && whole, ended, next) {
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

/// `GET /apps/{id}`; `found` is what was looked for in its history.
#[must_use]
pub fn app(
    chrome: &Chrome,
    page: &AppPage,
    past: &Past<'_>,
    found: Option<&(Vec<DeployBody>, Option<String>)>,
) -> String {
    let live = page.app.live.as_ref();
    let (deploys, next) = found.map_or((&page.deploys, &page.next), |(d, n)| (d, n));
    render(&View {
        chrome,
        title: format!("{}: {}", page.app.app, status::of_app(&page.app).word()),
        json: Some(format!("/apps/{}.json", page.app.app)),
        page,
        app: &page.app,
        rows: rows(chrome, page, deploys, past.is_all()),
        past,
        next: next.as_deref(),
        week: week(&page.deploys, chrome.now),
        trouble: trouble(page),
        live: live.and_then(|l| page.deploys.iter().find(|d| d.deploy == l.deploy)),
    })
}

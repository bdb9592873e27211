//! One deploy: how it stands or ended, what changed, and every step in order.

use askama::Template;

use super::chrome::Chrome;
use super::events::EventLine;
use super::part::{self, render};
use super::status;
use crate::api::{AppBody, DeployBody, LastWords, ServiceBody};
use crate::event::Cause;
use crate::history::{AppState, DeployState};

/// What a deploy changes of one service.
#[derive(Debug, Clone)]
pub struct DiffLine {
    /// The service.
    pub service: String,
    /// What is done to it.
    pub change: String,
    /// Which fields differ.
    pub fields: Vec<crate::spec::Change>,
    /// The viewer may not see values.
    pub hidden: bool,
}

#[derive(Template)]
#[template(path = "deploy.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a AppBody,
    deploy: &'a DeployBody,
    words: Option<&'a LastWords>,
    services: &'a [ServiceBody],
    timeline: Vec<&'a EventLine>,
    diff: &'a [DiffLine],
}

impl View<'_> {
    fn acts(&self) -> bool {
        self.chrome.operates(&self.app.app)
            && !matches!(self.app.state, AppState::Destroying | AppState::Destroyed)
    }

    fn is_live(&self) -> bool {
        self.app
            .live
            .as_ref()
            .is_some_and(|l| l.deploy == self.deploy.deploy)
    }

    fn worked(&self) -> bool {
        matches!(
            self.deploy.state,
            DeployState::Succeeded | DeployState::Unchanged
        )
    }

    fn cause(&self) -> &'static str {
        match self.deploy.cause {
            Cause::Push => "push",
            Cause::Rollback => "rollback",
            Cause::Redeploy => "redeploy",
            Cause::Resume => "resume: the pin was lifted",
            Cause::Unlock => "unlock: the lock was lifted",
            Cause::Cli => "cli: an operator asked",
        }
    }

    fn took(&self) -> Option<String> {
        let from = self.deploy.started_at.as_deref()?;
        self.chrome.lasted(from, self.deploy.ended_at.as_deref())
    }
}

/// `GET /apps/{id}/deploys/{n}`.
#[must_use]
pub fn deploy(
    chrome: &Chrome,
    app: &AppBody,
    deploy: &DeployBody,
    words: Option<&LastWords>,
    timeline: &[EventLine],
    diff: &[DiffLine],
) -> String {
    let mut timeline: Vec<&EventLine> = timeline.iter().collect();
    timeline.sort_by_key(|line| line.seq);
    render(&View {
        chrome,
        title: format!("{} {}: {}", app.app, deploy.deploy, deploy.state.word()),
        json: Some(format!(
            "/apps/{}/deploys/{}.json",
            app.app, deploy.deploy.0
        )),
        app,
        deploy,
        words,
        services: deploy.services.as_deref().unwrap_or_default(),
        timeline,
        diff,
    })
}

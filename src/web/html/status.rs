//! Status as icon, word and colour, never one of them alone.

use askama::Template;
use askama::filters::HtmlSafe;

use super::part::Icon;
use crate::api::{AppBody, Health};
use crate::history::{AppState, DeployState};

/// An icon, a word and a tone: `ok`, `busy`, `warn`, `bad` or `quiet`.
#[derive(Template)]
#[template(
    source = r#"<span class="status {{ tone }}">{{ icon }}{{ word }}</span>"#,
    ext = "html"
)]
pub(super) struct Status<'a> {
    icon: Icon,
    word: &'a str,
    tone: &'static str,
}

impl HtmlSafe for Status<'_> {}

impl Status<'_> {
    /// The word alone, within a line.
    pub(super) fn word(&self) -> String {
        self.word.to_lowercase()
    }

    /// The name of the icon that shows it in a tab.
    pub(super) fn icon_file(&self) -> &'static str {
        match self.tone {
            "ok" => "icon-ok",
            "busy" => "icon-busy",
            "warn" => "icon-warn",
            "bad" => "icon-bad",
            _ => "icon",
        }
    }
}

fn status<'a>(icon: Icon, word: &'a str, tone: &'static str) -> Status<'a> {
    Status { icon, word, tone }
}

/// Where a deploy is.
pub(super) fn of_deploy(state: DeployState) -> Status<'static> {
    match state {
        DeployState::Queued => status(Icon::Clock, "Queued", "busy"),
        DeployState::Waiting => status(Icon::Clock, "Waiting", "warn"),
        DeployState::Reading => status(Icon::Turning, "Reading", "busy"),
        DeployState::Applying => status(Icon::Turning, "Applying", "busy"),
        DeployState::Following => status(Icon::Turning, "Following", "busy"),
        DeployState::Succeeded => status(Icon::Check, "Succeeded", "ok"),
        DeployState::Unchanged => status(Icon::Equal, "Unchanged", "ok"),
        DeployState::Failed => status(Icon::Cross, "Failed", "bad"),
        DeployState::Cancelled => status(Icon::Cross, "Cancelled", "quiet"),
        DeployState::Superseded => status(Icon::Skip, "Superseded", "quiet"),
    }
}

/// What a deploy that has not ended is doing.
pub(super) fn doing(state: DeployState) -> &'static str {
    match state {
        DeployState::Queued => "It is recorded and begins as soon as its turn comes.",
        DeployState::Waiting => "It cannot go on yet.",
        DeployState::Reading => "The commit is being read and compared with what runs.",
        DeployState::Applying => "Marathon is being told.",
        DeployState::Following => {
            "Marathon is rolling; it has succeeded once everything runs the new version and is healthy."
        }
        _ => "",
    }
}

/// How well an app is.
pub(super) fn of_app(app: &AppBody) -> Status<'static> {
    match (app.state, app.health) {
        (AppState::Destroyed, _) => status(Icon::Cross, "Destroyed", "quiet"),
        (AppState::Destroying, _) => status(Icon::Turning, "Destroying", "warn"),
        (_, Health::Ok) => status(Icon::Check, "Ok", "ok"),
        (_, Health::Deploying) => status(Icon::Turning, "Deploying", "busy"),
        (_, Health::Degraded) => status(Icon::Warning, "Degraded", "warn"),
        (_, Health::Failed) => status(Icon::Cross, "Failed", "bad"),
        (_, Health::Unknown) if app.live.is_some() => status(Icon::Question, "Not known", "warn"),
        (_, Health::Unknown) => status(Icon::Question, "Nothing deployed", "quiet"),
    }
}

/// The gates an app stands behind.
pub(super) fn gates(app: &AppBody) -> Vec<Status<'static>> {
    let mut gates = Vec::new();
    if app.lock.is_some() {
        gates.push(status(Icon::Lock, "Locked", "warn"));
    }
    if app.pin.is_some() {
        gates.push(status(Icon::Pin, "Pinned", "warn"));
    }
    if app.state == AppState::Held {
        gates.push(status(Icon::Hold, "Held", "warn"));
    }
    gates
}

/// The stage of a service.
pub(super) fn of_stage(stage: &str) -> Status<'_> {
    match stage {
        "healthy" => status(Icon::Check, stage, "ok"),
        "running" => status(Icon::Check, stage, "busy"),
        "starting" => status(Icon::Turning, stage, "busy"),
        "waiting" => status(Icon::Clock, stage, "warn"),
        "crashing" | "unhealthy" | "down" | "missing" => status(Icon::Cross, stage, "bad"),
        _ => status(Icon::Info, stage, "quiet"),
    }
}

/// How the webhook is.
pub(super) fn of_hook(failing: bool, registered: bool, pinged: bool) -> Status<'static> {
    match (failing, registered, pinged) {
        (true, _, _) => status(Icon::Cross, "Failing", "bad"),
        (_, false, _) => status(Icon::Question, "Not registered", "warn"),
        (_, _, false) => status(Icon::Clock, "Registered, no ping yet", "warn"),
        _ => status(Icon::Check, "Registered, ping arrived", "ok"),
    }
}

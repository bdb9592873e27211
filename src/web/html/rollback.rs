//! The confirmation of a rollback: from, to, what is undone, what changes, what follows.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::{AppBody, PlanBody, PlanService};
use crate::event::{CommitInfo, DeployRef};
use crate::id::ServiceId;

#[derive(Template)]
#[template(path = "rollback.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a AppBody,
    plan: &'a PlanBody,
    to: Option<&'a DeployRef>,
    only: Option<&'a ServiceId>,
    message: Option<&'a CommitInfo>,
    error: Option<&'a str>,
}

impl View<'_> {
    /// What the form names as target: the deploy where there is one, else the whole commit.
    fn target(&self) -> String {
        let Some(to) = &self.plan.to else {
            return String::new();
        };
        to.deploy
            .map_or_else(|| to.commit.to_string(), |number| number.to_string())
    }

    fn changed(&self) -> Vec<&PlanService> {
        let all = self.plan.services.iter();
        all.filter(|s| s.change != "unchanged").collect()
    }

    fn unchanged(&self) -> Vec<&PlanService> {
        let all = self.plan.services.iter();
        all.filter(|s| s.change == "unchanged").collect()
    }

    /// Services that run another number of instances than the target's spec says.
    fn scaled(&self) -> Vec<(&PlanService, u32)> {
        let all = self.plan.services.iter();
        all.filter(|s| s.change != "remove" && s.instances.running > 0)
            .filter_map(|s| s.instances.spec.map(|spec| (s, spec)))
            .filter(|(s, spec)| s.instances.running != *spec)
            .collect()
    }
}

/// `GET /apps/{id}/rollback`.
#[must_use]
pub fn rollback(
    chrome: &Chrome,
    app: &AppBody,
    plan: &PlanBody,
    only: Option<&ServiceId>,
    message: Option<&CommitInfo>,
    error: Option<&str>,
) -> String {
    let to = plan.to.as_ref();
    render(&View {
        chrome,
        to,
        title: format!(
            "Roll back {}{}",
            app.app,
            to.map_or_else(String::new, |to| format!(" to {}", to.commit.short()))
        ),
        json: None,
        app,
        plan,
        only,
        message,
        error,
    })
}

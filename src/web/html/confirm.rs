//! The confirmation of an action that changes what runs: what it comes to, and the button that does just that.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::{ActBody, AppBody, PlanBody, PlanService};
use crate::id::ServiceId;

/// What was asked for, and what it would come to.
pub struct Asked<'a> {
    /// The action.
    pub action: &'a str,
    /// The one service it is about.
    pub only: Option<&'a ServiceId>,
    /// Its fields.
    pub body: &'a ActBody,
    /// Its plan.
    pub plan: Option<&'a PlanBody>,
    /// Why there is none.
    pub silence: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a AppBody,
    asked: &'a Asked<'a>,
}

impl View<'_> {
    /// The action as people say it.
    fn verb(&self) -> &'static str {
        match self.asked.action {
            "deploy" => "Deploy",
            "redeploy" => "Redeploy",
            "resume" => "Resume",
            "unlock" => "Unlock",
            "scale" => "Scale",
            _ => "Adopt services and deploy",
        }
    }

    /// What the form says that the page said, as hidden fields.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let body = self.asked.body;
        let deploy = body.deploy.as_ref();
        let deploy = deploy.map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned));
        let all = [
            ("to", body.to.clone()),
            ("deploy", deploy),
            ("from", body.from.clone()),
            ("instances", body.instances.map(|n| n.to_string())),
            ("force", body.force.then(|| "true".to_owned())),
            ("service", self.asked.only.map(ToString::to_string)),
            ("plan", self.asked.plan.map(|p| p.plan.clone())),
        ];
        let said = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        said.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn changed(&self) -> Vec<&PlanService> {
        let all = self.asked.plan.iter().flat_map(|p| &p.services);
        all.filter(|s| s.change != "unchanged").collect()
    }

    fn unchanged(&self) -> Vec<&PlanService> {
        let all = self.asked.plan.iter().flat_map(|p| &p.services);
        all.filter(|s| s.change == "unchanged").collect()
    }

    /// Whether a lock stands in the way that this action may override.
    fn overrides(&self) -> bool {
        let takes = matches!(self.asked.action, "deploy" | "redeploy" | "scale");
        takes && self.app.lock.is_some()
    }

    /// Whether the history says why.
    fn explains(&self) -> bool {
        !matches!(self.asked.action, "scale" | "adopt")
    }
}

/// `GET /apps/{id}/{action}`.
#[must_use]
pub fn confirm(chrome: &Chrome, app: &AppBody, asked: &Asked<'_>) -> String {
    let mut view = View {
        chrome,
        title: String::new(),
        json: None,
        app,
        asked,
    };
    view.title = format!("{} · {}", view.verb(), app.app);
    render(&view)
}

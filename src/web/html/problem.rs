//! An error as a page: what happened, and the way out.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::Problem;

#[derive(Template)]
#[template(path = "problem.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: &'a str,
    json: Option<String>,
    problem: &'a Problem,
}

impl View<'_> {
    /// The comparison to look at again, where the state changed meanwhile.
    fn again(&self) -> Option<String> {
        let plan = self.problem.plan.as_ref()?;
        if !self.chrome.operates(&plan.app) {
            return None;
        }
        // the page that was acted on shows what holds now
        let path = &self.chrome.path;
        path.starts_with("/apps/").then(|| path.clone())
    }
}

/// Any error.
#[must_use]
pub fn problem(chrome: &Chrome, problem: &Problem) -> String {
    render(&View {
        chrome,
        title: &problem.title,
        json: None,
        problem,
    })
}

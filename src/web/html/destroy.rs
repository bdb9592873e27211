//! Destroy: what will go, the name to confirm it, and what was done.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::{AppBody, AppPage, PlanBody};

#[derive(Template)]
#[template(path = "destroy.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a AppBody,
    page: &'a AppPage,
    plan: Option<&'a PlanBody>,
    kept: bool,
    error: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "destroyed.html")]
struct Ended<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a str,
    sentence: Option<&'a str>,
    done: &'a [String],
    open: &'a [String],
}

/// `GET /apps/{id}/destroy`, or with its services `kept`.
#[must_use]
pub fn destroy(
    chrome: &Chrome,
    page: &AppPage,
    plan: Option<&PlanBody>,
    kept: bool,
    error: Option<&str>,
) -> String {
    render(&View {
        chrome,
        title: format!("Destroy {}", page.app.app),
        json: None,
        app: &page.app,
        page,
        plan,
        kept,
        error,
    })
}

/// The answer to a destroy: what was done, and what could not be.
#[must_use]
pub fn destroyed(
    chrome: &Chrome,
    app: &str,
    sentence: Option<&str>,
    done: &[String],
    open: &[String],
) -> String {
    render(&Ended {
        chrome,
        title: format!("Destroy of {app}"),
        json: None,
        app,
        sentence,
        done,
        open,
    })
}

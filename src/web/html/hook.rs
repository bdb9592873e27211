//! The webhook of an app: whether GitHub can reach us, and how we know anyway.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use super::status;
use crate::api::{AppBody, HookBody};

#[derive(Template)]
#[template(path = "hook.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    app: &'a AppBody,
    hook: &'a HookBody,
    polled_every: u64,
}

/// `GET /apps/{id}/hook`.
#[must_use]
pub fn hook(chrome: &Chrome, app: &AppBody, hook: &HookBody, polled_every: u64) -> String {
    render(&View {
        chrome,
        title: format!("Webhook of {}", app.app),
        json: Some(format!("/apps/{}/hook.json", app.app)),
        app,
        hook,
        polled_every,
    })
}

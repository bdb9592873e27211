//! The login of operators.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};

#[derive(Template)]
#[template(path = "login.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    next: &'a str,
    error: Option<&'a str>,
    closed: Option<&'a str>,
}

/// `GET /login`; `closed` says why no login is possible here, and the ways out.
#[must_use]
pub fn login(chrome: &Chrome, next: &str, error: Option<&str>, closed: Option<&str>) -> String {
    render(&View {
        chrome,
        title: "Log in",
        json: None,
        next,
        error,
        closed,
    })
}

//! Tokens and sessions: who may come in, and who is in.

use std::collections::BTreeSet;

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::{MadeTokenBody, SessionBody, TokenBody};
use crate::id::AppId;

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensView<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    tokens: &'a [TokenBody],
    made: Option<&'a MadeTokenBody>,
    error: Option<&'a str>,
}

impl TokensView<'_> {
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn names(&self, apps: &BTreeSet<AppId>) -> String {
        let names: Vec<&str> = apps.iter().map(AppId::as_str).collect();
        names.join(", ")
    }
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsView<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    sessions: &'a [SessionBody],
    token: Option<&'a str>,
}

/// `GET /tokens`, with the one that was just made, or what was wrong with it.
#[must_use]
pub fn tokens(
    chrome: &Chrome,
    tokens: &[TokenBody],
    made: Option<&MadeTokenBody>,
    error: Option<&str>,
) -> String {
    render(&TokensView {
        chrome,
        title: "Tokens",
        json: Some("/tokens.json".to_owned()),
        tokens,
        made,
        error,
    })
}

/// `GET /sessions`, of one token or of all.
#[must_use]
pub fn sessions(chrome: &Chrome, sessions: &[SessionBody], token: Option<&str>) -> String {
    render(&SessionsView {
        chrome,
        title: "Sessions",
        json: Some("/sessions.json".to_owned()),
        sessions,
        token,
    })
}

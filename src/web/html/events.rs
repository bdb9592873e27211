//! The log, as people read it.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};

/// An event in one line, and whole behind it.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: String,
    /// The app, if any.
    pub app: Option<String>,
    /// What kind of fact.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// The deploy, if any.
    pub deploy: Option<u32>,
    /// One plain sentence.
    pub summary: String,
    /// The payload as pretty JSON, as far as the viewer may see it.
    pub payload: String,
    /// Its hash.
    pub hash: String,
    /// The hash of the event before.
    pub prev_hash: String,
}

/// A page of the log.
#[derive(Debug, Clone)]
pub struct EventsPage {
    /// Only of this app.
    pub app: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this actor.
    pub actor: Option<String>,
    /// Newest first.
    pub lines: Vec<EventLine>,
    /// `before=` of the next older page.
    pub older: Option<i64>,
    /// `before=` of the next newer page.
    pub newer: Option<i64>,
    /// The kinds to choose from.
    pub kinds: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "events.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    page: &'a EventsPage,
    /// The filters, ready to be followed by another parameter.
    filters: String,
}

impl View<'_> {
    fn filtered(&self) -> bool {
        !self.filters.is_empty()
    }

    fn is_kind(&self, kind: &str) -> bool {
        self.page.kind.as_deref() == Some(kind)
    }
}

fn filters(page: &EventsPage) -> String {
    let mut query = String::new();
    for (name, value) in [
        ("app", &page.app),
        ("kind", &page.kind),
        ("actor", &page.actor),
    ] {
        if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            query.extend([name, "=", &value.to_string(), "&"]);
        }
    }
    query
}

/// `GET /events`.
#[must_use]
pub fn events(chrome: &Chrome, page: &EventsPage) -> String {
    let filters = filters(page);
    let json = format!("/events.jsonl?{filters}");
    render(&View {
        chrome,
        title: "Events",
        json: Some(json.trim_end_matches(['&', '?']).to_owned()),
        page,
        filters,
    })
}

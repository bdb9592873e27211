//! Why a commit is live, or is not.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::id::AppId;

/// What one app knows of a commit.
#[derive(Debug, Clone)]
pub struct WhyLine {
    /// The app.
    pub app: String,
    /// Since when it is so.
    pub at: String,
    /// Why.
    pub sentence: String,
    /// The deploy it is about.
    pub deploy: Option<u32>,
    /// Whether the commit is live.
    pub live: bool,
}

/// The answer for one app, and what to do about it.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The app.
    pub app: AppId,
    /// Whether the commit is live there.
    pub live: bool,
    /// Why.
    pub sentence: String,
    /// Whether that is for anybody.
    pub open: bool,
    /// Where to go on: address and label.
    pub step: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "why.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    sha: &'a str,
    verdicts: &'a [Verdict],
    lines: &'a [WhyLine],
}

/// `GET /why/{sha}`.
#[must_use]
pub fn why(chrome: &Chrome, sha: &str, verdicts: &[Verdict], lines: &[WhyLine]) -> String {
    let short: String = sha.chars().take(7).collect();
    let hex = sha.bytes().all(|b| b.is_ascii_hexdigit());
    render(&View {
        chrome,
        title: format!("Why is {short} (not) live?"),
        json: hex.then(|| format!("/why/{sha}.json")),
        sha,
        verdicts,
        lines,
    })
}

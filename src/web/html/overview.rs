//! The overview: every app in one line, those that need attention first.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use super::status;
use crate::api::{AppBody, AppsBody, Health, RegisteringBody};
use crate::history::AppState;

#[derive(Template)]
#[template(path = "overview.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    apps: Vec<&'a AppBody>,
    /// Those of them that are looked for.
    found: Vec<&'a AppBody>,
    /// How many were found, on all pages.
    all: usize,
    /// The page that is shown, from 1.
    at: usize,
    sought: &'a Sought<'a>,
    next: Option<&'a String>,
    registering: Option<&'a RegisteringBody>,
}

/// What somebody looks for on the overview.
pub struct Sought<'a> {
    /// In names, repositories, commits and sentences.
    pub words: &'a str,
    /// `attention`, `deploying`, `pinned` or `locked`; empty: all.
    pub show: &'a str,
    /// Which page of what was found, from 1.
    pub page: usize,
}

/// So many apps on a page.
const SHOWN: usize = 100;

impl Sought<'_> {
    /// Whether an app is one of those.
    #[must_use]
    pub fn finds(&self, app: &AppBody) -> bool {
        let shown = match self.show {
            "attention" => urgency(app) <= 1,
            "deploying" => app.health == Health::Deploying,
            "pinned" => app.pin.is_some(),
            "locked" => app.lock.is_some(),
            _ => true,
        };
        let words = self.words.to_lowercase();
        let commits = [
            app.live.as_ref().map(|l| &l.commit),
            app.head.as_ref().map(|h| &h.commit),
        ];
        let has = |text: &str| text.to_lowercase().contains(&words);
        shown
            && (has(app.app.as_str())
                || has(&app.source.repository)
                || app.sentence.as_deref().is_some_and(has)
                || commits
                    .into_iter()
                    .flatten()
                    .any(|c| c.as_str().starts_with(&words)))
    }
}

impl View<'_> {
    /// Where another page of what was found is.
    fn page(&self, number: usize) -> String {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let (q, show) = (encoded(self.sought.words), encoded(self.sought.show));
        let page = format!("page={number}");
        let known = [(q, "q"), (show, "show")].into_iter();
        let known = known.filter(|(value, _)| !value.is_empty());
        let parts = known.map(|(value, name)| format!("{name}={value}"));
        format!("/?{}", parts.chain([page]).collect::<Vec<_>>().join("&"))
    }

    /// The first of those that are shown, from 1.
    fn first(&self) -> usize {
        (self.at - 1) * SHOWN + 1
    }

    fn is_all(&self) -> bool {
        self.sought.words.is_empty() && self.sought.show.is_empty()
    }

    fn count(&self, wanted: impl Fn(&AppBody) -> bool) -> usize {
        self.apps.iter().filter(|app| wanted(app)).count()
    }

    fn attention(&self) -> usize {
        self.count(|a| urgency(a) <= 1)
    }

    /// The icon of the tab: of the app that is worst.
    fn icon_file(&self) -> &'static str {
        let worst = self.apps.first().filter(|a| a.state != AppState::Destroyed);
        worst.map_or("icon", |app| status::of_app(app).icon_file())
    }

    fn deploying(&self) -> usize {
        self.count(|a| a.health == Health::Deploying)
    }

    fn pinned(&self) -> usize {
        self.count(|a| a.pin.is_some())
    }

    fn locked(&self) -> usize {
        self.count(|a| a.lock.is_some())
    }
}

/// Smaller comes first.
fn urgency(app: &AppBody) -> u8 {
    match (app.state, app.health) {
        (AppState::Destroyed, _) => 6,
        (_, Health::Failed) => 0,
        (_, Health::Degraded) | (AppState::Held | AppState::Destroying, _) => 1,
        (_, Health::Deploying) => 2,
        (_, Health::Unknown) if app.live.is_some() => 1,
        (AppState::Locked | AppState::Pinned, _) => 3,
        (_, Health::Unknown) => 4,
        (_, Health::Ok) => 5,
    }
}

/// `GET /`.
#[must_use]
pub fn overview(chrome: &Chrome, page: &AppsBody, sought: &Sought<'_>) -> String {
    let mut apps: Vec<&AppBody> = page.apps.iter().collect();
    apps.sort_by(|a, b| urgency(a).cmp(&urgency(b)).then_with(|| a.app.cmp(&b.app)));
    let found: Vec<&AppBody> = apps
        .iter()
        .copied()
        .filter(|app| sought.finds(app))
        .collect();
    let all = found.len();
    // beyond the last page there is the last
    let at = sought.page.clamp(1, all.div_ceil(SHOWN).max(1));
    render(&View {
        chrome,
        title: "Apps",
        json: Some("/apps.json".to_owned()),
        found: found
            .into_iter()
            .skip((at - 1) * SHOWN)
            .take(SHOWN)
            .collect(),
        all,
        at,
        apps,
        sought,
        next: page.next.as_ref(),
        registering: page.registering.as_ref(),
    })
}

//! What surrounds every page: who looks, what they must know, what time it is.

use super::when::{self, Time};

/// Something everybody who looks must know.
#[derive(Debug, Clone)]
pub struct Banner {
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it is.
    pub text: String,
    /// Where to act on it: address and label.
    pub link: Option<(String, String)>,
}

/// What surrounds every page.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// The operator who is logged in; forms are shown to nobody else.
    pub operator: Option<String>,
    /// What everybody must know.
    pub banners: Vec<Banner>,
    /// The time the page is made; relative times are computed from it.
    pub now: jiff::Timestamp,
    /// The path of this page, to come back to after a login.
    pub path: String,
    /// The version of the observer.
    pub version: &'static str,
}

impl Chrome {
    /// A time, relative to this page's.
    pub(super) fn ago<'a>(&self, iso: &'a str) -> Time<'a> {
        when::time(iso, self.now)
    }

    /// A time of day, for steps that follow each other; relative text would say the same of all.
    #[expect(clippy::unused_self, reason = "templates call it beside `ago`")]
    pub(super) fn clock<'a>(&self, iso: &'a str) -> Time<'a> {
        when::clock(iso)
    }

    /// How long something lasted, or lasts already.
    pub(super) fn lasted(&self, from: &str, to: Option<&str>) -> Option<String> {
        let to = to.map_or(Some(self.now), |to| to.parse().ok())?;
        when::lasted(from, to)
    }

    /// When this page was made.
    pub(super) fn made(&self) -> String {
        when::absolute(self.now)
    }
}

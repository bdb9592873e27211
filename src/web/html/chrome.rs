//! What surrounds every page: who looks, what they must know, what time it is.

use std::sync::Arc;

use super::when::{self, Time};
use crate::access::{Person, Role};
use crate::id::AppId;

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

/// A world on one machine, whose pages say what to try in it.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its app.
    pub app: AppId,
    /// Its repository, `owner/name`.
    pub repository: String,
    /// The clone that is ready to edit, as a shell takes it.
    pub clone: String,
    /// Its GitHub.
    pub github: String,
    /// Its Marathon.
    pub marathon: String,
}

/// What surrounds every page.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// Who is logged in; forms are shown to those who may use them.
    pub person: Option<Person>,
    /// What everybody must know.
    pub banners: Vec<Banner>,
    /// The time the page is made; relative times are computed from it.
    pub now: jiff::Timestamp,
    /// The path of this page, to come back to after a login.
    pub path: String,
    /// The stream that says when this page is not what it was; `None` where it stays as it is.
    pub live: Option<String>,
    /// What the act came to that led here.
    pub did: Option<&'static str>,
    /// What there is to try, in the local world.
    pub trial: Option<Arc<Trial>>,
    /// The version of the observer.
    pub version: &'static str,
}

impl Chrome {
    /// Whether nobody is logged in.
    pub(super) fn is_strangers(&self) -> bool {
        self.person.is_none()
    }

    /// Whether who looks may do to this app what operators do.
    pub(super) fn operates(&self, app: &AppId) -> bool {
        let person = self.person.as_ref();
        person.is_some_and(|p| p.may(Role::Operator, app))
    }

    /// Whether who looks may do to this app what admins do.
    pub(super) fn administers(&self, app: &AppId) -> bool {
        let person = self.person.as_ref();
        person.is_some_and(|p| p.may(Role::Admin, app))
    }

    /// Whether who looks makes tokens.
    pub(super) fn keeps_tokens(&self) -> bool {
        let person = self.person.as_ref();
        person.is_some_and(|p| p.may_everywhere(Role::Admin))
    }

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

    /// The feed that goes with this page.
    pub(super) fn feed(&self) -> Option<String> {
        let live = self.live.as_ref()?;
        Some(live.replacen("/live", "/feed.atom", 1))
    }

    /// When this page was made.
    pub(super) fn made(&self) -> String {
        when::absolute(self.now)
    }
}

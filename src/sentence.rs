//! What went wrong or why something waits: a code for programs and a sentence for people.
//!
//! A new code is a variant of [`Code`]; the compiler then asks for what it means and for the way out, and a test for its row in
//! `docs/deploying.md`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// Every code of a [`Sentence`]: why a deploy ended or waits, why a push is held or ignored, what a plan warns of.
///
/// The log keeps the word and not the variant, so that an old log with a word that is gone can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "`meaning` says what each means")]
pub enum Code {
    SpecInvalid,
    NotOurs,
    OfAnotherApp,
    Own,
    NotAllowed,
    Rejected,
    NoOffers,
    Crashing,
    Unhealthy,
    Deadline,
    Cancelled,
    NotApplied,
    Locked,
    MarathonUnreachable,
    MarathonBusy,
    GithubUnreachable,
    GithubToken,
    GoesOn,
    Removed,
    #[strum(serialize = "pinned")]
    HeldByPin,
    #[strum(serialize = "locked")]
    HeldByLock,
    #[strum(serialize = "first_start")]
    FirstStart,
    #[strum(serialize = "not_the_head")]
    NotTheHead,
    NoHealthCheck,
    NoPortIndex,
    NoRoom,
    MutableTag,
    RestartsAnyway,
}

impl Code {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The word in the log, in JSON and on pages.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The code of a word, as far as this release knows it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::all().find(|code| code.word() == word)
    }
}

impl Code {
    /// What it says, by example where sentences differ: the tables of `docs/deploying.md`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::SpecInvalid => "specs/web.json:3:3: invalid JSON: expected `,` or `}`",
            Self::NotOurs => {
                "/shop/web exists in Marathon and was not made by dploy; adopt it (POST /apps/shop/adopt) or change the id"
            }
            Self::OfAnotherApp => "/blog/web belongs to the app blog; change the id",
            Self::Own => "/dploy-observer is this observer itself; change the id",
            Self::NotAllowed => {
                "/shop/web is outside of what this observer may touch (/apps, DPLOY_OBSERVER_ALLOW_IDS)"
            }
            Self::Rejected => {
                "Marathon refused /shop/web: upgradeStrategy.minimumHealthCapacity error.max (HTTP 422)"
            }
            Self::NoOffers => {
                "/shop/web waits for resources: of the last 2 offers 2 lacked CPUs (needs 1000)"
            }
            Self::Crashing => {
                "/shop/web crashed 5 times on 10.0.7.91: exit 127: sh: python4: not found"
            }
            Self::Unhealthy => "0 of 3 new tasks of /shop/web passed HTTP GET /health",
            Self::Deadline => "no progress for 600 s: /shop/web 1 well",
            Self::Cancelled => {
                "cancelled by mh: wrong branch. Also where somebody else changed a service in Marathon while it was rolling"
            }
            Self::NotApplied => {
                "the answer of a call never came and Marathon does not show the change; it is looked at afresh"
            }
            Self::Locked => {
                "somebody else's Marathon deployment holds a service; the sentence names it"
            }
            Self::MarathonUnreachable => {
                "Marathon does not answer, or does not take our credentials"
            }
            Self::MarathonBusy => "its limit of running deployments is reached",
            Self::GithubUnreachable => "GitHub does not answer, or its limit is reached",
            Self::GithubToken => "the token is missing, wrong, or lacks a right",
            Self::GoesOn => "Marathon answers again; the deploy waits for nothing any more",
            Self::Removed => {
                "an operator removed the webhook; it is not registered again by itself"
            }
            Self::HeldByPin => "an operator pinned the app to another commit",
            Self::HeldByLock => "an operator locked the app",
            Self::FirstStart => {
                "an empty log meets services of this app that differ from the specs"
            }
            Self::NotTheHead => {
                "the branch main is at 1a2b3c4 and was not seen at 5d6e7f8; push again, or deploy it by hand"
            }
            Self::NoHealthCheck => {
                "a service counts as well once it runs, and a bad version cannot be ended without losing healthy instances"
            }
            Self::NoPortIndex => {
                "a health check without `portIndex` where the spec names no ports: Marathon kills such tasks for ever"
            }
            Self::NoRoom => {
                "a fixed port on one host, and all old instances are kept: there is no room for new ones"
            }
            Self::MutableTag => {
                "the image's tag can move: a rollback may not bring back the same image"
            }
            Self::RestartsAnyway => {
                "only `labels` or `upgradeStrategy` differ; Marathon restarts the service all the same"
            }
        }
    }

    /// What a person does about it.
    #[must_use]
    pub fn way_out(self) -> &'static str {
        match self {
            Self::SpecInvalid => "Correct the file and push: the next push is deployed.",
            Self::NotOurs => {
                "An operator can adopt the service, which makes it this app's. Or give the spec another id and push."
            }
            Self::OfAnotherApp | Self::Own => "Give the spec another id and push.",
            Self::NotAllowed => {
                "Give the spec an id below one of these and push, or let the observer touch more (DPLOY_OBSERVER_ALLOW_IDS)."
            }
            Self::Rejected => "Correct the spec and push: the next push is deployed.",
            Self::NoOffers => {
                "Ask for less in the spec and push, or give the cluster more room and redeploy."
            }
            Self::Crashing | Self::Unhealthy | Self::Deadline => {
                "Push a fix: it takes over at once. Or roll back to a deploy that worked. What the tasks wrote is in their log."
            }
            Self::Cancelled => "Deploy the head of the branch again, or push.",
            Self::NotApplied | Self::GoesOn => "Nothing: it goes on by itself.",
            Self::Locked | Self::MarathonBusy => {
                "It goes on by itself as soon as the other deployment is over. It can be cancelled meanwhile."
            }
            Self::MarathonUnreachable | Self::GithubUnreachable => {
                "It goes on by itself as soon as there is an answer. It can be cancelled meanwhile."
            }
            Self::GithubToken => {
                "Give the observer a token that can read the repository (DPLOY_OBSERVER_GITHUB_PAT); it goes on by itself."
            }
            Self::Removed => "Register the webhook again when pushes shall arrive at once.",
            Self::HeldByPin => {
                "Resume the app, or push again where the pin ends with the next push."
            }
            Self::HeldByLock => "Unlock the app: its head is deployed then.",
            Self::FirstStart => "Deploy the head when what runs may be changed, or push.",
            Self::NotTheHead => {
                "Push again if the commit is wanted: the branch is what is deployed."
            }
            Self::NoHealthCheck
            | Self::NoPortIndex
            | Self::NoRoom
            | Self::MutableTag
            | Self::RestartsAnyway => {
                "Change the spec if this matters, and push; a warning stops nothing."
            }
        }
    }
}

/// What a person does about a code that the log has; one that this release does not know is a failure.
#[must_use]
pub fn way_out(code: &str) -> &'static str {
    let unknown = "Push a fix: it takes over at once. Or roll back to a deploy that worked.";
    Code::of(code).map_or(unknown, Code::way_out)
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.word().to_owned()
    }
}

/// A code and its sentence, e.g. `NO_OFFERS` and "/shop/web waits for resources: …".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Sentence {
    /// The word of a [`Code`], or one that an older release wrote; it never changes its meaning.
    pub code: String,
    /// What happened, and where there is one, the way out.
    pub sentence: String,
}

impl Sentence {
    /// A code with its sentence.
    pub fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self::logged(code, sentence)
    }

    /// What the log says.
    pub fn logged(code: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            sentence: sentence.into(),
        }
    }

    /// Whether it is about this.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.code == code.word()
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}

//! What programs read where something is refused: one code for each reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

use super::PlanBody;

/// Why a request is refused. A new code is a variant; the compiler then asks for its title, and a test for its row in
/// `docs/http-api.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "`meaning` says what each means")]
pub enum ProblemCode {
    Busy,
    Clock,
    ContentType,
    CrossSite,
    Destroying,
    Github,
    Internal,
    Invalid,
    KeyReused,
    Locked,
    LogUnavailable,
    Login,
    Marathon,
    Method,
    Moved,
    NameTaken,
    NoHook,
    NotFound,
    NotNow,
    NotRegistrable,
    NotRollbackable,
    PlainHttp,
    PlanStale,
    Random,
    Role,
    Signature,
    Slow,
    Stale,
    Token,
    TooLarge,
    TooMany,
    Unreadable,
}

impl ProblemCode {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The word in `code`.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// `title`, where it says more than the status does.
    #[must_use]
    pub fn title(self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("Busy"),
            Self::Locked => Some("Locked"),
            Self::Login => Some("Login needed"),
            Self::NotRollbackable => Some("Cannot roll back to this"),
            Self::PlanStale => Some("Plan is stale"),
            Self::Clock
            | Self::ContentType
            | Self::CrossSite
            | Self::Destroying
            | Self::Github
            | Self::Internal
            | Self::Invalid
            | Self::KeyReused
            | Self::LogUnavailable
            | Self::Marathon
            | Self::Method
            | Self::Moved
            | Self::NameTaken
            | Self::NoHook
            | Self::NotFound
            | Self::NotNow
            | Self::NotRegistrable
            | Self::PlainHttp
            | Self::Random
            | Self::Role
            | Self::Signature
            | Self::Slow
            | Self::Stale
            | Self::Token
            | Self::TooLarge
            | Self::TooMany
            | Self::Unreadable => None,
        }
    }

    /// What it means: the table of `docs/http-api.md`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Busy => {
                "something else is under way: a rollback, or too many webhook bodies at once"
            }
            Self::Clock => "the observer's clock is out of range",
            Self::ContentType => "the body is neither JSON nor a form",
            Self::CrossSite => "another site sent the request",
            Self::Destroying => "the app is being destroyed",
            Self::Github => "GitHub refused, or did not answer",
            Self::Internal => "the observer's own log says why",
            Self::Invalid => "a field does not fit; `detail` names it",
            Self::KeyReused => {
                "this `Idempotency-Key` came before with another action or another body"
            }
            Self::Locked => "an operator locked the app",
            Self::LogUnavailable => "the log cannot be written now; nothing was done",
            Self::Login => "this needs somebody who is known: a token, or a login",
            Self::Marathon => "Marathon refused, or did not answer",
            Self::Method => "the route does not take this method",
            Self::Moved => "the route of the first release is another one now; `detail` names it",
            Self::NameTaken => {
                "another source has an app of this name, or there is a token of this name"
            }
            Self::NoHook => "the app has no webhook yet",
            Self::NotFound => "there is nothing of this name",
            Self::NotNow => "it makes no sense as things stand; `detail` says why",
            Self::NotRegistrable => {
                "the repository or its branch cannot be registered; `detail` says why"
            }
            Self::NotRollbackable => "the commit cannot be gone back to; `detail` says why",
            Self::PlainHttp => "tokens and logins are not taken on plain HTTP",
            Self::PlanStale => {
                "the app changed since the plan was made; `plan` is the one that holds now"
            }
            Self::Random => "the operating system gave no randomness",
            Self::Role => "the token may not do this, or not to this app",
            Self::Signature => "no or a wrong signature, or a repository that is not known",
            Self::Slow => "the body did not arrive in time",
            Self::Stale => "the deploy has ended meanwhile",
            Self::Token => "the token is not one of this observer, or it is over",
            Self::TooLarge => "the body is too large",
            Self::TooMany => {
                "too many requests, or wrong tokens, from one address; `Retry-After` says when to try again"
            }
            Self::Unreadable => "signed, but not what GitHub sends",
        }
    }
}

/// Every error: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, in short.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The word of a [`ProblemCode`], or one of a newer observer.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// The way out.
    pub hint: Option<String>,
    /// The new plan, where the old one is stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<PlanBody>>,
    /// Seconds after which it is worth trying again: `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, code: ProblemCode) -> bool {
        self.code == code.word()
    }
}

//! How a call ends that does not do what it should: a sentence for people, with `-json` one line for programs.

use std::process::ExitCode;

use serde::Serialize;
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

use super::terminal::{DIM, paint};
use crate::api::ProblemCode;
use crate::client::ClientError;
use crate::github::GithubError;
use crate::marathon::MarathonError;
use crate::secret::{Redactor, plain};

/// An error.
pub(super) const ERROR: u8 = 1;
/// Usage, something would change, or the workspace is not what the branch has.
pub(super) const CHANGES: u8 = 2;
/// The deploy failed.
pub(super) const FAILED: u8 = 3;
/// Held or locked.
pub(super) const HELD: u8 = 4;

/// So much of a sentence is shown.
const LONGEST: usize = 4000;

/// The words of `dploy` in `code`, where neither the observer nor a deploy has one. A new one is a variant; a test asks for its row
/// in `docs/dploy.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "`meaning` says what each means")]
pub enum Word {
    Cancelled,
    Declined,
    Error,
    Github,
    Held,
    Interrupted,
    Left,
    MarathonRefused,
    MarathonUnreachable,
    NoObserver,
    NoToken,
    NotMarathon,
    NotObserver,
    ObserverUnreachable,
    StillGoing,
    Superseded,
    Unasked,
    Unpushed,
    Usage,
}

impl Word {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The word itself.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// What it means: the table of `docs/dploy.md`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Cancelled => "somebody ended the deploy",
            Self::Declined => "somebody was asked and said no",
            Self::Error => "anything else; `detail` says what",
            Self::Github => "GitHub refused, or did not answer",
            Self::Held => "a lock or a pin holds the commit",
            Self::Interrupted => "Ctrl-C; what was begun goes on",
            Self::Left => "not everything could be removed; standard output lists it",
            Self::MarathonRefused => "Marathon refused",
            Self::MarathonUnreachable => "Marathon did not answer",
            Self::NoObserver => "no observer deploys this app",
            Self::NoToken => "the operator token is missing",
            Self::NotMarathon => "what answers is no Marathon",
            Self::NotObserver => "what answers is no observer",
            Self::ObserverUnreachable => "the observer did not answer",
            Self::StillGoing => "`-wait` is over; what was begun goes on",
            Self::Superseded => "a newer commit overtook the deploy",
            Self::Unasked => "nobody can be asked here, and a flag has to say it",
            Self::Unpushed => "the workspace is not what the branch has",
            Self::Usage => "the command line is wrong",
        }
    }
}

/// A call that did not do what it should.
#[derive(Debug)]
pub(super) struct Failure {
    code: String,
    detail: String,
    hint: Option<String>,
    exit: u8,
    /// People were told already.
    told: bool,
}

/// The line of a program.
#[derive(Serialize)]
struct Line<'a> {
    code: &'a str,
    detail: String,
    hint: Option<String>,
    exit: u8,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// One that ends with this exit code.
    pub fn new(code: impl Into<String>, exit: u8, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            detail: detail.into(),
            hint: None,
            exit,
            told: false,
        }
    }

    /// One with a word of our own.
    pub fn of(word: Word, detail: impl Into<String>) -> Self {
        let exit = match word {
            Word::Usage | Word::Unpushed => CHANGES,
            Word::Cancelled => FAILED,
            Word::Held | Word::Superseded => HELD,
            Word::Declined
            | Word::Error
            | Word::Github
            | Word::Interrupted
            | Word::Left
            | Word::MarathonRefused
            | Word::MarathonUnreachable
            | Word::NoObserver
            | Word::NoToken
            | Word::NotMarathon
            | Word::NotObserver
            | Word::ObserverUnreachable
            | Word::StillGoing
            | Word::Unasked => ERROR,
        };
        Self::new(word.word(), exit, detail)
    }

    /// With the next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// People read it already; programs are told.
    pub fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// What an error of any part comes to.
    pub fn from_error(error: &anyhow::Error) -> Self {
        let text = format!("{error:#}");
        let of = |word| Self::of(word, text.clone());
        for cause in error.chain() {
            if let Some(known) = cause.downcast_ref::<Self>() {
                return known.again();
            }
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return Self {
                    detail: match error {
                        ClientError::Refused(problem) => problem.detail.clone(),
                        _ => text,
                    },
                    ..Self::from_error_of(error)
                };
            }
            match cause.downcast_ref() {
                Some(MarathonError::Unreachable(_)) => return of(Word::MarathonUnreachable),
                Some(_) => return of(Word::MarathonRefused),
                None => {}
            }
            if cause.is::<GithubError>() {
                return of(Word::Github);
            }
        }
        of(Word::Error)
    }

    /// What an error of the observer's comes to.
    pub fn from_error_of(error: &ClientError) -> Self {
        let problem = match error {
            ClientError::Refused(problem) => problem,
            ClientError::Unreachable(..) | ClientError::Away(..) => {
                return Self::of(Word::ObserverUnreachable, error.to_string());
            }
            ClientError::Foreign(..) => return Self::of(Word::NotObserver, error.to_string()),
        };
        let locked = problem.is(ProblemCode::Locked);
        let exit = if locked { HELD } else { ERROR };
        let lifts = "`dploy unlock` lifts the lock; -override-lock acts all the same.";
        let hint = problem.hint.clone().or(locked.then(|| lifts.to_owned()));
        Self {
            hint,
            ..Self::new(&problem.code, exit, &problem.detail)
        }
    }

    fn again(&self) -> Self {
        Self {
            code: self.code.clone(),
            detail: self.detail.clone(),
            hint: self.hint.clone(),
            ..*self
        }
    }

    /// Says it on standard error, and answers the exit code. No secret of this call stands in it.
    pub fn say(&self, json: bool, secrets: &Redactor) -> ExitCode {
        let clean = |text: &str| secrets.clean(text);
        if json {
            let line = Line {
                code: &self.code,
                detail: clean(&plain(&self.detail, LONGEST)),
                hint: self.hint.as_deref().map(|h| clean(&plain(h, LONGEST))),
                exit: self.exit,
            };
            let line = serde_json::to_string(&line).unwrap_or_default();
            anstream::eprintln!("{line}");
        } else if !self.told {
            anstream::eprintln!("dploy: {}", clean(&self.detail));
            if let Some(hint) = &self.hint {
                anstream::eprintln!("{}", paint(DIM, clean(hint)));
            }
        }
        ExitCode::from(self.exit)
    }
}

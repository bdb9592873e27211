//! One app and everything a step needs to act for it.

use super::{Next, Step};
use crate::context::Context;
use crate::event::Fact;
use crate::history::{App, Command};
use crate::id::DeployNumber;
use crate::marathon::MarathonError;
use crate::sentence::{Code, Sentence};
use crate::store::StoreError;

/// An app and its context, for one step.
pub(super) struct Job<'a> {
    pub context: &'a Context,
    pub app: &'a App,
}

impl Job<'_> {
    /// Writes down what happened to a deploy.
    pub async fn record(&self, number: DeployNumber, facts: Vec<Fact>) -> Result<(), StoreError> {
        self.command(Command::Record {
            deploy: number,
            facts,
        })
        .await
    }

    /// Sends a command as the observer.
    pub async fn command(&self, command: Command) -> Result<(), StoreError> {
        self.context
            .store
            .log()
            .command(&self.app.id, "observer", None, command)
            .await
            .map(|_| ())
    }

    /// Says why a deploy waits; written down only when the reason changes.
    pub async fn wait(&self, number: DeployNumber, why: Sentence) -> Step {
        let Sentence { code, sentence } = why;
        self.record(
            number,
            vec![Fact::DeployWaiting {
                code,
                sentence,
                until: None,
            }],
        )
        .await?;
        Ok(Next::After(self.context.timing.retry))
    }

    /// A fact that the log refuses for good, as one that is too large, ends a deploy that has not touched Marathon.
    pub async fn cannot_be_written(&self, why: String) -> Step {
        match &self.app.running {
            Some(deploy) if !deploy.touched => {
                let failed = Fact::DeployFailed {
                    code: Code::SpecInvalid.into(),
                    sentence: why,
                    services: Vec::new(),
                };
                self.record(deploy.number, vec![failed]).await?;
                Ok(Next::Again)
            }
            _ => {
                tracing::error!(app.id = %self.app.id, why, "what happened cannot be written down");
                Ok(Next::After(self.context.timing.retry))
            }
        }
    }

    /// Marathon does not answer, or not as it should: what runs is left alone, and the page says so.
    pub async fn marathon_trouble(&self, error: MarathonError) -> Step {
        let code = match &error {
            MarathonError::Busy(_) => Code::MarathonBusy,
            _ => Code::MarathonUnreachable,
        };
        match &self.app.running {
            Some(deploy) if !deploy.touched => {
                self.wait(deploy.number, Sentence::new(code, error.to_string()))
                    .await
            }
            _ => {
                tracing::warn!(app.id = %self.app.id, %error, "Marathon does not help; trying again");
                Ok(Next::After(self.context.timing.retry))
            }
        }
    }
}

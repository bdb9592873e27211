//! The webhook at GitHub is kept as it should be: registered once with a secret, compared, repaired, verified by its ping.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::event::Fact;
use crate::github::{GithubError, hook_differs};
use crate::history::{App, Command};
use crate::sentence::{Code, Sentence};
use crate::store::StoreError;

/// Keeps the hooks of all repositories.
#[derive(Clone)]
pub struct HookKeeper {
    /// GitHub and the log.
    pub context: Context,
    /// The address that GitHub is to call, `…/dploy`.
    pub url: String,
}

/// Which hooks are looked at.
#[derive(Clone, Copy)]
pub enum Due {
    /// Every one.
    All,
    /// Those that GitHub could not be asked about.
    Unreachable,
    /// Those that were never registered.
    Missing,
}

impl Due {
    fn concerns(self, app: &App) -> bool {
        let failure = app.hook.failure.as_ref();
        let failed_by = |code| failure.is_some_and(|f| f.is(code));
        if app.destroying.is_some() || failed_by(Code::Removed) {
            return false;
        }
        match self {
            Self::All => true,
            Self::Unreachable => failed_by(Code::GithubUnreachable),
            Self::Missing => app.hook.id.is_none() && failure.is_none(),
        }
    }
}

/// Why a hook could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// GitHub does not let us, or does not answer.
    #[error(transparent)]
    Github(#[from] GithubError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HookKeeper {
    /// Keeps all hooks: every `every` all of them, those that are missing whenever something changes, and those that
    /// GitHub could not be asked about every half a minute.
    pub async fn run(self, every: Duration, stop: CancellationToken) {
        let mut touched = self.context.store.log().touched();
        let mut all = tokio::time::interval(every);
        let mut again = tokio::time::interval(every.min(Duration::from_secs(30)));
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => return,
                _ = all.tick() => Due::All,
                _ = again.tick() => Due::Unreachable,
                event = touched.recv() => match event {
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                    _ => Due::Missing,
                },
            };
            self.round(due).await;
        }
    }

    /// Keeps the hooks that are due, once.
    pub async fn round(&self, due: Due) {
        let mut after = String::new();
        loop {
            let apps = match self.context.store.apps(&after, 100).await {
                Ok(apps) => apps,
                Err(error) => return tracing::error!(%error, "the apps cannot be read"),
            };
            let Some(last) = apps.last() else { return };
            after = last.id.to_string();
            for app in apps.iter().filter(|a| due.concerns(a)) {
                if let Err(KeepError::Store(error)) = self.keep(app).await {
                    tracing::error!(app.id = %app.id, %error, "the webhook could not be kept");
                }
            }
        }
    }

    /// Makes the hook of an app what it should be. What goes wrong is an event, once.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub async fn keep(&self, app: &App) -> Result<(), KeepError> {
        match self.ensure(app).await {
            Err(KeepError::Github(error)) => {
                let why = Sentence::new(error.code(), error.to_string());
                if app.hook.failure.as_ref().is_none_or(|f| f.code != why.code) {
                    self.note(
                        app,
                        Fact::HookFailed {
                            code: why.code,
                            sentence: why.sentence,
                        },
                    )
                    .await?;
                }
                Err(error.into())
            }
            other => other,
        }
    }

    async fn ensure(&self, app: &App) -> Result<(), KeepError> {
        let github = &self.context.github;
        let repository = app.source.repository_id;
        let secret = self.context.store.make_hook_secret(repository).await?;
        self.context.store.log().redactor().learn(secret.expose());
        // apps of one repository share its hook
        let sibling = self
            .context
            .store
            .apps_of(repository)
            .await?
            .into_iter()
            .find_map(|a| a.hook.id);
        let Some(id) = app.hook.id.or(sibling) else {
            let id = github.create_hook(repository, &self.url, &secret).await?;
            return Ok(self
                .note(
                    app,
                    Fact::HookRegistered {
                        id,
                        url: self.url.clone(),
                    },
                )
                .await?);
        };
        match github.hook(repository, id).await? {
            None => {
                let id = github.create_hook(repository, &self.url, &secret).await?;
                self.note(
                    app,
                    Fact::HookRegistered {
                        id,
                        url: self.url.clone(),
                    },
                )
                .await?;
            }
            Some(hook) => {
                let differed = hook_differs(&hook, &self.url);
                if !differed.is_empty() {
                    github
                        .repair_hook(repository, id, &self.url, &secret)
                        .await?;
                    self.note(
                        app,
                        Fact::HookRepaired {
                            id,
                            url: self.url.clone(),
                            differed,
                        },
                    )
                    .await?;
                } else if app.hook.id.is_none() || app.hook.failure.is_some() {
                    self.note(
                        app,
                        Fact::HookRegistered {
                            id,
                            url: self.url.clone(),
                        },
                    )
                    .await?;
                    // it was there already, so no ping comes by itself to say that it works
                    if let Err(error) = github.ping_hook(repository, id).await {
                        tracing::debug!(app.id = %app.id, %error, "GitHub does not ping");
                    }
                }
            }
        }
        Ok(())
    }

    async fn note(&self, app: &App, fact: Fact) -> Result<(), StoreError> {
        match self
            .context
            .store
            .log()
            .command(&app.id, "observer", None, Command::Note(vec![fact]))
            .await
        {
            Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

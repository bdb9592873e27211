//! The webhook at GitHub is kept as it should be: registered once with a secret, compared, repaired, verified by its ping.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::event::Fact;
use crate::github::{GithubError, hook_differs};
use crate::history::{App, Command};
use crate::id::AppId;
use crate::sentence::{Code, Sentence};
use crate::store::StoreError;

/// Keeps the hooks of all repositories.
#[derive(Clone)]
pub struct HookKeeper {
    /// GitHub and the log.
    pub context: Context,
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
        if app.destroyed || app.destroying.is_some() || failed_by(Code::Removed) {
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
    /// Keeps all hooks: every `every` all of them, one that is missing when something happens to its app, and those that
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
                    Ok(touched) => {
                        self.look_at(&touched.app).await;
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => Due::Missing,
                },
            };
            self.round(due).await;
        }
    }

    /// Something happened to an app: its hook may be missing.
    async fn look_at(&self, id: &AppId) {
        match self.context.store.app(id).await {
            Ok(Some(app)) if Due::Missing.concerns(&app) => self.keep_or_say(&app).await,
            Ok(_) => {}
            Err(error) => tracing::error!(app.id = %id, %error, "the app cannot be read"),
        }
    }

    async fn keep_or_say(&self, app: &App) {
        if let Err(KeepError::Store(error)) = self.keep(app).await {
            tracing::error!(app.id = %app.id, %error, "the webhook could not be kept");
        }
    }

    /// Keeps the hooks that are due, once.
    pub async fn round(&self, due: Due) {
        let mut after = String::new();
        loop {
            let apps = match self.context.store.next_apps(&mut after).await {
                Ok(apps) if apps.is_empty() => return,
                Ok(apps) => apps,
                Err(error) => return tracing::error!(%error, "the apps cannot be read"),
            };
            for app in apps.iter().filter(|a| due.concerns(a)) {
                self.keep_or_say(app).await;
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
        let context = &self.context;
        let (github, url) = (&context.github, &context.hook_url);
        let repository = app.source.repository_id;
        let secret = context.store.make_hook_secret(repository).await?;
        context.store.log().redactor().learn(secret.expose());
        // apps of one repository share its hook
        let siblings = context.store.apps_of(repository).await?;
        let mut stay = siblings.iter().filter(|a| a.destroying.is_none());
        let known = app.hook.id.or_else(|| stay.find_map(|a| a.hook.id));
        let found = match known {
            Some(id) => github.hook(repository, id).await?,
            None => None,
        };
        let registered = |id| Fact::HookRegistered {
            id,
            url: url.clone(),
        };
        let Some(hook) = found else {
            let id = github.create_hook(repository, url, &secret).await?;
            if !self.note(app, registered(id)).await? {
                self.take_back(repository, id).await?;
            }
            return Ok(());
        };
        let id = hook.id;
        let differed = hook_differs(&hook, url);
        if !differed.is_empty() {
            github.repair_hook(repository, id, url, &secret).await?;
            let url = url.clone();
            self.note(app, Fact::HookRepaired { id, url, differed })
                .await?;
        } else if app.hook.id.is_none() || app.hook.failure.is_some() {
            self.note(app, registered(id)).await?;
            // it was there already, so no ping comes by itself to say that it works
            if let Err(error) = github.ping_hook(repository, id).await {
                tracing::debug!(app.id = %app.id, %error, "GitHub does not ping");
            }
        }
        Ok(())
    }

    /// The app was destroyed while its hook was being made.
    async fn take_back(&self, repository: u64, hook: u64) -> Result<(), KeepError> {
        if !self.context.store.repository_is_used(repository).await? {
            self.context.github.delete_hook(repository, hook).await?;
        }
        Ok(())
    }

    /// Writes it down; answers whether the app still takes it.
    async fn note(&self, app: &App, fact: Fact) -> Result<bool, StoreError> {
        match self
            .context
            .store
            .log()
            .command(&app.id, "observer", None, Command::Note(vec![fact]))
            .await
        {
            Ok(_) => Ok(true),
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

//! The webhook at GitHub is kept as it should be: registered once with a secret, compared, repaired, verified by its ping.

use std::collections::BTreeSet;

use super::register::follow;
use crate::context::Context;
use crate::event::{Fact, Visibility};
use crate::github::{GithubError, HookState, hook_differs};
use crate::history::{App, Command};
use crate::sentence::{Code, Sentence};
use crate::store::StoreError;

/// The actor where nobody asked for it.
const OBSERVER: &str = "observer";

/// Keeps the hooks of repositories.
#[derive(Clone)]
pub struct HookKeeper {
    /// GitHub and the log.
    pub context: Context,
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
    /// Keeps the hook of a repository, unless an operator removed it. Answers whether GitHub could be reached; nothing where no
    /// app is deployed from there.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub async fn look(&self, repository: u64) -> Result<Option<bool>, StoreError> {
        let apps = self.context.store.apps_of(repository).await?;
        if apps.is_empty() {
            return Ok(None);
        }
        self.follow(repository, &apps).await?;
        let apps = without_leaving(apps);
        if apps.iter().all(|app| fails_by(app, Code::Removed)) {
            return Ok(Some(true));
        }
        match self.keep_for(repository, &apps, OBSERVER).await {
            Ok(()) => Ok(Some(true)),
            Err(KeepError::Github(error)) => Ok(Some(error.code() != Code::GithubUnreachable)),
            Err(KeepError::Store(error)) => Err(error),
        }
    }

    /// Looks how the repository is called and who may see it. Where GitHub does not show it, nobody knows; where it says nothing, what
    /// it said last holds.
    async fn follow(&self, repository: u64, apps: &[App]) -> Result<(), StoreError> {
        let found = self.context.github.repository_by_id(repository).await;
        let (name, visibility) = match found {
            Ok(found) => (Some(found.name), found.visibility),
            Err(GithubError::Missing(_)) => (None, Visibility::Unknown),
            Err(_) => return Ok(()),
        };
        for app in apps {
            match follow(&self.context, &app.id, name.clone(), visibility).await {
                Ok(()) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the hook of a repository what it should be, also after an operator removed it, because `actor` wants it. What goes wrong is an event, once.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub async fn keep(&self, repository: u64, actor: &str) -> Result<(), KeepError> {
        let apps = self.context.store.apps_of(repository).await?;
        self.follow(repository, &apps).await?;
        self.keep_for(repository, &without_leaving(apps), actor)
            .await
    }

    async fn keep_for(&self, repository: u64, apps: &[App], actor: &str) -> Result<(), KeepError> {
        match self.ensure(repository, apps, actor).await {
            Err(KeepError::Github(error)) => {
                let why = Sentence::new(error.code(), error.to_string());
                for app in apps.iter().filter(|app| !fails_by(app, error.code())) {
                    let failed = Fact::HookFailed {
                        code: why.code.clone(),
                        sentence: why.sentence.clone(),
                    };
                    self.note(app, failed, actor).await?;
                }
                Err(error.into())
            }
            other => other,
        }
    }

    async fn ensure(&self, repository: u64, apps: &[App], actor: &str) -> Result<(), KeepError> {
        let context = &self.context;
        let (github, target) = (&context.github, &context.hook);
        let url = &target.url;
        let secret = context.store.make_hook_secret(repository).await?;
        context.store.log().redactor().learn(secret.expose());
        let registered = |id| Fact::HookRegistered {
            id,
            url: url.clone(),
        };
        let Some(hook) = self.known(repository, apps).await? else {
            let id = github.create_hook(repository, target, &secret).await?;
            let mut taken = false;
            for app in apps {
                // known only now: to a token without the right GitHub shows nothing either
                if let Some(lost) = app.hook.id.filter(|lost| *lost != id) {
                    let removed = Fact::HookRemoved {
                        id: Some(lost),
                        sentence: format!(
                            "GitHub does not know {lost} any more, somebody deleted it there"
                        ),
                    };
                    self.note(app, removed, OBSERVER).await?;
                }
                taken |= self.note(app, registered(id), actor).await?;
            }
            if !taken {
                self.take_back(repository, id).await?;
            }
            return Ok(());
        };
        let id = hook.id;
        let differed = hook_differs(&hook, target);
        if !differed.is_empty() {
            github.repair_hook(repository, id, target, &secret).await?;
            for app in apps {
                let repaired = Fact::HookRepaired {
                    id,
                    url: url.clone(),
                    differed: differed.clone(),
                };
                self.note(app, repaired, actor).await?;
            }
            return Ok(());
        }
        let news = |app: &&App| app.hook.id != Some(id) || app.hook.failure.is_some();
        let mut is_new = false;
        for app in apps.iter().filter(news) {
            is_new |= self.note(app, registered(id), actor).await?;
        }
        if is_new {
            // it was there already, so no ping comes by itself to say that it works
            if let Err(error) = github.ping_hook(repository, id).await {
                tracing::debug!(repository, %error, "GitHub does not ping");
            }
        }
        Ok(())
    }

    /// The hook that apps of the repository know of, if GitHub knows it too.
    async fn known(&self, repository: u64, apps: &[App]) -> Result<Option<HookState>, GithubError> {
        let known: BTreeSet<u64> = apps.iter().filter_map(|app| app.hook.id).collect();
        for id in known {
            let found = self.context.github.hook(repository, id).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The app was destroyed while its hook was being made.
    async fn take_back(&self, repository: u64, hook: u64) -> Result<(), KeepError> {
        if !self.context.store.repository_is_used(repository).await? {
            self.context.github.delete_hook(repository, hook).await?;
        }
        Ok(())
    }

    /// Writes it down; answers whether the app still takes it.
    async fn note(&self, app: &App, fact: Fact, actor: &str) -> Result<bool, StoreError> {
        match self
            .context
            .store
            .log()
            .command(&app.id, actor, None, Command::Note(vec![fact]))
            .await
        {
            Ok(_) => Ok(true),
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn without_leaving(mut apps: Vec<App>) -> Vec<App> {
    apps.retain(|app| app.destroying.is_none());
    apps
}

fn fails_by(app: &App, code: Code) -> bool {
    app.hook.failure.as_ref().is_some_and(|f| f.is(code))
}

//! The app of the settings: with owner and repo set, that of the trigger branch is registered at the start. Its webhook is there
//! as soon as GitHub allows, also before branch and descriptor are as they must be.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::announce::greet;
use crate::clock::stamp;
use crate::context::Context;
use crate::event::Visibility;
use crate::github::GithubError;
use crate::history::Refusal;
use crate::id::{AppId, Branch, RepositoryName};
use crate::intake::{self, Configured, RegisterError};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Says what is begun, as the first release said it.
pub(super) fn greet_with(configured: &Configured) {
    let version = env!("CARGO_PKG_VERSION");
    greet(&format!("This is dploy observer version {version}"));
    if let Some(repository) = configured.repository() {
        let branch = &configured.branch;
        greet(&format!(
            "I'm observing branch {branch} of repo {repository}"
        ));
    }
}

/// The app that the settings name.
///
/// # Errors
/// When they name half of its repository.
pub(super) fn of(settings: &Settings) -> anyhow::Result<Arc<Configured>> {
    let text = |s: &Option<String>| s.clone().unwrap_or_default();
    let (owner, repo) = (text(&settings.owner), text(&settings.repo));
    let half = |given: &str, missing: &str| {
        anyhow::anyhow!(
            "-{given} is set and -{missing} is not: set both (DPLOY_OBSERVER_GITHUB_OWNER, DPLOY_OBSERVER_GITHUB_REPO), or neither and register apps by POST /apps"
        )
    };
    match (owner.is_empty(), repo.is_empty()) {
        (false, true) => Err(half("owner", "repo")),
        (true, false) => Err(half("repo", "owner")),
        _ => Ok(Arc::new(Configured::new(&owner, &repo, &settings.branch))),
    }
}

/// Finds it among the apps of the log.
pub(super) async fn recall(configured: &Configured, store: &Store) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let apps = store.next_apps(&mut after).await?;
        let found = |a: &&crate::history::App| {
            configured.is(&a.source.repository.to_string(), &a.source.branch)
        };
        if let Some(app) = apps.iter().find(found) {
            configured.now(|s| s.app = Some(app.id.clone()));
            return Ok(());
        }
        if apps.is_empty() {
            return Ok(());
        }
    }
}

/// Registers it, trying until it is.
pub(super) async fn register(
    context: Context,
    configured: Arc<Configured>,
    greets: bool,
    stop: CancellationToken,
) {
    let mut pause = Duration::from_secs(1);
    let mut attempts = 0_u32;
    while let Some(repository) = configured.repository() {
        let pushed = configured.next_push();
        attempts += 1;
        match try_once(&context, &configured, &repository, greets).await {
            Ok(()) => break,
            Err(error) => {
                let why = error.to_string();
                let before = configured.standing().waits;
                // once for each cause: trying goes on
                if before.as_ref().map(|(told, _)| told) != Some(&why) {
                    tracing::error!(repository, error = %why, attempts, "the app could not be registered; it is tried again, at each push and at least once a minute");
                    let since = before.map_or_else(|| stamp(context.clock.now()), |(_, at)| at);
                    configured.now(|s| s.waits = Some((why, since)));
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = pushed => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(Duration::from_mins(1));
    }
    configured.now(|s| s.waits = None);
}

async fn try_once(
    context: &Context,
    configured: &Configured,
    name: &str,
    greets: bool,
) -> anyhow::Result<()> {
    let name: RepositoryName = name.parse()?;
    let branch: Branch = configured.branch.parse()?;
    let repository = match context.github.repository(&name).await {
        // what GitHub does not show may be private
        Err(error @ GithubError::Missing(_)) => {
            configured.now(|s| s.visibility = Visibility::Unknown);
            return Err(error.into());
        }
        found => found?,
    };
    let first = configured.standing().repository.is_none();
    configured.now(|s| {
        s.visibility = repository.visibility;
        s.repository = Some(repository.id);
    });
    if greets && first && context.github.has_token() {
        greet("Authentication against GitHub done");
    }
    if context.store.was_destroyed(repository.id, &branch).await? {
        tracing::info!(repository = %name, branch = %branch, "this app was destroyed; POST /apps brings it back");
        return Ok(());
    }
    let (app, new) = match intake::register(context, &name, &branch, "observer").await {
        Err(RegisterError::Store(StoreError::Refused(Refusal::Destroying))) => {
            tracing::info!(repository = %name, branch = %branch, "this app is being destroyed; POST /apps brings it back afterwards");
            return Ok(());
        }
        Err(RegisterError::Invalid(why)) => {
            match hook_meanwhile(context, configured, repository.id, greets).await {
                Ok(()) => anyhow::bail!(why),
                Err(error) => {
                    anyhow::bail!("{why}; its webhook cannot be registered either: {error}")
                }
            }
        }
        other => other?,
    };
    tracing::info!(app.id = %app, repository = %name, branch = %branch, new, "observing");
    // that of a new app is said when it is registered
    let state = context.store.app(&app).await?.filter(|_| !new);
    if greets && first && state.is_some_and(|a| a.hook.id.is_some()) {
        greet("Webhook registered");
    }
    Ok(())
}

/// What the log's file remembers it by, so that a start at another port moves it and makes no second one.
const REMEMBERED: &str = "early-hook";

/// Registers the webhook of an app that cannot be registered yet: the push that puts it right then comes at once. It is compared
/// and repaired when there is an app, and where others of the repository are, by theirs.
async fn hook_meanwhile(
    context: &Context,
    configured: &Configured,
    repository: u64,
    greets: bool,
) -> anyhow::Result<()> {
    let (github, store, target) = (&context.github, &context.store, &context.hook);
    let url = &target.url;
    if !github.has_token() || !store.apps_of(repository).await?.is_empty() {
        return Ok(());
    }
    let nobody: AppId = "-".parse()?;
    let of = format!("{REMEMBERED}/{repository}");
    let remembered = store.observed(&nobody, &of).await?;
    let remembered = remembered.and_then(|(id, _)| id.parse::<u64>().ok());
    let known = configured.standing().hook.or(remembered);
    let there = match known {
        Some(id) => github.hook(repository, id).await?,
        None => None,
    };
    let secret = store.make_hook_secret(repository).await?;
    store.log().redactor().learn(secret.expose());
    configured.now(|s| s.hooks = true);
    let id = match there {
        Some(hook) if hook.url() == url => hook.id,
        Some(hook) => {
            github
                .repair_hook(repository, hook.id, target, &secret)
                .await?;
            hook.id
        }
        None => github.create_hook(repository, target, &secret).await?,
    };
    if configured.standing().hook != Some(id) {
        store.observe(&nobody, &of, &id.to_string()).await?;
        configured.now(|s| s.hook = Some(id));
        tracing::info!(hook = id, url = %url, "the webhook is registered, before the app is");
        if greets {
            greet("Webhook registered");
        }
    }
    Ok(())
}

//! The app of the settings: with owner and repo set, that of the trigger branch is registered at the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::announce::greet;
use crate::context::Context;
use crate::history::Refusal;
use crate::id::{Branch, RepositoryName};
use crate::intake;
use crate::settings::Settings;
use crate::store::StoreError;

/// Says what is begun, as the first release said it.
pub(super) fn greet_with(settings: &Settings) {
    let version = env!("CARGO_PKG_VERSION");
    greet(&format!("This is dploy observer version {version}"));
    if let Some(repository) = repository(settings) {
        let branch = &settings.branch;
        greet(&format!(
            "I'm observing branch {branch} of repo {repository}"
        ));
    }
}

/// Registers it, trying until it is.
pub(super) async fn register(
    context: Context,
    settings: Settings,
    private: Arc<AtomicBool>,
    mut greets: bool,
    stop: CancellationToken,
) {
    let mut pause = Duration::from_secs(1);
    let mut attempts = 0_u32;
    let mut told = None;
    while let Some(repository) = repository(&settings) {
        attempts += 1;
        match try_once(&context, &settings, repository, &private, &mut greets).await {
            Ok(()) => break,
            Err(error) => {
                let why = error.to_string();
                // once for each cause: trying goes on
                if told.as_ref() != Some(&why) {
                    tracing::error!(error = %why, attempts, "the app could not be registered; it is tried again, at least once a minute");
                    told = Some(why);
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}

/// The repository of the settings, where they name one.
pub(super) fn repository(settings: &Settings) -> Option<String> {
    let (owner, repo) = (settings.owner.as_ref()?, settings.repo.as_ref()?);
    (!owner.is_empty() && !repo.is_empty()).then(|| format!("{owner}/{repo}"))
}

async fn try_once(
    context: &Context,
    settings: &Settings,
    name: String,
    private: &AtomicBool,
    greets: &mut bool,
) -> anyhow::Result<()> {
    let name: RepositoryName = name.parse()?;
    let branch: Branch = settings.branch.parse()?;
    let repository = context.github.repository(&name).await?;
    private.store(repository.private, Ordering::Relaxed);
    let greets = std::mem::take(greets);
    if greets && context.github.has_token() {
        greet("Authentication against GitHub done");
    }
    if context.store.was_destroyed(repository.id, &branch).await? {
        tracing::info!(repository = %name, branch = %branch, "this app was destroyed; POST /apps brings it back");
        return Ok(());
    }
    let (app, new) = match intake::register(context, &name, &branch, "observer").await {
        Err(intake::RegisterError::Store(StoreError::Refused(Refusal::Destroying))) => {
            tracing::info!(repository = %name, branch = %branch, "this app is being destroyed; POST /apps brings it back afterwards");
            return Ok(());
        }
        other => other?,
    };
    tracing::info!(app.id = %app, repository = %name, branch = %branch, new, "observing");
    // that of a new app is said when it is registered
    let state = context.store.app(&app).await?.filter(|_| !new);
    if greets && state.is_some_and(|a| a.hook.id.is_some()) {
        greet("Webhook registered");
    }
    Ok(())
}

//! The branch is asked regularly: a push that GitHub never delivered is found anyway. An unmoved head costs nothing (304).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::event::Via;
use crate::github::GithubError;
use crate::history::{App, Command, Push};
use crate::sentence::Sentence;
use crate::store::StoreError;

/// Polls all apps, each `every`, until `stop`.
pub async fn run(context: Context, every: Duration, stop: CancellationToken) {
    loop {
        round(&context).await;
        // up to a tenth earlier, so that many observers do not ask in step
        let mut byte = [0; 1];
        let _ = getrandom::fill(&mut byte);
        let pause = every.mul_f64(1.0 - f64::from(byte[0]) / 2560.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn round(context: &Context) {
    let mut after = String::new();
    loop {
        let apps = match context.store.apps(&after, 100).await {
            Ok(apps) => apps,
            Err(error) => return tracing::error!(%error, "the apps cannot be read"),
        };
        let Some(last) = apps.last() else { return };
        after = last.id.to_string();
        for app in apps.iter().filter(|a| a.destroying.is_none()) {
            if let Err(error) = look_at_branch(context, app).await {
                tracing::warn!(app.id = %app.id, %error, "the branch could not be asked");
            }
        }
    }
}

/// Asks one branch once.
///
/// # Errors
/// When the log cannot be written; trouble with GitHub is kept beside it.
pub async fn look_at_branch(context: &Context, app: &App) -> Result<(), StoreError> {
    let known = app.head.as_ref();
    let asked = context
        .github
        .head(
            app.source.repository_id,
            &app.source.branch,
            known.map(|h| &h.commit),
        )
        .await;
    let head = match asked {
        Ok(head) => head,
        Err(error) => return trouble(context, app, &error).await,
    };
    context.store.observe(&app.id, "polled", "ok").await?;
    context.store.observe(&app.id, "trouble", "").await?;
    let Some(head) = head.filter(|h| known.is_none_or(|k| k.commit != *h)) else {
        return Ok(());
    };
    if lags(context, app, &head) {
        return Ok(());
    }
    let info = context
        .github
        .commit(app.source.repository_id, &head)
        .await
        .ok()
        .map(|c| c.info);
    let push = Push {
        via: Via::Poll,
        delivery: None,
        git_ref: format!("refs/heads/{}", app.source.branch),
        before: known.map(|k| k.commit.clone()),
        after: head,
        forced: false,
        info,
        pusher: None,
        body: None,
        asked_at: known.map(|k| k.commit.clone()),
    };
    match context
        .store
        .log()
        .command(&app.id, "observer", None, Command::Push(Box::new(push)))
        .await
    {
        Ok(_) | Err(StoreError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// For a while after a webhook GitHub may still name the head before it.
fn lags(context: &Context, app: &App, head: &crate::id::CommitId) -> bool {
    let Some(known) = &app.head else { return false };
    let seen: jiff::Timestamp = known.seen_at.parse().unwrap_or_default();
    known.previous.as_ref() == Some(head)
        && context.clock.now().duration_since(seen).unsigned_abs() < context.timing.lag
}

async fn trouble(context: &Context, app: &App, error: &GithubError) -> Result<(), StoreError> {
    let why = Sentence::new(error.code(), error.to_string());
    context
        .store
        .observe(&app.id, "trouble", &why.to_string())
        .await
}

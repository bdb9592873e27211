//! The branch is asked regularly: a push that GitHub never delivered is found anyway. An unmoved head costs nothing (304).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::context::Context;
use crate::event::Via;
use crate::github::GithubError;
use crate::history::{App, Command, Push};
use crate::id::{AppId, CommitId};
use crate::sentence::Sentence;
use crate::store::StoreError;

/// Asks branches.
pub struct Branches {
    context: Context,
    /// The head that is known of each app with the time it was seen, and when it was first met here: by the clock that only grows.
    met: Mutex<BTreeMap<AppId, Met>>,
}

struct Met {
    commit: CommitId,
    seen_at: String,
    at: Duration,
}

impl Branches {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            context,
            met: Mutex::default(),
        }
    }

    /// For how long the head that is known has been met here.
    fn met_for(&self, app: &App) -> Duration {
        let Some(head) = &app.head else {
            return Duration::ZERO;
        };
        let now = self.context.clock.elapsed();
        let mut met = self.met();
        // a head that comes back is met anew
        let fresh = || Met {
            commit: head.commit.clone(),
            seen_at: head.seen_at.clone(),
            at: now,
        };
        let known = met.entry(app.id.clone()).or_insert_with(fresh);
        if known.commit != head.commit || known.seen_at != head.seen_at {
            *known = fresh();
        }
        now.saturating_sub(known.at)
    }

    fn met(&self) -> MutexGuard<'_, BTreeMap<AppId, Met>> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the branch of an app once; trouble with GitHub is kept beside the log. Answers whether there is such an app.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub async fn look(&self, id: &AppId) -> Result<bool, StoreError> {
        match self.context.store.app(id).await? {
            Some(app) if app.destroying.is_none() && !app.destroyed => self.ask(&app).await?,
            Some(app) if !app.destroyed => {}
            Some(_) | None => {
                self.met().remove(id);
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ask(&self, app: &App) -> Result<(), StoreError> {
        let context = &self.context;
        let met_for = self.met_for(app);
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
        // for a while after a webhook GitHub may still name the head before it
        let before = known.and_then(|k| k.previous.as_ref());
        if before == Some(&head) && met_for < context.timing.lag {
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
}

async fn trouble(context: &Context, app: &App, error: &GithubError) -> Result<(), StoreError> {
    let why = Sentence::new(error.code(), error.to_string());
    context
        .store
        .observe(&app.id, "trouble", &why.to_string())
        .await
}

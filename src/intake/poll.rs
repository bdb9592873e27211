//! The branch is asked regularly: a push that GitHub never delivered is found anyway. An unmoved head costs nothing (304).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::context::Context;
use crate::event::Via;
use crate::github::GithubError;
use crate::history::{App, Command, Head, Push};
use crate::id::AppId;
use crate::sentence::Sentence;
use crate::store::StoreError;

/// Asks branches.
pub struct Branches {
    context: Context,
    met: Mutex<Meetings>,
}

/// The head that is known of each app, and when it was first met here, by the clock that only grows.
#[derive(Debug, Default)]
struct Meetings(BTreeMap<AppId, (Head, Duration)>);

impl Meetings {
    /// For how long a head has been met; one that comes back is met anew.
    fn met_for(&mut self, app: &AppId, head: &Head, now: Duration) -> Duration {
        let met = self.0.entry(app.clone());
        let (known, since) = met.or_insert_with(|| (head.clone(), now));
        if known.commit != head.commit || known.seen_at != head.seen_at {
            (*known, *since) = (head.clone(), now);
        }
        now.saturating_sub(*since)
    }
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

    fn met(&self) -> MutexGuard<'_, Meetings> {
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
                self.met().0.remove(id);
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ask(&self, app: &App) -> Result<(), StoreError> {
        let context = &self.context;
        let known = app.head.as_ref();
        let now = context.clock.elapsed();
        let met_for = known.map_or(Duration::ZERO, |h| self.met().met_for(&app.id, h, now));
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
        context.store.observe_later(&app.id, "polled", "ok").await?;
        context.store.observe_later(&app.id, "trouble", "").await?;
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
        .observe_later(&app.id, "trouble", &why.to_string())
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(commit: char, seen_at: &str) -> Head {
        Head {
            commit: commit.to_string().repeat(40).parse().unwrap(),
            seen_at: seen_at.to_owned(),
            previous: None,
            pushed_onto: None,
        }
    }

    #[test]
    fn a_head_that_comes_back_is_met_anew() {
        let mut met = Meetings::default();
        let app: AppId = "shop".parse().unwrap();
        let mut after = |head: &Head, seconds| {
            let now = Duration::from_secs(seconds);
            met.met_for(&app, head, now).as_secs()
        };
        let first = head('a', "2026-01-01T00:00:00Z");
        assert_eq!(after(&first, 10), 0);
        assert_eq!(after(&first, 70), 60);
        assert_eq!(after(&head('b', "2026-01-01T00:01:10Z"), 80), 0);
        // nobody looked while another head was there
        assert_eq!(after(&head('b', "2026-01-01T00:02:00Z"), 500), 0);
        assert_eq!(after(&first, 510), 0);
        assert_eq!(after(&first, 511), 1);
    }
}

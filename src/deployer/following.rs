//! What is observed of a rollout while it is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::Job;
use crate::id::{DeployNumber, ServiceId};
use crate::rollout::Standings;
use crate::sentence::Sentence;
use crate::store::StoreError;

/// What is kept of it is kept under this name.
const ROLLOUT: &str = "rollout";

/// So often it is kept how long a rollout was observed.
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// What of it a restart does not change: neither is a deadline begun again, nor is it hastened.
#[derive(Serialize, Deserialize)]
struct Kept {
    deploy: DeployNumber,
    /// In seconds.
    observed: u64,
    /// In seconds; how long it had been observed when it got on last.
    progress_at: u64,
    best: BTreeMap<ServiceId, u32>,
}

/// What was observed of a rollout since this process began to look. None of it is needed to go on after a restart.
#[derive(Default)]
pub(super) struct Following {
    pub deploy: Option<DeployNumber>,
    /// Since when GitHub names another head than the commit.
    pub lags_since: Option<Duration>,
    /// How long Marathon was seen: only that counts towards a deadline.
    pub observed: Duration,
    /// When it was seen last; not while it does not answer.
    pub seen_at: Option<Duration>,
    pub progress_at: Option<Duration>,
    /// The most instances of each service that were well: one more is progress, whatever became of the others.
    best: BTreeMap<ServiceId, u32>,
    /// How long it had been observed when that was kept last; `None` before it was asked what was kept.
    kept_at: Option<Duration>,
    pub standings: Standings,
    /// The specs of the commit, once they were asked for.
    pub specs: Option<BTreeMap<ServiceId, Value>>,
    pub cause: Option<(String, Duration)>,
    /// Services that cannot be restarted now without losing what is healthy of them, or cannot be restarted at all.
    pub left_alone: BTreeSet<ServiceId>,
    /// Services whose rollout was taken over with a restart of another, or of which old tasks are left.
    pub companions: BTreeSet<ServiceId>,
    /// Since when all that the deploy is about is well.
    pub done_since: Option<Duration>,
}

impl Following {
    /// Marathon answered at `now`.
    pub fn sees(&mut self, now: Duration, round: Duration) {
        let since = match self.seen_at {
            Some(since) => since,
            // a Marathon that comes back knows no health for one round of checks
            None if self.observed > Duration::ZERO => now + round,
            None => now,
        };
        self.observed += now.saturating_sub(since);
        self.seen_at = Some(now.max(since));
    }

    /// So many instances are well: progress, where it is more than ever.
    pub fn gets_on<'a>(&mut self, well: impl Iterator<Item = (&'a ServiceId, u32)>) {
        let mut more = self.progress_at.is_none();
        for (id, well) in well {
            let best = self.best.entry(id.clone()).or_default();
            more |= well > *best;
            *best = well.max(*best);
        }
        if more {
            self.progress_at = Some(self.observed);
        }
    }

    /// Marathon is given something new: how long that takes is counted from the next look.
    pub fn begins(&mut self) {
        self.progress_at = None;
    }

    /// Marathon did not answer: the time until it does again is not observed.
    pub fn loses_sight(&mut self) {
        self.seen_at = None;
    }

    /// Begins anew with another deploy.
    pub fn of(&mut self, deploy: DeployNumber) {
        if self.deploy != Some(deploy) {
            *self = Self {
                deploy: Some(deploy),
                ..Self::default()
            };
        }
    }
}

impl Following {
    /// Goes on from what the process before kept.
    pub async fn recall(&mut self, job: &Job<'_>) -> Result<(), StoreError> {
        if self.kept_at.is_some() {
            return Ok(());
        }
        let kept = job.context.store.observed(&job.app.id, ROLLOUT).await?;
        let kept = kept.and_then(|(kept, _)| serde_json::from_str::<Kept>(&kept).ok());
        if let Some(kept) = kept.filter(|k| Some(k.deploy) == self.deploy) {
            self.observed = Duration::from_secs(kept.observed);
            self.progress_at = Some(Duration::from_secs(kept.progress_at));
            self.best = kept.best;
        }
        self.kept_at = Some(self.observed);
        Ok(())
    }

    /// Keeps it now and then.
    pub async fn keep(&mut self, job: &Job<'_>) -> Result<(), StoreError> {
        let (Some(deploy), Some(progress_at)) = (self.deploy, self.progress_at) else {
            return Ok(());
        };
        let due = self.kept_at.unwrap_or_default() + KEPT_EVERY;
        if self.observed < due {
            return Ok(());
        }
        self.kept_at = Some(self.observed);
        let kept = Kept {
            deploy,
            observed: self.observed.as_secs(),
            progress_at: progress_at.as_secs(),
            best: self.best.clone(),
        };
        let kept = serde_json::to_string(&kept).unwrap_or_default();
        job.context.store.observe(&job.app.id, ROLLOUT, &kept).await
    }

    /// Since when there is a cause of failure; a task that is killed for its health and started again continues it.
    pub fn cause_since(&mut self, trouble: Option<&Sentence>, now: Duration) -> Option<Duration> {
        match (trouble, &self.cause) {
            (Some(why), Some((code, since))) if *code == why.code => Some(*since),
            (Some(why), _) => {
                self.cause = Some((why.code.clone(), now));
                Some(now)
            }
            // it may be between two tries: the cause ends only with progress
            (None, Some((_, since))) if self.progress_at.is_some_and(|p| p < *since) => {
                Some(*since)
            }
            (None, _) => {
                self.cause = None;
                None
            }
        }
    }
}

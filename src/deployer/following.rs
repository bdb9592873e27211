//! What is observed of a rollout while it is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::id::{DeployNumber, ServiceId};
use crate::rollout::Standings;
use crate::sentence::Sentence;

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
    pub best: u32,
    pub standings: Standings,
    /// The specs of the commit, once they were asked for.
    pub specs: Option<BTreeMap<ServiceId, Value>>,
    pub cause: Option<(String, Duration)>,
    /// Services that cannot be restarted now without losing what is healthy of them, or cannot be restarted at all.
    pub left_alone: BTreeSet<ServiceId>,
    /// Services whose rollout was taken over with a restart of another.
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

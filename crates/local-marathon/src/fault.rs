//! Faults on demand: a Marathon that is down, restarts, is slow, locked, refuses, or loses its answers.
//!
//! `POST /local/faults` takes any of these keys and answers with what is set now:
//!
//! | body | effect |
//! |---|---|
//! | `{"down": true}` | every connection is cut without an answer, event streams too |
//! | `{"restart": {"away_ms": 12000}}` | down for so long (at most 10 minutes), without offers and checks; then a new leader takes over, and the tasks have run on |
//! | `{"slow_ms": 500}` | every answer comes so much later |
//! | `{"lose_replies": 2}` | the next two changes are made, but the connection is cut instead of an answer |
//! | `{"refuse": {"status": 422, "message": "no", "times": 1}}` | the next changes are not made and answered so |
//! | `{"locked": true}` | every change is answered 409, as if somebody else's deployment held the apps |
//! | `{"no_offers": true}` | the agents make no offers: nothing new starts |
//! | `{"crash": 2}` | the next two tasks that run are killed at once, as if they had crashed |
//! | `{"agent_away": true}` | Mesos: the agents cut every connection; the master still lists them |
//! | `{"files_gone": true}` | Mesos: every file of a sandbox is answered 404, as when it was cleaned up |
//! | `{"files_forbidden": true}` | Mesos: every file is answered 403, as by an agent with access rules |
//! | `{"files_slow_ms": 500}` | Mesos: what is asked of files is answered so much later |
//! | `{"reset": true}` | everything is well again (applied before the other keys) |
//!
//! A restart is one of Marathon alone, as under Mesos: what tasks do meanwhile is told, in order, when it is back, and counts as done
//! then. With `away_ms` 0 only the leader changes; a `reset` ends it at once. It is simpler than a real one: the reports come after the
//! new leader has begun its rollouts again, not among them, and a request that was being answered is done, though nobody hears of it.
//! Where no processes are run, Marathon is away until [`change_leader`](crate::Marathon::change_leader).

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::watch;

/// An answer that refuses a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refuse {
    /// HTTP status of the answer, from 400 to 599.
    #[serde(deserialize_with = "refusing")]
    pub status: u16,
    /// Its `message`.
    pub message: String,
    /// For how many changes.
    #[serde(default = "once")]
    pub times: u32,
}

fn refusing<'de, D: Deserializer<'de>>(status: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(status)?;
    if (400..600).contains(&status) {
        return Ok(status);
    }
    Err(D::Error::custom(
        "the status of an answer that refuses is from 400 to 599",
    ))
}

fn once() -> u32 {
    1
}

/// The longest time that a restart takes.
const LONGEST_AWAY: Duration = Duration::from_mins(10);

/// A Marathon that is away, and comes back with a new leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// For how many milliseconds, at most those of 10 minutes.
    #[serde(deserialize_with = "bounded")]
    pub away_ms: u64,
}

impl Restart {
    /// For how long.
    #[must_use]
    pub fn away(self) -> Duration {
        Duration::from_millis(self.away_ms).min(LONGEST_AWAY)
    }
}

fn bounded<'de, D: Deserializer<'de>>(ms: D) -> Result<u64, D::Error> {
    let ms = u64::deserialize(ms)?;
    if Duration::from_millis(ms) <= LONGEST_AWAY {
        return Ok(ms);
    }
    Err(D::Error::custom(
        "a Marathon that restarts is away for at most 600000 ms",
    ))
}

/// What is wrong at the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is switched on its own")]
pub struct FaultState {
    /// Connections are cut.
    pub down: bool,
    /// Marathon is away, and comes back with a new leader.
    pub restart: Option<Restart>,
    /// Delay of every answer in milliseconds.
    pub slow_ms: u64,
    /// So many changes will be made without an answer.
    pub lose_replies: u32,
    /// Changes are refused.
    pub refuse: Option<Refuse>,
    /// Changes are answered 409.
    pub locked: bool,
    /// Agents make no offers.
    pub no_offers: bool,
    /// So many tasks will crash as soon as they run.
    pub crash: u32,
    /// Mesos: agents cut connections.
    pub agent_away: bool,
    /// Mesos: files are answered 404.
    pub files_gone: bool,
    /// Mesos: files are answered 403.
    pub files_forbidden: bool,
    /// Mesos: delay of what is asked of files, in milliseconds.
    pub files_slow_ms: u64,
}

/// A change of what is wrong; what is `None` stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultChange {
    /// Everything is well again, before the rest is applied.
    pub reset: bool,
    /// See [`FaultState`].
    pub down: Option<bool>,
    /// See [`FaultState`].
    pub restart: Option<Restart>,
    /// See [`FaultState`].
    pub slow_ms: Option<u64>,
    /// See [`FaultState`].
    pub lose_replies: Option<u32>,
    /// See [`FaultState`].
    pub refuse: Option<Refuse>,
    /// See [`FaultState`].
    pub locked: Option<bool>,
    /// See [`FaultState`].
    pub no_offers: Option<bool>,
    /// See [`FaultState`].
    pub crash: Option<u32>,
    /// See [`FaultState`].
    pub agent_away: Option<bool>,
    /// See [`FaultState`].
    pub files_gone: Option<bool>,
    /// See [`FaultState`].
    pub files_forbidden: Option<bool>,
    /// See [`FaultState`].
    pub files_slow_ms: Option<u64>,
}

impl FaultState {
    /// Whether connections are cut, for whatever reason.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.down || self.restart.is_some()
    }

    fn apply(&mut self, change: FaultChange) {
        if change.reset {
            // whoever is away comes back, at once
            let back = self.restart.map(|_| Restart { away_ms: 0 });
            *self = Self {
                restart: back,
                ..Self::default()
            };
        }
        self.down = change.down.unwrap_or(self.down);
        self.restart = change.restart.or(self.restart);
        self.slow_ms = change.slow_ms.unwrap_or(self.slow_ms);
        self.lose_replies = change.lose_replies.unwrap_or(self.lose_replies);
        self.refuse = change.refuse.or(self.refuse.take());
        self.refuse.take_if(|refuse| refuse.times == 0);
        self.locked = change.locked.unwrap_or(self.locked);
        self.no_offers = change.no_offers.unwrap_or(self.no_offers);
        self.crash = change.crash.unwrap_or(self.crash);
        self.agent_away = change.agent_away.unwrap_or(self.agent_away);
        self.files_gone = change.files_gone.unwrap_or(self.files_gone);
        self.files_forbidden = change.files_forbidden.unwrap_or(self.files_forbidden);
        self.files_slow_ms = change.files_slow_ms.unwrap_or(self.files_slow_ms);
    }
}

/// The switch for faults; clones switch the same server.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: watch::Sender<FaultState>,
}

impl Faults {
    /// Changes what is wrong.
    pub fn apply(&self, change: FaultChange) {
        self.state.send_modify(|state| state.apply(change));
    }

    /// Everything is well again.
    pub fn reset(&self) {
        self.apply(FaultChange {
            reset: true,
            ..FaultChange::default()
        });
    }

    /// What is wrong at the moment.
    #[must_use]
    pub fn state(&self) -> FaultState {
        self.state.borrow().clone()
    }

    /// Takes one of the refusals, if there are any left.
    pub(super) fn take_refusal(&self) -> Option<Refuse> {
        let mut taken = None;
        self.state.send_if_modified(|state| {
            if let Some(refuse) = &mut state.refuse {
                refuse.times = refuse.times.saturating_sub(1);
                taken = Some(refuse.clone());
            }
            state.refuse.take_if(|refuse| refuse.times == 0);
            taken.is_some()
        });
        taken
    }

    /// Whether the answer to this change gets lost; counts it.
    pub(super) fn take_loss(&self) -> bool {
        self.state
            .send_if_modified(|state| take_one(&mut state.lose_replies))
    }

    /// Whether a task that runs now crashes; counts it.
    pub(super) fn take_crash(&self) -> bool {
        self.state
            .send_if_modified(|state| take_one(&mut state.crash))
    }

    /// Whether there is no Marathon at the moment, because it restarts.
    pub(super) fn is_away(&self) -> bool {
        self.state.borrow().restart.is_some()
    }

    /// Marathon is back.
    pub(super) fn end_restart(&self) {
        self.state.send_modify(|state| state.restart = None);
    }

    /// Changes when what is wrong does.
    pub(super) fn subscribe(&self) -> watch::Receiver<FaultState> {
        self.state.subscribe()
    }

    /// Returns when connections are cut.
    pub(super) async fn wait_cut(&self) {
        // the sender lives in `self`, so this only ends when it is true
        let _ = self.subscribe().wait_for(FaultState::is_cut).await;
    }
}

fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

//! Faults on demand: a Marathon that is down, slow, locked, refuses, or loses its answers.
//!
//! `POST /local/faults` takes any of these keys and answers with what is set now:
//!
//! | body | effect |
//! |---|---|
//! | `{"down": true}` | every connection is cut without an answer, event streams too |
//! | `{"slow_ms": 500}` | every answer comes so much later |
//! | `{"lose_replies": 2}` | the next two changes are made, but the connection is cut instead of an answer |
//! | `{"refuse": {"status": 422, "message": "no", "times": 1}}` | the next changes are not made and answered so |
//! | `{"locked": true}` | every change is answered 409, as if somebody else's deployment held the apps |
//! | `{"no_offers": true}` | the agents make no offers: nothing new starts |
//! | `{"crash": 2}` | the next two tasks that run are killed at once, as if they had crashed |
//! | `{"reset": true}` | everything is well again (applied before the other keys) |

use std::sync::{Arc, Mutex, PoisonError};

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

/// What is wrong at the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FaultState {
    /// Connections are cut.
    pub down: bool,
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
}

/// The switch for faults; clones switch the same server.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<FaultState>>,
    down: watch::Sender<bool>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            down: watch::Sender::new(false),
        }
    }
}

impl Faults {
    /// Changes what is wrong.
    pub fn apply(&self, change: FaultChange) {
        let down = self.with(|state| {
            if change.reset {
                *state = FaultState::default();
            }
            state.down = change.down.unwrap_or(state.down);
            state.slow_ms = change.slow_ms.unwrap_or(state.slow_ms);
            state.lose_replies = change.lose_replies.unwrap_or(state.lose_replies);
            state.refuse = change.refuse.or(state.refuse.take());
            state.refuse.take_if(|refuse| refuse.times == 0);
            state.locked = change.locked.unwrap_or(state.locked);
            state.no_offers = change.no_offers.unwrap_or(state.no_offers);
            state.crash = change.crash.unwrap_or(state.crash);
            state.down
        });
        self.down.send_replace(down);
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
        self.with(|state| state.clone())
    }

    /// Takes one of the refusals, if there are any left.
    pub(super) fn take_refusal(&self) -> Option<Refuse> {
        self.with(|state| {
            let refuse = state.refuse.as_mut()?;
            refuse.times = refuse.times.saturating_sub(1);
            let taken = refuse.clone();
            if refuse.times == 0 {
                state.refuse = None;
            }
            Some(taken)
        })
    }

    /// Whether the answer to this change gets lost; counts it.
    pub(super) fn take_loss(&self) -> bool {
        self.with(|state| {
            let lost = state.lose_replies > 0;
            state.lose_replies = state.lose_replies.saturating_sub(1);
            lost
        })
    }

    /// Whether a task that runs now crashes; counts it.
    pub(super) fn take_crash(&self) -> bool {
        self.with(|state| {
            let crashes = state.crash > 0;
            state.crash = state.crash.saturating_sub(1);
            crashes
        })
    }

    /// Returns when the server goes down.
    pub(super) async fn wait_down(&self) {
        // the sender lives in `self`, so this only ends when it is true
        let _ = self.down.subscribe().wait_for(|down| *down).await;
    }

    fn with<T>(&self, look: impl FnOnce(&mut FaultState) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

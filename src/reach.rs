//! Whether another server answers, as the process's own log tells it: once when it stops, with the cause, and once when it answers
//! again, with how long it did not and how often it was tried.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whether a server answers. Clones share it.
#[derive(Clone)]
pub struct Reach {
    server: &'static str,
    silence: Arc<Mutex<Option<Silence>>>,
}

struct Silence {
    since: Duration,
    attempts: u64,
}

impl Reach {
    /// Of a server with this name; nothing is known of it yet.
    #[must_use]
    pub fn of(server: &'static str) -> Self {
        Self {
            server,
            silence: Arc::default(),
        }
    }

    /// Whether the last that was heard is that it did not answer as it should.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let silence = self.silence.lock();
        silence.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// It answered at `now` ([`Clock::elapsed`](crate::clock::Clock::elapsed)).
    pub fn answers(&self, now: Duration) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(was) = silence.take() {
            let took = now.saturating_sub(was.since).as_millis();
            let duration_ms = u64::try_from(took).unwrap_or(u64::MAX);
            let (server, attempts) = (self.server, was.attempts);
            tracing::info!(server, attempts, duration_ms, "{server} answers again");
        }
    }

    /// It did not answer as it should, for this cause.
    pub fn fails(&self, now: Duration, why: &dyn Display) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(silence) = silence.as_mut() {
            silence.attempts += 1;
            return;
        }
        *silence = Some(Silence {
            since: now,
            attempts: 1,
        });
        tracing::warn!(server = self.server, "{why}; it is tried again");
    }
}

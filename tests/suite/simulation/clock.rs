//! The time of a story. Nothing waits: whoever drives the story says how late it is.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use dploy_observer::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// When every story begins.
const BEGINNING: i64 = 1_795_341_600;

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct StoryClock {
    micros: AtomicU64,
    /// By how many seconds somebody has set the observer's clock.
    off: AtomicI64,
}

impl StoryClock {
    /// How long the story has lasted.
    pub fn passed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// It is so late now; never earlier than before.
    pub fn is(&self, passed: Duration) {
        let micros = u64::try_from(passed.as_micros()).unwrap();
        self.micros.fetch_max(micros, Ordering::Relaxed);
    }

    /// Somebody sets the observer's clock; Marathon's and the span that has passed stay.
    pub fn step(&self, seconds: i64) {
        self.off.fetch_add(seconds, Ordering::Relaxed);
    }

    /// By how many seconds the observer's clock is off.
    pub fn off(&self) -> i64 {
        self.off.load(Ordering::Relaxed)
    }

    /// The date for everybody else.
    pub fn true_time(&self) -> Timestamp {
        Timestamp::from_second(BEGINNING).unwrap()
            + SignedDuration::try_from(self.passed()).unwrap()
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        self.true_time() + SignedDuration::from_secs(self.off())
    }

    fn elapsed(&self) -> Duration {
        self.passed()
    }
}

//! The only place that asks the machine for the time; everyone else is handed a [`Clock`].

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Something that knows the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// How long it is since a fixed moment: it only grows, however somebody sets the clock. For spans, never for dates.
    fn elapsed(&self) -> Duration;
}

/// A shared clock, as it is passed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGAN.elapsed()
    }
}

/// The machine's clock, ready to be passed around.
#[must_use]
pub fn system() -> SharedClock {
    Arc::new(SystemClock)
}

/// A time as the log and the API write it: RFC 3339, UTC, microseconds, always 27 characters.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_stamp_has_always_the_same_width() {
        let at: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(super::stamp(at), "2026-11-22T10:00:00.000000Z");
    }
}

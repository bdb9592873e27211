//! Points in time as Marathon writes them: UTC with milliseconds. A version of an app or group is such a point.

use jiff::{SignedDuration, Timestamp};

/// The time now, in whole milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the local Marathon runs real processes in real time"
)]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// `2026-11-22T23:31:18.988Z`.
pub fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Reads what [`text`] writes (and other forms of ISO 8601 with an offset).
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The later of now and the moment just after `last`, so that versions never repeat.
pub fn after(last: Timestamp, now: Timestamp) -> Timestamp {
    let next = last
        .checked_add(SignedDuration::from_millis(1))
        .unwrap_or(last);
    now.max(next)
}

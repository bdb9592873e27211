//! The one place of the local GitHub that asks for the time.

use jiff::Timestamp;

/// The present, to the second: GitHub states no fractions except in delivery records.
pub fn now() -> Timestamp {
    Timestamp::from_second(precise().as_second()).unwrap_or_else(|_| precise())
}

/// The present, to the millisecond.
#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in for a server elsewhere has its own clock, as that server has"
)]
pub fn precise() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

//! The only place that asks the machine for the time; everyone else is handed a [`Clock`].

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

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

/// A time as the API takes it: RFC 3339; without a zone it is UTC, and a day alone is its beginning.
///
/// # Errors
/// What it should look like.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil: Option<jiff::civil::DateTime> = text.parse().ok();
    let at = civil.and_then(|at| at.to_zoned(TimeZone::UTC).ok());
    at.map(|at| at.timestamp()).ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        format!("{text:?} is no time; write 2026-12-31T18:00:00Z")
    })
}

/// A time as people type it, where they are: `2h`, `30d`, `18:00`, `2026-12-31`, or as the API takes it.
///
/// # Errors
/// What it should look like.
pub fn typed_moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    let here = now.to_zoned(zone.clone());
    let out = |e: jiff::Error| format!("{text:?} is out of range: {e}");
    if let Ok(time) = text.parse::<jiff::civil::Time>()
        && text.contains(':')
        && !text.contains('-')
    {
        let today = here.with().time(time).build().map_err(out)?;
        let next = if today > here {
            today
        } else {
            today.checked_add(1.day()).map_err(out)?
        };
        return Ok(next.timestamp());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        return Ok(civil.to_zoned(zone.clone()).map_err(out)?.timestamp());
    }
    match text.parse::<Span>() {
        Ok(span) if span.is_positive() => Ok(here.checked_add(span).map_err(out)?.timestamp()),
        _ => Err(format!(
            "{text:?} is no time; write 2h, 30d, 18:00, 2026-12-31 or 2026-12-31T18:00"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_type_it() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let read = |text: &str| typed_moment(text, now, &zone).map(|at| at.to_string());
        assert_eq!(read("2h").unwrap(), "2026-11-28T12:00:00Z");
        assert_eq!(read("30d").unwrap(), "2026-12-28T10:00:00Z");
        assert_eq!(read("12:00").unwrap(), "2026-11-28T11:00:00Z");
        assert_eq!(read("11:00").unwrap(), "2026-11-29T10:00:00Z");
        assert_eq!(read("2026-12-31").unwrap(), "2026-12-30T23:00:00Z");
        assert_eq!(read("2026-12-31T18:00").unwrap(), "2026-12-31T17:00:00Z");
        assert_eq!(
            read("2026-12-31T18:00:00Z").unwrap(),
            "2026-12-31T18:00:00Z"
        );
        for wrong in ["", "soon", "-2h", "25:00", "2026-13-01"] {
            assert!(read(wrong).is_err(), "{wrong:?}: {:?}", read(wrong));
        }
        assert_eq!(
            moment("2026-12-31").unwrap().to_string(),
            "2026-12-31T00:00:00Z"
        );
        assert_eq!(
            moment("2026-12-31T18:00").unwrap().to_string(),
            "2026-12-31T18:00:00Z"
        );
        assert!(moment("2h").is_err());
    }

    #[test]
    fn a_stamp_has_always_the_same_width() {
        let at: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(super::stamp(at), "2026-11-22T10:00:00.000000Z");
    }
}

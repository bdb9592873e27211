//! A line that was said within the last minute is not said again.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// So long the same line is not said again.
const QUIET: Duration = Duration::from_mins(1);

/// So many lines are remembered at most.
const REMEMBERED: usize = 4096;

/// Fields that differ although a line says the same.
const COUNTS: [&str; 3] = ["attempts", "duration_ms", "event.seq"];

/// Lets each line pass once a minute. Calls, which `debug` adds, pass all.
#[derive(Default)]
pub(super) struct Repeats {
    said: Mutex<HashMap<String, Instant>>,
}

impl Repeats {
    fn is_new(&self, line: String, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: &Instant| now.duration_since(*at) < QUIET;
        if said.get(&line).is_some_and(fresh) {
            return false;
        }
        if said.len() >= REMEMBERED {
            said.retain(|_, at| fresh(at));
        }
        if said.len() < REMEMBERED {
            said.insert(line, now);
        }
        true
    }
}

impl<S> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let mut line = Line(format!("{}\n", metadata.name()));
        event.record(&mut line);
        self.is_new(line.0, Instant::now())
    }
}

/// What a line says.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !COUNTS.contains(&field.name()) {
            let _ = writeln!(self.0, "{}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_passes_once_a_minute() {
        let repeats = Repeats::default();
        let began = Instant::now();
        let passes = |line: &str, after: u64| {
            repeats.is_new(line.to_owned(), began + Duration::from_secs(after))
        };
        assert!(passes("GitHub cannot be reached", 0));
        assert!(!passes("GitHub cannot be reached", 59));
        assert!(passes("Marathon cannot be reached", 59));
        assert!(passes("GitHub cannot be reached", 60));
        assert!(!passes("GitHub cannot be reached", 61));
    }

    #[test]
    fn what_is_remembered_has_an_end_and_nothing_is_lost_for_it() {
        let repeats = Repeats::default();
        let now = Instant::now();
        for n in 0..REMEMBERED * 2 {
            assert!(repeats.is_new(n.to_string(), now));
        }
        assert!(repeats.said.lock().unwrap().len() <= REMEMBERED);
        let later = now + QUIET;
        assert!(repeats.is_new("0".to_owned(), later));
        assert_eq!(repeats.said.lock().unwrap().len(), 1);
    }
}

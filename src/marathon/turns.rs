//! A busy Marathon is tried by one at a time: by the one that waits longest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who has not asked for so long does not wait any more.
const GONE: Duration = Duration::from_mins(3);

/// Who waits for a busy Marathon, in which order.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<VecDeque<(String, Duration)>>>);

impl Turns {
    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<(String, Duration)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it is somebody's turn: nobody waits, or nobody for longer. Who waits asks again and again.
    #[must_use]
    pub fn is_next(&self, who: &str, now: Duration) -> bool {
        self.with(|queue| {
            queue.retain(|(_, asked)| now.saturating_sub(*asked) < GONE);
            if queue.is_empty() {
                return true;
            }
            stand(queue, who, now);
            queue.front().is_some_and(|(first, _)| first == who)
        })
    }

    /// Who waits longest.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.with(|queue| queue.front().map(|(who, _)| who.clone()))
    }

    /// Marathon was busy.
    pub fn waits(&self, who: &str, now: Duration) {
        self.with(|queue| stand(queue, who, now));
    }

    /// It was told, or is not to be told any more.
    pub fn leaves(&self, who: &str) {
        self.with(|queue| queue.retain(|(waits, _)| waits != who));
    }
}

fn stand(queue: &mut VecDeque<(String, Duration)>, who: &str, now: Duration) {
    match queue.iter_mut().find(|(waits, _)| waits == who) {
        Some((_, asked)) => *asked = now,
        None => queue.push_back((who.to_owned(), now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_is_next_as_long_as_it_asks() {
        let turns = Turns::default();
        let at = Duration::from_secs;
        assert!(turns.is_next("a", at(0)) && turns.is_next("b", at(0)));
        turns.waits("a", at(0));
        assert!(!turns.is_next("b", at(1)));
        assert!(turns.is_next("a", at(2)) && !turns.is_next("b", at(2)));
        turns.leaves("a");
        assert!(turns.is_next("b", at(3)) && !turns.is_next("a", at(3)));
        assert!(turns.is_next("a", at(3) + GONE), "b does not ask any more");
    }
}

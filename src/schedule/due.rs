//! What is due when, the soonest first. A thing stands in it once, and is not handed out again while it is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Things and when they are due, by the clock that only grows.
#[derive(Debug)]
pub(super) struct Due<K> {
    at: BTreeMap<K, Duration>,
    order: BTreeSet<(Duration, K)>,
    /// Handed out and not done yet.
    under_way: BTreeMap<K, Again>,
}

/// What was said of a thing while it was under way.
#[derive(Debug, Default)]
struct Again {
    /// It is due again, whatever comes of it.
    due: Option<Duration>,
    /// It stays, also where it was found to be gone.
    stays: Option<Duration>,
}

impl<K> Default for Due<K> {
    fn default() -> Self {
        Self {
            at: BTreeMap::new(),
            order: BTreeSet::new(),
            under_way: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Due<K> {
    /// It is due then, or sooner if it was before.
    pub(super) fn at_the_latest(&mut self, thing: K, at: Duration) {
        if let Some(again) = self.under_way.get_mut(&thing) {
            again.due = Some(again.due.map_or(at, |known| known.min(at)));
            return;
        }
        let sooner = self.at.get(&thing).map_or(at, |known| at.min(*known));
        self.put(thing, sooner);
    }

    /// It is due then, if it is not in here yet.
    pub(super) fn if_new(&mut self, thing: K, at: Duration) {
        if let Some(again) = self.under_way.get_mut(&thing) {
            again.stays = Some(at);
        } else if !self.at.contains_key(&thing) {
            self.put(thing, at);
        }
    }

    /// When the first is due.
    pub(super) fn first(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Hands out what is due by now.
    pub(super) fn take(&mut self, now: Duration) -> Option<K> {
        let (at, thing) = self.order.first()?.clone();
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.at.remove(&thing);
        self.under_way.insert(thing.clone(), Again::default());
        Some(thing)
    }

    /// It was done; it is due again then, or never.
    pub(super) fn done(&mut self, thing: K, again: Option<Duration>) {
        let said = self.under_way.remove(&thing).unwrap_or_default();
        let next = [again, said.due].into_iter().flatten().min();
        if let Some(at) = next.or(said.stays) {
            self.put(thing, at);
        }
    }

    fn put(&mut self, thing: K, at: Duration) {
        if let Some(before) = self.at.insert(thing.clone(), at) {
            self.order.remove(&(before, thing.clone()));
        }
        self.order.insert((at, thing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_soonest_comes_first_and_nothing_before_its_time() {
        let mut due = Due::default();
        due.at_the_latest("b", s(5));
        due.at_the_latest("a", s(9));
        due.at_the_latest("a", s(3));
        due.at_the_latest("a", s(7));
        assert_eq!(due.first(), Some(s(3)));
        assert_eq!(due.take(s(2)), None);
        assert_eq!(due.take(s(9)), Some("a"));
        assert_eq!(due.take(s(9)), Some("b"));
        assert_eq!(due.take(s(9)), None);
    }

    #[test]
    fn what_is_under_way_is_not_handed_out_twice() {
        let mut due = Due::default();
        due.at_the_latest("a", s(0));
        assert_eq!(due.take(s(0)), Some("a"));
        due.at_the_latest("a", s(1));
        assert_eq!(due.take(s(1)), None);
        due.done("a", Some(s(60)));
        assert_eq!(due.take(s(1)), Some("a"));
        due.done("a", None);
        assert_eq!(due.first(), None);
    }

    #[test]
    fn what_comes_back_while_it_is_found_to_be_gone_stays() {
        let mut due = Due::default();
        due.if_new("a", s(5));
        due.if_new("a", s(1));
        assert_eq!(due.first(), Some(s(5)));
        assert_eq!(due.take(s(5)), Some("a"));
        due.if_new("a", s(6));
        due.done("a", None);
        assert_eq!(due.take(s(6)), Some("a"));
        due.if_new("a", s(7));
        due.done("a", Some(s(60)));
        assert_eq!(due.first(), Some(s(60)), "it is known: no reason to hurry");
    }
}

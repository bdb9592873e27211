//! A story that fails, told with less and less, as long as it fails in the same way.

use super::judge::{Check, Finding};
use super::machine::tell;
use super::story::{Story, What};

/// So many shorter stories are tried at most.
const TRIES: u32 = 60;

/// The shortest story found that fails by the same check, and how it fails.
pub fn shrink(story: &Story, finding: &Finding, known: &[Check]) -> (Story, Finding) {
    let mut shrinking = Shrinking {
        best: (story.clone(), finding.clone()),
        check: finding.check,
        known: known.to_vec(),
        tries: 0,
    };
    while shrinking.round() {}
    shrinking.best
}

struct Shrinking {
    best: (Story, Finding),
    check: Check,
    known: Vec<Check>,
    tries: u32,
}

impl Shrinking {
    /// Tries every way once; answers whether any helped.
    fn round(&mut self) -> bool {
        let mut helped = false;
        for size in [8, 4, 2, 1] {
            let mut at = 0;
            while at < self.best.0.acts.len() {
                let mut shorter = self.best.0.clone();
                let end = (at + size).min(shorter.acts.len());
                shorter.acts.drain(at..end);
                if self.fails(shorter) {
                    helped = true;
                } else {
                    at += size;
                }
            }
        }
        for app in (1..self.best.0.apps.len()).rev() {
            let mut fewer = self.best.0.clone();
            fewer.apps.remove(app);
            let speaks_of = |what: &What| matches!(what, What::Push { app: a, .. } | What::Operator { app: a, .. } if *a >= app);
            fewer.acts.retain(|act| !speaks_of(&act.what));
            helped |= self.fails(fewer);
        }
        for app in 0..self.best.0.apps.len() {
            for service in (0..self.best.0.apps[app].services.len()).rev() {
                let mut fewer = self.best.0.clone();
                let services = &mut fewer.apps[app].services;
                if services.len() > 1 && service + 1 == services.len() {
                    services.pop();
                    helped |= self.fails(fewer);
                }
            }
            helped |= self.simpler(app);
        }
        if !self.best.0.strange.is_empty() {
            let mut none = self.best.0.clone();
            none.strange.clear();
            helped |= self.fails(none);
        }
        helped
    }

    /// One instance, the usual strategy, no group, no prune.
    fn simpler(&mut self, app: usize) -> bool {
        let mut simple = self.best.0.clone();
        let shape = &mut simple.apps[app];
        (shape.group, shape.prune) = (false, false);
        let mut helped = simple != self.best.0 && self.fails(simple);
        for service in 0..self.best.0.apps[app].services.len() {
            let mut simple = self.best.0.clone();
            let shape = &mut simple.apps[app].services[service];
            (shape.strategy, shape.needs) = ((1.0, 1.0), None);
            helped |= simple != self.best.0 && self.fails(simple);
            let mut simple = self.best.0.clone();
            simple.apps[app].services[service].instances = 1;
            helped |= simple != self.best.0 && self.fails(simple);
        }
        helped
    }

    fn fails(&mut self, story: Story) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let finding = tell(&story, &self.known)
            .finding
            .filter(|f| f.check == self.check);
        let Some(finding) = finding else { return false };
        self.best = (story, finding);
        true
    }
}

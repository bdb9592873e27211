//! The end of a story: trouble ends, strangers rest, the head becomes good, and in a while everything must be well.

use std::time::Duration;

use dploy_observer::history::{App, Held};
use dploy_observer::id::{AppId, ServiceId};
use dploy_observer::sentence::{Code, Sentence};

use super::acting::block_on;
use super::coverage::phase;
use super::incarnation::Kept;
use super::judge::{Check, Finding, is_right, short};
use super::machine::{END, Machine};
use super::story::{Change, Told, Trouble, What};

impl Machine {
    /// The acts are over: trouble ends, strangers rest, the head becomes good.
    pub(super) fn rest(&mut self) {
        self.quiet = true;
        let now = self.now();
        self.rested_at = now;
        {
            let mut inside = self.outside.lock();
            inside.trouble.clear();
            inside.held.iter_mut().for_each(|h| h.due = now);
            inside.late.iter_mut().for_each(|l| l.due = now);
        }
        if self.coverage.disk_refused {
            self.coverage.disk_refused = false;
            self.disk(false);
        }
        self.judge.something_happens();
        for app in 0..self.branches.len() {
            // a head that is good already is not to need another push, unless somebody else spoilt its deploy
            let undisturbed = self.branches[app].is_good(&self.contents) && !self.disturbed;
            if !undisturbed || self.choice.u8(..4) == 0 {
                self.branches[app].become_good();
                self.push(app, &Change::Readme, Told::Once);
            }
        }
        self.note("from here on everything is well, and every head is good");
    }

    pub(super) fn is_over(&mut self) -> bool {
        let last = self.acts.last().map_or(0, |a| a.at);
        let last = self.last_act.max(Duration::from_secs(last.into())) + Duration::from_secs(45);
        if !self.quiet {
            let over = self.next_act == self.acts.len() && self.now() >= last;
            let troubled = !self.outside.lock().trouble.is_empty();
            if over && !troubled && self.alive.is_some() {
                self.rest();
            }
            return false;
        }
        if self.now() > self.rested_at + END {
            return true;
        }
        let rolls = self
            .outside
            .lock()
            .cluster
            .deployments()
            .iter()
            .any(|d| !self.judge.reasons.others.contains(d));
        if rolls || self.ended().is_some() {
            self.settled_at = None;
            return false;
        }
        // it stays so
        let now = self.now();
        let since = *self.settled_at.get_or_insert(now);
        now >= since + Duration::from_secs(70)
    }

    /// Why it is not over yet.
    pub(super) fn ended(&self) -> Option<Finding> {
        let stuck = |sentence| {
            Some(Finding {
                check: Check::Stuck,
                sentence,
            })
        };
        for branch in &self.branches {
            let id: AppId = branch.shape.name.parse().unwrap();
            let Some(app) = self.judge.apps.get(&id).and_then(Option::as_ref) else {
                continue;
            };
            if app.destroyed {
                continue;
            }
            if app.owes_work() && (self.waits_for_others(app) || waits_for_a_person(app)) {
                continue;
            }
            if app.owes_work() {
                let (state, code) =
                    app.running
                        .as_ref()
                        .map_or(("no deploy".to_owned(), String::new()), |d| {
                            let code = d
                                .waiting
                                .as_ref()
                                .map(|w| w.code.clone())
                                .unwrap_or_default();
                            (
                                format!(
                                    "#{} is {} ({})",
                                    d.number.0,
                                    d.state().word(),
                                    phase(Some(app))
                                ),
                                code,
                            )
                        });
                let scale = app.services.values().any(|s| s.scale.is_some());
                let destroying = app.destroying.is_some();
                return stuck(format!(
                    "{id}: {state} {code}{}{}",
                    if scale { ", a scaling is owed" } else { "" },
                    if destroying {
                        ", a destroy has not ended"
                    } else {
                        ""
                    }
                ));
            }
            if app.waiting.is_some() && app.lock.is_none() {
                return stuck(format!("{id}: a deploy waits and nobody deploys"));
            }
            let head = self
                .outside
                .lock()
                .github
                .head(branch.shape.repository, &branch.shape.branch);
            if let Some(finding) = Self::not_at_head(app, head.as_deref(), &self.excuses()) {
                return Some(finding);
            }
        }
        None
    }

    /// Somebody else's deployment holds a service and never ends: a person has to decide, and is told.
    pub(super) fn waits_for_others(&self, app: &App) -> bool {
        let waiting = app.running.as_ref().and_then(|d| d.waiting.as_ref());
        waiting.is_some_and(|w| {
            self.judge
                .reasons
                .others
                .iter()
                .any(|d| w.sentence.contains(d))
        })
    }

    /// What lasted for longer than a deploy may go without progress, or was refused in earnest, is for a person to decide.
    fn excuses(&self) -> Vec<&'static str> {
        let troubles = self.acts.iter().filter_map(|a| match &a.what {
            What::Trouble { what, .. } => Some(what),
            _ => None,
        });
        let of = |trouble: &Trouble| match trouble {
            Trouble::NoOffers | Trouble::Full => vec!["NO_OFFERS", "DEADLINE"],
            Trouble::MarathonRefuses(422) => vec!["REJECTED"],
            _ => Vec::new(),
        };
        troubles.flat_map(of).collect()
    }

    pub(super) fn not_at_head(app: &App, head: Option<&str>, excused: &[&str]) -> Option<Finding> {
        // what is held at a first start is one head, and only until the branch moves
        let moved =
            |h: &Held| h.why.is(Code::FirstStart) && app.first_start.as_ref() != Some(&h.commit);
        let waits = app.held.as_ref().is_some_and(|h| !moved(h));
        if app.pin.is_some() || app.lock.is_some() || waits {
            return None;
        }
        let excused = |t: &Sentence| excused.contains(&t.code.as_str());
        if for_a_person(app) || app.trouble.as_ref().is_some_and(excused) {
            return None;
        }
        let live = app.live.as_ref().map(|l| l.commit.as_str());
        if live != head {
            let sentence = format!(
                "{} follows its branch, whose head is {}, and {} is live{}",
                app.id,
                head.map_or("nowhere", short),
                live.map_or("nothing", short),
                app.trouble
                    .as_ref()
                    .map(|t| format!(" ({}: {})", t.code, t.sentence))
                    .unwrap_or_default()
            );
            return Some(Finding {
                check: Check::NotAtHead,
                sentence,
            });
        }
        None
    }

    pub(super) fn end(&mut self) -> Option<Finding> {
        if let Some(finding) = self.ended() {
            return Some(finding);
        }
        let rights = self.rights().or_else(|| self.mixtures());
        if rights.is_some() {
            return rights;
        }
        if let Some(alive) = self.alive.take() {
            alive.kill();
        }
        let Kept::File(folder) = &self.kept else {
            return None;
        };
        let report = block_on(folder.verify());
        (!report.wrong.is_empty()).then(|| Finding {
            check: Check::Damaged,
            sentence: report.wrong.join("; "),
        })
    }

    /// No service is left between two versions without a word.
    fn mixtures(&self) -> Option<Finding> {
        let inside = self.outside.lock();
        let quiet = |a: &&App| !a.destroyed && !a.owes_work() && a.trouble.is_none();
        for app in self.judge.apps.values().flatten().filter(quiet) {
            // what left the repository may stay so, if it was said
            let said = self.judge.last_words.get(&app.id);
            let is_said = |id: &ServiceId| said.is_some_and(|s| s.contains(id.as_str()));
            let unsaid = |id: &&ServiceId| !app.orphans.contains(*id) || !is_said(id);
            for id in app.services.keys().filter(unsaid).map(ToString::to_string) {
                let Some(seen) = inside
                    .cluster
                    .seen(&id)
                    .filter(|_| !self.judge.touched.contains(&id))
                else {
                    continue;
                };
                // what a commit makes crash or sick may be so
                let good = ["well ", "slow "].iter().any(|w| seen.cmd.starts_with(w));
                let ours = good && seen.label.as_deref() == Some(app.id.as_str());
                if ours && (seen.well != seen.instances || seen.there != seen.instances) {
                    let sentence = format!(
                        "{id} has {} of {} instances well, {} there, and {} says nothing of it",
                        seen.well, seen.instances, seen.there, app.id
                    );
                    return Some(Finding {
                        check: Check::NotRight,
                        sentence,
                    });
                }
            }
        }
        None
    }

    /// What runs in the end is what the commit says.
    pub(super) fn rights(&self) -> Option<Finding> {
        let inside = self.outside.lock();
        for app in self.judge.apps.values().flatten().filter(|a| !a.destroyed) {
            let decided = app.owes_work()
                || app.lock.is_some()
                || app.held.is_some()
                || app.pin.is_some()
                || app.trouble.is_some();
            let Some(live) = app.live.as_ref().filter(|_| !decided) else {
                continue;
            };
            for wanted in self
                .contents
                .get(live.commit.as_str())
                .into_iter()
                .flatten()
            {
                let id = &wanted.shape.id;
                if self.judge.touched.contains(id) {
                    continue;
                }
                if let Err(why) = is_right(&inside.cluster, app.id.as_str(), wanted, true) {
                    return Some(Finding {
                        check: Check::NotRight,
                        sentence: format!("{} is at its head, and {why}", app.id),
                    });
                }
                let count = inside.cluster.seen(id).map_or(0, |s| s.instances);
                let kept = self.judge.adopted.contains(id) || self.judge.edited.contains(id);
                if !self.scaled && !kept && count != wanted.shape.instances {
                    let sentence = format!(
                        "{id} has {count} instances, its spec says {}, and nobody scaled it",
                        wanted.shape.instances
                    );
                    return Some(Finding {
                        check: Check::Owed,
                        sentence,
                    });
                }
            }
        }
        None
    }
}

/// What only a person can decide ends with a sentence that says so.
fn for_a_person(app: &App) -> bool {
    let codes = [
        "NOT_OURS",
        "OF_ANOTHER_APP",
        "OWN",
        "NOT_ALLOWED",
        "CANCELLED",
    ];
    let trouble = app.trouble.as_ref();
    trouble.is_some_and(|t| codes.contains(&t.code.as_str()))
}

/// All that is owed are counts of services that do not become well before a person decided (who pinned what does not
/// run, for one), or that left the repository.
fn waits_for_a_person(app: &App) -> bool {
    let only_debts = app.running.is_none()
        && app.destroying.is_none()
        && app.intents.is_empty()
        && app.services.values().all(|s| s.scale.is_none());
    let strays = app.debts.keys().all(|id| app.orphans.contains(id));
    let pinned_ill = app.pin.is_some() && app.trouble.is_some();
    only_debts && (app.lock.is_some() || strays || pinned_ill || for_a_person(app))
}

//! What events say of an app: its hook, its pushes, its gates, its services, its end.

use super::{Fold, RowChange};
use crate::event::{Outcome, PushReceived, ResumeWhen, RollbackRequested};
use crate::history::state::{Destroying, Head, Held, Hook, Lock, Pin};
use crate::id::{CommitId, DeployNumber, ServiceId};
use crate::sentence::{Code, Sentence};

impl Fold<'_> {
    pub(super) fn app_destroyed(&mut self) {
        let app = &mut *self.app;
        app.destroying = None;
        app.destroyed = true;
        app.services.clear();
        app.orphans.clear();
        app.intents.clear();
        app.told.clear();
        app.debts.clear();
        (app.live, app.held, app.pin, app.lock) = (None, None, None, None);
    }

    pub(super) fn hook_registered(&mut self, id: u64, url: &str) {
        self.hook_is(id, url);
        let hook = &mut self.app.hook;
        hook.registered_at = Some(self.at.to_owned());
        if hook.pinged != Some(id) {
            hook.pinged_at = None;
        }
    }

    pub(super) fn hook_is(&mut self, id: u64, url: &str) {
        let hook = &mut self.app.hook;
        (hook.id, hook.url, hook.failure) = (Some(id), Some(url.to_owned()), None);
    }

    pub(super) fn hook_pinged(&mut self, id: u64) {
        let hook = &mut self.app.hook;
        (hook.pinged_at, hook.pinged) = (Some(self.at.to_owned()), Some(id));
    }

    pub(super) fn hook_failed(&mut self, code: &str, sentence: &str) {
        self.app.hook.failure = Some(Sentence::logged(code, sentence));
    }

    pub(super) fn hook_removed(&mut self) {
        self.app.hook = Hook::default();
        if let Some(destroying) = &mut self.app.destroying {
            destroying.hook = None;
        }
    }

    pub(super) fn push_received(&mut self, push: &PushReceived) {
        self.head(&push.after);
        if let Some(before) = push.before.as_ref().filter(|_| push.forced) {
            self.app.forced = Some((before.clone(), push.after.clone()));
        }
        if let Some(head) = &mut self.app.head {
            head.pushed_onto = push.before.clone().filter(|b| *b != push.after);
        }
        self.rows.push(RowChange::Push(Box::new(push.clone())));
    }

    pub(super) fn push_ignored(&mut self, commit: &CommitId, code: &str, head: Option<&CommitId>) {
        if let Some(head) = head {
            self.head(head);
        }
        self.push_became(commit, format!("ignored: {code}"));
    }

    pub(super) fn push_held(&mut self, commit: &CommitId, code: &str, sentence: &str) {
        if let Some(pin) = &mut self.app.pin {
            pin.head.get_or_insert_with(|| commit.clone());
        }
        if code == Code::FirstStart.word() {
            // one is held, and what comes after it is deployed
            self.app.first_start.get_or_insert_with(|| commit.clone());
        }
        self.app.held = Some(Held {
            commit: commit.clone(),
            why: Sentence::logged(code, sentence),
        });
        self.push_became(commit, format!("held: {code}"));
    }

    pub(super) fn push_became(&mut self, commit: &CommitId, outcome: String) {
        let row = RowChange::PushOutcome(commit.clone(), outcome);
        self.rows.push(row);
    }

    fn head(&mut self, commit: &CommitId) {
        let previous = self.app.head.take().map(|h| h.commit);
        self.app.head = Some(Head {
            commit: commit.clone(),
            seen_at: self.at.to_owned(),
            previous: previous.filter(|p| p != commit),
            pushed_onto: None,
        });
    }

    pub(super) fn rollback_requested(&mut self, wish: &RollbackRequested) {
        let app = &mut *self.app;
        let head = app.head.as_ref().map(|h| h.commit.clone());
        let left = wish.from.as_ref().map(|f| f.commit.clone());
        for commit in left.into_iter().chain(head) {
            if commit != wish.to.commit && !app.rolled_back.contains(&commit) {
                app.rolled_back.push(commit);
            }
        }
    }

    pub(super) fn app_pinned(
        &mut self,
        commit: &CommitId,
        deploy: Option<DeployNumber>,
        reason: Option<&String>,
        resume: ResumeWhen,
        head: Option<&CommitId>,
    ) {
        self.app.held = None;
        self.app.pin = Some(Pin {
            commit: commit.clone(),
            deploy,
            by: self.event.actor.clone(),
            reason: reason.cloned(),
            since: self.at.to_owned(),
            resume,
            head: head.cloned(),
            seq: self.app.last_seq,
        });
    }

    pub(super) fn app_locked(&mut self, reason: &str, until: Option<&String>) {
        self.app.lock = Some(Lock {
            by: self.event.actor.clone(),
            reason: reason.to_owned(),
            since: self.at.to_owned(),
            until: until.cloned(),
        });
    }

    pub(super) fn app_adopted(&mut self, services: &[Outcome]) {
        self.app.adopt(services);
    }

    pub(super) fn service_removed(&mut self, id: &ServiceId) {
        let app = &mut *self.app;
        app.services.remove(id);
        app.debts.remove(id);
        app.orphans.retain(|o| o != id);
        if let Some(destroying) = &mut app.destroying {
            destroying.services.retain(|s| s != id);
        }
    }

    pub(super) fn destroy_requested(
        &mut self,
        services: &[ServiceId],
        hook: Option<u64>,
        keep_services: bool,
    ) {
        self.app.destroying = Some(Destroying {
            services: services.to_vec(),
            hook,
            keep_services,
            by: self.event.actor.clone(),
            since: self.at.to_owned(),
        });
    }
}

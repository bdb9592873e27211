//! Events → state, and the rows of the projections that each event changes.

mod deploy;

use super::deploy::Deploy;
use super::state::{App, Destroying, Head, Held, Lock, Pin};
use crate::event::{Call, Fact, NewEvent, PushReceived, RollbackRequested};
use crate::id::{CommitId, DeployNumber};
use crate::sentence::Sentence;

/// How many Marathon deployments of ours are remembered: more never run at once for one app.
const REMEMBERED: usize = 8;

/// A row of a projection that an event changes.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// The deploy has this content now.
    Deploy(Box<Deploy>),
    /// A push was received.
    Push(Box<PushReceived>),
    /// What became of the newest push of this commit.
    PushOutcome(CommitId, String),
}

/// Folds one event into the app it belongs to. `app` is `None` until `app_registered`.
pub fn apply(app: &mut Option<App>, seq: i64, at: &str, event: &NewEvent) -> Vec<RowChange> {
    if let Fact::AppRegistered { source, settings } = &event.fact
        && let Some(id) = &event.app
    {
        let last = app.as_ref().map_or(DeployNumber(0), |a| a.last_deploy);
        *app = Some(App::new(
            id.clone(),
            source.clone(),
            settings.clone(),
            at,
            last,
        ));
    }
    let Some(app) = app.as_mut() else {
        return Vec::new();
    };
    app.last_seq = seq;
    let mut rows = Vec::new();
    let mut fold = Fold {
        app,
        at,
        event,
        rows: &mut rows,
    };
    fold.app_fact();
    fold.deploy_fact();
    rows
}

struct Fold<'a> {
    app: &'a mut App,
    at: &'a str,
    event: &'a NewEvent,
    rows: &'a mut Vec<RowChange>,
}

impl Fold<'_> {
    /// Facts about the app: source, hook, pushes, gates, destroy.
    fn app_fact(&mut self) {
        let at = self.at.to_owned();
        let app = &mut *self.app;
        match &self.event.fact {
            Fact::AppChanged { new, .. } => {
                app.source = new.source.clone();
                app.settings = new.settings.clone();
            }
            Fact::AppDestroyed { .. } => {
                app.destroying = None;
                app.destroyed = true;
                app.services.clear();
                app.orphans.clear();
                app.marathon.clear();
                (app.live, app.held, app.pin, app.lock) = (None, None, None, None);
            }
            Fact::HookRegistered { id, url } => {
                app.hook.registered_at = Some(at);
                (app.hook.id, app.hook.url, app.hook.failure) =
                    (Some(*id), Some(url.clone()), None);
                if app.hook.pinged != Some(*id) {
                    app.hook.pinged_at = None;
                }
            }
            Fact::HookRepaired { id, url, .. } => {
                (app.hook.id, app.hook.url, app.hook.failure) =
                    (Some(*id), Some(url.clone()), None);
            }
            Fact::HookPinged { id, .. } => {
                (app.hook.pinged_at, app.hook.pinged) = (Some(at), Some(*id));
            }
            Fact::HookFailed { code, sentence } => {
                app.hook.failure = Some(Sentence::new(code.clone(), sentence.clone()));
            }
            Fact::HookRemoved { .. } => {
                app.hook = super::state::Hook::default();
                if let Some(destroying) = &mut app.destroying {
                    destroying.hook = None;
                }
            }
            Fact::PushReceived(push) => self.push(push),
            Fact::PushIgnored {
                commit, head, code, ..
            } => {
                if let Some(head) = head {
                    self.head(head);
                }
                self.rows.push(RowChange::PushOutcome(
                    commit.clone(),
                    format!("ignored: {code}"),
                ));
            }
            Fact::PushHeld {
                commit,
                code,
                sentence,
            } => {
                if let Some(pin) = &mut app.pin {
                    pin.head.get_or_insert_with(|| commit.clone());
                }
                let why = Sentence::new(code.clone(), sentence.clone());
                app.held = Some(Held {
                    commit: commit.clone(),
                    why,
                });
                self.rows.push(RowChange::PushOutcome(
                    commit.clone(),
                    format!("held: {code}"),
                ));
            }
            Fact::RollbackRequested(wish) => self.rollback(wish),
            _ => self.gate(),
        }
    }

    /// Pin, lock, adoption, services, destroy.
    fn gate(&mut self) {
        let at = self.at.to_owned();
        let by = self.event.actor.clone();
        let app = &mut *self.app;
        match &self.event.fact {
            Fact::AppPinned {
                commit,
                deploy,
                reason,
                resume,
                head,
            } => {
                app.held = None;
                let seq = app.last_seq;
                app.pin = Some(Pin {
                    commit: commit.clone(),
                    deploy: *deploy,
                    by,
                    reason: reason.clone(),
                    since: at,
                    resume: *resume,
                    head: head.clone(),
                    seq,
                });
            }
            Fact::AppResumed { .. } => {
                (app.pin, app.held) = (None, None);
                app.rolled_back.clear();
            }
            Fact::AppLocked { reason, .. } => {
                app.lock = Some(Lock {
                    by,
                    reason: reason.clone(),
                    since: at,
                });
            }
            Fact::AppUnlocked { .. } => (app.lock, app.held) = (None, None),
            Fact::AppAdopted { services } => {
                for service in services {
                    let record = app.services.entry(service.id.clone()).or_default();
                    record.adopted = true;
                    record.applied.clone_from(&service.spec);
                    record.rendering.clone_from(&service.rendering);
                    record.instances = service.instances;
                }
            }
            Fact::ServiceScaled { id, new, .. } => {
                app.services.entry(id.clone()).or_default().scale = Some(*new);
            }
            Fact::ServiceRemoved { id, .. } => {
                app.services.remove(id);
                app.orphans.retain(|o| o != id);
                if let Some(destroying) = &mut app.destroying {
                    destroying.services.retain(|s| s != id);
                }
            }
            // with or without a deploy: an operator's wish belongs to none
            Fact::ApplyAccepted {
                call: Call::Scale,
                services,
                ..
            }
            | Fact::ApplyRefused {
                call: Call::Scale,
                services,
                ..
            } => self.scaled(services),
            Fact::DriftSeen { services } => app.drift.clone_from(services),
            Fact::DestroyRequested {
                services,
                hook,
                keep_services,
            } => {
                app.destroying = Some(Destroying {
                    services: services.clone(),
                    hook: *hook,
                    keep_services: *keep_services,
                    by,
                    since: at,
                });
            }
            _ => {}
        }
    }

    fn push(&mut self, push: &PushReceived) {
        let head = push.after.clone();
        self.head(&head);
        self.rows.push(RowChange::Push(Box::new(push.clone())));
    }

    fn head(&mut self, commit: &CommitId) {
        let previous = self.app.head.take().map(|h| h.commit);
        self.app.head = Some(Head {
            commit: commit.clone(),
            seen_at: self.at.to_owned(),
            previous: previous.filter(|p| p != commit),
        });
    }

    fn rollback(&mut self, wish: &RollbackRequested) {
        let app = &mut *self.app;
        let head = app.head.as_ref().map(|h| h.commit.clone());
        let left = wish.from.as_ref().map(|f| f.commit.clone());
        for commit in left.into_iter().chain(head) {
            if commit != wish.to.commit && !app.rolled_back.contains(&commit) {
                app.rolled_back.push(commit);
            }
        }
    }
}

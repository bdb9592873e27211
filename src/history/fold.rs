//! Events → state, and the rows of the projections that each event changes.

use super::deploy::{Accepted, Deploy, DeployState, EndingOf, Progress, Waiting};
use super::state::{App, Destroying, Head, Held, Live, Lock, OurDeployment, Pin, ServiceRecord};
use crate::event::{
    Action, ApplyIntended, Call, Fact, NewEvent, Outcome, PushReceived, RollbackRequested,
};
use crate::id::{CommitId, DeployNumber, ServiceId};
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

    /// Facts about a deploy.
    fn deploy_fact(&mut self) {
        let Some(number) = self.event.deploy else {
            return;
        };
        match &self.event.fact {
            Fact::DeployQueued(wanted) => {
                let deploy = Deploy::new(number, (**wanted).clone(), &self.event.actor, self.at);
                self.app.last_deploy = number;
                self.app.held = None;
                let outcome =
                    RowChange::PushOutcome(wanted.commit.clone(), format!("queued as {number}"));
                self.rows.push(RowChange::Deploy(Box::new(deploy.clone())));
                self.rows.push(outcome);
                if self.app.running.is_none() {
                    self.app.running = Some(deploy);
                } else {
                    self.app.waiting = Some(deploy);
                }
            }
            fact if fact.ends_deploy() => self.end(number),
            _ => self.middle(number),
        }
    }

    /// What happens between beginning and end.
    fn middle(&mut self, number: DeployNumber) {
        let at = self.at.to_owned();
        let slot = [&mut self.app.running, &mut self.app.waiting]
            .into_iter()
            .find(|d| d.as_ref().is_some_and(|d| d.number == number));
        let Some(Some(deploy)) = slot else { return };
        let was_waiting = deploy.waiting.take();
        match &self.event.fact {
            Fact::DeployStarted { .. } => {
                deploy.started_at = Some(at);
                deploy.state = DeployState::Reading;
            }
            Fact::DeployWaiting { code, sentence, .. } => {
                deploy.state = DeployState::Waiting;
                let since = was_waiting
                    .filter(|w| w.code == *code)
                    .map_or(at, |w| w.since);
                deploy.waiting = Some(Waiting {
                    code: code.clone(),
                    sentence: sentence.clone(),
                    since,
                });
            }
            Fact::SpecsRead {
                files, settings, ..
            } => {
                deploy.state = DeployState::Reading;
                deploy.files = Some(files.clone());
                self.app.settings = settings.clone();
            }
            Fact::PlanMade {
                services, warnings, ..
            } => {
                deploy.state = DeployState::Applying;
                deploy.plan = Some(services.clone());
                deploy.warnings.clone_from(warnings);
            }
            Fact::ApplyIntended(intent) => {
                deploy.state = DeployState::Applying;
                deploy.touched = true;
                deploy.raised.extend(intent.raised.clone());
                deploy.intent = Some((**intent).clone());
                deploy.intent_at = Some(at);
            }
            Fact::ApplyAccepted {
                call,
                marathon_deployment,
                version,
                services,
            } => {
                deploy.state = DeployState::Following;
                deploy.intent = None;
                if *call == Call::Scale {
                    deploy.raised.retain(|id, _| !services.contains(id));
                }
                deploy.accepted.push(Accepted {
                    call: *call,
                    marathon_deployment: marathon_deployment.clone(),
                    version: version.clone(),
                    services: services.clone(),
                });
            }
            Fact::ApplyRefused { .. } => deploy.intent = None,
            Fact::ServiceProgressed {
                id,
                stage,
                sentence,
            } => {
                let progress = Progress {
                    stage: stage.clone(),
                    sentence: sentence.clone(),
                };
                deploy.progress.insert(id.clone(), progress);
                deploy.progress_events += 1;
            }
            Fact::DeployEnding {
                outcome,
                code,
                sentence,
            } => {
                let why = Sentence::new(code.clone(), sentence.clone());
                deploy.state = DeployState::Following;
                deploy.ending = Some(EndingOf {
                    outcome: *outcome,
                    why,
                });
            }
            _ => deploy.waiting = was_waiting,
        }
        let deploy = deploy.clone();
        self.services_of(&deploy);
        self.rows.push(RowChange::Deploy(Box::new(deploy)));
    }

    /// What an intent or an accepted call means for the services.
    fn services_of(&mut self, deploy: &Deploy) {
        match &self.event.fact {
            Fact::ApplyIntended(intent) => self.intended(intent, deploy.number),
            Fact::ApplyAccepted {
                marathon_deployment: Some(id),
                services,
                call: Call::Put | Call::Restart,
                ..
            } => {
                let ours = OurDeployment {
                    id: id.clone(),
                    services: services.clone(),
                };
                self.app.marathon.push(ours);
                let excess = self.app.marathon.len().saturating_sub(REMEMBERED);
                self.app.marathon.drain(..excess);
            }
            _ => {}
        }
    }

    fn intended(&mut self, intent: &ApplyIntended, number: DeployNumber) {
        if !matches!(intent.call, Call::Put | Call::Restart) {
            return;
        }
        for service in &intent.services {
            let record: &mut ServiceRecord =
                self.app.services.entry(service.id.clone()).or_default();
            record.dirty = true;
            record.deploy = Some(number);
            record.applied.clone_from(&service.spec);
        }
    }

    fn scaled(&mut self, services: &[ServiceId]) {
        for id in services {
            if let Some(record) = self.app.services.get_mut(id) {
                record.scale = None;
            }
        }
    }

    fn end(&mut self, number: DeployNumber) {
        let running = self
            .app
            .running
            .as_ref()
            .is_some_and(|d| d.number == number);
        let waiting = self
            .app
            .waiting
            .as_ref()
            .is_some_and(|d| d.number == number);
        let ended = match (running, waiting) {
            (true, _) => std::mem::replace(&mut self.app.running, self.app.waiting.take()),
            (_, true) => self.app.waiting.take(),
            _ => None,
        };
        let Some(mut deploy) = ended else { return };
        deploy.waiting = None;
        deploy.intent = None;
        deploy.ended_at = Some(self.at.to_owned());
        match &self.event.fact {
            Fact::DeploySucceeded {
                services,
                orphans,
                sentence,
            } => {
                deploy.state = DeployState::Succeeded;
                self.well(&mut deploy, services, orphans, sentence);
                self.app.marathon.clear();
            }
            Fact::DeployUnchanged {
                services,
                orphans,
                sentence,
            } => {
                deploy.state = DeployState::Unchanged;
                self.well(&mut deploy, services, orphans, sentence);
            }
            Fact::DeployFailed {
                code,
                sentence,
                services,
            } => {
                deploy.state = DeployState::Failed;
                self.ill(
                    &mut deploy,
                    Sentence::new(code.clone(), sentence.clone()),
                    services,
                );
            }
            Fact::DeployCancelled {
                code,
                sentence,
                services,
            } => {
                deploy.state = DeployState::Cancelled;
                self.ill(
                    &mut deploy,
                    Sentence::new(code.clone(), sentence.clone()),
                    services,
                );
            }
            Fact::DeploySuperseded { by, sentence } => {
                deploy.state = DeployState::Superseded;
                deploy.superseded_by = Some(by.clone());
                deploy.sentence = Some(sentence.clone());
            }
            _ => {}
        }
        self.rows.push(RowChange::Deploy(Box::new(deploy)));
    }

    fn well(
        &mut self,
        deploy: &mut Deploy,
        services: &[Outcome],
        orphans: &[ServiceId],
        sentence: &str,
    ) {
        deploy.sentence = Some(sentence.to_owned());
        deploy.outcome = services.to_vec();
        let app = &mut *self.app;
        app.trouble = None;
        // a deploy of one service says nothing of the others
        let only = deploy.wanted.only.clone();
        app.drift
            .retain(|d| only.as_ref().is_some_and(|o| d.id != *o));
        if deploy.wanted.only.is_none() {
            app.orphans = orphans.to_vec();
            app.live = Some(Live {
                deploy: deploy.number,
                commit: deploy.wanted.commit.clone(),
                since: self.at.to_owned(),
            });
        }
        for outcome in services {
            if outcome.change == Action::Remove {
                app.services.remove(&outcome.id);
                continue;
            }
            let record = app.services.entry(outcome.id.clone()).or_default();
            if outcome.change != Action::Unchanged {
                record.deploy = Some(deploy.number);
            }
            record.dirty = false;
            record.applied.clone_from(&outcome.spec);
            record.instances = outcome.instances;
            if outcome.rendering.is_some() {
                record.rendering.clone_from(&outcome.rendering);
            }
        }
    }

    fn ill(&mut self, deploy: &mut Deploy, why: Sentence, services: &[Outcome]) {
        deploy.outcome = services.to_vec();
        deploy.sentence = Some(why.sentence.clone());
        deploy.failure = Some(why.clone());
        self.app.trouble = Some(why);
    }
}

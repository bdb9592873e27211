//! Events → state, and the rows of the projections that each event changes.
//!
//! [`Fold::fact`] names every kind of event, so that a new one does not compile before it is said here what it means:
//! what is about the app stands in `app`, about a deploy in `deploy`, about calls to Marathon in `call`.

mod app;
mod call;
mod deploy;

use super::deploy::Deploy;
use super::phase::Accepted;
use super::state::App;
use crate::event::{Fact, NewEvent, PushReceived, Visibility};
use crate::id::{CommitId, DeployNumber};
use crate::sentence::Code;

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
        let veils = |a: &App| {
            let another = a.source.repository_id != source.repository_id;
            a.veiled || (another && a.source.visibility != Visibility::Public)
        };
        let veiled = app.as_ref().is_some_and(veils);
        let mut new = App::new(id.clone(), source.clone(), settings.clone(), at, last);
        new.veiled = veiled;
        *app = Some(new);
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
    fold.fact();
    rows
}

struct Fold<'a> {
    app: &'a mut App,
    at: &'a str,
    event: &'a NewEvent,
    rows: &'a mut Vec<RowChange>,
}

impl Fold<'_> {
    #[expect(
        clippy::too_many_lines,
        clippy::match_same_arms,
        reason = "one arm for each kind of event, in their order"
    )]
    fn fact(&mut self) {
        match &self.event.fact {
            // `apply` has made the app of it
            Fact::AppRegistered { .. } => {}
            Fact::AppChanged { new, .. } => {
                self.app.source = new.source.clone();
                self.app.settings = new.settings.clone();
            }
            Fact::AppDestroyed { .. } => self.app_destroyed(),
            Fact::HookRegistered { id, url } => self.hook_registered(*id, url),
            Fact::HookRepaired { id, url, .. } => self.hook_is(*id, url),
            Fact::HookPinged { id, .. } => self.hook_pinged(*id),
            Fact::HookFailed { code, sentence } => self.hook_failed(code, sentence),
            Fact::HookRemoved { .. } => self.hook_removed(),
            Fact::PushReceived(push) => self.push_received(push),
            Fact::PushIgnored {
                commit, head, code, ..
            } => self.push_ignored(commit, code, head.as_ref()),
            Fact::PushHeld {
                commit,
                code,
                sentence,
            } => self.push_held(commit, code, sentence),
            // of no app
            Fact::RequestRefused { .. } => {}
            Fact::DeployQueued(wanted) => self.deploy_queued(wanted),
            Fact::DeployStarted { .. } => self.deploy_started(),
            Fact::DeployWaiting {
                code,
                subject,
                sentence,
                ..
            } => self.deploy_waiting(code, subject.as_ref(), sentence),
            Fact::SpecsRead {
                files, settings, ..
            } => self.specs_read(files, settings),
            Fact::PlanMade {
                services, warnings, ..
            } => self.plan_made(services, warnings),
            Fact::ApplyIntended(intent) => self.apply_intended(intent),
            Fact::ApplyAccepted {
                intent,
                call,
                marathon_deployment,
                version,
                services,
            } => {
                let accepted = Accepted {
                    call: *call,
                    marathon_deployment: marathon_deployment.clone(),
                    version: version.clone(),
                    services: services.clone(),
                };
                self.apply_accepted(*intent, accepted);
            }
            Fact::ApplyRefused {
                intent,
                call,
                code,
                services,
                ..
            } => self.apply_refused(*intent, *call, code, services),
            Fact::ServiceProgressed {
                id,
                stage,
                sentence,
            } => self.service_progressed(id, stage, sentence.as_ref()),
            Fact::DeployEnding {
                outcome,
                code,
                sentence,
            } => self.deploy_ending(*outcome, code, sentence),
            Fact::DeploySucceeded {
                services,
                orphans,
                sentence,
            } => self.deploy_succeeded(services, orphans, sentence),
            Fact::DeployUnchanged {
                services,
                orphans,
                sentence,
            } => self.deploy_unchanged(services, orphans, sentence),
            Fact::DeployFailed {
                code,
                sentence,
                services,
            } => self.deploy_failed(code, sentence, services),
            Fact::DeployCancelled {
                code,
                sentence,
                services,
            } => self.deploy_cancelled(code, sentence, services),
            Fact::DeploySuperseded { by, sentence } => self.deploy_superseded(by, sentence),
            Fact::RollbackRequested(wish) => self.rollback_requested(wish),
            Fact::AppPinned {
                commit,
                deploy,
                reason,
                resume,
                head,
            } => self.app_pinned(commit, *deploy, reason.as_ref(), *resume, head.as_ref()),
            Fact::AppResumed { .. } => {
                (self.app.pin, self.app.held) = (None, None);
                self.app.rolled_back.clear();
            }
            Fact::AppLocked { reason, until, .. } => self.app_locked(reason, until.as_ref()),
            Fact::AppUnlocked { .. } => {
                self.app.lock = None;
                self.app.held.take_if(|h| !h.why.is(Code::FirstStart));
            }
            Fact::AppAdopted { services } => self.app_adopted(services),
            Fact::ServiceScaled { id, new, .. } => {
                self.app.services.entry(id.clone()).or_default().scale = Some(*new);
            }
            Fact::ServiceRemoved { id, .. } => self.service_removed(id),
            Fact::DriftSeen { services } => self.app.drift.clone_from(services),
            Fact::DestroyRequested {
                services,
                hook,
                keep_services,
            } => self.destroy_requested(services, *hook, *keep_services),
            // a list belongs to the event after it, which is folded whole
            Fact::ServicesListed { .. } => {}
            // what GitHub was told changes nothing here
            Fact::StatusReported { .. } => {}
        }
    }
}

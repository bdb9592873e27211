//! What events say of a deploy: from its queueing to its end, and how it leaves its services.

use super::{Fold, REMEMBERED, RowChange};
use crate::event::{Action, ApplyIntended, Call, Fact, Outcome};
use crate::history::deploy::{Accepted, Deploy, DeployState, EndingOf, Progress, Waiting};
use crate::history::state::{Live, OurDeployment, ServiceRecord};
use crate::id::{DeployNumber, ServiceId};
use crate::sentence::Sentence;

impl Fold<'_> {
    /// Facts about a deploy.
    pub(super) fn deploy_fact(&mut self) {
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

    pub(super) fn scaled(&mut self, services: &[ServiceId]) {
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

//! What events say of a deploy: from its queueing to its end, and how it leaves its services.

use super::{Fold, RowChange};
use crate::event::{
    Action, AppSettings, DeployQueued, DeployRef, Ending, Outcome, Planned, SpecFile,
};
use crate::history::deploy::{Deploy, Progress, Waiting};
use crate::history::draft::OBSERVER;
use crate::history::phase::{Ended, EndingOf, Phase};
use crate::history::state::Live;
use crate::id::{DeployNumber, ServiceId};
use crate::sentence::{Code, Sentence};

impl Fold<'_> {
    pub(super) fn deploy_queued(&mut self, wanted: &DeployQueued) {
        let Some(number) = self.event.deploy else {
            return;
        };
        let deploy = Deploy::new(number, wanted.clone(), &self.event.actor, self.at);
        self.app.last_deploy = number;
        self.app.held = None;
        self.rows.push(RowChange::Deploy(Box::new(deploy.clone())));
        self.push_became(&wanted.commit, format!("queued as {number}"));
        if self.app.running.is_none() {
            self.app.running = Some(deploy);
        } else {
            self.app.waiting = Some(deploy);
        }
    }

    /// Changes the deploy that the event belongs to; says its number, or nothing where it has ended or there is none. Whatever
    /// happens ends a wait, which `change` is given.
    pub(super) fn change_deploy(
        &mut self,
        change: impl FnOnce(&mut Deploy, Option<Waiting>),
    ) -> Option<DeployNumber> {
        let number = self.event.deploy?;
        let deploy = [&mut self.app.running, &mut self.app.waiting]
            .into_iter()
            .flatten()
            .find(|d| d.number == number)?;
        let was_waiting = deploy.waiting.take();
        change(deploy, was_waiting);
        self.rows.push(RowChange::Deploy(Box::new(deploy.clone())));
        Some(number)
    }

    pub(super) fn deploy_started(&mut self) {
        let at = self.at.to_owned();
        self.change_deploy(|deploy, _| {
            deploy.started_at = Some(at);
            deploy.life = Phase::Reading;
        });
        let started = self.app.running.as_ref();
        if started.is_some_and(|d| d.wanted.cause.follows()) {
            self.app.overtaken = None;
        }
    }

    pub(super) fn deploy_waiting(&mut self, code: &str, subject: Option<&String>, sentence: &str) {
        let at = self.at.to_owned();
        self.change_deploy(|deploy, was_waiting| {
            if code == Code::GoesOn.word() {
                return;
            }
            let since = was_waiting
                .filter(|w| w.code == code)
                .map_or(at, |w| w.since);
            deploy.waits += 1;
            deploy.waiting = Some(Waiting {
                code: code.to_owned(),
                subject: subject.cloned(),
                sentence: sentence.to_owned(),
                since,
            });
        });
    }

    pub(super) fn specs_read(&mut self, files: &[SpecFile], settings: &AppSettings) {
        let of_ours = self.change_deploy(|deploy, _| deploy.files = Some(files.to_vec()));
        if of_ours.is_some() {
            self.app.settings = settings.clone();
        }
    }

    pub(super) fn plan_made(&mut self, services: &[Planned], warnings: &[Sentence]) {
        self.change_deploy(|deploy, _| {
            if matches!(deploy.life, Phase::Queued | Phase::Reading) {
                deploy.life = Phase::Planned;
            }
            deploy.plan = Some(services.to_vec());
            deploy.warnings = warnings.to_vec();
        });
    }

    pub(super) fn service_progressed(
        &mut self,
        id: &ServiceId,
        stage: &str,
        sentence: Option<&String>,
    ) {
        self.change_deploy(|deploy, _| {
            let progress = Progress {
                stage: stage.to_owned(),
                sentence: sentence.cloned(),
            };
            deploy.progress.insert(id.clone(), progress);
            deploy.progress_events += 1;
        });
    }

    pub(super) fn deploy_ending(&mut self, outcome: Ending, code: &str, sentence: &str) {
        self.change_deploy(|deploy, _| {
            let (intent, rollout) = (deploy.life.intent(), deploy.life.rollout().to_vec());
            let why = Sentence::logged(code, sentence);
            let ending = EndingOf { outcome, why };
            deploy.life = Phase::Ending {
                ending,
                intent,
                rollout,
            };
        });
    }

    /// Takes the deploy that the event ends out of its place, and lets the next one take it. A call that is open stays open.
    fn end(&mut self, outcome: Ended) -> Option<Deploy> {
        let number = self.event.deploy?;
        let is_it = |deploy: &Option<Deploy>| deploy.as_ref().is_some_and(|d| d.number == number);
        let ended = if is_it(&self.app.running) {
            std::mem::replace(&mut self.app.running, self.app.waiting.take())
        } else if is_it(&self.app.waiting) {
            self.app.waiting.take()
        } else {
            None
        };
        let mut deploy = ended?;
        self.close(&deploy, outcome);
        let rollout = deploy.life.rollout().to_vec();
        deploy.life = Phase::Ended { outcome, rollout };
        deploy.waiting = None;
        deploy.ended_at = Some(self.at.to_owned());
        Some(deploy)
    }

    /// A deploy that saw its services to the end, or ended their rollouts, leaves nothing to whoever is next.
    fn close(&mut self, deploy: &Deploy, outcome: Ended) {
        let seen = match outcome {
            Ended::Succeeded | Ended::Unchanged => deploy.wanted.only.is_none(),
            // who overtakes it in the middle of that is its heir
            Ended::Failed | Ended::Cancelled => {
                deploy.life.ending().is_some() && self.event.actor == OBSERVER
            }
            Ended::Superseded => false,
        };
        let number = Some(deploy.number);
        for told in &mut self.app.told {
            if seen || (outcome == Ended::Succeeded && told.deploy == number) {
                told.closed = true;
            }
        }
    }

    pub(super) fn deploy_succeeded(
        &mut self,
        services: &[Outcome],
        orphans: &[ServiceId],
        sentence: &str,
    ) {
        if let Some(deploy) = self.end(Ended::Succeeded) {
            self.well(deploy, services, orphans, sentence);
        }
    }

    pub(super) fn deploy_unchanged(
        &mut self,
        services: &[Outcome],
        orphans: &[ServiceId],
        sentence: &str,
    ) {
        if let Some(deploy) = self.end(Ended::Unchanged) {
            self.well(deploy, services, orphans, sentence);
        }
    }

    pub(super) fn deploy_failed(&mut self, code: &str, sentence: &str, services: &[Outcome]) {
        if let Some(deploy) = self.end(Ended::Failed) {
            self.ill(deploy, Sentence::logged(code, sentence), services);
        }
    }

    pub(super) fn deploy_cancelled(&mut self, code: &str, sentence: &str, services: &[Outcome]) {
        if let Some(deploy) = self.end(Ended::Cancelled) {
            self.ill(deploy, Sentence::logged(code, sentence), services);
        }
    }

    pub(super) fn deploy_superseded(&mut self, by: &DeployRef, sentence: &str) {
        if let Some(mut deploy) = self.end(Ended::Superseded) {
            if by.deploy.is_some() && deploy.wanted.cause.follows() {
                self.app.overtaken = Some(deploy.wanted.commit.clone());
            }
            deploy.superseded_by = Some(by.clone());
            deploy.sentence = Some(sentence.to_owned());
            self.rows.push(RowChange::Deploy(Box::new(deploy)));
        }
    }

    fn well(
        &mut self,
        mut deploy: Deploy,
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
            // it carries our label now: whose it is says the label again
            record.adopted = false;
            record.applied.clone_from(&outcome.spec);
            record.instances = outcome.instances;
            if outcome.rendering.is_some() {
                record.rendering.clone_from(&outcome.rendering);
            }
        }
        self.rows.push(RowChange::Deploy(Box::new(deploy)));
    }

    fn ill(&mut self, mut deploy: Deploy, why: Sentence, services: &[Outcome]) {
        deploy.outcome = services.to_vec();
        deploy.sentence = Some(why.sentence.clone());
        deploy.failure = Some(why.clone());
        self.app.trouble = Some(why);
        self.rows.push(RowChange::Deploy(Box::new(deploy)));
    }
}

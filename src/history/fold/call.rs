//! What events say of calls to Marathon: intended, and settled exactly once, whatever became of the deploy meanwhile.

use super::Fold;
use crate::event::{ApplyIntended, Call};
use crate::history::deploy::Deploy;
use crate::history::phase::{Accepted, Phase, begins_rollout};
use crate::history::told::{Debt, Intent, Told};
use crate::id::ServiceId;
use crate::sentence::Code;

/// So many calls that did not arrive, as far as could be seen, are remembered: they may arrive late.
const REMEMBERED: usize = 8;

impl Fold<'_> {
    pub(super) fn apply_intended(&mut self, intended: &ApplyIntended) {
        let key = self.app.last_seq;
        let mut intended = intended.clone();
        let number = self.change_deploy(|deploy, _| {
            deploy.touched = true;
            counts_of_plan(deploy, &mut intended);
            deploy.life = match std::mem::replace(&mut deploy.life, Phase::Queued) {
                Phase::Queued | Phase::Reading | Phase::Planned => Phase::Calling {
                    intent: key,
                    rollout: Vec::new(),
                },
                Phase::Calling { rollout, .. } | Phase::Rolling { rollout } => Phase::Calling {
                    intent: key,
                    rollout,
                },
                Phase::Ending {
                    ending, rollout, ..
                } => Phase::Ending {
                    ending,
                    intent: Some(key),
                    rollout,
                },
                ended @ Phase::Ended { .. } => ended,
            };
        });
        if begins_rollout(intended.call) {
            for service in &intended.services {
                let record = self.app.services.entry(service.id.clone()).or_default();
                record.dirty = true;
                record.deploy = number.or(record.deploy);
                record.applied.clone_from(&service.spec);
            }
        }
        let deploy = self.event.deploy;
        self.app.intents.insert(key, Intent { deploy, intended });
    }

    /// Settles the intent of this number; the first releases did not name it: then the open one of this deploy.
    fn settle(
        &mut self,
        key: Option<i64>,
        call: Call,
        services: &[ServiceId],
    ) -> Option<(i64, Intent)> {
        let deploy = self.event.deploy;
        let unnamed = || {
            let of_it = |i: &Intent| {
                let mut named = i.intended.services.iter();
                let about = services.is_empty() || named.any(|s| services.contains(&s.id));
                i.deploy == deploy && i.intended.call == call && about
            };
            let found = self.app.intents.iter().find(|(_, i)| of_it(i));
            found.map(|(key, _)| *key)
        };
        let key = key.or_else(unnamed)?;
        Some((key, self.app.intents.remove(&key)?))
    }

    pub(super) fn apply_accepted(&mut self, key: Option<i64>, accepted: Accepted) {
        let call = accepted.call;
        let settled = self.settle(key, call, &accepted.services);
        if call != Call::Wipe && call != Call::Cancel {
            let over = |t: &Told| match call {
                // scaling to the count that there is ends nothing
                Call::Scale => t.call == Call::Scale && self.app.told.len() > REMEMBERED,
                _ => true,
            };
            // a service has one rollout: what it was told before is over, unless the call changed nothing of it
            let over: Vec<bool> = self.app.told.iter().map(|t| t.arrived && over(t)).collect();
            for (told, _) in self.app.told.iter_mut().zip(over).filter(|(_, over)| *over) {
                told.services.retain(|s| !accepted.services.contains(s));
            }
            self.forget_what_is_over();
            self.app.told.push(Told {
                call,
                marathon_deployment: accepted.marathon_deployment.clone(),
                body: settled.as_ref().and_then(|(_, i)| i.intended.body.clone()),
                services: accepted.services.clone(),
                arrived: true,
                deploy: self.event.deploy,
                // nobody follows what no deploy began
                closed: self.event.deploy.is_none(),
            });
        }
        if call == Call::Scale {
            let mut given = settled.iter().flat_map(|(_, i)| &i.intended.services);
            let count = given.find_map(|s| s.count);
            self.scaled(&accepted.services, count);
        }
        if let Some((_, intent)) = settled.as_ref().filter(|_| call == Call::Put) {
            self.given(&intent.intended);
        }
        let key = settled.map(|(key, _)| key);
        self.change_deploy(|deploy, _| deploy.life.settles(key, Some(accepted)));
    }

    /// Of what is over only the ids of the newest Marathon deployments are kept: one may hold a service still, and is ours.
    fn forget_what_is_over(&mut self) {
        let is_over = |t: &Told| t.arrived && t.services.is_empty();
        let over = self.app.told.iter().filter(|t| is_over(t)).count();
        let mut too_many = over.saturating_sub(REMEMBERED);
        self.app.told.retain_mut(|told| {
            if !is_over(told) {
                return true;
            }
            (told.closed, told.body) = (true, None);
            let goes = told.marathon_deployment.is_none() || too_many > 0;
            too_many = too_many.saturating_sub(1);
            !goes
        });
    }

    /// The counts are now what was given.
    fn given(&mut self, intended: &ApplyIntended) {
        for service in &intended.services {
            let record = self.app.services.entry(service.id.clone()).or_default();
            record.instances = service.instances;
            self.app.debts.remove(&service.id);
            let raised = intended.raised.get(&service.id).copied();
            if record.scale.is_some() && record.scale == raised.or(service.count) {
                record.scale = None;
            }
            if let Some(wanted) = raised {
                let given = service.count;
                let debt = Debt {
                    given,
                    wanted,
                    refused: false,
                };
                self.app.debts.insert(service.id.clone(), debt);
            }
        }
    }

    pub(super) fn apply_refused(
        &mut self,
        key: Option<i64>,
        call: Call,
        code: &str,
        services: &[ServiceId],
    ) {
        let settled = self.settle(key, call, services);
        let lost = code == Code::NotApplied.word();
        // what got lost is still wanted
        if call == Call::Scale {
            match &settled {
                Some(_) if lost => {}
                Some(_) => self.not_scaled(services),
                None => self.scaled(services, None),
            }
        }
        let Some((key, intent)) = settled else { return };
        if lost && begins_rollout(call) {
            self.app.told.push(Told {
                call,
                marathon_deployment: None,
                body: intent.intended.body,
                services: services.to_vec(),
                arrived: false,
                deploy: intent.deploy,
                closed: false,
            });
            let lost = self.app.told.iter().filter(|t| !t.arrived).count();
            if lost > REMEMBERED {
                let oldest = self.app.told.iter().position(|t| !t.arrived);
                oldest.map(|at| self.app.told.remove(at));
            }
        }
        self.change_deploy(|deploy, _| deploy.life.settles(Some(key), None));
    }

    /// Marathon refused a count: an operator's wish is over, what is owed stays owed.
    fn not_scaled(&mut self, services: &[ServiceId]) {
        for id in services {
            if let Some(debt) = self.app.debts.get_mut(id) {
                debt.refused = true;
            }
            if let Some(record) = self.app.services.get_mut(id) {
                record.scale = None;
            }
        }
    }

    /// Marathon was told a count that somebody wants: an operator's wish, or what is owed back. The wish of another count stays.
    fn scaled(&mut self, services: &[ServiceId], count: Option<u32>) {
        for id in services {
            self.app.debts.remove(id);
            if let Some(record) = self.app.services.get_mut(id)
                && (count.is_none() || record.scale == count)
            {
                record.scale = None;
            }
        }
    }
}

/// The first releases did not write down the counts of the specs: the plan has them.
fn counts_of_plan(deploy: &Deploy, intended: &mut ApplyIntended) {
    for service in intended.services.iter_mut().filter(|s| s.count.is_none()) {
        let planned = deploy.plan.iter().flatten().find(|p| p.id == service.id);
        service.instances = planned.and_then(|p| p.instances);
    }
}

impl Phase {
    /// It is known what became of a call, and what Marathon took, where it took it.
    fn settles(&mut self, key: Option<i64>, taken: Option<Accepted>) {
        *self = match std::mem::replace(self, Self::Queued) {
            Self::Calling {
                intent,
                mut rollout,
            } if key == Some(intent) => {
                // what only made room is no rollout yet
                let makes_room = |a: &Accepted| matches!(a.call, Call::Wipe | Call::Cancel);
                let begun = !rollout.is_empty();
                rollout.extend(taken.filter(|a| begun || !makes_room(a)));
                if rollout.is_empty() {
                    Self::Planned
                } else {
                    Self::Rolling { rollout }
                }
            }
            Self::Ending {
                ending,
                intent,
                mut rollout,
            } => {
                rollout.extend(taken);
                Self::Ending {
                    ending,
                    intent: intent.filter(|i| Some(*i) != key),
                    rollout,
                }
            }
            Self::Rolling { mut rollout } => {
                rollout.extend(taken);
                Self::Rolling { rollout }
            }
            other @ (Self::Queued
            | Self::Reading
            | Self::Planned
            | Self::Calling { .. }
            | Self::Ended { .. }) => other,
        };
    }
}

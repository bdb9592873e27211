//! A count that an operator gave stays as long as the spec says no other than before.

use std::collections::{BTreeMap, BTreeSet};

use dploy_observer::event::{Call, Fact, Scale};
use dploy_observer::id::ServiceId;

use super::finding::{Check, Finding};
use super::judge::Moment;

/// What is known of counts.
#[derive(Default)]
pub struct Counts {
    /// `instances` of the spec with which each service was last deployed well.
    specs: BTreeMap<String, u32>,
    /// What operators gave since.
    given: BTreeMap<String, u32>,
    /// Services that a call gives another count of a spec.
    changing: BTreeSet<String>,
    /// What operators want and Marathon was not told yet.
    wished: BTreeMap<String, u32>,
}

impl Counts {
    /// Somebody else changes a service.
    pub fn touch(&mut self, service: &str) {
        self.given.remove(service);
    }

    pub fn look(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
        match moment.fact {
            Fact::ServiceScaled { id, new, .. } => {
                self.wished.insert(id.to_string(), *new);
            }
            // it is not given any more, unless it is still wanted
            Fact::ApplyRefused {
                call: Call::Scale,
                services,
                ..
            } => {
                for service in services.iter().filter(|id| !is_wished(moment, id)) {
                    self.wished.remove(service.as_str());
                }
            }
            // who comes back is given what its spec says
            Fact::ServiceRemoved { id, .. } => {
                self.given.remove(id.as_str());
                self.wished.remove(id.as_str());
                self.specs.remove(id.as_str());
            }
            Fact::ApplyIntended(intended) if intended.call == Call::Put => {
                // another count of a spec, once it arrived, is what was given last
                self.changing = intended
                    .services
                    .iter()
                    .map(|s| (s.id.to_string(), s.instances))
                    .filter(|(id, count)| self.specs.get(id).copied() != *count)
                    .map(|(id, _)| id)
                    .collect();
            }
            Fact::ApplyAccepted {
                call: Call::Put,
                services,
                ..
            } => {
                for service in services.iter().map(ToString::to_string) {
                    if self.changing.contains(&service) {
                        self.given.remove(&service);
                        // whatever becomes of it, the next spec is not what was said before
                        self.specs.remove(&service);
                    }
                }
                self.fulfilled(moment, services);
            }
            Fact::ApplyAccepted {
                call: Call::Scale,
                services,
                ..
            } => {
                for service in services.iter().map(ToString::to_string) {
                    if let Some(count) = self.wished.remove(&service) {
                        self.given.insert(service, count);
                    }
                }
            }
            // who comes back begins anew
            Fact::AppDestroyed { removed, kept, .. } => {
                for service in removed.iter().chain(kept).map(ToString::to_string) {
                    self.given.remove(&service);
                    self.wished.remove(&service);
                    self.specs.remove(&service);
                }
            }
            Fact::DeploySucceeded { .. } | Fact::DeployUnchanged { .. } => {
                return self.kept(moment, touched);
            }
            _ => {}
        }
        None
    }

    /// A deploy that gives what an operator wanted grants the wish.
    fn fulfilled(&mut self, moment: &Moment<'_>, services: &[ServiceId]) {
        for id in services {
            if !is_wished(moment, id)
                && let Some(count) = self.wished.remove(id.as_str())
            {
                self.given.insert(id.to_string(), count);
            }
        }
    }

    fn kept(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
        let deploy = moment.deploy()?;
        let keeps = deploy.wanted.scale == Scale::Keep;
        let mut lost = None;
        for service in moment.wanted() {
            let name = service.shape.id.clone();
            let before = self.specs.insert(name.clone(), service.shape.instances);
            let given = self
                .given
                .get(&name)
                .copied()
                .filter(|_| keeps && before == Some(service.shape.instances));
            let now = moment.cluster.seen(&name).map(|s| s.instances);
            if let (Some(given), Some(now)) = (given, now)
                && now != given
                && !touched.contains(&name)
            {
                let sentence = format!(
                    "{} #{}: an operator gave {name} {given} instances, the spec says what it said before, and it has {now}",
                    moment.id, deploy.number.0
                );
                lost.get_or_insert(Finding {
                    check: Check::CountLost,
                    sentence,
                });
            }
            if given.is_none() {
                self.given.remove(&name);
            }
        }
        lost
    }
}

fn is_wished(moment: &Moment<'_>, id: &ServiceId) -> bool {
    let record = moment.after.and_then(|a| a.services.get(id));
    record.is_some_and(|r| r.scale.is_some())
}

//! What Marathon was told of an app and what that leaves open: calls without an answer, rollouts, counts.

use serde::{Deserialize, Serialize};

use super::phase::begins_rollout;
use super::state::App;
use crate::event::{ApplyIntended, Call};
use crate::id::{BlobId, DeployNumber, ServiceId};

/// A call that was intended and of which it is not known yet what became of it. It outlives its deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The deploy it was intended for; none where it is an operator's scaling, a debt or a destroy.
    pub deploy: Option<DeployNumber>,
    /// What was intended.
    #[serde(flatten)]
    pub intended: ApplyIntended,
}

/// A call that may have begun a Marathon deployment, which then is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which call.
    pub call: Call,
    /// Marathon's id of the deployment, where it answered with one.
    pub marathon_deployment: Option<String>,
    /// The body that was sent.
    pub body: Option<BlobId>,
    /// The services it changes.
    pub services: Vec<ServiceId>,
    /// Whether it arrived. One that did not, as far as could be seen, may arrive late.
    pub arrived: bool,
    /// The deploy it was told for.
    pub deploy: Option<DeployNumber>,
    /// Whether that deploy saw its rollout to the end, or ended it. One that was overtaken has an heir, who does.
    pub closed: bool,
}

/// Instances that were given to make room for a rollout, and are taken back once all are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// How many were given; not known of calls that the first releases made.
    pub given: Option<u32>,
    /// How many are wanted.
    pub wanted: u32,
    /// Marathon refused to take them back during a deploy: it is tried again when no deploy runs.
    pub refused: bool,
}

impl App {
    /// What earlier deploys told Marathon and nobody has seen to its end: whoever runs is the heir.
    pub fn inherited(&self) -> impl Iterator<Item = &Told> {
        let own = self.running.as_ref().map(|d| d.number);
        let open = |t: &&Told| t.arrived && !t.closed && begins_rollout(t.call);
        self.told
            .iter()
            .filter(open)
            .filter(move |t| t.deploy != own)
    }

    /// Whether whoever runs is the heir of a rollout, or of a call that may have begun one.
    #[must_use]
    pub fn inherits(&self) -> bool {
        let own = self.running.as_ref().map(|d| d.number);
        let mut open = self.intents.values();
        self.inherited().next().is_some()
            || open.any(|i| i.deploy != own && begins_rollout(i.intended.call))
    }

    /// What `instances` of the spec of a service may be that Marathon was given last: of the last call that arrived, and of
    /// those of which it is not known.
    pub fn instances_given(&self, id: &ServiceId) -> impl Iterator<Item = Option<u32>> {
        let known = self.services.get(id).filter(|s| s.applied.is_some());
        let open = self
            .intents
            .values()
            .filter(|i| i.intended.call == Call::Put)
            .flat_map(|i| &i.intended.services)
            .filter(move |s| s.id == *id && s.count.is_some());
        known
            .map(|s| s.instances)
            .into_iter()
            .chain(open.map(|s| s.instances))
    }

    /// How many instances of a service are wanted, where `running` of them are there only to make room.
    #[must_use]
    pub fn owed(&self, id: &ServiceId, running: u32) -> Option<u32> {
        let open = self.intents.values().filter_map(|i| {
            let wanted = *i.intended.raised.get(id)?;
            let given = i.intended.services.iter().find(|s| s.id == *id)?.count;
            Some((given, wanted))
        });
        let debts = self.debts.get(id).map(|d| (d.given, d.wanted));
        let mut owed = debts.into_iter().chain(open);
        let owed = owed.find(|(given, wanted)| given.map_or(running > *wanted, |g| g == running));
        owed.map(|(_, wanted)| wanted)
    }
}

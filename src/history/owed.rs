//! What an app inherits of earlier deploys, and which counts its services are given and owed.

use super::phase::begins_rollout;
use super::state::App;
use super::told::Told;
use crate::event::Call;
use crate::id::ServiceId;

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

//! Offers: what the agents have, which waiting instance fits, and why the others do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::instance::{Condition, Instance, Task};
use super::{Effect, Launch, World};
use crate::definition::app::App;
use crate::definition::constraint::is_met;
use crate::definition::id::Id;
use crate::definition::json::plain;

/// Why an offer is not taken, in the order in which it is looked at.
pub const REASONS: [&str; 10] = [
    "UnfulfilledRole",
    "UnfulfilledConstraint",
    "NoCorrespondingReservationFound",
    "AgentMaintenance",
    "InsufficientCpus",
    "InsufficientMemory",
    "InsufficientDisk",
    "InsufficientGpus",
    "InsufficientPorts",
    "DeclinedScarceResources",
];

/// How many tasks of an app go into one offer.
const PER_OFFER: usize = 5;

impl World {
    /// Adds an instance of this definition, waiting for an offer.
    pub fn add_instance(&mut self, app: &Arc<App>) -> String {
        let instance = Instance::new(Arc::clone(app), self.now, self.new_id());
        let id = instance.id.clone();
        self.tell_condition(&instance, Condition::Scheduled);
        self.instances
            .entry(app.id.clone())
            .or_default()
            .push(instance);
        self.watch(app);
        self.dirty = true;
        id
    }

    /// Has the health checks of this definition made.
    pub fn watch(&mut self, app: &Arc<App>) {
        if !app.list("healthChecks").is_empty() {
            self.effects.push(Effect::Watch(Arc::clone(app)));
        }
    }

    /// Whether the next launch of the app has to wait, and until when.
    #[must_use]
    pub fn delayed_until(&self, app: &App) -> Option<Timestamp> {
        let delay = self.delays.get(&(app.id.clone(), app.configured))?;
        Some(delay.until).filter(|until| *until > self.now)
    }

    /// Each agent offers what it has; waiting instances take what fits.
    pub fn make_offers(&mut self) {
        let waiting: Vec<Id> = self
            .instances
            .iter()
            .filter(|(_, l)| l.iter().any(Instance::is_waiting))
            .map(|(id, _)| id.clone())
            .collect();
        if waiting.is_empty() || self.no_offers {
            return;
        }
        let load = |agent: usize| {
            self.all()
                .filter(|i| {
                    i.condition.is_alive() && i.task.as_ref().is_some_and(|t| t.agent == agent)
                })
                .count()
        };
        let order = if load(1) < load(0) { [1, 0] } else { [0, 1] };
        for id in waiting {
            let open = self.of(&id).iter().filter(|i| i.is_waiting());
            let mut open: Vec<(String, Timestamp)> =
                open.map(|i| (i.id.clone(), i.app.version)).collect();
            let share = open.len().div_ceil(2).min(PER_OFFER);
            for (agent, most) in order.into_iter().zip([share, PER_OFFER]) {
                self.offer_to(&mut open, agent, most);
            }
        }
    }

    /// Launches as many of the open instances as fit. What does not fit does not keep other versions back.
    fn offer_to(&mut self, open: &mut Vec<(String, Timestamp)>, agent: usize, most: usize) {
        let (mut launched, mut unfit) = (0, Vec::new());
        open.retain(|(id, version)| {
            if launched == most || unfit.contains(version) {
                return true;
            }
            if self.try_launch(id, agent) {
                launched += 1;
                return false;
            }
            unfit.push(*version);
            true
        });
    }

    /// Launches an instance on an agent if the agent's offer fits.
    fn try_launch(&mut self, id: &str, agent: usize) -> bool {
        let Some(app) = self.find(id).map(|i| Arc::clone(&i.app)) else {
            return false;
        };
        if self.delayed_until(&app).is_some() {
            return false;
        }
        let fit = self.fit(&app, agent);
        self.note_offer(&app, agent, fit.as_ref().err().copied());
        let Ok(ports) = fit else { return false };
        if let Some(last) = ports.last() {
            self.next_port[agent] = last.saturating_add(1);
        }
        let (now, host) = (self.now, self.agents[agent].host);
        let Some(instance) = self.find_mut(id) else {
            return false;
        };
        instance.attempt += 1;
        instance.condition = Condition::Provisioned;
        let task = format!("{id}._app.{}", instance.attempt);
        let launch = Launch {
            task: task.clone(),
            app: Arc::clone(&app),
            host,
            ports: ports.clone(),
        };
        instance.task = Some(Task {
            id: task,
            agent,
            ports,
            staged: now,
            started: None,
            dying: false,
            sick: None,
        });
        let instance = instance.clone();
        self.tell_condition(&instance, Condition::Provisioned);
        self.record_launch(&instance);
        self.watch(&app);
        self.effects.push(Effect::Launch(launch));
        self.dirty = true;
        true
    }

    /// The host ports the task would get, or the index of the reason why the offer does not fit.
    fn fit(&self, app: &App, agent: usize) -> Result<Vec<u16>, usize> {
        let roles = app
            .body
            .get("acceptedResourceRoles")
            .and_then(|r| r.as_array());
        // where nothing is said, what is reserved for nobody
        let accepts = |role: &&str| match roles {
            Some(roles) => roles.iter().any(|r| r == *role),
            None => *role == "*",
        };
        if !self.agents[agent].roles.iter().any(accepts) {
            return Err(0);
        }
        let hosts = [self.agents[0].host, self.agents[1].host];
        let alive = self.of(&app.id).iter().filter(|i| i.condition.is_alive());
        let others: Vec<&str> = alive
            .filter_map(|i| i.task.as_ref())
            .map(|t| hosts[t.agent])
            .collect();
        if !app
            .list("constraints")
            .iter()
            .all(|c| is_met(c, hosts[agent], &others, &hosts))
        {
            return Err(1);
        }
        let has = [
            ("cpus", self.resources.cpus, 4),
            ("mem", self.resources.mem, 5),
            ("disk", self.resources.disk, 6),
        ];
        for (key, most, reason) in has {
            let wanted = app.number(key);
            if wanted > 0.0 && wanted > most - self.used(agent, key) + 1e-9 {
                return Err(reason);
            }
        }
        self.choose_ports(app, agent).ok_or(8)
    }

    fn used(&self, agent: usize, key: &str) -> f64 {
        let on = |i: &&Instance| {
            i.condition.is_alive() && i.task.as_ref().is_some_and(|t| t.agent == agent)
        };
        self.all().filter(on).map(|i| i.app.number(key)).sum()
    }

    fn choose_ports(&self, app: &App, agent: usize) -> Option<Vec<u16>> {
        let range = self.resources.ports[agent].clone();
        let tasks = self
            .all()
            .filter(|i| i.condition.is_alive())
            .filter_map(|i| i.task.as_ref());
        let mut taken: Vec<u16> = tasks.flat_map(|t| t.ports.iter().copied()).collect();
        let start = self.next_port[agent].clamp(range.start, range.end);
        let mut chosen = Vec::new();
        for wanted in app.host_ports() {
            let free = |port: &u16| !taken.contains(port) && (self.port_is_free)(*port);
            let port = match u16::try_from(wanted).ok()? {
                0 => (start..range.end).chain(range.start..start).find(free)?,
                fixed if range.contains(&fixed) && free(&fixed) => fixed,
                _ => return None,
            };
            taken.push(port);
            chosen.push(port);
        }
        Some(chosen)
    }

    /// What an agent has to offer at the moment.
    #[must_use]
    pub fn offered(&self, agent: usize) -> Value {
        let tasks = self.all().filter(|i| i.condition.is_alive());
        let tasks = tasks.filter_map(|i| i.task.as_ref().filter(|t| t.agent == agent));
        let taken: BTreeSet<u16> = tasks.flat_map(|t| t.ports.iter().copied()).collect();
        let range = self.resources.ports[agent].clone();
        let (mut ranges, mut begin) = (Vec::new(), range.start);
        for port in taken
            .into_iter()
            .filter(|p| range.contains(p))
            .chain([range.end])
        {
            if begin < port {
                ranges.push(json!({ "begin": begin, "end": port - 1 }));
            }
            begin = port.saturating_add(1);
        }
        let scalars = [
            ("cpus", self.resources.cpus),
            ("mem", self.resources.mem),
            ("disk", self.resources.disk),
        ];
        let of_role = |role: &&str| {
            let scalar = |(name, most): (&str, f64)| {
                let left = ((most - self.used(agent, name)) * 1000.0).round() / 1000.0;
                plain(json!({ "name": name, "role": role, "scalar": left }))
            };
            let mut all = scalars.map(scalar).to_vec();
            all.push(json!({ "name": "ports", "role": role, "ranges": ranges }));
            all
        };
        self.agents[agent].roles.iter().flat_map(of_role).collect()
    }

    fn note_offer(&mut self, app: &App, agent: usize, rejected: Option<usize>) {
        let now = self.now;
        self.offer_number += 1;
        let number = self.offer_number;
        let offers = self.offers.entry(app.id.clone()).or_default();
        offers.processed += 1;
        let reached = rejected.unwrap_or(REASONS.len() - 1);
        for (index, (declined, processed)) in offers.all.iter_mut().enumerate().take(reached + 1) {
            *processed += 1;
            *declined += u64::from(rejected == Some(index));
        }
        match rejected {
            None => {
                offers.last_used = Some(now);
                offers.last = Default::default();
            }
            Some(reason) => {
                offers.unused += 1;
                offers.last_unused = Some(now);
                offers.last_ids[agent] = (number, now);
                offers.last[agent] =
                    std::array::from_fn(|i| (u64::from(i == reason), u64::from(i <= reason)));
            }
        }
    }
}

//! Apps, groups, deployments and the queue as Marathon shows them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::count;
use super::instance::{Condition, Instance, Readiness, waits_since};
use super::offer::REASONS;
use super::{Deployment, MASTER, Offers, World};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::tree::Tree;
use crate::stamp;

/// Which parts of an app are shown.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part is asked for on its own"
)]
pub struct Embed {
    /// Task counts.
    pub counts: bool,
    /// Tasks.
    pub tasks: bool,
    /// Running deployments.
    pub deployments: bool,
    /// Readiness check results.
    pub readiness: bool,
    /// The last failure.
    pub failure: bool,
    /// Statistics.
    pub stats: bool,
}

impl Embed {
    /// Adds what an `embed` parameter names; unknown names change nothing.
    pub fn add(&mut self, name: &str) {
        let name = ["group.apps.", "apps.", "app."]
            .iter()
            .find_map(|p| name.strip_prefix(p))
            .unwrap_or(name);
        match name {
            "counts" => self.counts = true,
            "tasks" => (self.tasks, self.deployments) = (true, true),
            "deployments" => self.deployments = true,
            "readiness" => self.readiness = true,
            "lastTaskFailure" => self.failure = true,
            "failures" => (self.failure, self.tasks, self.deployments) = (true, true, true),
            "taskStats" => self.stats = true,
            _ => {}
        }
    }
}

/// Which parts of a group are shown.
#[derive(Clone, Copy, Debug)]
pub struct GroupEmbed {
    /// Groups inside.
    pub groups: bool,
    /// Apps.
    pub apps: bool,
    /// Pods (there are none).
    pub pods: bool,
    /// Parts of the apps.
    pub app: Embed,
}

impl World {
    /// An app with the wanted parts.
    #[must_use]
    pub fn render_app(&self, app: &App, embed: Embed) -> Map<String, Value> {
        let mut json = app.render();
        let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
        let instances = self.of(&app.id);
        if embed.counts {
            let counts = count::Counts::of(instances.iter());
            put("tasksStaged", json!(counts.staged));
            put("tasksRunning", json!(counts.running));
            put("tasksHealthy", json!(counts.healthy));
            put("tasksUnhealthy", json!(counts.unhealthy));
        }
        if embed.deployments {
            put(
                "deployments",
                self.locks(&app.id)
                    .iter()
                    .map(|id| json!({ "id": id }))
                    .collect(),
            );
        }
        if embed.readiness {
            let locked = !self.locks(&app.id).is_empty();
            put(
                "readinessCheckResults",
                if locked {
                    self.render_readiness(&app.id)
                } else {
                    json!([])
                },
            );
        }
        if embed.tasks {
            put("tasks", self.render_tasks(&app.id, false).into());
        }
        if let Some(failure) = self.failures.get(&app.id).filter(|_| embed.failure) {
            put("lastTaskFailure", failure.clone());
        }
        if embed.stats {
            put("taskStats", count::render(app, instances, self.now));
        }
        json
    }

    /// The tasks of an app.
    #[must_use]
    pub fn render_tasks(&self, app: &Id, service_ports: bool) -> Vec<Value> {
        self.of(app)
            .iter()
            .filter_map(|i| i.render_task(&self.agents, service_ports))
            .collect()
    }

    fn render_readiness(&self, app: &Id) -> Value {
        let result = |i: &Instance, r: &Readiness| {
            let task = i.task.as_ref().map(|t| &t.id);
            let mut json = json!({ "name": r.name, "taskId": task, "ready": r.ready });
            if let Some((status, kind, body)) = &r.last {
                json["lastResponse"] =
                    json!({ "status": status, "contentType": kind, "body": body });
            }
            json
        };
        let waiting = self.of(app).iter().flat_map(|i| {
            i.readiness
                .iter()
                .filter(|r| !r.ready)
                .map(move |r| result(i, r))
        });
        waiting.collect()
    }

    /// A running deployment.
    pub fn render_deployment(&self, deployment: &Deployment) -> Value {
        let affected: BTreeSet<&str> = deployment.affected().into_iter().map(Id::as_str).collect();
        let mut json = deployment.plan();
        json["affectedApps"] = json!(affected);
        json["affectedPods"] = json!([]);
        let current = deployment
            .steps
            .get(deployment.step)
            .into_iter()
            .flatten()
            .map(|action| {
                let mut json = action.render();
                json["readinessCheckResults"] = self.render_readiness(&action.app);
                json
            });
        json["currentActions"] = current.collect();
        json["currentStep"] = json!(deployment.step + 1);
        json["totalSteps"] = json!(deployment.steps.len());
        json
    }

    /// A group of `tree` (the present one or a former one) with the wanted parts.
    pub fn render_group(&self, tree: &Tree, id: &Id, embed: GroupEmbed) -> Value {
        let dependencies: Vec<&str> = tree
            .groups
            .get(id)
            .into_iter()
            .flatten()
            .map(Id::as_str)
            .collect();
        let mut json = json!({ "id": id.as_str(), "dependencies": dependencies, "version": stamp::text(tree.version) });
        let inside = |other: &Id| other.parent().as_ref() == Some(id);
        if embed.apps {
            let apps = tree.apps.values().filter(|a| inside(&a.id));
            json["apps"] = apps
                .map(|a| Value::Object(self.render_app(a, embed.app)))
                .collect();
        }
        if embed.groups {
            json["groups"] = tree
                .groups
                .keys()
                .filter(|g| inside(g))
                .map(|g| self.render_group(tree, g, embed))
                .collect();
        }
        if embed.pods {
            json["pods"] = json!([]);
        }
        json
    }

    /// Apps whose instances wait.
    #[must_use]
    pub fn render_queue(&self, unused_offers: bool) -> Value {
        let waiting = self.instances.iter().filter_map(|(id, list)| {
            let waiting: Vec<&Instance> = list.iter().filter(|i| i.is_waiting()).collect();
            let newest = Arc::clone(&waiting.last()?.app);
            let app = self.tree.apps.get(id).cloned().unwrap_or(newest);
            Some(self.render_waiting(&app, &waiting, unused_offers))
        });
        json!({ "queue": waiting.collect::<Vec<_>>() })
    }

    fn render_waiting(&self, app: &App, waiting: &[&Instance], unused_offers: bool) -> Value {
        let since = waits_since(waiting.iter().copied()).unwrap_or(self.now);
        let until = self.delayed_until(app);
        let left = until.map_or(0, |until| until.duration_since(self.now).as_secs());
        let offers = self.offers.get(&app.id).cloned().unwrap_or_default();
        let summary = |counts: [(u64, u64); 10]| -> Value {
            let rows = REASONS.iter().zip(counts);
            rows.map(|(reason, (declined, processed))| json!({ "reason": reason, "declined": declined, "processed": processed })).collect()
        };
        let last = std::array::from_fn(|i| {
            (
                offers.last[0][i].0 + offers.last[1][i].0,
                offers.last[0][i].1 + offers.last[1][i].1,
            )
        });
        // statistics may be older than that: they are about the present instances only where `lastUnusedOfferAt` is not
        let mut json = json!({
            "count": waiting.len(), "delay": { "timeLeftSeconds": left, "overdue": until.is_none() }, "since": stamp::text(since),
            "processedOffersSummary": {
                "processedOffersCount": offers.processed, "unusedOffersCount": offers.unused,
                "rejectSummaryLastOffers": summary(last), "rejectSummaryLaunchAttempt": summary(offers.all),
            },
            "app": app.render(),
        });
        let times = [
            ("lastUnusedOfferAt", offers.last_unused),
            ("lastUsedOfferAt", offers.last_used),
        ];
        for (key, at) in times.into_iter().filter_map(|(k, t)| Some((k, t?))) {
            json["processedOffersSummary"][key] = json!(stamp::text(at));
        }
        if unused_offers {
            json["lastUnusedOffers"] = self.render_unused_offers(&offers);
        }
        json
    }

    fn render_unused_offers(&self, offers: &Offers) -> Value {
        let agents = self.agents.iter().enumerate();
        let shown = agents.filter_map(|(index, agent)| {
            let mut reasons = REASONS.iter().zip(offers.last[index]);
            let reason = *reasons.find(|(_, (declined, _))| *declined > 0)?.0;
            // resources of a role that is not accepted do not count
            let reasons = match reason {
                "UnfulfilledRole" => vec!["InsufficientCpus", "InsufficientMemory", reason],
                _ => vec![reason],
            };
            let (number, at) = offers.last_ids[index];
            let offer = json!({
                "id": format!("{MASTER}-O{number}"), "agentId": agent.id, "hostname": agent.host,
                "attributes": [], "resources": self.offered(index),
            });
            Some(json!({ "offer": offer, "reason": reasons, "timestamp": stamp::text(at) }))
        });
        shown.collect()
    }

    /// A version of an app.
    #[must_use]
    pub fn version_of(&self, id: &Id, version: Timestamp) -> Option<&Arc<App>> {
        self.archive
            .get(id)?
            .iter()
            .find(|app| app.version == version)
    }

    /// The task as shown in the list of tasks with `text/plain`: name, service port, addresses.
    #[must_use]
    pub fn render_text(&self, app: &App) -> String {
        let name = app.id.task_prefix();
        let running: Vec<&Instance> = self
            .of(&app.id)
            .iter()
            .filter(|i| i.condition == Condition::Running)
            .collect();
        let lines = app
            .service_ports()
            .into_iter()
            .enumerate()
            .map(|(index, (port, _))| {
                let address = |i: &&Instance| {
                    let task = i.task.as_ref()?;
                    Some(format!(
                        "{}:{}\t",
                        self.agents[task.agent].host,
                        task.ports.get(index)?
                    ))
                };
                let addresses: String = running.iter().filter_map(address).collect();
                format!("{name}\t{port}\t{addresses}\n")
            });
        lines.collect()
    }
}

//! What the log says became of a call is what became of it, and no rollout of ours is left without a word.

use std::collections::{BTreeMap, BTreeSet};

use dploy_observer::event::{Call, Fact};
use dploy_observer::history::App;
use dploy_observer::id::{AppId, BlobId};

use super::cluster::Cluster;
use super::finding::{Check, Finding};
use super::judge::Moment;

/// A call of ours that Marathon carried out.
pub struct Arrival {
    pub app: String,
    pub call: Call,
    /// What was sent with it.
    pub body: BlobId,
    /// The Marathon deployment that it began.
    pub deployment: Option<String>,
}

/// A call that was intended.
struct Intent {
    call: Call,
    body: Option<BlobId>,
    /// The services, and the version each had before.
    services: BTreeMap<String, Option<String>>,
    /// How many such calls arrived since.
    arrived: usize,
    /// Whether one of them made a version: what says what runs already makes none, and cannot be seen.
    changed: bool,
}

impl Intent {
    fn is(&self, arrival: &Arrival) -> bool {
        let same = self.body.as_ref().is_none_or(|b| *b == arrival.body);
        self.call == arrival.call && same
    }

    /// Such calls arrived before this look at the cluster.
    fn arrives(&mut self, times: usize, cluster: &Cluster) {
        self.arrived += times;
        let changed = |(id, before): (&String, &Option<String>)| {
            let seen = cluster.seen(id);
            seen.is_some_and(|s| before.as_ref().and_then(|b| b.parse().ok()) != Some(s.version))
        };
        self.changed |= times > 0 && self.services.iter().any(changed);
    }
}

/// What is known of calls.
#[derive(Default)]
pub struct Calls {
    news: Vec<Arrival>,
    intents: BTreeMap<AppId, Intent>,
    /// Our Marathon deployments, and the app they were begun for.
    begun: BTreeMap<String, AppId>,
    /// Those that are left, by a sentence that named them.
    said: BTreeSet<String>,
    /// Calls of which the log says that they did not arrive, and it seems they did: judged when all events of this moment are
    /// known, as the very same call may have been intended and made again.
    suspected: BTreeMap<AppId, (Intent, Finding)>,
    /// Deploys that ended just now, with what was said of it.
    ended: Vec<(AppId, u32, String)>,
}

impl Calls {
    /// Calls arrived since the events before the next ones.
    pub fn arrive(&mut self, arrivals: Vec<Arrival>, cluster: &Cluster) {
        self.news = arrivals;
        for arrival in &self.news {
            let Ok(app) = arrival.app.parse::<AppId>() else {
                continue;
            };
            if let Some(intent) = self.intents.get_mut(&app)
                && intent.is(arrival)
            {
                intent.arrives(1, cluster);
            }
            if let Some(deployment) = &arrival.deployment {
                self.begun.insert(deployment.clone(), app);
            }
        }
    }

    pub fn look(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
        match moment.fact {
            Fact::ApplyIntended(intended) if matches!(intended.call, Call::Put | Call::Restart) => {
                let mut intent = Intent {
                    call: intended.call,
                    body: intended.body.clone(),
                    services: intended
                        .services
                        .iter()
                        .map(|s| (s.id.to_string(), s.version.clone()))
                        .collect(),
                    arrived: 0,
                    changed: false,
                };
                let ours = self.news.iter().filter(|a| a.app == moment.id.as_str());
                let news: Vec<&Arrival> = ours.filter(|a| intent.is(a)).collect();
                intent.arrives(news.len(), moment.cluster);
                let before = self.suspected.get(moment.id);
                if before
                    .is_some_and(|(b, _)| b.arrived <= news.len() && news.iter().all(|a| b.is(a)))
                {
                    self.suspected.remove(moment.id);
                }
                self.intents.insert(moment.id.clone(), intent);
                None
            }
            Fact::ApplyAccepted {
                call: call @ (Call::Put | Call::Restart),
                ..
            } => {
                let intent = self.intents.remove(moment.id)?;
                // what somebody else did to the same service looks the same
                let alone = intent.services.keys().all(|id| !touched.contains(id));
                let never = intent.arrived == 0 && alone;
                never.then(|| misread(moment, *call, "Marathon accepted it, and it never arrived"))
            }
            Fact::ApplyRefused {
                call: call @ (Call::Put | Call::Restart),
                code,
                ..
            } => {
                let intent = self.intents.remove(moment.id)?;
                let ours = |id: &String| {
                    let seen = moment.cluster.seen(id);
                    !touched.contains(id)
                        && seen.is_some_and(|s| s.label.as_deref() == Some(moment.id.as_str()))
                };
                let untrue = code == "NOT_APPLIED"
                    && intent.arrived > 0
                    && intent.changed
                    && intent.services.keys().all(ours);
                if untrue {
                    let how = "Marathon does not show it, and it was carried out";
                    let finding = misread(moment, *call, how);
                    self.suspected.insert(moment.id.clone(), (intent, finding));
                }
                None
            }
            Fact::DeployFailed { sentence, .. }
            | Fact::DeployCancelled { sentence, .. }
            | Fact::DeploySucceeded { sentence, .. }
            | Fact::DeployUnchanged { sentence, .. } => {
                let words = sentence.split([' ', ',', ';', ')']);
                let named = words.filter(|w| self.begun.contains_key(*w));
                self.said.extend(named.map(str::to_owned));
                self.ends(moment, sentence);
                None
            }
            _ => None,
        }
    }

    fn ends(&mut self, moment: &Moment<'_>, sentence: &str) {
        let number = moment.event.deploy.map_or(0, |d| d.0);
        let ended = (moment.id.clone(), number, sentence.to_owned());
        self.ended.push(ended);
    }

    /// A deploy that ended ended its rollout, handed it to whoever is next, or said that it is left.
    pub fn left(
        &mut self,
        apps: &BTreeMap<AppId, Option<App>>,
        cluster: &Cluster,
    ) -> Option<Finding> {
        if let Some((_, (_, finding))) = self.suspected.pop_first() {
            return Some(finding);
        }
        let ended = std::mem::take(&mut self.ended);
        if ended.is_empty() {
            return None;
        }
        let running = cluster.deployments();
        let has_next =
            |a: &App| a.running.is_some() || a.waiting.is_some() || a.destroying.is_some();
        ended.into_iter().find_map(|(id, number, sentence)| {
            let left = running
                .iter()
                .find(|d| self.begun.get(*d) == Some(&id) && !self.said.contains(*d))?;
            let handed = apps.get(&id)?.as_ref().is_some_and(has_next);
            (!handed).then(|| Finding {
                check: Check::RolloutLeft,
                sentence: format!(
                    "{id} #{number} ends ({sentence:?}), and our Marathon deployment {left} goes on"
                ),
            })
        })
    }
}

fn misread(moment: &Moment<'_>, call: Call, how: &str) -> Finding {
    Finding {
        check: Check::CallMisread,
        sentence: format!(
            "{} #{}: of its {call:?} the log says that {how}",
            moment.id,
            moment.event.deploy.map_or(0, |d| d.0)
        ),
    }
}

//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dploy_observer::event::{Event, Fact, Lists};
use dploy_observer::history::{App, Deploy, apply};
use dploy_observer::id::AppId;
use serde_json::Value;

use super::branch::{Contents, Wanted};
use super::calls::Calls;
use super::changes::Changes;
use super::cluster::Cluster;
use super::counts::Counts;
pub use super::finding::{Check, Finding};
use super::gates::{self, Received};
use super::github::Github;
use super::incarnation::{OWN, timing};
use super::reasons::Reasons;

/// So many events may be written within a minute while nothing happens.
const QUIET_EVENTS: usize = 40;

/// An event, with all that surrounds it.
pub struct Moment<'a> {
    pub id: &'a AppId,
    pub event: &'a Event,
    pub fact: &'a Fact,
    pub before: Option<&'a App>,
    pub after: Option<&'a App>,
    pub cluster: &'a Cluster,
    pub contents: &'a Contents,
    pub now: Duration,
}

impl<'a> Moment<'a> {
    /// The deploy that it is of, as it was before.
    pub fn deploy(&self) -> Option<&'a Deploy> {
        self.before?.open_deploy(self.event.deploy?)
    }

    /// What the deploy's commit wants of the services that it is about.
    pub fn wanted(&self) -> impl Iterator<Item = &'a Wanted> {
        let wanted = self.deploy().map(|d| &d.wanted);
        let commit = wanted.and_then(|w| self.contents.get(w.commit.as_str()));
        let only = wanted.and_then(|w| w.only.as_ref());
        commit
            .into_iter()
            .flatten()
            .filter(move |w| only.is_none_or(|o| o.as_str() == w.shape.id))
    }
}

/// How old what a look shows can be, where nothing is slow.
const A_LOOK: Duration = Duration::from_secs(1);

/// What is known from the log alone, folded afresh, and what is counted.
#[derive(Default)]
pub struct Judge {
    pub last_seq: i64,
    lists: Lists,
    pub apps: BTreeMap<AppId, Option<App>>,
    /// When events came that nothing from outside was the reason of.
    times: Vec<Duration>,
    costs: BTreeMap<(AppId, u32), usize>,
    most_services: usize,
    /// Services that somebody else touched since our last success.
    pub touched: BTreeSet<String>,
    /// Services that somebody else changed at any time: the count that they were given with it is theirs.
    pub edited: BTreeSet<String>,
    /// What was said at the end of each app's last deploy that ended well.
    pub last_words: BTreeMap<AppId, String>,
    /// When somebody else touched services last: a look that had just been taken cannot show it.
    touched_at: BTreeMap<String, Duration>,
    /// Until when looks are taken slowly: what dies meanwhile cannot be seen.
    pub blurred_until: Duration,
    /// Everything that exists or existed, by name.
    pub names: BTreeSet<String>,
    /// Pushes that were acknowledged, with the app's name.
    pub acknowledged: Vec<(AppId, String)>,
    /// Commits that the log received, by app.
    received: Received,
    /// The commits of the apps' branches in truth, the head last.
    pub branches: BTreeMap<AppId, Vec<String>>,
    pub events: usize,
    pub chain: String,
    pub adopted: BTreeSet<String>,
    /// Services that an operator wants another count of, and since when.
    wished: BTreeMap<String, Duration>,
    pub reasons: Reasons,
    /// Services that a deploy of one service moved since the last of them all, by app.
    alone: BTreeMap<AppId, BTreeSet<String>>,
    counts: Counts,
    changes: Changes,
    pub calls: Calls,
}

impl Judge {
    /// Somebody else changes a service: what it should be is not for us to say until we deployed it again.
    pub fn touch(&mut self, service: &str, now: Duration) {
        self.touched.insert(service.to_owned());
        self.edited.insert(service.to_owned());
        self.touched_at.insert(service.to_owned(), now);
        self.counts.touch(service);
        self.changes.touch(service);
    }

    /// Something happened from outside: what the log says of it is not for nothing.
    pub fn something_happens(&mut self) {
        self.times.clear();
    }

    /// Takes in a log of before, without judging what it says.
    pub fn learn(&mut self, events: &[Event]) {
        for event in events {
            (self.last_seq, self.chain) = (event.seq, event.hash.clone());
            let (Some(id), Ok(new)) = (&event.app, self.lists.whole(event)) else {
                continue;
            };
            if let Fact::PushReceived(push) = &new.fact {
                let commit = (id.clone(), push.after.to_string());
                self.received.entry(commit).or_insert(event.seq);
            }
            let app = self.apps.entry(id.clone()).or_default();
            apply(app, event.seq, &event.at, &new);
        }
    }

    /// Services that somebody wants gone; or wants fewer of for so long that it is done although some are not well, where Marathon
    /// takes away healthy ones first.
    /// By service, from when on.
    pub fn doomed(&mut self, now: Duration) -> BTreeMap<String, Duration> {
        let apps = self.apps.values().flatten();
        let going = apps
            .clone()
            .filter(|a| a.destroying.as_ref().is_some_and(|d| !d.keep_services));
        let services = apps.flat_map(|a| &a.services);
        let wished = services.filter(|(_, record)| record.scale.is_some());
        let wished: BTreeSet<String> = wished.map(|(id, _)| id.to_string()).collect();
        self.wished.retain(|id, _| wished.contains(id));
        for id in wished {
            self.wished.entry(id).or_insert(now);
        }
        let from = |since: &Duration| *since + timing().overtake;
        let wished = self
            .wished
            .iter()
            .map(|(id, since)| (id.clone(), from(since)));
        let going = going.flat_map(|a| a.services.keys().chain(&a.orphans));
        wished
            .chain(going.map(|id| (id.to_string(), Duration::ZERO)))
            .collect()
    }

    /// Reads on in the log.
    pub fn read(
        &mut self,
        events: &[Event],
        cluster: &Cluster,
        contents: &Contents,
        now: Duration,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for event in events {
            if event.seq != self.last_seq + 1 {
                found.push(Finding {
                    check: Check::Damaged,
                    sentence: format!("event {} follows {}", event.seq, self.last_seq),
                });
            }
            self.last_seq = event.seq;
            self.chain.clone_from(&event.hash);
            self.events += 1;
            let Some(id) = event.app.clone() else {
                continue;
            };
            let new = match self.lists.whole(event) {
                Ok(new) => new,
                Err(error) => {
                    found.push(Finding {
                        check: Check::Damaged,
                        sentence: error.to_string(),
                    });
                    continue;
                }
            };
            let before = self.apps.get(&id).cloned().flatten();
            let app = self.apps.entry(id.clone()).or_default();
            apply(app, event.seq, &event.at, &new);
            let after = app.clone();
            let moment = Moment {
                id: &id,
                event,
                fact: &new.fact,
                before: before.as_ref(),
                after: after.as_ref(),
                cluster,
                contents,
                now,
            };
            found.extend(self.reasons.look(&moment, &self.touched));
            found.extend(self.calls.look(&moment, &self.touched));
            found.extend(self.changes.look(&moment, &self.touched));
            found.extend(self.counts.look(&moment, &self.touched));
            found.extend(self.one(&moment));
            found.extend(self.grows(&id, event, now));
        }
        found.extend(self.calls.left(&self.apps, cluster));
        // a sentence may name what the same transaction makes
        for event in events {
            let app = event
                .app
                .as_ref()
                .and_then(|id| self.apps.get(id)?.as_ref());
            found.extend(self.sentences(event, app));
        }
        found
    }

    fn one(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let &Moment {
            id, event, fact, ..
        } = moment;
        match fact {
            Fact::PushReceived(push) => {
                let commit = (id.clone(), push.after.to_string());
                self.received.entry(commit).or_insert(event.seq);
            }
            Fact::AppAdopted { services } => {
                let whose = services
                    .iter()
                    .find_map(|s| Some((&s.id, self.owner(id, s.id.as_str(), moment.cluster)?)));
                if let Some((service, owner)) = whose {
                    return Some(Finding {
                        check: Check::NotOurs,
                        sentence: format!("{id} takes over {service}, which is {owner}"),
                    });
                }
                self.adopted
                    .extend(services.iter().map(|s| s.id.to_string()));
            }
            Fact::DeployQueued(wanted) => {
                if let Some(only) = &wanted.only {
                    self.alone
                        .entry(id.clone())
                        .or_default()
                        .insert(only.to_string());
                }
            }
            Fact::DeploySucceeded { services, .. } | Fact::DeployUnchanged { services, .. } => {
                for service in services {
                    self.touched.remove(service.id.as_str());
                }
                let ended: Value = serde_json::from_str(event.payload.get()).unwrap();
                let sentence = ended["sentence"].as_str().unwrap_or_default();
                self.last_words.insert(id.clone(), sentence.to_owned());
                let untrue = self.ends_well(moment);
                if untrue.is_some() {
                    return untrue;
                }
            }
            _ => {}
        }
        let branch = self.branches.get(id).filter(|_| !self.reasons.errs);
        gates::look(moment, &self.received, branch)
    }

    /// Whose a service is, where it is not to be taken over by an app.
    fn owner(&self, app: &AppId, service: &str, cluster: &Cluster) -> Option<String> {
        if service == OWN {
            return Some("the observer itself".to_owned());
        }
        let label = cluster.seen(service)?.label?;
        let lives = |a: &&App| a.id != *app && a.id.as_str() == label && !a.destroyed;
        let owner = self.apps.values().flatten().find(lives)?;
        Some(format!("{}'s", owner.id))
    }

    /// A deploy says that what it wanted runs.
    fn ends_well(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let Moment { id, event, .. } = moment;
        let deploy = moment.deploy()?;
        if deploy.wanted.only.is_none() {
            self.alone.remove(*id);
        }
        let commit = deploy.wanted.commit.as_str();
        let well = event.kind == "deploy_succeeded" && moment.now >= self.blurred_until;
        let just_now = |w: &&Wanted| {
            let at = self.touched_at.get(&w.shape.id);
            at.is_some_and(|at| moment.now.saturating_sub(*at) < A_LOOK)
        };
        let why = moment
            .wanted()
            .filter(|w| !just_now(w))
            .map(|w| is_right(moment.cluster, id.as_str(), w, well))
            .find_map(Result::err)?;
        let sentence = format!(
            "{id} #{} says {} at {}, and {why}",
            deploy.number.0,
            event.kind,
            short(commit)
        );
        Some(Finding {
            check: Check::SuccessUntrue,
            sentence,
        })
    }

    /// Sentences name services, deploys and Marathon deployments that exist.
    fn sentences(&self, event: &Event, after: Option<&App>) -> Option<Finding> {
        let payload: Value = serde_json::from_str(event.payload.get()).unwrap();
        let sentence = payload["sentence"].as_str()?;
        let wrong = sentence.split([' ', ',', ';', '(', ')']).find(|word| {
            let word = word.trim_end_matches(['.', ':']);
            if let Some(number) = word.strip_prefix('#') {
                let highest = after.map_or(0, |a| a.last_deploy.0);
                return number.parse::<u32>().is_ok_and(|n| n == 0 || n > highest);
            }
            word.starts_with('/')
                && word.len() > 1
                && !word.starts_with("/v2")
                && word.matches('/').count() == 2
                && !self.names.contains(word)
        })?;
        let id = event.app.as_ref().map_or("-", AppId::as_str);
        let sentence = format!(
            "{id}: {} says {sentence:?}, and there is no {wrong}",
            event.kind
        );
        Some(Finding {
            check: Check::SentenceUntrue,
            sentence,
        })
    }

    fn grows(&mut self, id: &AppId, event: &Event, now: Duration) -> Option<Finding> {
        self.times.retain(|t| *t + Duration::from_mins(1) > now);
        self.times.push(now);
        let services: usize = self
            .apps
            .values()
            .flatten()
            .map(|a| a.services.len().max(1))
            .sum();
        // while an app is taken down its services go one by one
        self.most_services = self.most_services.max(services);
        let services = self.most_services;
        if self.times.len()
            > QUIET_EVENTS * self.apps.len().max(1) + 20 * services.saturating_sub(self.apps.len())
        {
            let sentence = format!(
                "{} events within a minute in which nothing happened, the last a {} of {id}",
                self.times.len(),
                event.kind
            );
            return Some(Finding {
                check: Check::LogGrows,
                sentence,
            });
        }
        let deploy = event.deploy?;
        let cost = self.costs.entry((id.clone(), deploy.0)).or_default();
        *cost += 1;
        let services = self.apps[id]
            .as_ref()
            .map_or(1, |a| a.services.len().max(1));
        let most = 34 + 12 * (services - 1);
        (*cost > most).then(|| Finding {
            check: Check::DeployCostly,
            sentence: format!("{id} #{} has cost {cost} events, the last a {}; {services} services may cost {most}", deploy.0, event.kind),
        })
    }

    /// What is called live is what runs, as long as nobody else touched it and we do not say otherwise ourselves.
    pub fn live(&self, cluster: &Cluster, contents: &Contents) -> Option<Finding> {
        for app in self
            .apps
            .values()
            .flatten()
            .filter(|a| !a.owes_work() && !a.destroyed)
        {
            let said_otherwise =
                app.trouble.is_some() || !app.drift.is_empty() || app.waiting.is_some();
            let Some(live) = app.live.as_ref().filter(|_| !said_otherwise) else {
                continue;
            };
            for wanted in contents.get(live.commit.as_str()).into_iter().flatten() {
                let id = &wanted.shape.id;
                let known = app.services.iter().find(|(s, _)| s.as_str() == id);
                let alone = self.alone.get(&app.id).is_some_and(|a| a.contains(id));
                if alone || self.touched.contains(id) || known.is_none_or(|(_, r)| r.dirty) {
                    continue;
                }
                if let Err(why) = is_right(cluster, app.id.as_str(), wanted, false) {
                    let sentence = format!(
                        "{} is called live at {}, and {why}",
                        app.id,
                        live.commit.short()
                    );
                    return Some(Finding {
                        check: Check::LiveUntrue,
                        sentence,
                    });
                }
            }
        }
        None
    }

    /// A webhook that is said to be gone is gone.
    pub fn hookless(&self, events: &[Event], github: &Github) -> Option<Finding> {
        events.iter().find_map(|event| {
            let Ok(Fact::AppDestroyed { sentence, .. }) = event.fact() else {
                return None;
            };
            let id = event.app.as_ref()?;
            let repository = self.apps.get(id)?.as_ref()?.source.repository_id;
            let others =
                |a: &&App| a.id != *id && !a.destroyed && a.source.repository_id == repository;
            let needed = self.apps.values().flatten().any(|a| others(&a));
            let left =
                !needed && sentence.contains("no webhook is left") && github.has_hook(repository);
            left.then(|| Finding {
                check: Check::SentenceUntrue,
                sentence: format!("{id}: {sentence:?}, and its repository has one"),
            })
        })
    }

    /// Every push that was acknowledged is in the log.
    pub fn acknowledged(&self) -> Option<Finding> {
        let lost = self
            .acknowledged
            .iter()
            .find(|a| !self.received.contains_key(*a))?;
        let sentence = format!(
            "the push of {} to {} was acknowledged and is not in the log",
            short(&lost.1),
            lost.0
        );
        Some(Finding {
            check: Check::PushLost,
            sentence,
        })
    }
}

/// Whether a service runs as a commit wants it, but for its count; `well`: all its instances too.
pub fn is_right(cluster: &Cluster, app: &str, wanted: &Wanted, well: bool) -> Result<(), String> {
    let id = &wanted.shape.id;
    let Some(seen) = cluster.seen(id) else {
        return Err(format!("{id} does not exist"));
    };
    if seen.label.as_deref() != Some(app) {
        return Err(format!("{id} has the label {:?}", seen.label));
    }
    if seen.cmd != wanted.cmd() {
        return Err(format!(
            "{id} runs {:?} instead of {:?}",
            seen.cmd,
            wanted.cmd()
        ));
    }
    if seen.env {
        return Err(format!("{id} has an environment that no spec gives"));
    }
    if well && (seen.well != seen.instances || seen.there != seen.instances) {
        return Err(format!(
            "{id} has {} of {} instances well, {} there",
            seen.well, seen.instances, seen.there
        ));
    }
    Ok(())
}

pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

//! A log that is kept in memory, for whoever tells thousands of stories and throws them away: the same commands are
//! decided on by the same [`Batch`], which is never written. What is asked of it is what the tables would say.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::{broadcast, watch};

use super::access::AccessWrite;
use super::batch::{Batch, CommandRequest, Tip, Touched, Written};
use super::events::{EventFilter, Within};
use super::projection::PushLine;
use super::read::PushRow;
use super::tokens::TokenRow;
use super::unlogged::Unlogged;
use super::{StoreError, unlogged};
use crate::clock::{SharedClock, stamp};
use crate::event::{Event, GENESIS};
use crate::history::{Answer, App, Deploy};
use crate::id::{AppId, BlobId, Branch, CommitId, DeployNumber, ServiceId};
use crate::secret::{Redactor, Secret};

/// A log in memory, with what is kept beside it.
pub(super) struct Memory {
    clock: SharedClock,
    redactor: Redactor,
    head: watch::Sender<i64>,
    touched: broadcast::Sender<Touched>,
    kept: Mutex<Kept>,
}

struct Kept {
    tip: Tip,
    batch: Batch,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    tokens: BTreeMap<String, TokenRow>,
    secrets: BTreeMap<String, Secret>,
    observations: BTreeMap<String, (String, String)>,
}

impl Memory {
    pub fn new(
        clock: SharedClock,
        redactor: Redactor,
        head: watch::Sender<i64>,
        touched: broadcast::Sender<Touched>,
    ) -> Self {
        let tip = Tip {
            seq: 0,
            hash: GENESIS.to_owned(),
            apps: BTreeMap::new(),
        };
        let kept = Kept {
            batch: Batch::new(&tip),
            tip,
            blobs: BTreeMap::new(),
            tokens: BTreeMap::new(),
            secrets: BTreeMap::new(),
            observations: BTreeMap::new(),
        };
        Self {
            clock,
            redactor,
            head,
            touched,
            kept: Mutex::new(kept),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides and appends.
    pub fn command(&self, request: &CommandRequest) -> Result<Written, StoreError> {
        let at = stamp(self.clock.now());
        let mut kept = self.kept();
        let Kept { tip, batch, .. } = &mut *kept;
        let before = batch.events().len();
        let taken = batch.take(None, tip, request, &at, &self.redactor);
        // without a connection there is nothing to wait for
        let taken = taken
            .now_or_never()
            .unwrap_or_else(|| Err(StoreError::Unavailable("a log in memory waits".to_owned())))?;
        let answer = taken.map_err(StoreError::from)?;
        let events = batch.events();
        let newest = events.last().map_or(0, |e| e.seq);
        let app = events[before..].iter().find_map(|e| e.app.clone());
        drop(kept);
        if let Some(app) = app {
            let _ = self.touched.send(Touched { app, seq: newest });
        }
        self.head.send_replace(newest);
        Ok(answer)
    }

    /// What a command would come to.
    pub fn would(&self, request: &CommandRequest) -> Result<Answer, StoreError> {
        let mut kept = self.kept();
        let Kept { tip, batch, .. } = &mut *kept;
        let decided = batch.decided(None, tip, request);
        let decided = decided
            .now_or_never()
            .unwrap_or_else(|| Err(StoreError::Unavailable("a log in memory waits".to_owned())))?;
        let (decision, _) = decided.map_err(StoreError::from)?;
        Ok(decision.answer)
    }

    /// Keeps what is no event.
    pub fn unlogged(&self, write: Unlogged) {
        let at = stamp(self.clock.now());
        let mut kept = self.kept();
        match write {
            Unlogged::Blobs(blobs) => kept.blobs.extend(blobs),
            Unlogged::Access(AccessWrite::Token(new)) => {
                let row = TokenRow {
                    person: new.person,
                    created_at: at,
                    expires_at: new.expires_at,
                    of_settings: false,
                };
                kept.tokens.insert(new.hash, row);
            }
            // nobody logs in with a browser here, and whoever acts is there from the beginning
            Unlogged::Access(_) => {}
            Unlogged::Secret { name, value } => {
                kept.secrets.entry(name).or_insert(value);
            }
            Unlogged::DropSecrets(name) => {
                kept.secrets.remove(&name);
            }
            Unlogged::Observation { key, value } => {
                kept.observations.insert(key, (value, at));
            }
        }
    }

    fn some_apps(&self, wanted: impl Fn(&App) -> bool) -> Vec<App> {
        let kept = self.kept();
        let apps = kept.batch.apps().values();
        apps.filter(|a| wanted(a)).cloned().collect()
    }

    pub fn apps(&self, after: &str, limit: i64) -> Vec<App> {
        let mut apps = self.some_apps(|a| !a.destroyed && a.id.as_str() > after);
        apps.truncate(usize::try_from(limit).unwrap_or(0));
        apps
    }

    pub fn app(&self, id: &AppId) -> Option<App> {
        self.kept().batch.apps().get(id).cloned()
    }

    pub fn apps_of(&self, repository: u64) -> Vec<App> {
        self.some_apps(|a| !a.destroyed && a.source.repository_id == repository)
    }

    pub fn repositories(&self) -> Vec<u64> {
        let all = self.some_apps(|a| !a.destroyed);
        let mut ids: Vec<u64> = all.iter().map(|a| a.source.repository_id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    pub fn was_destroyed(&self, repository: u64, branch: &Branch) -> bool {
        let same = |a: &App| a.source.repository_id == repository && a.source.branch == *branch;
        let apps = self.some_apps(same);
        !apps.is_empty() && apps.iter().all(|a| a.destroyed)
    }

    pub fn owner_of(&self, service: &ServiceId) -> Option<AppId> {
        let owners = self.some_apps(|a| a.services.contains_key(service));
        owners.into_iter().next().map(|a| a.id)
    }

    pub fn deploy(&self, app: &AppId, number: DeployNumber) -> Option<Deploy> {
        let kept = self.kept();
        kept.batch.deploys().get(&(app.clone(), number)).cloned()
    }

    /// The deploys of an app, newest first.
    pub fn deploys(
        &self,
        app: &AppId,
        wanted: impl Fn(&Deploy) -> bool,
        limit: i64,
    ) -> Vec<Deploy> {
        let kept = self.kept();
        let newest = kept.batch.deploys().iter().rev();
        let mine = newest
            .filter(|((a, _), d)| a == app && wanted(d))
            .map(|(_, d)| d.clone());
        mine.take(usize::try_from(limit).unwrap_or(0)).collect()
    }

    /// The deploys of a commit of any app.
    pub fn deploys_anywhere(&self, commit: &str) -> Vec<(AppId, Deploy)> {
        let kept = self.kept();
        let all = kept.batch.deploys().iter().rev();
        let theirs = all.filter(|(_, d)| d.wanted.commit.as_str().starts_with(commit));
        theirs
            .map(|((app, _), d)| (app.clone(), d.clone()))
            .collect()
    }

    /// The pushes, newest first.
    pub fn pushes(&self, wanted: impl Fn(&AppId, &CommitId) -> bool) -> Vec<PushRow> {
        let kept = self.kept();
        let newest = kept.batch.pushes().iter().rev();
        let row = |(seq, line): (&i64, &PushLine)| PushRow {
            seq: *seq,
            app: line.app.clone(),
            at: line.at.clone(),
            push: line.push.clone(),
            outcome: line.outcome.clone(),
        };
        newest
            .filter(|(_, l)| wanted(&l.app, &l.push.after))
            .map(row)
            .collect()
    }

    pub fn events(&self, filter: &EventFilter) -> Vec<Event> {
        let kept = self.kept();
        let since = usize::try_from(filter.since.unwrap_or(0)).unwrap_or(0);
        let events = kept.batch.events().get(since..).unwrap_or_default();
        let is_public = |id: &AppId| kept.batch.apps().get(id).is_some_and(App::is_public);
        let shown = |w: &Within, id: &AppId| w.apps.contains(id) || w.public && is_public(id);
        let wanted = |e: &&Event| {
            filter.before.is_none_or(|b| e.seq < b)
                && filter
                    .app
                    .as_ref()
                    .is_none_or(|a| e.app.as_ref() == Some(a))
                && filter.kind.as_ref().is_none_or(|k| e.kind == *k)
                && (filter.kinds.is_empty() || filter.kinds.contains(&e.kind.as_str()))
                && filter.actor.as_ref().is_none_or(|a| e.actor == *a)
                && filter.deploy.is_none_or(|d| e.deploy == Some(d))
                && filter
                    .within
                    .as_ref()
                    .is_none_or(|w| e.app.as_ref().is_some_and(|id| shown(w, id)))
        };
        let limit = usize::try_from(filter.limit).unwrap_or(0);
        if filter.newest_first {
            events
                .iter()
                .rev()
                .filter(wanted)
                .take(limit)
                .cloned()
                .collect()
        } else {
            events.iter().filter(wanted).take(limit).cloned().collect()
        }
    }

    pub fn blob(&self, id: &BlobId) -> Option<Vec<u8>> {
        self.kept().blobs.get(id).cloned()
    }

    pub fn token(&self, hash: &str) -> Option<TokenRow> {
        self.kept().tokens.get(hash).cloned()
    }

    pub fn secrets(&self, name: &str) -> unlogged::Secrets {
        self.kept().secrets.get(name).cloned().into_iter().collect()
    }

    pub fn observed(&self, key: &str) -> Option<(String, String)> {
        self.kept().observations.get(key).cloned()
    }
}

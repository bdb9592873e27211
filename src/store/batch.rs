//! One transaction: commands meet their app's state, become events, and are appended with their projections.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use super::clean::cleaned;
use super::projection::{Changes, PushLine};
use crate::access::Proof;
use crate::event::{Event, Fact, GENESIS, NewEvent, PAYLOAD_LIMIT, split};
use crate::history::{Answer, App, Command, Decision, Deploy, Refusal, decide};
use crate::id::{AppId, CommitId, DeployNumber};
use crate::secret::Redactor;

/// Somebody wants something of an app.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// The app.
    pub app: AppId,
    /// `github:<login>`, `operator:<token name>` or `observer`.
    pub actor: String,
    /// Delivery GUID or idempotency key.
    pub dedup: Option<String>,
    /// What is wanted.
    pub command: Command,
    /// Whether the state that it leads to is answered too.
    pub wants_state: bool,
    /// What whoever wants it is known by: nothing is done where that does not count any more.
    pub by: Option<Proof>,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub struct Written {
    /// The answer.
    pub answer: Answer,
    /// The app as it is then, where that was wanted.
    pub app: Option<App>,
    /// The newest event of the app before.
    pub before: i64,
}

/// An app that a committed transaction changed.
#[derive(Debug, Clone)]
pub struct Touched {
    /// The app.
    pub app: AppId,
    /// Its newest event.
    pub seq: i64,
}

impl Written {
    /// Of what leads to no event.
    pub(super) fn nothing() -> Self {
        Self {
            answer: Answer::Done,
            app: None,
            before: 0,
        }
    }
}

/// The end of the log and the state of all apps, as the last commit left them.
pub(super) struct Tip {
    pub seq: i64,
    pub hash: String,
    pub apps: BTreeMap<AppId, App>,
}

impl Tip {
    pub async fn load(conn: &mut SqliteConnection) -> Result<Self, StoreError> {
        let last: Option<(i64, String)> =
            sqlx::query_as("select seq, hash from event order by seq desc limit 1")
                .fetch_optional(&mut *conn)
                .await?;
        let (seq, hash) = last.unwrap_or((0, GENESIS.to_owned()));
        Ok(Self {
            seq,
            hash,
            apps: super::projection::load(conn).await?,
        })
    }
}

/// What a batch wants to append; nothing counts until the transaction is committed.
pub(super) struct Batch {
    seq: i64,
    hash: String,
    /// The touched apps as they are after the batch.
    pub(super) apps: BTreeMap<AppId, App>,
    /// The same apps as they were before.
    before: BTreeMap<AppId, App>,
    events: Vec<Event>,
    changes: Changes,
    pub(super) dedups: BTreeMap<(AppId, String), Option<DeployNumber>>,
    pub(super) bodies: BTreeSet<(AppId, String)>,
    /// The first push of each commit in this batch.
    pub(super) commits: BTreeMap<(AppId, CommitId), i64>,
}

impl Batch {
    pub fn new(tip: &Tip) -> Self {
        Self {
            seq: tip.seq,
            hash: tip.hash.clone(),
            apps: BTreeMap::new(),
            before: BTreeMap::new(),
            events: Vec::new(),
            changes: Changes::default(),
            dedups: BTreeMap::new(),
            bodies: BTreeSet::new(),
            commits: BTreeMap::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What a command comes to as things stand, and the newest event of its app.
    pub async fn decided(
        &mut self,
        conn: Option<&mut SqliteConnection>,
        tip: &Tip,
        request: &CommandRequest,
    ) -> Result<Result<(Decision, i64), Refusal>, StoreError> {
        let id = &request.app;
        if !self.apps.contains_key(id)
            && let Some(app) = tip.apps.get(id)
        {
            self.apps.insert(id.clone(), app.clone());
            self.before.insert(id.clone(), app.clone());
        }
        let before = self.apps.get(id).map_or(0, |a| a.last_seq);
        let known = self.known(conn, tip, request).await?;
        let decision = decide(
            id,
            self.apps.get(id),
            &known,
            &request.actor,
            request.dedup.as_deref(),
            &request.command,
        );
        Ok(decision.map(|decision| (decision, before)))
    }

    /// Decides a command on the state that the commands before it in this batch left. Without a connection the batch is all
    /// there is.
    pub async fn take(
        &mut self,
        conn: Option<&mut SqliteConnection>,
        tip: &Tip,
        request: &CommandRequest,
        at: &str,
        redactor: &Redactor,
    ) -> Result<Result<Written, Refusal>, StoreError> {
        let id = &request.app;
        let (decision, before) = match self.decided(conn, tip, request).await? {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut encoded = Vec::new();
        for event in decision.events {
            let (event, kind, version, payload) = cleaned(event, redactor);
            if payload.len() <= PAYLOAD_LIMIT {
                encoded.push((event, kind, version, payload));
                continue;
            }
            let (listed, payload) = split(&kind, &payload);
            for fact in listed {
                let part = NewEvent {
                    fact,
                    dedup: None,
                    ..event.clone()
                };
                let (kind, version, payload) = part.fact.encode();
                encoded.push((part, kind, version, payload));
            }
            encoded.push((event, kind, version, payload));
        }
        if let Some((event, ..)) = encoded
            .iter()
            .find(|(.., payload)| payload.len() > PAYLOAD_LIMIT)
        {
            let kind = event.fact.encode().0;
            return Ok(Err(Refusal::Not(format!(
                "a `{kind}` would be larger than {PAYLOAD_LIMIT} bytes; split the app into several"
            ))));
        }
        for (event, kind, version, payload) in encoded {
            self.append(at, &event, kind, version, payload)?;
        }
        let app = self.apps.get(id).filter(|_| request.wants_state).cloned();
        let answer = decision.answer;
        Ok(Ok(Written {
            answer,
            app,
            before,
        }))
    }

    fn append(
        &mut self,
        at: &str,
        event: &NewEvent,
        kind: String,
        version: i64,
        payload: String,
    ) -> Result<(), StoreError> {
        self.seq += 1;
        let mut stored = Event {
            seq: self.seq,
            at: at.to_owned(),
            app: event.app.clone(),
            kind,
            version,
            actor: event.actor.clone(),
            deploy: event.deploy,
            dedup: event.dedup.clone(),
            payload: RawValue::from_string(payload)?,
            prev_hash: std::mem::take(&mut self.hash),
            hash: String::new(),
        };
        stored.hash = stored.computed_hash();
        self.hash.clone_from(&stored.hash);
        self.remember(event);
        self.changes.fold(&mut self.apps, stored.seq, at, event);
        self.events.push(stored);
        Ok(())
    }

    /// What later commands of this batch must know although it is not in the tables yet.
    fn remember(&mut self, event: &NewEvent) {
        let Some(app) = &event.app else { return };
        if let Some(key) = &event.dedup {
            let began = event
                .deploy
                .filter(|_| matches!(event.fact, Fact::DeployQueued(_)));
            self.dedups.insert((app.clone(), key.clone()), began);
        }
        if let Fact::PushReceived(push) = &event.fact {
            let commit = (app.clone(), push.after.clone());
            self.commits.entry(commit).or_insert(self.seq);
            if let Some(body) = &push.body {
                self.bodies.insert((app.clone(), body.clone()));
            }
        }
    }

    /// The events that it wants to append.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The touched apps as they are after it.
    pub fn apps(&self) -> &BTreeMap<AppId, App> {
        &self.apps
    }

    /// The touched deploys as they are after it.
    pub fn deploys(&self) -> &BTreeMap<(AppId, DeployNumber), Deploy> {
        &self.changes.deploys
    }

    /// The pushes that were received in it.
    pub fn pushes(&self) -> &BTreeMap<i64, PushLine> {
        &self.changes.pushes
    }

    /// Writes events and projections; the caller commits.
    pub async fn write(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        for chunk in self.events.chunks(100) {
            let mut insert = QueryBuilder::<Sqlite>::new(format!(
                "insert into event ({}) ",
                super::rows::COLUMNS
            ));
            insert.push_values(chunk, |mut row, event| {
                row.push_bind(event.seq)
                    .push_bind(&event.at)
                    .push_bind(event.app.as_ref().map(AppId::as_str))
                    .push_bind(&event.kind)
                    .push_bind(event.version)
                    .push_bind(&event.actor)
                    .push_bind(event.deploy.map(|d| i64::from(d.0)))
                    .push_bind(&event.dedup)
                    .push_bind(event.payload.get())
                    .push_bind(&event.prev_hash)
                    .push_bind(&event.hash);
            });
            insert
                .build()
                .persistent(chunk.len() == 1)
                .execute(&mut *conn)
                .await?;
        }
        self.changes.write(conn, &self.before, &self.apps).await
    }

    /// Makes the batch the tip, once it is committed.
    /// Answers which apps it changed.
    pub fn become_tip(self, tip: &mut Tip) -> Vec<Touched> {
        tip.seq = self.seq;
        tip.hash = self.hash;
        tip.apps.extend(self.apps);
        let newest = |app: &AppId| tip.apps.get(app).map_or(self.seq, |a| a.last_seq);
        let apps = self.changes.apps.into_iter();
        apps.map(|app| Touched {
            seq: newest(&app),
            app,
        })
        .collect()
    }
}

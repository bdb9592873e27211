//! Rows of the log as SQLite gives them, turned into domain types at the edge.

use serde_json::value::RawValue;
use sqlx::FromRow;

use super::StoreError;
use crate::event::Event;
use crate::id::DeployNumber;

/// All columns of `event`, in envelope order.
pub(super) const COLUMNS: &str =
    "seq, at, app, kind, version, actor, deploy, dedup, payload, prev_hash, hash";

/// A row of `event`.
#[derive(FromRow)]
pub(super) struct EventRow {
    seq: i64,
    at: String,
    app: Option<String>,
    kind: String,
    version: i64,
    actor: String,
    deploy: Option<i64>,
    dedup: Option<String>,
    payload: String,
    prev_hash: String,
    hash: String,
}

impl EventRow {
    pub(super) fn event(self) -> Result<Event, StoreError> {
        let broken = |what: &str| {
            StoreError::Unusable(format!(
                "event {} is damaged: {what}; restore a backup",
                self.seq
            ))
        };
        let app = self
            .app
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| broken("its app is no name"))?;
        let deploy = self
            .deploy
            .map(u32::try_from)
            .transpose()
            .map_err(|_| broken("its deploy is no number"))?;
        let payload = RawValue::from_string(self.payload.clone())
            .ok()
            // the parser leaves out space around it, which the hash must see
            .filter(|json| json.get() == self.payload)
            .ok_or_else(|| broken("its payload is no JSON, or more than that"))?;
        Ok(Event {
            seq: self.seq,
            at: self.at,
            app,
            kind: self.kind,
            version: self.version,
            actor: self.actor,
            deploy: deploy.map(DeployNumber),
            dedup: self.dedup,
            payload,
            prev_hash: self.prev_hash,
            hash: self.hash,
        })
    }
}

//! Events: the facts of the log, their envelope, and the bytes that are hashed.
//!
//! A payload of version n is read by every later release; `tests/data/events/` keeps one of each.
//! Names that occur in many payloads mean the same everywhere: `commit`, `cause`, `code`, `sentence`,
//! `via`, `delivery` (the GUID), `ref`, `before`, `after`, `reason`.

mod fact;
mod listed;
mod payload;
mod phrase;
mod summary;
mod word;

pub use fact::Fact;
pub use listed::{Lists, split};
pub use payload::*;
pub use phrase::count;
pub use summary::summary;
pub use word::{Action, Call, Cause, Ending, ResumeWhen, Scale, Via, Visibility};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::id::{AppId, DeployNumber};
use crate::sentence::Sentence;

/// The largest payload, in bytes of JSON.
pub const PAYLOAD_LIMIT: usize = 64 * 1024;

/// `prev_hash` of the first event.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An event as it is handed to the log; the log adds number, time and hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The app it belongs to, if any.
    pub app: Option<AppId>,
    /// `github:<login>`, `operator:<token name>` or `observer`.
    pub actor: String,
    /// The deploy it belongs to, if any.
    pub deploy: Option<DeployNumber>,
    /// Unique per app where present: a delivery GUID or an idempotency key.
    pub dedup: Option<String>,
    /// What happened.
    pub fact: Fact,
}

/// An event of the log: the envelope, columns in the order in which they are hashed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Event {
    /// 1, 2, 3 … without gaps; it orders.
    pub seq: i64,
    /// When; it decides nothing.
    pub at: String,
    /// The app, if any.
    pub app: Option<AppId>,
    /// What kind of fact.
    pub kind: String,
    /// Version of the payload.
    pub version: i64,
    /// Who.
    pub actor: String,
    /// The deploy, if any.
    pub deploy: Option<DeployNumber>,
    /// The key that makes it unique.
    pub dedup: Option<String>,
    /// The payload, byte for byte as stored.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub payload: Box<RawValue>,
    /// Hash of the event before; 64 zeros for the first.
    pub prev_hash: String,
    /// SHA-256 over the columns above.
    pub hash: String,
}

/// An event that this release cannot read.
#[derive(Debug, thiserror::Error)]
#[error(
    "event {seq} is a {kind} of version {version}, which this release ({release}) does not know: {cause}; start the release that wrote it, or a newer one"
)]
pub struct Unreadable {
    seq: i64,
    kind: String,
    version: i64,
    release: &'static str,
    cause: String,
}

impl Fact {
    /// Every kind, in the order of the enum.
    pub const KINDS: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// A deploy is to fail: first its rollouts are ended.
    #[must_use]
    pub fn fails(why: Sentence) -> Self {
        Self::DeployEnding {
            outcome: Ending::Failed,
            code: why.code,
            sentence: why.sentence,
        }
    }

    /// The end of a deploy that did not go well.
    #[must_use]
    pub fn ended_ill(
        outcome: Ending,
        code: String,
        sentence: String,
        services: Vec<Outcome>,
    ) -> Self {
        match outcome {
            Ending::Failed => Self::DeployFailed {
                code,
                sentence,
                services,
            },
            Ending::Cancelled => Self::DeployCancelled {
                code,
                sentence,
                services,
            },
        }
    }

    /// Whether it is one of the ends of a deploy, of which each has exactly one.
    #[must_use]
    pub fn ends_deploy(&self) -> bool {
        matches!(
            self,
            Self::DeploySucceeded { .. }
                | Self::DeployUnchanged { .. }
                | Self::DeployFailed { .. }
                | Self::DeployCancelled { .. }
                | Self::DeploySuperseded { .. }
        )
    }

    /// The newest version of a kind that this release knows, which is the one it writes.
    #[must_use]
    pub fn newest_version(kind: &str) -> i64 {
        match kind {
            "app_registered" | "app_changed" | "apply_intended" | "apply_accepted"
            | "apply_refused" | "app_locked" | "deploy_waiting" => 2,
            _ => 1,
        }
    }

    /// The kind, the version and the payload as they are stored.
    ///
    /// # Panics
    /// Never: a fact is made of texts, numbers and lists, which always serialize.
    #[must_use]
    pub fn encode(&self) -> (String, i64, String) {
        #[derive(Deserialize)]
        struct Tagged<'a> {
            kind: String,
            #[serde(borrow)]
            payload: &'a RawValue,
        }
        let text = serde_json::to_string(self).expect("a fact serializes");
        let tagged: Tagged<'_> = serde_json::from_str(&text).expect("a fact is tagged");
        let version = Self::newest_version(&tagged.kind);
        (tagged.kind, version, tagged.payload.get().to_owned())
    }
}

impl Event {
    /// The fact of this event.
    ///
    /// # Errors
    /// When a newer release wrote it.
    pub fn fact(&self) -> Result<Fact, Unreadable> {
        let unreadable = |cause: String| Unreadable {
            seq: self.seq,
            kind: self.kind.clone(),
            version: self.version,
            release: env!("CARGO_PKG_VERSION"),
            cause,
        };
        if self.version > Fact::newest_version(&self.kind) {
            return Err(unreadable("its version is newer".to_owned()));
        }
        let text = format!(
            "{{\"kind\":\"{}\",\"payload\":{}}}",
            self.kind,
            self.payload.get()
        );
        serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))
    }

    /// The event as it was before the log gave it a number.
    ///
    /// # Errors
    /// When a newer release wrote it.
    pub fn as_new(&self) -> Result<NewEvent, Unreadable> {
        Ok(NewEvent {
            app: self.app.clone(),
            actor: self.actor.clone(),
            deploy: self.deploy,
            dedup: self.dedup.clone(),
            fact: self.fact()?,
        })
    }

    /// The hash these columns must have: SHA-256 over `seq at app kind version actor deploy dedup payload prev_hash`,
    /// each as text, preceded by its length in bytes as four bytes, big-endian; `ff ff ff ff` and nothing for null.
    #[must_use]
    pub fn computed_hash(&self) -> String {
        let mut sha = Sha256::new();
        let mut column = |text: Option<&str>| match text {
            Some(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
                sha.update(length.to_be_bytes());
                sha.update(text.as_bytes());
            }
            None => sha.update([0xff; 4]),
        };
        column(Some(&self.seq.to_string()));
        column(Some(&self.at));
        column(self.app.as_ref().map(AppId::as_str));
        column(Some(&self.kind));
        column(Some(&self.version.to_string()));
        column(Some(&self.actor));
        column(self.deploy.map(|d| d.0.to_string()).as_deref());
        column(self.dedup.as_deref());
        column(Some(self.payload.get()));
        column(Some(&self.prev_hash));
        hex::encode(sha.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashed_bytes_never_change() {
        let fact = Fact::AppLocked {
            reason: "night".to_owned(),
            head: None,
            until: None,
        };
        let payload = "{\"reason\":\"night\",\"head\":null}".to_owned();
        let event = Event {
            seq: 7,
            at: "2026-11-22T10:00:00.000000Z".to_owned(),
            app: Some("shop".parse().unwrap()),
            kind: "app_locked".to_owned(),
            version: 1,
            actor: "operator:mh".to_owned(),
            deploy: None,
            dedup: None,
            payload: RawValue::from_string(payload).unwrap(),
            prev_hash: GENESIS.to_owned(),
            hash: String::new(),
        };
        assert_eq!(event.fact().unwrap(), fact);
        assert_eq!(
            event.computed_hash(),
            "bbcd60d111197b4e27abab40caa98c8ab59737b39f800c75ac277b7ece17afed"
        );
    }

    #[test]
    fn an_event_of_the_future_is_refused_with_a_sentence() {
        let event = Event {
            seq: 9,
            at: String::new(),
            app: None,
            kind: "moon_landed".to_owned(),
            version: 1,
            actor: "observer".to_owned(),
            deploy: None,
            dedup: None,
            payload: RawValue::from_string("{}".to_owned()).unwrap(),
            prev_hash: GENESIS.to_owned(),
            hash: String::new(),
        };
        let sentence = event.fact().unwrap_err().to_string();
        assert!(sentence.contains("event 9 is a moon_landed"), "{sentence}");
    }
}

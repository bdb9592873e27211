//! Somebody who delivers signed pushes as GitHub does and keeps a ledger of what was answered.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;

/// The branch moved.
#[derive(Debug, Clone)]
pub struct Pushed {
    pub before: String,
    pub after: String,
}

/// What became of one attempt to deliver a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 202: it is in the log and queued.
    Queued,
    /// 200: it, or its commit, is in the log already.
    Known,
    /// Nobody listened: nothing was sent.
    Refused,
    /// It was sent, and the answer never came.
    Unknown,
}

/// A push and its deliveries, all under one GUID.
#[derive(Debug, Clone)]
pub struct Entry {
    pub push: Pushed,
    pub outcomes: Vec<Outcome>,
}

impl Entry {
    pub fn acknowledged(&self) -> bool {
        let good = |o: &Outcome| matches!(o, Outcome::Queued | Outcome::Known);
        self.outcomes.iter().any(good)
    }
}

/// All deliveries by GUID.
#[derive(Debug, Default)]
pub struct Ledger(pub BTreeMap<String, Entry>);

impl Ledger {
    /// A push that is about to be delivered for the first time.
    pub fn open(&mut self, push: &Pushed) -> String {
        let guid = uuid::Uuid::new_v4().to_string();
        let push = push.clone();
        let outcomes = Vec::new();
        self.0.insert(guid.clone(), Entry { push, outcomes });
        guid
    }

    pub fn note(&mut self, guid: &str, outcome: Outcome) {
        self.0.get_mut(guid).unwrap().outcomes.push(outcome);
    }

    /// What a person would redeliver.
    pub fn unacknowledged(&self) -> Vec<(String, Pushed)> {
        let open = self.0.iter().filter(|(_, e)| !e.acknowledged());
        open.map(|(guid, e)| (guid.clone(), e.push.clone()))
            .collect()
    }

    pub fn count(&self, outcome: Outcome) -> usize {
        let all = self.0.values().flat_map(|e| &e.outcomes);
        all.filter(|o| **o == outcome).count()
    }
}

/// Knows the secret of the webhook.
#[derive(Debug, Clone)]
pub struct Sender {
    pub http: reqwest::Client,
    pub url: String,
    pub repository: u64,
    pub secret: String,
}

impl Sender {
    /// Delivers a push once. A redelivery has the same GUID and the same body.
    pub async fn deliver(&self, guid: &str, push: &Pushed) -> Outcome {
        let body = json!({
            "ref": "refs/heads/dcos", "before": push.before, "after": push.after, "deleted": false, "forced": false,
            "repository": {"id": self.repository, "full_name": "acme/shop"},
            "head_commit": {"id": push.after, "message": "a revision", "author": {"name": "Ana"}},
            "pusher": {"name": "ana"}, "sender": {"login": "ana"},
        })
        .to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", guid)
            .header("x-github-hook-installation-target-id", self.repository)
            .header("x-hub-signature-256", signature)
            .body(body);
        match request.send().await {
            Err(error) if error.is_connect() => Outcome::Refused,
            Err(_) => Outcome::Unknown,
            // from here on it counts as answered, even if the words do not arrive any more
            Ok(answer) => match answer.status().as_u16() {
                202 => Outcome::Queued,
                200 => {
                    let words = answer.text().await.unwrap_or_default();
                    let known = words.is_empty() || words.starts_with("Duplicate");
                    assert!(known, "200 to a push that is not known: {words}");
                    Outcome::Known
                }
                other => panic!("a signed push was answered {other}"),
            },
        }
    }
}

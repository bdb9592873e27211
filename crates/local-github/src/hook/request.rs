//! One webhook request as GitHub forms it: body, headers, signatures.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use sha1::Sha1;
use sha2::Sha256;

use crate::render::{self, Links};
use crate::state::{Delivery, Hook, Payload, Repository};

/// What is to be told, to one hook.
#[derive(Debug, Clone)]
pub struct PendingDelivery {
    pub hook: u64,
    pub event: &'static str,
    /// Names the event; the same for all hooks and for redeliveries.
    pub guid: String,
    /// JSON text.
    pub payload: Payload,
    pub redelivery: bool,
    /// Sign it wrongly (a fault).
    pub forged: bool,
}

impl PendingDelivery {
    /// An event under a name of its own.
    pub fn new(hook: u64, event: &'static str, payload: Payload) -> Self {
        Self {
            hook,
            event,
            guid: uuid::Uuid::new_v4().to_string(),
            payload,
            redelivery: false,
            forged: false,
        }
    }

    /// The ping of a hook, which tells what the hook is.
    pub fn ping(links: &Links, repository: &Repository, hook: &Hook) -> Self {
        let payload = json!({
            "zen": "Keep it logically awesome.",
            "hook_id": hook.id,
            "hook": render::hook(links, repository, hook),
            "repository": render::repository(links, repository),
            "sender": render::user(links, &repository.owner),
        });
        Self::new(hook.id, "ping", payload.to_string().into())
    }

    /// What was delivered, once more under the same name.
    pub fn again(delivery: &Delivery) -> Self {
        Self {
            hook: delivery.hook,
            event: if delivery.event == "ping" {
                "ping"
            } else {
                "push"
            },
            guid: delivery.guid.clone(),
            payload: delivery.payload.clone(),
            redelivery: true,
            forged: false,
        }
    }
}

/// Headers by name, as the delivery record shows them, and the body.
pub fn form(hook: &Hook, pending: &PendingDelivery) -> (BTreeMap<String, String>, String) {
    let (content_type, body) = if hook.config.content_type == "form" {
        let encoded = utf8_percent_encode(&pending.payload, NON_ALPHANUMERIC);
        (
            "application/x-www-form-urlencoded",
            format!("payload={encoded}"),
        )
    } else {
        ("application/json", pending.payload.to_string())
    };
    let mut headers = BTreeMap::new();
    let mut set = |name: &str, value: String| headers.insert(name.to_owned(), value);
    set("Accept", "*/*".to_owned());
    set("Content-Type", content_type.to_owned());
    set("User-Agent", "GitHub-Hookshot/10ca100".to_owned());
    set("X-GitHub-Delivery", pending.guid.clone());
    set("X-GitHub-Event", pending.event.to_owned());
    set("X-GitHub-Hook-ID", hook.id.to_string());
    set(
        "X-GitHub-Hook-Installation-Target-ID",
        hook.repository.to_string(),
    );
    set(
        "X-GitHub-Hook-Installation-Target-Type",
        "repository".to_owned(),
    );
    let secret = if pending.forged {
        Some("forged")
    } else {
        hook.config.secret.as_deref()
    };
    if let Some(secret) = secret {
        set(
            "X-Hub-Signature",
            format!("sha1={}", sha1_of(secret, body.as_bytes())),
        );
        set(
            "X-Hub-Signature-256",
            format!("sha256={}", sha256_of(secret, body.as_bytes())),
        );
    }
    (headers, body)
}

fn sha256_of(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn sha1_of(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's page "Validating webhook deliveries".
    #[test]
    fn the_signature_is_the_one_github_documents() {
        assert_eq!(
            sha256_of("It's a Secret to Everybody", b"Hello, World!"),
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}

//! What happens, told to whoever listens on `/v2/events`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::stamp;

/// One event.
#[derive(Debug)]
pub struct Event {
    /// Its `eventType`.
    pub kind: &'static str,
    /// Its JSON.
    pub data: String,
}

/// Where events go.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<Arc<Event>>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::Sender::new(1024))
    }
}

impl Bus {
    /// Tells everybody; `data` gets `eventType` and, unless it has one, `timestamp`.
    pub fn send(&self, now: Timestamp, kind: &'static str, mut data: Value) {
        if data["timestamp"].is_null() {
            data["timestamp"] = json!(stamp::text(now));
        }
        data["eventType"] = json!(kind);
        // nobody listening is fine
        let _ = self.0.send(Arc::new(Event {
            kind,
            data: data.to_string(),
        }));
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.subscribe()
    }
}

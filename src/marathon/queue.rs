//! What waits to be launched, as Marathon says it, and whether it waits for resources.

use serde::Deserialize;

/// An entry of `GET /v2/queue`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueItem {
    app: QueuedApp,
    /// How many instances wait.
    #[serde(default)]
    pub count: u32,
    #[serde(default)]
    delay: Delay,
    /// Since when it waits.
    #[serde(default)]
    since: Option<jiff::Timestamp>,
    #[serde(default)]
    processed_offers_summary: Offers,
}

#[derive(Debug, Clone, Deserialize)]
struct QueuedApp {
    id: String,
    #[serde(default)]
    cpus: Option<f64>,
    #[serde(default)]
    mem: Option<f64>,
    #[serde(default)]
    disk: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    #[serde(default)]
    time_left_seconds: u64,
    #[serde(default)]
    overdue: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Marathon's names")]
struct Offers {
    #[serde(default)]
    unused_offers_count: u64,
    #[serde(default)]
    last_unused_offer_at: Option<jiff::Timestamp>,
    #[serde(default)]
    reject_summary_last_offers: Vec<Reject>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reject {
    pub reason: String,
    #[serde(default)]
    pub declined: u64,
    #[serde(default)]
    pub processed: u64,
}

impl QueueItem {
    /// The app that waits.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app.id
    }

    /// Whether it waits for resources (and not for the end of its back-off), with the configuration that it has since
    /// `configured`.
    #[must_use]
    pub fn waits_for_offers(&self, configured: &str) -> bool {
        // Marathon keeps the statistics of earlier versions: they speak of this one only if it waited already
        let since = configured.parse().ok().max(self.since);
        let of_now = match (self.processed_offers_summary.last_unused_offer_at, since) {
            (Some(offer), Some(since)) => offer > since,
            _ => true,
        };
        self.delay.overdue && of_now && self.processed_offers_summary.unused_offers_count > 0
    }

    /// Whether it could be launched at once, if there were an offer.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.delay.overdue && self.count > 0
    }

    /// Seconds until the next attempt, while it backs off.
    #[must_use]
    pub fn back_off(&self) -> Option<u64> {
        (!self.delay.overdue && self.delay.time_left_seconds > 0)
            .then_some(self.delay.time_left_seconds)
    }

    pub(super) fn unused(&self) -> u64 {
        self.processed_offers_summary.unused_offers_count
    }

    pub(super) fn rejects(&self) -> &[Reject] {
        &self.processed_offers_summary.reject_summary_last_offers
    }

    pub(super) fn needs(&self, reason: &str) -> Option<String> {
        let (amount, unit) = match reason {
            "InsufficientCpus" => (self.app.cpus, ""),
            "InsufficientMemory" => (self.app.mem, " MiB"),
            "InsufficientDisk" => (self.app.disk, " MiB"),
            _ => return None,
        };
        amount.map(|a| format!(" (needs {a}{unit})"))
    }
}

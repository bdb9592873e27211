//! What waits to be launched, as Marathon says it, and whether it waits for resources.

use std::collections::BTreeSet;

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
    /// Only where they were asked for.
    #[serde(default)]
    last_unused_offers: Vec<Unused>,
}

#[derive(Debug, Clone, Deserialize)]
struct Unused {
    offer: Offer,
}

#[derive(Debug, Clone, Deserialize)]
struct Offer {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Debug, Clone, Deserialize)]
struct Resource {
    #[serde(default)]
    role: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct QueuedApp {
    id: String,
    #[serde(default, rename = "acceptedResourceRoles")]
    roles: Option<Vec<String>>,
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

    /// Whether offers were declined for their role.
    #[must_use]
    pub fn lacks_role(&self) -> bool {
        let declined = |r: &Reject| r.reason == "UnfulfilledRole" && r.declined > 0;
        self.rejects().iter().any(declined)
    }

    /// Whether no offer that it did not take is of a role that it accepts: that holds for whatever version was looked at.
    #[must_use]
    pub fn has_no_role(&self) -> bool {
        let accepted = self.app.roles.as_deref().unwrap_or_default();
        let accepts = |role: &str| match accepted {
            [] => role == "*",
            some => some.iter().any(|r| r == role),
        };
        let offered = self.roles_offered();
        self.lacks_role() && !offered.is_empty() && !offered.into_iter().any(accepts)
    }

    /// The roles that it accepts; where it says nothing, what is reserved for nobody.
    pub(super) fn roles_wanted(&self) -> String {
        let roles = self.app.roles.as_deref().unwrap_or_default();
        if roles.is_empty() {
            "*".to_owned()
        } else {
            roles.join(" or ")
        }
    }

    /// The roles of the offers that it did not take, as far as they are known.
    pub(super) fn roles_offered(&self) -> BTreeSet<&str> {
        let offers = self.last_unused_offers.iter();
        let resources = offers.flat_map(|u| &u.offer.resources);
        resources.filter_map(|r| r.role.as_deref()).collect()
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

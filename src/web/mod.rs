//! Pages, API and the webhook route.

mod acting;
mod action_body;
mod adopt;
mod banner;
mod bodies;
mod diff;
mod error;
mod events;
mod extract;
mod feed;
mod fields;
mod fresh;
mod hook;
pub mod html;
mod lifecycle;
mod live;
mod logs;
mod negotiate;
mod openapi;
mod operate;
mod outlook;
mod pages;
mod past;
mod patience;
mod people;
mod plain;
mod routes;
mod running;
mod seed;
mod session;
mod target;
mod tokens;
mod view;
mod visible;
mod webhook;
mod why;
mod wish;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use bodies::Bodies;
pub use extract::Refusals;
pub use fresh::Made;
pub use openapi::document as openapi;
pub use patience::{Patience, host_of};
pub use people::{OverTls, Proxies};
pub use plain::plain_router;
pub use routes::router;

use crate::context::Context;
use crate::intake::{Configured, HookKeeper};
use crate::pulse::Pulse;
use crate::secret::Secret;
use crate::settings::Shown;

/// Everything the routes need.
#[derive(Clone)]
pub struct Web {
    /// Log, GitHub, Marathon, clock.
    pub context: Context,
    /// What runs, and when that or the log changes.
    pub pulse: Pulse,
    /// Keeps the webhook.
    pub hooks: HookKeeper,
    /// The address under which browsers reach us, without a slash at the end.
    pub public_url: String,
    /// Address of the public node, for the seed's status.
    pub public_node: String,
    /// The settings, as they are shown.
    pub settings: Arc<BTreeMap<String, Shown>>,
    /// What there is to try, in the local world.
    pub trial: Option<Arc<html::Trial>>,
    /// Pages as they were made last.
    pub made: Arc<Made>,
    /// Whether everything asks for a login; `None`: when a repository is private.
    pub private: Option<bool>,
    /// The app that the settings name.
    pub configured: Arc<Configured>,
    /// Logins and tokens are taken on plain HTTP.
    pub plain_login: bool,
    /// Proxies that end TLS and are believed.
    pub proxies: Proxies,
    /// The certificate of our own vouches for itself alone.
    pub self_signed: bool,
    /// How much strangers may ask.
    pub patience: Arc<Patience>,
    /// Seconds between two polls.
    pub poll_seconds: u64,
    /// Key of the fingerprints of secret values.
    pub fingerprint: Secret,
    /// Room for webhook bodies.
    pub bodies: Bodies,
    /// Refused calls since the last event that says so.
    pub refusals: Arc<Refusals>,
}

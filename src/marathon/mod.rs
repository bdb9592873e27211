//! The client of Marathon's REST API (1.4 to 1.11; behaviour as of 1.8), and its words turned into sentences.

mod access;
mod call;
mod client;
mod error;
mod explain;
mod group;
mod list;
mod picture;
mod place;
mod queue;
mod turns;
mod watch;
mod wire;

pub use access::Credentials;
pub use client::Client;
pub use error::MarathonError;
pub use explain::{crashing, locked, no_offers, refused, unhealthy};
pub use picture::{Moment, Others, Parts, Picture, Snapshot};
pub use queue::QueueItem;
pub use turns::Turns;
pub use watch::{Ear, Watch, Watched};
pub use wire::{Deployed, LiveApp, RunningDeployment, Task, TaskFailure, kept};

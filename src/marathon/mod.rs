//! The client of Marathon's REST API (1.4 to 1.11; behaviour as of 1.8), and its words turned into sentences.

mod client;
mod events;
mod explain;
mod wire;

pub use client::{Client, Credentials, MarathonError};
pub use events::{Watch, Watched};
pub use explain::{crashing, locked, no_offers, refused, unhealthy};
pub use wire::{Deployed, LiveApp, QueueItem, RunningDeployment, Task, TaskFailure, kept};

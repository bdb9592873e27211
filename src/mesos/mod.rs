//! What tasks wrote, as their Mesos agents serve it. Who is asked comes from Marathon and its master alone, and of an agent nothing is
//! read but `stdout` and `stderr` of a task that Marathon names.

mod client;
mod door;
mod error;
mod sandbox;

pub use client::{Mesos, TaskAt};
pub use door::Credentials;
pub use error::LogError;
pub use sandbox::{LONG, Part, Sandbox};

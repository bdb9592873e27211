//! One test binary: building and linking once keeps the suite quick on two cores.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod clients;
mod driven;
mod events;
mod marathon;
mod mesos;
mod new_leader;
mod pages;
mod rollback;
mod tasks;
mod validation;

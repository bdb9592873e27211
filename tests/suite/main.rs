//! One test binary: building and linking once keeps the suite quick on two cores.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod layers;
mod local_marathon;
mod local_marathon_clients;
mod local_marathon_rollback;

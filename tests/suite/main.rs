//! One test binary: building and linking once keeps the suite quick on two cores.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod decisions;
mod fixtures;
mod histories;
mod layers;
mod log;
mod world;

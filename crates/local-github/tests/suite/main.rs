//! One test binary: building and linking once keeps the suite quick on two cores.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod clients;
mod hooks;
mod pages;
mod pushes;
mod raw;
mod reads;
mod repositories;
mod state;
mod writes;

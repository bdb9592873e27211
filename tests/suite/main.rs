//! One test binary: building and linking once keeps the suite quick on two cores.
//!
//! `support` is what tests are made of, `core` holds what is decided and logged, `observer` what a running observer does, `browser` its pages in Chromium, `command` what
//! the programs say in a terminal.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod browser;
mod command;
mod core;
mod documents;
mod fuzz;
mod layers;
mod observer;
mod rules;
mod simulation;
mod support;

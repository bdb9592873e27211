//! What the tests of several packages need once: a local Marathon and a local GitHub to talk to, git, waiting, clients that others wrote.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::should_implement_trait,
    missing_docs,
    reason = "a test may panic, and reads as a sentence"
)]

pub mod browser;
pub mod foreign;
pub mod git;
pub mod github;
pub mod http;
pub mod marathon;
pub mod ports;
pub mod wait;

//! Calling hooks: what is signed how, and the sender that delivers and records.

pub mod request;
pub mod sender;

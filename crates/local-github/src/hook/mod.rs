//! Calling hooks: what is signed how, and the post office that delivers and records.

pub mod post;
pub mod request;

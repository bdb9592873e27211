//! Carrying out what the state asks for: processes, their logs and checks, and what they leave behind.

pub mod checks;
pub mod engine;
pub mod environment;
pub mod fetch;
pub mod group;
pub mod leftover;
pub mod log;
pub mod probe;
pub mod process;
pub mod restart;
pub mod sweep;
pub mod unpack;

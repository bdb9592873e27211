//! What is decided and what is logged, without a network.

mod decisions;
mod fixtures;
mod histories;
mod log;

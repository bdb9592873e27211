//! What is decided and what is logged, without a network.

mod covers;
mod decisions;
mod fixtures;
mod histories;
mod log;

//! What tests are made of: worlds to be in, programs to run, and somebody who judges.

pub mod contract;
pub mod data_folder;
pub mod desk;
pub mod fleet;
pub mod kill_bench;
pub mod kill_sender;
pub mod kill_verdict;
pub mod program;
pub mod proxies;
pub mod routes;
pub mod shell;
pub mod strangers;
pub mod town;
pub mod views;

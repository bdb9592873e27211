//! The REST calls, as GitHub answers them.

pub mod account;
pub mod answer;
pub mod commit;
pub mod compare;
pub mod delivery;
pub mod gate;
pub mod hook;
pub mod limit;
pub mod repo;
pub mod status;
pub mod tree;

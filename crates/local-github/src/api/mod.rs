//! The REST calls, as GitHub answers them.

pub mod account;
pub mod answer;
pub mod commit;
pub mod compare;
pub mod content;
pub mod delivery;
pub mod file;
pub mod gate;
pub mod hook;
pub mod limit;
pub mod make;
pub mod reference;
pub mod repo;
pub mod status;
pub mod tree;

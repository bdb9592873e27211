//! The REST calls, as GitHub answers them.

pub mod account;
pub mod answer;
pub mod archive;
pub mod commit;
pub mod compare;
pub mod content;
pub mod content_change;
pub mod delivery;
pub mod hook;
pub mod middleware;
pub mod new_object;
pub mod rate_limit;
pub mod reference;
pub mod repo;
pub mod status;
pub mod tree;

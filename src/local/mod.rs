//! The local world: a Marathon and a GitHub that run on this machine, for trying, developing and testing.
//!
//! Nothing here imports the clients in `marathon` and `github`: a fake that shares the client's types
//! cannot catch its misreadings.

pub mod github;
pub mod guard;
mod http;
mod lock;
pub mod marathon;
mod page;
pub mod sample;
pub mod serve;
pub mod tools;
pub mod world;

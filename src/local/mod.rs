//! The local world: the observer between a Marathon and a GitHub that run on this machine, for trying, developing and testing.

pub mod sample;
pub mod serve;
pub mod tools;
pub mod world;

//! What comes in: apps that are registered, pushes by webhook and poll, the webhook that is kept in shape.

mod configured;
mod hook;
mod poll;
mod push;
mod register;

pub use configured::{Configured, Standing};
pub use hook::{HookKeeper, KeepError};
pub use poll::Branches;
pub use push::{Received, branch, payload, pinged, receive};
pub use register::{RegisterError, register};

//! The pure middle: events fold to state, and a command meets the state and becomes events or a refusal.
//!
//! Nothing here knows a clock, a socket or a database. The same fold decides, projects and rebuilds.

mod command;
mod decide;
mod deploy;
mod draft;
mod fold;
mod operate;
mod owed;
mod phase;
mod planned;
mod push;
mod state;
mod told;

pub use command::{
    Answer, Command, Decision, Known, Push, Refusal, Registering, Shown, Target, another,
};
pub use decide::decide;
pub use deploy::{Deploy, Progress, Waiting};
pub use fold::{RowChange, apply};
pub use phase::{Accepted, DeployState, Ended, EndingOf, Phase, begins_rollout};
pub use planned::{aimed, plan_token};
pub use state::{App, AppState, Destroying, Head, Held, Hook, Live, Lock, Pin, ServiceRecord};
pub use told::{Debt, Intent, Told};

//! Pages: askama templates over the same bodies that the API answers with.
//!
//! Every page is one function from data to HTML and works without JavaScript. Forms are written only
//! for an operator; what an anonymous viewer may see is decided by whoever fills the bodies.

mod app;
mod assets;
mod chrome;
mod confirm;
mod deploy;
mod destroy;
mod did;
mod docs;
mod events;
mod feed;
mod hook;
mod login;
mod logs;
mod overview;
mod part;
mod people;
mod problem;
mod rollback;
mod status;
mod week;
mod when;
mod why;

pub use app::{Past, app};
pub use assets::{SCRIPT, STYLESHEET, assets, version as assets_version};
pub use chrome::{Banner, Chrome, Trial};
pub use confirm::{Asked, confirm};
pub use deploy::{DiffLine, deploy};
pub use destroy::{destroy, destroyed};
pub use did::{did, said};
pub use docs::{Answer, Call, Field, Manual, Part, Shape, docs};
pub use events::{EventLine, EventsPage, events};
pub use feed::{Entry, Feed};
pub use hook::hook;
pub use login::login;
pub use logs::{Log, logs};
pub use overview::{Sought, overview};
pub use people::{sessions, tokens};
pub use problem::problem;
pub use rollback::rollback;
pub use why::{Verdict, WhyLine, why};

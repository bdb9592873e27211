//! The client of GitHub's REST API: reading a branch and a commit, keeping the webhook.

mod client;
mod content;
mod error;
mod hook;
mod repository;

pub use client::Client;
pub use content::{CommitTree, Entry};
pub use error::GithubError;
pub use hook::{HookState, HookTarget, hook_differs};
pub use repository::Repository;

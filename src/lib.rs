//! `observer`: push-to-deploy for Marathon, persistent and event-sourced; and `dploy`, the command line beside it.
//!
//! # Layout
//!
//! Imports only go down a row, never up or sideways. This is the one table of the rows; a test reads it and enforces it.
//!
//! | row | modules | for |
//! |---|---|---|
//! | 0 | `id` `clock` `secret` `sentence` | ids parsed once, time, redaction, codes with their sentences |
//! | 1 | `access` `tls` `signature` `event` `descriptor` `settings` `spec` `transport` `reach` | who may do what, what is signed, written to the log, read from files and the environment; the way out, and whether it leads anywhere |
//! | 2 | `history` | pure: events → state; (state, command) → events or a refusal |
//! | 3 | `plan` | pure: what a deploy will change |
//! | 4 | `api` | bodies of the HTTP API |
//! | 5 | `store` `github` `marathon` `client` `discovery` | SQLite, the two services we talk to, and our own API |
//! | 6 | `mesos` | what tasks wrote, as the agents behind Marathon serve it |
//! | 7 | `context` `rollout` | the handles to these, and reading a commit; what runs in Marathon and how well |
//! | 8 | `intake` `deployer` `pulse` | pushes come in, deploys go out; what runs, and a beat for open pages when it changes |
//! | 9 | `witness` | the last words of tasks that fail while they are rolled out |
//! | 10 | `schedule` `web` `announce` | what is looked at again and again; pages, API, webhook route; the lines of the process's own log |
//! | 11 | `app` | composition root |
//! | 12 | `local` | the local world |
//! | 13 | `cli` | the command line of `observer` |
//! | 14 | `dploy` | the command line of `dploy` |

pub mod access;
pub mod announce;
pub mod api;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod context;
pub mod deployer;
pub mod descriptor;
pub mod discovery;
pub mod dploy;
pub mod event;
pub mod github;
pub mod history;
pub mod id;
pub mod intake;
#[cfg(feature = "local")]
pub mod local;
pub mod marathon;
pub mod mesos;
pub mod plan;
pub mod pulse;
pub mod reach;
pub mod rollout;
pub mod schedule;
pub mod secret;
pub mod sentence;
pub mod settings;
pub mod signature;
pub mod spec;
pub mod store;
pub mod tls;
pub mod transport;
pub mod web;
pub mod witness;

//! A running observer between a Marathon and a GitHub.

mod bad_commits;
mod bad_pushes;
mod bad_requests;
mod crowd;
mod kill;
mod lines;
mod local_killed;
mod local_sample;
mod looks;
mod marathon_access;
mod matrix;
mod mesos_dns;
mod newcomer;
mod on_marathon;
mod operators;
mod pages;
mod privacy;
mod push_to_deploy;
mod safe_end;
mod said;
mod secrets;
mod strict;
mod takeover;
mod tls;
mod twists;
mod views;

//! One test binary: building and linking once keeps the suite quick on two cores.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_commits;
mod bad_pushes;
mod bad_requests;
mod command_line;
mod command_line_local;
mod decisions;
mod documents;
mod fixtures;
mod gates;
mod histories;
mod kill;
mod kill_bench;
mod kill_sender;
mod kill_verdict;
mod layers;
mod local_github;
mod local_github_hooks;
mod local_github_reads;
mod local_github_repositories;
mod local_github_sample;
mod local_github_support;
mod local_marathon;
mod local_marathon_clients;
mod local_marathon_rollback;
mod log;
mod marathon_access;
mod mesos_dns;
mod observer_on_marathon;
mod operators;
mod pages;
mod push_to_deploy;
mod safe_end;
mod secrets;
mod town;
mod world;

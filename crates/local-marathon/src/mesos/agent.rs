//! An agent: what it runs and has run, and the files of it.

use axum::response::Response;

use super::{Cluster, files, reply};
use crate::api::call::Call;

/// What an agent answers.
pub async fn answer(cluster: &Cluster, agent: usize, call: &Call, path: &[&str]) -> Response {
    let (process, path) = match path {
        ["slave(1)", rest @ ..] => (Some("slave(1)"), rest),
        rest => (None, rest),
    };
    if path == ["version"] {
        return reply::json(call, &super::state::version());
    }
    let realm = "mesos-agent-readonly";
    if let Some(refused) = reply::refused(call, cluster.credentials.as_ref(), realm) {
        return refused;
    }
    match path {
        ["state" | "state.json"] => reply::json(call, &cluster.state_of_agent(agent)),
        // they are of a process of their own
        ["files", name] if process.is_none() => files::answer(cluster, agent, call, name).await,
        _ => reply::not_found(),
    }
}

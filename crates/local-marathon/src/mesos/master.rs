//! The master: its agents, its framework and the tasks; and what DC/OS puts before it.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Cluster, VERSION, agent, reply, state};
use crate::api::call::{self, Call};
use crate::world::FRAMEWORK;

/// So many tasks are listed where nothing else is asked for.
const TASKS_LISTED: usize = 100;

/// What the master's port answers.
pub async fn answer(cluster: &Cluster, call: &Call, path: &[&str]) -> Response {
    match path {
        ["agent" | "slave", id, rest @ ..] => at_agent(cluster, call, id, rest).await,
        ["capabilities"] => capabilities(),
        ["mesos", rest @ ..] | rest => of_master(cluster, call, rest),
    }
}

/// As the admin router of DC/OS passes it on.
async fn at_agent(cluster: &Cluster, call: &Call, id: &str, path: &[&str]) -> Response {
    let position = |world: &crate::world::World| world.agents.iter().position(|a| a.id == id);
    let Some(index) = cluster.marathon.look(position) else {
        return reply::text(404, format!("404 Not Found: agent `{id}` unknown."));
    };
    if cluster.marathon.faults.state().agent_away {
        return reply::text(502, "502 Bad Gateway");
    }
    agent::answer(cluster, index, call, path).await
}

/// What a cluster of DC/OS can do. Clients look at the type.
fn capabilities() -> Response {
    let kind = "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1";
    let body = json!({ "capabilities": [{ "name": "PACKAGE_MANAGEMENT" }] });
    call::text(200, kind, body.to_string())
}

fn of_master(cluster: &Cluster, call: &Call, path: &[&str]) -> Response {
    let path = match path {
        ["master", rest @ ..] | rest => rest,
    };
    match path {
        ["version"] => return reply::json(call, &state::version()),
        ["redirect"] => return redirect(cluster),
        _ => {}
    }
    let realm = "mesos-master-readonly";
    if let Some(refused) = reply::refused(call, cluster.credentials.as_ref(), realm) {
        return refused;
    }
    match path {
        ["state" | "state.json"] => reply::json(call, &whole(cluster)),
        ["slaves" | "slaves.json"] => {
            let one = call.first("slave_id").filter(|id| !id.is_empty());
            let found = json!({ "slaves": cluster.slaves(one), "recovered_slaves": [] });
            reply::json(call, &found)
        }
        ["frameworks"] => reply::json(call, &frameworks(cluster)),
        ["tasks" | "tasks.json"] => tasks(cluster, call),
        _ => reply::not_found(),
    }
}

/// To the leading master, which is this one.
fn redirect(cluster: &Cluster) -> Response {
    let location = format!("//{}", cluster.master);
    call::with_header(call::empty(307), "location", &location)
}

fn frameworks(cluster: &Cluster) -> Value {
    json!({
        "frameworks": [cluster.framework_of_master()], "completed_frameworks": [], "unregistered_frameworks": [],
    })
}

fn whole(cluster: &Cluster) -> Value {
    let mut all = frameworks(cluster);
    let pid = format!("master@{}", cluster.master);
    let host = cluster.master.ip().to_string();
    let about = json!({
        "version": VERSION, "id": crate::world::MASTER, "pid": pid, "leader": pid, "hostname": host, "cluster": "local",
        "start_time": state::seconds(cluster.started), "elected_time": state::seconds(cluster.started),
        "leader_info": { "id": crate::world::MASTER, "pid": pid, "hostname": host, "port": cluster.master.port() },
        "activated_slaves": 2, "deactivated_slaves": 0, "unreachable_slaves": 0, "slaves": cluster.slaves(None),
        "recovered_slaves": [], "orphan_tasks": [], "flags": {},
    });
    if let (Value::Object(all), Value::Object(about)) = (&mut all, about) {
        all.extend(about);
    }
    all
}

/// `/tasks`: the newest first, unless `order=asc` is asked for.
fn tasks(cluster: &Cluster, call: &Call) -> Response {
    let (limit, offset) = match (count(call, "limit"), count(call, "offset")) {
        (Ok(limit), Ok(offset)) => (limit.unwrap_or(TASKS_LISTED), offset.unwrap_or(0)),
        (Err(why), _) | (_, Err(why)) => return reply::text(400, why + "\n"),
    };
    let filter = |name| call.first(name).filter(|wanted| !wanted.is_empty());
    let of_framework = filter("framework_id").is_none_or(|id| id == FRAMEWORK);
    let wanted = filter("task_id");
    let listed: Vec<Value> = cluster.marathon.look(|world| {
        let all = world.ledger.alive().chain(world.ledger.ended());
        let found = all.filter(|r| of_framework && wanted.is_none_or(|id| r.task == id));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|record| record.launched);
        if call.first("order") != Some("asc") {
            found.reverse();
        }
        let page = found.into_iter().skip(offset).take(limit);
        page.map(|record| state::task(world, record)).collect()
    });
    reply::json(call, &json!({ "tasks": listed }))
}

/// A parameter that counts tasks; -1 are all.
fn count(call: &Call, name: &str) -> Result<Option<usize>, String> {
    let number = call.first(name).map(|text| match text {
        "-1" => Ok(usize::MAX),
        _ => text.parse().map_err(|_| reply::no_number(name, text)),
    });
    number.transpose()
}

//! What only the local Marathon has: a word on what it is, task logs and faults.

use axum::http::Method;
use axum::response::Response;
use local_kit::fault;
use serde_json::json;

use super::Site;
use super::call::{self, Answer, Call};
use crate::definition::refusal::Refusal;
use crate::fault::FaultChange;
use crate::page;
use crate::run::log;
use crate::world::instance::instance_of;

/// `/local/faults`: GET shows, POST changes; for browsers there is a page with buttons. It works whatever fault is set.
pub fn faults(site: &Site, call: &Call) -> Response {
    let faults = &site.marathon.faults;
    let apply = |change: FaultChange| {
        faults.apply(change);
        if faults.state().restart.is_some_and(|r| r.away().is_zero()) {
            site.marathon.change_leader();
        }
        faults.state()
    };
    match call.method {
        Method::GET => fault::show(&call.headers, faults.state(), page::faults),
        Method::POST => fault::change(&call.headers, &call.body, apply)
            .unwrap_or_else(|why| call::failure(&Refusal::message(400, why))),
        _ => call::failure(&Refusal::message(405, "Method Not Allowed")),
    }
}

/// `GET /local/info`: what tells this Marathon from others, which answer that they do not know the path.
pub fn info(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    let info = json!({"runs": "processes", "volumes": site.marathon.options.volumes()});
    Ok(call::json(200, &info))
}

/// `GET /local/tasks/{task}/stdout` or `stderr`.
pub async fn log(site: &Site, call: &Call, task: &str, name: &str) -> Answer {
    call.allow(&[Method::GET])?;
    let missing = || Refusal::message(404, format!("No {name} of task '{task}'"));
    // only names that are task ids: nothing else may reach the file system
    let plain = instance_of(task).is_some()
        && !task.contains(['/', '\\', '\0'])
        && matches!(name, "stdout" | "stderr");
    if !plain {
        return Err(missing());
    }
    let path = site.marathon.sandbox(task).join(name);
    let bytes = tokio::task::spawn_blocking(move || log::read(&path)).await;
    let bytes = bytes.ok().flatten().ok_or_else(missing)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let response = call::text(200, "text/plain;charset=utf-8", text);
    // whatever a task writes, a browser shows it as text
    Ok(call::with_header(
        response,
        "x-content-type-options",
        "nosniff",
    ))
}

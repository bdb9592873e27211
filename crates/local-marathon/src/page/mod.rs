//! Pages for people who want to look: apps, tasks, health, deployments, logs, faults.

mod app;
mod fault;
mod index;

use axum::http::Method;
use axum::response::Response;

pub use fault::page as faults;

use crate::definition::app::App;
use crate::definition::id::Id;
use crate::marathon::Marathon;
use crate::world::World;
use crate::world::instance::{Condition, Instance, waits_since};
use crate::world::offer::REASONS;

/// `/ui/` and what is below it; `None` where there is no such page.
pub fn route(
    marathon: &Marathon,
    method: &Method,
    authority: &str,
    path: &[&str],
) -> Option<Response> {
    match path {
        _ if *method != Method::GET => None,
        [] => Some(index::show(marathon, authority)),
        ["apps", id @ ..] if !id.is_empty() => app::show(marathon, &Id::absolute(&id.join("/"))),
        _ => None,
    }
}

/// Why instances of an app wait, in words.
fn waiting(world: &World, app: &App, no_offers: bool) -> Option<String> {
    let waiting = || world.of(&app.id).iter().filter(|i| i.is_waiting());
    let (count, since) = (waiting().count(), waits_since(waiting())?);
    let tasks = if count == 1 {
        "1 task waits"
    } else {
        &format!("{count} tasks wait")
    };
    if let Some(until) = world.delayed_until(app) {
        let left = until.duration_since(world.now).as_secs() + 1;
        return Some(format!("{tasks} for {left} s more, because tasks failed"));
    }
    if no_offers {
        return Some(format!("{tasks}: no offers (a fault that is switched on)"));
    }
    let last = world
        .offers
        .get(&app.id)
        // what did not fit before may have been another version
        .filter(|offers| offers.last_unused >= Some(since))
        .map(|offers| offers.last)
        .unwrap_or_default();
    let declined = |index: usize| last.iter().any(|counts| counts[index].0 > 0);
    let named = REASONS
        .iter()
        .enumerate()
        .filter(|(index, _)| declined(*index));
    let reasons: Vec<&str> = named.map(|(_, reason)| words(reason)).collect();
    Some(match reasons.as_slice() {
        [] => format!("{tasks} for an offer"),
        reasons => format!("{tasks}: no offer fits: {}", reasons.join(", ")),
    })
}

/// A reason of the queue in words.
fn words(reason: &'static str) -> &'static str {
    match reason {
        "UnfulfilledRole" => "the role is not offered",
        "UnfulfilledConstraint" => "a constraint is not met",
        "InsufficientCpus" => "not enough CPUs",
        "InsufficientMemory" => "not enough memory",
        "InsufficientDisk" => "not enough disk",
        "InsufficientPorts" => "a port is taken or out of range",
        other => other,
    }
}

/// A word for how a task is, and how good that is.
fn state(instance: &Instance) -> (&'static str, &'static str) {
    let dying = instance.task.as_ref().is_some_and(|task| task.dying);
    match instance.condition {
        condition if condition.is_alive() && (dying || !instance.wanted) => ("being killed", "on"),
        Condition::Scheduled => ("waiting", "on"),
        Condition::Provisioned => ("staging", "on"),
        Condition::Starting => ("starting", "on"),
        Condition::Running => match instance.healthy() {
            Some(true) => ("healthy", "ok"),
            Some(false) => ("unhealthy", "bad"),
            None if instance.health.is_empty() => ("running", "ok"),
            None => ("running, not checked yet", "on"),
        },
        Condition::Failed => ("failed", "bad"),
        Condition::Finished => ("finished", "bad"),
        Condition::Killed => ("killed", "on"),
    }
}

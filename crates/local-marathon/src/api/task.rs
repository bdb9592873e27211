//! Tasks: listing and killing, of one app, of a group, or of any.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Value, json};

use super::Site;
use super::body::json_body;
use super::call::{self, Answer, Call};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::refusal::Refusal;
use crate::world::World;
use crate::world::change::Accepted;
use crate::world::instance::{Instance, instance_of};

/// `/v2/tasks`.
pub fn all(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    let wanted: BTreeSet<&str> = call.all("status").chain(call.all("status[]")).collect();
    let fits = |task: &Value| {
        let state = task["state"].as_str().unwrap_or_default();
        wanted.is_empty()
            || (wanted.contains("running") && state == "TASK_RUNNING")
            || (wanted.contains("staging") && state == "TASK_STAGING")
    };
    site.marathon.look(|world| {
        if is_text(call) {
            let lines: String = world
                .tree
                .apps
                .values()
                .map(|a| world.render_text(a))
                .collect();
            return Ok(call::text(200, "text/plain", lines));
        }
        let tasks: Vec<Value> = world
            .tree
            .apps
            .keys()
            .flat_map(|id| world.render_tasks(id, true))
            .filter(fits)
            .collect();
        Ok(call::json(200, &json!({ "tasks": tasks })))
    })
}

fn is_text(call: &Call) -> bool {
    call.accepted().first().is_some_and(|a| a == "text/plain")
}

/// `/v2/apps/{id}/tasks`, also of a whole group with `/*`.
pub fn of_app(site: &Site, call: &Call, path: &[&str]) -> Answer {
    let id = Id::absolute(&path.join("/"));
    if call.method == Method::DELETE {
        return delete_of_app(site, call, &id);
    }
    call.allow(&[Method::GET])?;
    site.marathon.look(|world| {
        let apps: Vec<&Id> = match path {
            [group @ .., "*"] => {
                let group = Id::absolute(&group.join("/"));
                let known = world.tree.groups.contains_key(&group);
                known
                    .then(|| {
                        world
                            .tree
                            .apps
                            .keys()
                            .filter(|a| a.is_below(&group))
                            .collect()
                    })
                    .ok_or_else(|| Refusal::no_group(&group))?
            }
            _ => vec![
                world
                    .tree
                    .apps
                    .get(&id)
                    .map(|a| &a.id)
                    .ok_or_else(|| Refusal::no_app(&id))?,
            ],
        };
        if is_text(call) {
            let lines: String = apps
                .iter()
                .filter_map(|a| world.tree.apps.get(*a))
                .map(|a| world.render_text(a))
                .collect();
            return Ok(call::text(200, "text/plain", lines));
        }
        let tasks: Vec<Value> = apps
            .iter()
            .flat_map(|a| world.render_tasks(a, false))
            .collect();
        Ok(call::json(200, &json!({ "tasks": tasks })))
    })
}

fn delete_of_app(site: &Site, call: &Call, id: &Id) -> Answer {
    let (scale, _) = scale_or_wipe(call)?;
    site.marathon.with(|world| {
        if !world.tree.apps.contains_key(id) {
            return Err(Refusal::no_app(id));
        }
        let on = |i: &&Instance| match (call.first("host"), &i.task) {
            (None | Some("*" | ""), task) => task.is_some(),
            (Some(host), Some(task)) => world.agents[task.agent].host == host,
            (Some(_), None) => false,
        };
        let ids: Vec<String> = world
            .of(id)
            .iter()
            .filter(on)
            .map(|i| i.id.clone())
            .collect();
        if scale {
            if ids.is_empty() {
                return Err(Refusal::message(404, format!("Path '{id}' does not exist")));
            }
            return Ok(call::accepted(200, &scale_away(world, call, &ids)?));
        }
        let tasks = killed(world, call, &ids);
        Ok(call::json(200, &json!({ "tasks": tasks })))
    })
}

/// `DELETE /v2/apps/{id}/tasks/{task}`.
pub fn one(site: &Site, call: &Call, id: &Id, task: &str) -> Answer {
    call.allow(&[Method::DELETE])?;
    let (scale, _) = scale_or_wipe(call)?;
    site.marathon.with(|world| {
        if !world.tree.apps.contains_key(id) {
            return Err(Refusal::no_app(id));
        }
        let missing = || Refusal::message(404, format!("Task '{task}' does not exist"));
        let instance = instance_of(task)
            .filter(|i| world.of(id).iter().any(|known| known.id == *i))
            .ok_or_else(missing)?;
        let ids = [instance.to_owned()];
        if scale {
            return Ok(call::accepted(200, &scale_away(world, call, &ids)?));
        }
        let tasks = killed(world, call, &ids);
        Ok(call::json(200, &json!({ "task": tasks.first() })))
    })
}

/// `POST /v2/tasks/delete`.
pub fn delete_many(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::POST])?;
    call.content_json()?;
    let (scale, _) = scale_or_wipe(call)?;
    let body = json_body(call)?;
    let bad = |error: String| Refusal::invalid_json(&vec![(String::new(), error)]);
    let ids = body
        .get("ids")
        .ok_or_else(|| bad(format!("'ids' is undefined on object: {body}")))?;
    let ids = ids
        .as_array()
        .ok_or_else(|| bad("error.expected.jsarray".to_owned()))?;
    let mut instances = Vec::new();
    for id in ids {
        let text = id
            .as_str()
            .ok_or_else(|| bad("error.expected.jsstring".to_owned()))?;
        let unreadable = || {
            let why = format!(
                "Invalid task id '{text}'. [taskId {text} no valid identifier (of class java.lang.String)]"
            );
            Refusal::message(400, why)
        };
        instances.push(instance_of(text).ok_or_else(unreadable)?.to_owned());
    }
    site.marathon.with(|world| {
        instances.retain(|id| world.find(id).is_some());
        if scale && !instances.is_empty() {
            return Ok(call::accepted(200, &scale_away(world, call, &instances)?));
        }
        let tasks = killed(world, call, &instances);
        Ok(call::json(200, &json!({ "tasks": tasks })))
    })
}

fn scale_or_wipe(call: &Call) -> Result<(bool, bool), Refusal> {
    match (call.flag("scale", false), call.flag("wipe", false)) {
        (true, true) => Err(Refusal::message(
            400,
            "You cannot use scale and wipe at the same time.",
        )),
        both => Ok(both),
    }
}

/// Kills (or wipes) and gives back the tasks as they were.
fn killed(world: &mut World, call: &Call, ids: &[String]) -> Vec<Value> {
    let task = |id: &String| world.find(id)?.render_task(&world.agents, false);
    let tasks = ids.iter().filter_map(task).collect();
    if call.flag("wipe", false) {
        world.wipe(ids);
    } else {
        world.kill(ids);
    }
    tasks
}

/// Kills these and takes as many off `instances`.
fn scale_away(world: &mut World, call: &Call, ids: &[String]) -> Result<Accepted, Refusal> {
    let mut counts: BTreeMap<Id, u64> = BTreeMap::new();
    for instance in ids.iter().filter_map(|id| world.find(id)) {
        *counts.entry(instance.app.id.clone()).or_default() += 1;
    }
    let at = counts
        .keys()
        .next()
        .filter(|_| counts.len() == 1)
        .and_then(Id::parent)
        .unwrap_or_else(Id::root);
    world.sentenced = ids.iter().cloned().collect();
    world.change(&at, call.flag("force", false), &[], |tree, _| {
        for (id, count) in counts {
            let Some(app) = tree.apps.get(&id) else {
                continue;
            };
            let mut app = App::clone(app);
            let left = app.body["instances"]
                .as_u64()
                .unwrap_or_default()
                .saturating_sub(count);
            app.body.insert("instances".to_owned(), json!(left));
            tree.put(app);
        }
        Ok(())
    })
}

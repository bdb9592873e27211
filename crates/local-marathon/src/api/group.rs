//! `/v2/groups`.

use axum::http::Method;
use serde_json::{Value, json};

use super::Site;
use super::body::json_body;
use super::call::{self, Answer, Call};
use crate::definition::id::Id;
use crate::definition::refusal::Refusal;
use crate::definition::submit;
use crate::definition::tree::Tree;
use crate::stamp;
use crate::world::render::{Embed, GroupEmbed};

/// Everything below `/v2/groups`.
pub fn route(site: &Site, call: &Call, rest: &[&str]) -> Answer {
    let name = |path: &[&str]| Id::absolute(&path.join("/"));
    match (call.method.clone(), rest) {
        (Method::GET, [id @ .., "versions"]) => versions(site, &name(id)),
        (Method::GET, [id @ .., "versions", version]) => {
            one_version(site, call, &name(id), version)
        }
        (Method::GET, [id @ .., "apps"]) => apps(site, call, &name(id)),
        (Method::GET, id) => get(site, call, &name(id)),
        (Method::POST, id) => create(site, call, &name(id)),
        (Method::PUT, id) => put(site, call, &name(id)),
        (Method::DELETE, id) => delete(site, call, &name(id)),
        _ => Err(Refusal::message(405, "Method Not Allowed")),
    }
}

fn embed(call: &Call) -> GroupEmbed {
    let names: Vec<&str> = call.all("embed").collect();
    let any = names.is_empty();
    let has = |name: &str| any || names.contains(&name);
    let mut app = Embed::default();
    for name in &names {
        app.add(name);
    }
    GroupEmbed {
        groups: has("group.groups"),
        apps: has("group.apps"),
        pods: has("group.pods"),
        app,
    }
}

fn get(site: &Site, call: &Call, id: &Id) -> Answer {
    call.accept_json()?;
    site.marathon.look(|world| {
        if world.tree.groups.contains_key(id) {
            Ok(call::json(
                200,
                &world.render_group(&world.tree, id, embed(call)),
            ))
        } else {
            Err(Refusal::no_group(id))
        }
    })
}

fn apps(site: &Site, call: &Call, id: &Id) -> Answer {
    let embed = embed(call).app;
    site.marathon.look(|world| {
        if !world.tree.groups.contains_key(id) {
            return Err(Refusal::no_group(id));
        }
        let apps: Vec<Value> = world
            .tree
            .below(id)
            .map(|a| Value::Object(world.render_app(a, embed)))
            .collect();
        Ok(call::json(200, &json!(apps)))
    })
}

fn versions(site: &Site, id: &Id) -> Answer {
    site.marathon.look(|world| {
        if !world.tree.groups.contains_key(id) {
            return Err(Refusal::no_group(id));
        }
        let having = world
            .roots
            .iter()
            .filter(|tree| tree.groups.contains_key(id));
        let versions: Vec<String> = having.map(|tree| stamp::text(tree.version)).collect();
        Ok(call::json(200, &json!(versions)))
    })
}

fn one_version(site: &Site, call: &Call, id: &Id, text: &str) -> Answer {
    let unreadable = || {
        Refusal::message(
            422,
            format!("Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string."),
        )
    };
    let version = stamp::parse(text).ok_or_else(unreadable)?;
    site.marathon.look(|world| {
        let tree = world
            .roots
            .iter()
            .find(|t| t.version == version && t.groups.contains_key(id));
        let tree = tree.ok_or_else(|| Refusal::no_group(id))?;
        Ok(call::json(200, &world.render_group(tree, id, embed(call))))
    })
}

fn create(site: &Site, call: &Call, base: &Id) -> Answer {
    let body = json_body(call)?;
    let id = Id::resolve(base, body["id"].as_str().unwrap_or_default());
    let now = site.marathon.look(|world| world.now);
    submit::group(&body, &id, now)?;
    if let Some(taken) = site.marathon.look(|world| taken(&world.tree, &id)) {
        return Err(taken);
    }
    let named = if base.is_root() { &id } else { base };
    let at = named.parent().unwrap_or_else(Id::root);
    let accepted = site.marathon.with(|world| {
        world.change(&at, call.flag("force", false), &[], |tree, version| {
            submit::put_group(tree, &body, &id, version)
        })
    })?;
    let response = call::accepted(201, &accepted);
    Ok(call::with_header(
        response,
        "location",
        &format!("http://{}{id}", site.authority),
    ))
}

/// The refusal of a new group where there is something already.
fn taken(tree: &Tree, id: &Id) -> Option<Refusal> {
    if tree.apps.contains_key(id) {
        let text = format!("An app with the path {id} already exists.");
        return Some(Refusal::message(409, text));
    }
    let text = format!("Group {id} is already created. Use PUT to change this group.");
    tree.groups
        .contains_key(id)
        .then(|| Refusal::message(409, text))
}

fn put(site: &Site, call: &Call, base: &Id) -> Answer {
    let body = json_body(call)?;
    let id = Id::resolve(base, body["id"].as_str().unwrap_or_default());
    for key in ["version", "scaleBy"] {
        let others = body.as_object().is_some_and(|o| o.len() > 1);
        if !body[key].is_null() && others {
            return Err(Refusal::invalid_at(
                &format!("/{key}"),
                "not allowed in conjunction with other properties.",
            ));
        }
    }
    let now = site.marathon.look(|world| world.now);
    submit::group(&body, &id, now)?;
    site.marathon.with(|world| {
        let then = stamp::parse(body["version"].as_str().unwrap_or_default());
        let then = then.and_then(|v| {
            world
                .roots
                .iter()
                .find(|t| t.version == v && t.groups.contains_key(&id))
                .cloned()
        });
        let edit = |tree: &mut Tree, version| edit(tree, &body, &id, version, then.as_deref());
        if call.is_dry_run() {
            return world.rehearse(edit).map(|steps| call::json(200, &steps));
        }
        world
            .change(
                &base.parent().unwrap_or_else(Id::root),
                call.flag("force", false),
                &[],
                edit,
            )
            .map(|accepted| call::accepted(200, &accepted))
    })
}

fn edit(
    tree: &mut Tree,
    body: &Value,
    id: &Id,
    version: jiff::Timestamp,
    then: Option<&Tree>,
) -> Result<(), Refusal> {
    if let Some(wanted) = body["version"].as_str() {
        let missing =
            || Refusal::message(422, format!("Group {id} not available in version {wanted}"));
        submit::restore_group(tree, id, then.ok_or_else(missing)?);
        return Ok(());
    }
    if let Some(factor) = body["scaleBy"].as_f64() {
        if !tree.groups.contains_key(id) {
            return Err(Refusal::no_group(id));
        }
        submit::scale_group(tree, id, factor);
        return Ok(());
    }
    submit::put_group(tree, body, id, version)
}

fn delete(site: &Site, call: &Call, id: &Id) -> Answer {
    let accepted = site.marathon.with(|world| {
        world.change(
            &id.parent().unwrap_or_else(Id::root),
            call.flag("force", false),
            &[],
            |tree, _| {
                if !tree.groups.contains_key(id) {
                    return Err(Refusal::no_group(id));
                }
                tree.remove_group(id);
                Ok(())
            },
        )
    })?;
    Ok(call::accepted(200, &accepted))
}

//! `/v2/apps`: creating, changing, restarting and deleting.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::Site;
use super::body::{json_body, one_line};
use super::call::{self, Answer, Call};
use crate::definition::app::App;
use crate::definition::id::{Id, is_well_formed};
use crate::definition::refusal::Refusal;
use crate::definition::shape;
use crate::definition::submit;
use crate::stamp;
use crate::world::World;
use crate::world::change::Accepted;

/// POST of a new app.
pub fn create(site: &Site, call: &Call) -> Answer {
    call.content_json()?;
    let body = json_body(call)?;
    if !body.is_object() {
        return Err(Refusal::invalid_json(&vec![(
            "/id".to_owned(),
            format!("{} is not an object", one_line(call)),
        )]));
    }
    let now = site.marathon.look(|world| world.now);
    let checked = submit::app(&body, &Id::root(), now)?;
    let id = checked.id.clone();
    let accepted = site.marathon.with(|world| {
        let accepted = world.change(&above(&id), call.flag("force", false), &[], |tree, _| {
            if tree.apps.contains_key(&id) {
                return Err(Refusal::message(
                    409,
                    format!("An app with id [{id}] already exists."),
                ));
            }
            tree.put(checked.clone());
            Ok(())
        })?;
        tell_post(world, call, &submitted(&checked, &accepted));
        Ok(accepted)
    })?;
    let mut shown = App {
        version: accepted.version,
        ..checked
    }
    .render_bare();
    for key in [
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
    ] {
        shown.insert(key.to_owned(), json!(0));
    }
    shown.insert(
        "deployments".to_owned(),
        json!([{ "id": accepted.deployment }]),
    );
    shown.insert("tasks".to_owned(), json!([]));
    let response = call::deployment_header(call::json(201, &Value::Object(shown)), &accepted);
    Ok(located(site, response, &id))
}

/// PUT of one app: changed if it exists, else created.
pub fn put(site: &Site, call: &Call, id: &Id) -> Answer {
    let body = app_body(call, id)?;
    let partial = call.flag("partialUpdate", true);
    let existed = site.marathon.look(|world| world.tree.apps.contains_key(id));
    let accepted = submit_one(site, call, id, &body, partial)?;
    let status = if existed { 200 } else { 201 };
    let response = call::accepted(status, &accepted);
    Ok(if existed {
        response
    } else {
        located(site, response, id)
    })
}

/// PATCH of one app: changed if it exists.
pub fn patch(site: &Site, call: &Call, id: &Id) -> Answer {
    let body = app_body(call, id)?;
    submit::shaped(&body, &shape::APP_UPDATE)?;
    let accepted = site.marathon.with(|world| {
        let checked = if world.tree.apps.contains_key(id) {
            updated(world, id, &body)
        } else {
            Err(Refusal::no_app(id))
        };
        put_one(world, call, id, checked)
    })?;
    Ok(call::accepted(200, &accepted))
}

fn app_body(call: &Call, id: &Id) -> Result<Value, Refusal> {
    call.content_json()?;
    let body = json_body(call)?;
    if !is_well_formed(id.as_str()) {
        return Err(Refusal::invalid_json(&vec![(
            "/id".to_owned(),
            "error.pattern".to_owned(),
        )]));
    }
    Ok(if body.is_object() { body } else { json!({}) })
}

fn submit_one(
    site: &Site,
    call: &Call,
    id: &Id,
    body: &Value,
    partial: bool,
) -> Result<Accepted, Refusal> {
    let exists = site.marathon.look(|world| world.tree.apps.contains_key(id));
    let body = if exists { body.clone() } else { as_new(body) };
    submit::shaped(&body, &shape::APP_UPDATE)?;
    site.marathon.with(|world| {
        let checked = match (partial, exists) {
            (true, true) => updated(world, id, &body),
            (true, false) => submit::update(&world.tree, id, &body, world.now),
            (false, _) => {
                let mut body = body.clone();
                body["id"] = json!(id.as_str());
                submit::app(&body, &Id::root(), world.now)
            }
        };
        match checked {
            // a body that makes no sense is refused before it becomes a change that failed
            Err(refusal) if refusal.status != 404 => Err(refusal),
            checked => put_one(world, call, id, checked),
        }
    })
}

fn put_one(
    world: &mut World,
    call: &Call,
    id: &Id,
    checked: Result<App, Refusal>,
) -> Result<Accepted, Refusal> {
    let accepted = world.change(&above(id), call.flag("force", false), &[], |tree, _| {
        tree.put(checked?);
        Ok(())
    })?;
    let shown = world
        .tree
        .apps
        .get(id)
        .map(|app| app.render())
        .unwrap_or_default();
    tell_post(world, call, &shown);
    Ok(accepted)
}

/// An update of an app that does not exist: the path names it, and it has no versions.
fn as_new(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(object) = body.as_object_mut() {
        object.remove("id");
        object.remove("version");
    }
    body
}

/// The same in an array, where Marathon adds no default port.
fn as_new_in_array(body: &Value) -> Value {
    let mut body = as_new(body);
    if body["portDefinitions"].is_null() && body["ports"].is_null() {
        body["portDefinitions"] = json!([]);
    }
    body
}

/// The app after a partial update, or as it was at the version that the update names.
fn updated(world: &World, id: &Id, body: &Value) -> Result<App, Refusal> {
    let Some(version) = body["version"].as_str() else {
        return submit::update(&world.tree, id, body, world.now);
    };
    let alone = |object: &Map<String, Value>| object.keys().all(|k| k == "version" || k == "id");
    if !body.as_object().is_some_and(alone) {
        return Err(Refusal::invalid_at(
            "/",
            "The 'version' field may only be combined with the 'id' field.",
        ));
    }
    let then = stamp::parse(version).and_then(|v| world.version_of(id, v));
    then.map(|app| App::clone(app))
        .ok_or_else(|| Refusal::no_app(id))
}

/// PUT of many apps in one deployment.
pub fn put_many(site: &Site, call: &Call) -> Answer {
    call.content_json()?;
    let body = json_body(call)?;
    let Some(list) = body.as_array() else {
        return Err(Refusal::invalid_json(&vec![(
            String::new(),
            "error.expected.jsarray".to_owned(),
        )]));
    };
    let partial = call.flag("partialUpdate", true);
    let kind = if partial {
        &shape::APP_UPDATE
    } else {
        &shape::APP
    };
    let mut complaints = crate::definition::refusal::Complaints::new();
    for (index, element) in list.iter().enumerate() {
        crate::definition::schema::check(element, kind, &format!("({index})"), &mut complaints);
    }
    if !complaints.is_empty() {
        return Err(Refusal::invalid_json(&complaints));
    }
    let accepted = site.marathon.with(|world| {
        let apps: Result<Vec<App>, Refusal> = list
            .iter()
            .filter(|body| body["id"].is_string())
            .map(|body| one_of_many(world, body, partial))
            .collect();
        world.change(&Id::root(), call.flag("force", false), &[], |tree, _| {
            apps?.into_iter().for_each(|app| tree.put(app));
            Ok(())
        })
    })?;
    Ok(call::accepted(200, &accepted))
}

fn one_of_many(world: &World, body: &Value, partial: bool) -> Result<App, Refusal> {
    let id = Id::absolute(body["id"].as_str().unwrap_or_default());
    match partial {
        true if world.tree.apps.contains_key(&id) => updated(world, &id, body),
        true => submit::update(&world.tree, &id, &as_new_in_array(body), world.now),
        false => submit::app(body, &Id::root(), world.now),
    }
}

/// POST …/restart.
pub fn restart(site: &Site, call: &Call, id: &Id) -> Answer {
    let accepted = site.marathon.with(|world| {
        world.change(
            &above(id),
            call.flag("force", false),
            std::slice::from_ref(id),
            |tree, _| {
                if tree.apps.contains_key(id) {
                    Ok(())
                } else {
                    Err(Refusal::no_app(id))
                }
            },
        )
    })?;
    Ok(call::accepted(200, &accepted))
}

/// DELETE of one app; forced unless it says otherwise.
pub fn delete(site: &Site, call: &Call, id: &Id) -> Answer {
    let accepted = site.marathon.with(|world| {
        world.change(
            &above(id),
            call.flag("force", true),
            &[],
            |tree, _| match tree.apps.remove(id) {
                Some(_) => Ok(()),
                None => Err(Refusal::no_app(id)),
            },
        )
    })?;
    Ok(call::accepted(200, &accepted))
}

/// The group that holds an app.
fn above(id: &Id) -> Id {
    id.parent().unwrap_or_else(Id::root)
}

fn located(site: &Site, response: Response, id: &Id) -> Response {
    call::with_header(
        response,
        "location",
        &format!("http://{}{id}", site.authority),
    )
}

/// A new app as Marathon shows it before it knows its ports.
fn submitted(app: &App, accepted: &Accepted) -> Map<String, Value> {
    App {
        version: accepted.version,
        ..app.clone()
    }
    .render_bare()
}

fn tell_post(world: &World, call: &Call, definition: &Map<String, Value>) {
    let data = json!({ "clientIp": call.peer.ip().to_string(), "uri": call.uri, "appDefinition": definition });
    world.tell("api_post_event", data);
}

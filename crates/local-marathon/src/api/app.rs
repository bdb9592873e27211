//! `/v2/apps`: routing and reading.

use axum::http::Method;
use serde_json::{Value, json};

use super::Site;
use super::call::{self, Answer, Call};
use super::{app_change, task};
use crate::api::selector::Selector;
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::refusal::Refusal;
use crate::stamp;
use crate::world::render::Embed;

/// Everything below `/v2/apps`.
pub fn route(site: &Site, call: &Call, rest: &[&str]) -> Answer {
    let none = rest.is_empty();
    let name = |path: &[&str]| Id::absolute(&path.join("/"));
    match rest {
        [id @ .., "restart"] if !id.is_empty() => {
            call.allow(&[Method::POST])?;
            app_change::restart(site, call, &name(id))
        }
        [id @ .., "tasks"] if !id.is_empty() => task::of_app(site, call, id),
        [id @ .., "tasks", task] if !id.is_empty() => task::one(site, call, &name(id), task),
        [id @ .., "versions"] if !id.is_empty() => versions(site, call, &name(id)),
        [id @ .., "versions", version] if !id.is_empty() => {
            one_version(site, call, &name(id), version)
        }
        _ => {
            let id = name(rest);
            match (call.method.clone(), none) {
                (Method::GET, true) => list(site, call),
                (Method::GET, false) => get(site, call, rest),
                (Method::POST, true) => app_change::create(site, call),
                (Method::PUT | Method::PATCH, true) => app_change::put_many(site, call),
                (Method::PUT, false) => app_change::put(site, call, &id),
                (Method::PATCH, false) => app_change::patch(site, call, &id),
                (Method::DELETE, false) => app_change::delete(site, call, &id),
                _ => Err(Refusal::message(405, "Method Not Allowed")),
            }
        }
    }
}

fn selector(call: &Call) -> Result<Option<Selector>, Refusal> {
    let Some(text) = call.first("label").filter(|l| !l.is_empty()) else {
        return Ok(None);
    };
    let unreadable = |reason: String| {
        let text = format!("Can not parse label selector {text}. Reason: {reason}");
        Refusal::message(422, text)
    };
    Selector::parse(text).map(Some).map_err(unreadable)
}

fn list(site: &Site, call: &Call) -> Answer {
    call.accept_json()?;
    let selector = selector(call)?;
    let mut embed = Embed {
        counts: true,
        deployments: true,
        ..Embed::default()
    };
    call.all("embed").for_each(|name| embed.add(name));
    let part = |name: &str| {
        call.first(name)
            .filter(|v| !v.is_empty())
            .map(str::to_lowercase)
    };
    let (id, cmd) = (part("id"), part("cmd"));
    let holds = |text: Option<&str>, part: &Option<String>| {
        part.as_ref()
            .is_none_or(|p| text.is_some_and(|t| t.to_lowercase().contains(p)))
    };
    let labels = |app: &App| {
        app.body
            .get("labels")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let fits = |app: &App| {
        holds(Some(app.id.as_str()), &id)
            && holds(app.text("cmd"), &cmd)
            && selector.as_ref().is_none_or(|s| s.matches(&labels(app)))
    };
    let apps: Vec<Value> = site.marathon.look(|world| {
        world
            .tree
            .apps
            .values()
            .filter(|a| fits(a))
            .map(|a| Value::Object(world.render_app(a, embed)))
            .collect()
    });
    Ok(call::json(200, &json!({ "apps": apps })))
}

fn get(site: &Site, call: &Call, rest: &[&str]) -> Answer {
    call.accept_json()?;
    let mut embed = Embed {
        counts: true,
        tasks: true,
        deployments: true,
        failure: true,
        ..Embed::default()
    };
    call.all("embed").for_each(|name| embed.add(name));
    if let [group @ .., "*"] = rest {
        if group == [""] {
            return Err(Refusal::message(404, "App '/*' does not exist"));
        }
        let group = Id::absolute(&group.join("/"));
        return site.marathon.look(|world| {
            if !world.tree.groups.contains_key(&group) {
                return Err(Refusal::no_group(&group));
            }
            let apps: Vec<Value> = world
                .tree
                .below(&group)
                .map(|a| Value::Object(world.render_app(a, embed)))
                .collect();
            Ok(call::json(200, &json!({ "*": apps })))
        });
    }
    let id = Id::absolute(&rest.join("/"));
    site.marathon.look(|world| {
        let app = world
            .tree
            .apps
            .get(&id)
            .ok_or_else(|| Refusal::no_app(&id))?;
        Ok(call::json(
            200,
            &json!({ "app": world.render_app(app, embed) }),
        ))
    })
}

fn versions(site: &Site, call: &Call, id: &Id) -> Answer {
    call.allow(&[Method::GET])?;
    site.marathon.look(|world| {
        if !world.tree.apps.contains_key(id) {
            return Err(Refusal::no_app(id));
        }
        let versions: Vec<String> = world
            .archive
            .get(id)
            .into_iter()
            .flatten()
            .map(|a| stamp::text(a.version))
            .collect();
        Ok(call::json(200, &json!({ "versions": versions })))
    })
}

fn one_version(site: &Site, call: &Call, id: &Id, text: &str) -> Answer {
    call.allow(&[Method::GET])?;
    let version = stamp::parse(text).ok_or_else(|| {
        Refusal::message(
            422,
            format!("Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string."),
        )
    })?;
    site.marathon.look(|world| {
        let missing = || {
            Refusal::message(
                404,
                format!(
                    "App '{id}' does not exist in version {}",
                    stamp::text(version)
                ),
            )
        };
        let app = world.version_of(id, version).ok_or_else(missing)?;
        Ok(call::json(200, &Value::Object(app.render())))
    })
}

//! From what somebody sent to a checked app or group: parsing, defaults, checks, and the edit of the tree.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::app::App;
use super::complete;
use super::id::Id;
use super::json;
use super::limit;
use super::older_fields;
use super::refusal::{Complaints, Refusal};
use super::scala_text;
use super::schema::{self, Kind};
use super::shape;
use super::tree::Tree;
use super::validate;

type Object = Map<String, Value>;

/// Refuses a body of the wrong shape.
pub fn shaped(body: &Value, kind: &Kind) -> Result<(), Refusal> {
    let mut complaints = Complaints::new();
    schema::check(body, kind, "", &mut complaints);
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid_json(&complaints))
    }
}

/// A new or completely replaced app, seen from `group`.
pub fn app(body: &Value, group: &Id, version: Timestamp) -> Result<App, Refusal> {
    shaped(body, &shape::APP)?;
    let sent = body.as_object().cloned().unwrap_or_default();
    not_contradictory(&sent)?;
    let id = Id::resolve(
        group,
        sent.get("id").and_then(Value::as_str).unwrap_or_default(),
    );
    completed(id, group, &sent, version)
}

/// An update of the app `id`: laid over what there is, or, if there is nothing, taken as a new app.
pub fn update(tree: &Tree, id: &Id, body: &Value, version: Timestamp) -> Result<App, Refusal> {
    let sent = body.as_object().cloned().unwrap_or_default();
    not_contradictory(&sent)?;
    let laid = match tree.apps.get(id) {
        Some(old) => complete::merged(&old.body, &sent),
        None => sent,
    };
    completed(id.clone(), &Id::root(), &laid, version)
}

fn not_contradictory(sent: &Object) -> Result<(), Refusal> {
    let mut complaints = Complaints::new();
    older_fields::check(sent, &mut complaints);
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid(&complaints))
    }
}

fn completed(id: Id, group: &Id, sent: &Object, version: Timestamp) -> Result<App, Refusal> {
    limit::id(&id)?;
    limit::lists(sent)?;
    let body = complete::complete(&id, group, sent);
    let app = App::new(id, body, version);
    validate::check(&app, sent).map_err(|refusal| {
        let error = refusal.body["details"][0]["errors"][0].as_str();
        let text = scala_text::app(&app, version);
        let reason = scala_text::failure("value", &text, error.unwrap_or_default());
        refusal.because(reason)
    })?;
    Ok(app)
}

/// Checks a group body as a whole, before anything is looked up: shapes, apps, and that apps are children of their group.
pub fn group(body: &Value, id: &Id, version: Timestamp) -> Result<(), Refusal> {
    shaped(body, &shape::GROUP)?;
    check_group(body, id, "", version)
}

fn check_group(body: &Value, id: &Id, path: &str, version: Timestamp) -> Result<(), Refusal> {
    limit::id(id)?;
    for (index, sent) in list(body, "apps").iter().enumerate() {
        let app_id = Id::resolve(id, sent["id"].as_str().unwrap_or_default());
        if app_id.parent().as_ref() != Some(id) {
            let error = format!("Identifier is not child of {id}. Hint: use relative paths.");
            return Err(Refusal::invalid_at(
                &format!("{path}/apps({index})/id"),
                &error,
            ));
        }
        app(sent, id, version)?;
    }
    for (index, child) in list(body, "groups").iter().enumerate() {
        let child_id = Id::resolve(id, child["id"].as_str().unwrap_or_default());
        check_group(
            child,
            &child_id,
            &format!("{path}/groups({index})"),
            version,
        )?;
    }
    Ok(())
}

/// Puts a checked group body into the tree: what it lists replaces what was there, what it does not mention stays.
pub fn put_group(
    tree: &mut Tree,
    body: &Value,
    id: &Id,
    version: Timestamp,
) -> Result<(), Refusal> {
    tree.make_groups(id);
    let dependencies = tree.groups.entry(id.clone()).or_default();
    if let Some(given) = body["dependencies"].as_array() {
        let parent = id.parent().unwrap_or_else(Id::root);
        *dependencies = given
            .iter()
            .filter_map(Value::as_str)
            .map(|d| Id::resolve(&parent, d))
            .collect();
    }
    if body["apps"].is_array() {
        tree.apps.retain(|app, _| app.parent().as_ref() != Some(id));
        for sent in list(body, "apps") {
            tree.put(app(sent, id, version)?);
        }
    }
    if body["groups"].is_array() {
        let children: Vec<(Id, &Value)> = list(body, "groups")
            .iter()
            .map(|c| (Id::resolve(id, c["id"].as_str().unwrap_or_default()), c))
            .collect();
        let here: Vec<Id> = tree
            .groups
            .keys()
            .filter(|g| g.parent().as_ref() == Some(id))
            .cloned()
            .collect();
        for gone in here
            .iter()
            .filter(|g| !children.iter().any(|(c, _)| c == *g))
        {
            tree.remove_group(gone);
        }
        for (child, body) in children {
            put_group(tree, body, &child, version)?;
        }
    }
    Ok(())
}

/// Multiplies the instances of all apps in a group. As Scala's `toInt` does, what is too large becomes the largest number.
pub fn scale_group(tree: &mut Tree, id: &Id, factor: f64) {
    let apps: Vec<App> = tree.below(id).map(|a| App::clone(a)).collect();
    for mut app in apps {
        let instances = (app.number("instances") * factor).ceil();
        let instances = instances.min(f64::from(i32::MAX));
        app.body
            .insert("instances".to_owned(), json::plain(Value::from(instances)));
        tree.put(app);
    }
}

/// Puts back everything in a group as it was in another tree.
pub fn restore_group(tree: &mut Tree, id: &Id, then: &Tree) {
    tree.remove_group(id);
    tree.make_groups(id);
    for (group, dependencies) in then
        .groups
        .iter()
        .filter(|(g, _)| *g == id || g.is_below(id))
    {
        tree.groups.insert(group.clone(), dependencies.clone());
    }
    for app in then.below(id) {
        tree.put(App::clone(app));
    }
}

fn list<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body[key].as_array().map_or(&[], Vec::as_slice)
}

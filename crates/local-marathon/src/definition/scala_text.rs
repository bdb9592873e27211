//! The texts that Marathon's own objects make of themselves: they stand in the `reason` of `group_change_failed` when a
//! change does not make sense. Values that are objects in JSON are shown as JSON.

use jiff::Timestamp;
use serde_json::Value;

use super::app::App;
use super::id::Id;
use super::tree::Tree;
use crate::stamp;

/// So many members of a group are named.
const NAMED: usize = 3;

/// What failed, with its text, and why.
pub fn failure(what: &str, text: &str, error: &str) -> String {
    format!("Validation failed: Failure(Set({what} with value \"{text}\" {error}))")
}

/// A group of a tree; `born` says when an app was first seen, which is the order in which they are named.
pub fn group(tree: &Tree, id: &Id, born: impl Fn(&Id) -> Timestamp) -> String {
    let inside = |other: &&Id| other.parent().as_ref() == Some(id);
    let mut apps: Vec<&Id> = tree.apps.keys().filter(inside).collect();
    apps.sort_by_key(|app| born(app));
    let groups: Vec<&Id> = tree.groups.keys().filter(inside).collect();
    let dependencies: Vec<&Id> = tree.groups.get(id).into_iter().flatten().collect();
    format!(
        "Group({id}, apps = {}, pods = Seq(), groups = {}, dependencies = {}, version = {})",
        names(&apps),
        names(&groups),
        names(&dependencies),
        stamp::text(tree.version)
    )
}

fn names(ids: &[&Id]) -> String {
    let mut texts: Vec<String> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    if let Some(more) = ids.len().checked_sub(NAMED).filter(|more| *more > 0) {
        texts.push(format!("... {more} more"));
    }
    format!("Seq({})", texts.join(", "))
}

/// The fields of an app in Marathon's order, with the text of one that is missing.
const FIELDS: [(&str, &str); 38] = [
    ("id", ""),
    ("acceptedResourceRoles", "None"),
    ("args", "List()"),
    ("backoffFactor", ""),
    ("backoffSeconds", ""),
    ("cmd", "None"),
    ("constraints", "Set()"),
    ("container", "None"),
    ("cpus", ""),
    ("dependencies", "Set()"),
    ("disk", ""),
    ("env", "Map()"),
    ("executor", ""),
    ("check", "None"),
    ("fetch", "List()"),
    ("healthChecks", "Set()"),
    // recorded as None between the two; what it is called is not known
    ("", "None"),
    ("instances", ""),
    ("labels", "Map()"),
    ("maxLaunchDelaySeconds", ""),
    ("mem", ""),
    ("gpus", ""),
    ("ipAddress", "None"),
    ("networks", "List()"),
    ("ports", "None"),
    ("portDefinitions", "None"),
    ("readinessChecks", "List()"),
    ("residency", "None"),
    ("requirePorts", ""),
    ("secrets", "Map()"),
    ("taskKillGracePeriodSeconds", "None"),
    ("upgradeStrategy", "None"),
    ("uris", "None"),
    ("user", "None"),
    ("version", ""),
    ("versionInfo", "None"),
    ("killSelection", ""),
    ("unreachableStrategy", "None"),
];

/// An app as it was sent, with defaults.
pub fn app(app: &App, now: Timestamp) -> String {
    let mut texts: Vec<String> = Vec::new();
    for (key, missing) in FIELDS {
        texts.push(match (key, app.body.get(key)) {
            ("version", _) => format!("Some({now:.9})"),
            (_, None | Some(Value::Null)) => missing.to_owned(),
            (key, Some(value)) => field(key, value, missing),
        });
    }
    let tty = app.body.get("tty").map(|tty| format!("Some({tty})"));
    texts.push(tty.unwrap_or_else(|| "None".to_owned()));
    format!("App({})", texts.join(","))
}

fn field(key: &str, value: &Value, missing: &str) -> String {
    let real = |value: &Value| format!("{:?}", value.as_f64().unwrap_or_default());
    match key {
        "cpus" | "mem" | "disk" => real(value),
        "upgradeStrategy" => format!(
            "Some(UpgradeStrategy({},{}))",
            real(&value["minimumHealthCapacity"]),
            real(&value["maximumOverCapacity"])
        ),
        "unreachableStrategy" if value.is_object() => format!(
            "Some(UnreachableEnabled({},{}))",
            value["inactiveAfterSeconds"], value["expungeAfterSeconds"]
        ),
        "unreachableStrategy" => "Some(UnreachableDisabled(disabled))".to_owned(),
        "networks" => of_list("List", value, network),
        "portDefinitions" => format!("Some({})", of_list("List", value, Value::to_string)),
        _ => match (value, missing) {
            (Value::String(text), "None") => format!("Some({text})"),
            (Value::String(text), _) => text.clone(),
            (Value::Object(map), "Map()") => {
                let pairs = map.iter().map(|(k, v)| format!("{k} -> {}", bare(v)));
                format!("Map({})", pairs.collect::<Vec<_>>().join(", "))
            }
            (Value::Array(_), "Set()") => of_list("Set", value, bare),
            (Value::Array(_), "List()") => of_list("List", value, bare),
            (other, "None") => format!("Some({other})"),
            (other, _) => other.to_string(),
        },
    }
}

fn of_list(kind: &str, list: &Value, text: impl Fn(&Value) -> String) -> String {
    let texts: Vec<String> = list.as_array().into_iter().flatten().map(text).collect();
    format!("{kind}({})", texts.join(", "))
}

fn network(network: &Value) -> String {
    let name = network["name"].as_str();
    let name = name.map_or_else(|| "None".to_owned(), |name| format!("Some({name})"));
    let mode = network["mode"].as_str().unwrap_or("container");
    let mode = mode.replace('/', "_");
    format!("Network({name},{mode},Map())")
}

fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

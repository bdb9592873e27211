//! Whether a running definition says what a spec says. Marathon shows an app in its own words: defaults are filled in, older ways
//! to say something are translated, a port of 0 has become the one that was chosen. So a spec is put into today's words first;
//! what is the user's own (environment, labels, checks, constraints …) is compared whole, the rest by what the spec says.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::diff::is_chosen;
use super::{LABEL_APP, LABEL_SPEC, canonical};

type Object = Map<String, Value>;

/// Lists and maps that are the user's: what the spec does not name is not there.
const WHOLE: [&str; 9] = [
    "args",
    "constraints",
    "dependencies",
    "env",
    "fetch",
    "healthChecks",
    "labels",
    "readinessChecks",
    "secrets",
];

/// Fields that Marathon shows only where somebody gave them.
const AS_GIVEN: [&str; 6] = [
    "acceptedResourceRoles",
    "cmd",
    "resourceLimits",
    "taskKillGracePeriodSeconds",
    "tty",
    "user",
];

/// The other fields that Marathon 1.8 has. It accepts unknown ones and does not show them, so they are no difference.
const OTHERS: [&str; 20] = [
    "backoffFactor",
    "backoffSeconds",
    "check",
    "container",
    "cpus",
    "disk",
    "executor",
    "gpus",
    "killSelection",
    "maxLaunchDelaySeconds",
    "mem",
    "networks",
    "portDefinitions",
    "requirePorts",
    "residency",
    "storeUrls",
    "unreachableStrategy",
    "upgradeStrategy",
    "ipAddress",
    "uris",
];

/// The first field in which the definition that Marathon shows says something else than the spec, as a JSON pointer; `None`
/// where it says all that the spec says. `instances` and our own labels are not looked at.
#[must_use]
pub fn deviation(shown: &Value, spec: &Value) -> Option<String> {
    let (Some(shown), Some(spec)) = (shown.as_object(), spec.as_object()) else {
        return Some(String::new());
    };
    let (shown, spec) = (&without_ours(shown), &in_todays_words(spec));
    let field = |key: &&str| {
        let (shown, wanted) = (given(shown, key), given(spec, key));
        if WHOLE.contains(key) {
            let empty = if matches!(*key, "env" | "labels" | "secrets") {
                json!({})
            } else {
                json!([])
            };
            let (shown, wanted) = (shown.unwrap_or(&empty), wanted.unwrap_or(&empty));
            return whole(&format!("/{key}"), shown, wanted);
        }
        match (shown, wanted) {
            (Some(_), None) if AS_GIVEN.contains(key) => Some(format!("/{key}")),
            (_, None) => None,
            // without a volume that persists it says nothing
            (None, Some(_)) if *key == "residency" => None,
            (None, Some(wanted)) => (!says_nothing(wanted)).then(|| format!("/{key}")),
            (Some(shown), Some(wanted)) => part(&format!("/{key}"), shown, wanted),
        }
    };
    let all = WHOLE.iter().chain(&AS_GIVEN).chain(&OTHERS).copied();
    all.filter(|key| *key != "dependencies" || dependencies(shown) != dependencies(spec))
        .find_map(|key| field(&key))
        .or_else(|| parameters(shown, spec))
}

fn given<'a>(app: &'a Object, key: &str) -> Option<&'a Value> {
    app.get(key).filter(|v| !v.is_null())
}

fn without_ours(app: &Object) -> Object {
    let mut app = app.clone();
    if let Some(labels) = app.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove(LABEL_APP);
        labels.remove(LABEL_SPEC);
    }
    app
}

/// The order of dependencies says nothing.
fn dependencies(app: &Object) -> BTreeSet<&str> {
    let list = app.get("dependencies").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Docker's parameters are the user's too.
fn parameters(shown: &Object, spec: &Object) -> Option<String> {
    let of = |app: &Object| {
        let list = app.get("container").map(|c| &c["docker"]["parameters"]);
        list.filter(|l| !l.is_null()).cloned().unwrap_or(json!([]))
    };
    whole("/container/docker/parameters", &of(shown), &of(spec))
}

fn says_nothing(value: &Value) -> bool {
    value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(Object::is_empty)
}

/// A map or a list in which nothing may be that the spec does not name.
fn whole(path: &str, shown: &Value, wanted: &Value) -> Option<String> {
    if let (Some(shown), Some(wanted)) = (shown.as_object(), wanted.as_object())
        && let Some(more) = shown.keys().find(|key| !wanted.contains_key(*key))
    {
        return Some(below(path, more));
    }
    part(path, shown, wanted)
}

/// What the spec says, and perhaps more.
fn part(path: &str, shown: &Value, wanted: &Value) -> Option<String> {
    match (shown, wanted) {
        (Value::Object(shown), Value::Object(wanted)) => wanted.iter().find_map(|(key, value)| {
            let path = below(path, key);
            match shown.get(key) {
                Some(_) if is_chosen(key, value) || value.is_null() => None,
                Some(shown) => part(&path, shown, value),
                None => (!says_nothing(value)).then_some(path),
            }
        }),
        (Value::Array(shown), Value::Array(wanted)) if shown.len() == wanted.len() => {
            let mut pairs = shown.iter().zip(wanted).enumerate();
            pairs.find_map(|(i, (shown, wanted))| part(&format!("{path}/{i}"), shown, wanted))
        }
        (shown, wanted) => (canonical(shown) != canonical(wanted)).then(|| path.to_owned()),
    }
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The spec as Marathon 1.8 would write it: `uris` are `fetch`, `ports` are `portDefinitions`, `ipAddress` and Docker's own
/// `network` are `networks`.
fn in_todays_words(spec: &Object) -> Object {
    let mut spec = without_ours(spec);
    spec.retain(|key, value| !(value.is_null() || key == "networks" && says_nothing(value)));
    if let Some(uris) = spec.remove("uris") {
        let fetch = uris.as_array().into_iter().flatten();
        let fetch = fetch.map(|uri| json!({"uri": uri})).collect();
        spec.entry("fetch").or_insert(fetch);
    }
    networks(&mut spec);
    ports(&mut spec);
    let checks = spec.get_mut("healthChecks").and_then(Value::as_array_mut);
    let checks = checks.into_iter().flatten();
    for check in checks.filter_map(Value::as_object_mut) {
        upper(check, "protocol");
        let protocol = check.get("protocol").and_then(Value::as_str);
        if !protocol.is_none_or(|p| p.contains("HTTP")) {
            check.remove("path");
        }
    }
    once(&mut spec, "healthChecks");
    upper(&mut spec, "killSelection");
    if spec
        .get("unreachableStrategy")
        .is_some_and(|s| !s.is_object())
    {
        spec.insert("unreachableStrategy".to_owned(), json!("disabled"));
    }
    if let Some(mode) = spec.get_mut("networks").and_then(Value::as_array_mut) {
        for network in mode {
            if let Some(Value::String(mode)) = network.get_mut("mode") {
                *mode = mode.to_lowercase();
            }
        }
    }
    spec
}

fn upper(map: &mut Object, key: &str) {
    if let Some(Value::String(text)) = map.get_mut(key) {
        *text = text.to_uppercase();
    }
}

/// Marathon keeps one of equal checks.
fn once(map: &mut Object, key: &str) {
    if let Some(Value::Array(list)) = map.get_mut(key) {
        let mut seen = Vec::new();
        list.retain(|element| {
            let new = !seen.contains(element);
            seen.push(element.clone());
            new
        });
    }
}

fn networks(spec: &mut Object) {
    let address = spec.remove("ipAddress");
    let docker = spec.get_mut("container").and_then(|c| c.get_mut("docker"));
    let old = docker
        .and_then(Value::as_object_mut)
        .and_then(|d| d.remove("network"));
    if spec.contains_key("networks") {
        return;
    }
    let mode = match old.as_ref().and_then(Value::as_str) {
        Some("BRIDGE") => "container/bridge",
        Some("USER") => "container",
        Some(_) => "host",
        None if address.is_some() => "container",
        None => return,
    };
    let mut network = json!({"mode": mode});
    if let Some(name) = address
        .as_ref()
        .map(|a| &a["networkName"])
        .filter(|n| !n.is_null())
    {
        network["name"] = name.clone();
    }
    spec.insert("networks".to_owned(), json!([network]));
}

fn ports(spec: &mut Object) {
    let list = spec.remove("ports");
    let is_host = |n: &Value| {
        n["mode"]
            .as_str()
            .is_none_or(|m| m.eq_ignore_ascii_case("host"))
    };
    let networks = spec.get("networks").and_then(Value::as_array);
    let host = networks.is_none_or(|n| n.iter().all(is_host));
    if let Some(mappings) = spec
        .get_mut("container")
        .and_then(|c| c.get_mut("docker"))
        .and_then(Value::as_object_mut)
        .and_then(|d| d.remove("portMappings"))
    {
        let container = spec.get_mut("container").and_then(Value::as_object_mut);
        if let Some(container) = container {
            container.entry("portMappings").or_insert(mappings);
        }
    }
    if host {
        // mappings say nothing on the host's network
        if let Some(container) = spec.get_mut("container").and_then(Value::as_object_mut) {
            container.remove("portMappings");
        }
        let numbers = list
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let defined: Value = numbers.map(|port| json!({"port": port})).collect();
        if spec.get("portDefinitions").is_none_or(says_nothing) && !says_nothing(&defined) {
            spec.insert("portDefinitions".to_owned(), defined);
        }
    } else {
        spec.remove("portDefinitions");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Value {
        json!({
            "id": "/web", "cmd": "run", "cpus": 0.1, "mem": 32, "instances": 3, "backoffSeconds": 1, "env": {"A": "1"},
            "labels": {"team": "shop", "DPLOY": "shop", "DPLOY_SPEC": "1:00"}, "networks": [{"mode": "host"}],
            "portDefinitions": [{"port": 10001, "protocol": "tcp"}], "fetch": [{"uri": "http://x/y", "extract": true}],
            "healthChecks": [{"protocol": "HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 300}],
            "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
        })
    }

    fn spec() -> Value {
        json!({
            "id": "/web", "cmd": "run", "cpus": 0.1, "mem": 32.0, "instances": 1, "env": {"A": "1"}, "labels": {"team": "shop"},
            "ports": [0], "uris": ["http://x/y"], "healthChecks": [{"protocol": "http", "path": "/", "portIndex": 0}],
            "upgradeStrategy": {"minimumHealthCapacity": 1.0}, "constraints": [], "a field nobody knows": 1,
        })
    }

    #[test]
    fn older_words_and_defaults_are_no_difference() {
        assert_eq!(deviation(&shown(), &spec()), None);
    }

    #[test]
    fn what_somebody_adds_changes_or_takes_away_is_found_where_it_is() {
        type Edit = fn(&mut Value);
        let edits: [(&str, Edit); 9] = [
            ("/env/DEBUG", |a| a["env"]["DEBUG"] = json!("1")),
            ("/env/A", |a| a["env"]["A"] = json!("2")),
            ("/labels/x~1y", |a| a["labels"]["x/y"] = json!("1")),
            ("/cmd", |a| a["cmd"] = json!("run away")),
            ("/user", |a| a["user"] = json!("root")),
            ("/constraints", |a| {
                a["constraints"] = json!([["hostname", "UNIQUE"]]);
            }),
            ("/healthChecks", |a| a["healthChecks"] = json!([])),
            ("/upgradeStrategy/minimumHealthCapacity", |a| {
                a["upgradeStrategy"]["minimumHealthCapacity"] = json!(0.5);
            }),
            ("/container/docker/parameters", |a| {
                a["container"] = json!({"docker": {"parameters": [{"key": "x", "value": "y"}]}});
            }),
        ];
        for (path, edit) in edits {
            let mut edited = shown();
            edit(&mut edited);
            assert_eq!(deviation(&edited, &spec()).as_deref(), Some(path));
        }
    }
}

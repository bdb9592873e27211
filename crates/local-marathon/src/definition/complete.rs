//! From a body that somebody sent to a complete definition: defaults, old names, nulls.

use serde_json::{Map, Value, json};

use super::container;
use super::id::Id;
use super::json::{each, plain};
use super::resident;

type Object = Map<String, Value>;

/// Lays a partial update over a definition: absent and null fields keep, others are replaced whole.
pub fn merged(old: &Object, update: &Object) -> Object {
    let mut body = old.clone();
    let ports = update.get("portDefinitions").is_none_or(Value::is_null);
    for (key, value) in update.iter().filter(|(_, v)| !v.is_null()) {
        match key.as_str() {
            "ports" if ports => {
                body.remove("portDefinitions");
            }
            "uris" => {
                body.remove("fetch");
            }
            "networks" => {
                body.remove("portDefinitions");
            }
            "ipAddress" => {
                body.remove("networks");
                body.remove("portDefinitions");
            }
            "container" if !value["docker"]["network"].is_null() => {
                body.remove("networks");
            }
            _ => {}
        }
        body.insert(key.clone(), value.clone());
    }
    body
}

/// The complete definition of the app `id` in `group` (dependencies are resolved there).
pub fn complete(id: &Id, group: &Id, sent: &Object) -> Object {
    let mut app = Object::new();
    let given = |key: &str| sent.get(key).filter(|v| !v.is_null()).cloned();
    app.insert("id".to_owned(), json!(id.as_str()));
    for (key, default) in DEFAULTS {
        let value = given(key).unwrap_or_else(|| serde_json::from_str(default).unwrap_or_default());
        app.insert(key.to_owned(), plain(value));
    }
    for key in AS_GIVEN {
        if let Some(value) = given(key) {
            app.insert(key.to_owned(), value);
        }
    }
    lists(&mut app, group, sent);
    choices(&mut app);
    container::complete(&mut app, sent);
    resident::complete(&mut app, sent);
    app
}

/// Fields without a default.
const AS_GIVEN: [&str; 6] = [
    "acceptedResourceRoles",
    "cmd",
    "tty",
    "user",
    "taskKillGracePeriodSeconds",
    "resourceLimits",
];

/// Lists and maps that are left out when they are empty.
fn lists(app: &mut Object, group: &Id, sent: &Object) {
    let given = |key: &str| sent.get(key).filter(|v| !v.is_null()).cloned();
    let ports_named = given("portDefinitions")
        .or_else(|| given("ports"))
        .is_some()
        || given("ipAddress").is_some_and(|a| a["discovery"]["ports"].is_array())
        || given("container").is_some_and(|c| {
            c["portMappings"].is_array() || c["docker"]["portMappings"].is_array()
        });
    let fetched = given("fetch").or_else(|| given("uris").map(|u| uris(&u)));
    let checks = given("healthChecks").map(|h| each(&h, |c| health_check(c, ports_named)));
    let values = [
        ("args", given("args")),
        ("constraints", given("constraints")),
        ("env", given("env")),
        ("secrets", given("secrets")),
        (
            "dependencies",
            given("dependencies").map(|d| dependencies(group, &d)),
        ),
        ("fetch", fetched.map(|f| each(&f, fetch))),
        ("healthChecks", checks.map(|list| without_doubles(&list))),
        (
            "readinessChecks",
            given("readinessChecks").map(|r| each(&r, readiness_check)),
        ),
        ("check", given("check").map(mesos_check)),
    ];
    let filled = |v: &Value| {
        v.as_array().is_some_and(|l| !l.is_empty()) || v.as_object().is_some_and(|o| !o.is_empty())
    };
    for (key, value) in values
        .into_iter()
        .filter_map(|(k, v)| Some((k, v.filter(filled)?)))
    {
        app.insert(key.to_owned(), value);
    }
}

const DEFAULTS: [(&str, &str); 15] = [
    ("backoffFactor", "1.15"),
    ("backoffSeconds", "1"),
    ("cpus", "1"),
    ("disk", "0"),
    ("executor", "\"\""),
    ("instances", "1"),
    ("labels", "{}"),
    ("maxLaunchDelaySeconds", "300"),
    ("mem", "128"),
    ("gpus", "0"),
    ("networks", "[]"),
    ("requirePorts", "false"),
    (
        "upgradeStrategy",
        r#"{"maximumOverCapacity":1,"minimumHealthCapacity":1}"#,
    ),
    ("killSelection", "\"YOUNGEST_FIRST\""),
    (
        "unreachableStrategy",
        r#"{"inactiveAfterSeconds":0,"expungeAfterSeconds":0}"#,
    ),
];

fn choices(app: &mut Object) {
    let strategy = app.get("unreachableStrategy").cloned().unwrap_or_default();
    let strategy = match strategy.as_object() {
        None => json!("disabled"),
        Some(given) => {
            let number = |key: &str| {
                given
                    .get(key)
                    .filter(|v| v.is_number())
                    .cloned()
                    .unwrap_or(json!(0))
            };
            json!({ "inactiveAfterSeconds": number("inactiveAfterSeconds"), "expungeAfterSeconds": number("expungeAfterSeconds") })
        }
    };
    app.insert("unreachableStrategy".to_owned(), strategy);
    let upgrade = app.get("upgradeStrategy").cloned().unwrap_or_default();
    let upgrade = json!({
        "maximumOverCapacity": upgrade["maximumOverCapacity"], "minimumHealthCapacity": upgrade["minimumHealthCapacity"],
    });
    app.insert("upgradeStrategy".to_owned(), upgrade);
    let selection = app
        .get("killSelection")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_uppercase();
    app.insert("killSelection".to_owned(), json!(selection));
}

fn health_check(check: &Value, ports_named: bool) -> Value {
    let or = |key: &str, default: u64| {
        if check[key].is_null() {
            json!(default)
        } else {
            check[key].clone()
        }
    };
    let protocol = check["protocol"].as_str().unwrap_or("HTTP").to_uppercase();
    let mut full = json!({
        "gracePeriodSeconds": or("gracePeriodSeconds", 300), "intervalSeconds": or("intervalSeconds", 60),
        "maxConsecutiveFailures": or("maxConsecutiveFailures", 3), "timeoutSeconds": or("timeoutSeconds", 20),
        "delaySeconds": or("delaySeconds", 15), "protocol": protocol, "ipProtocol": check["ipProtocol"].as_str().unwrap_or("IPv4"),
    });
    if matches!(protocol.as_str(), "HTTP" | "HTTPS") {
        full["ignoreHttp1xx"] = json!(check["ignoreHttp1xx"] == true);
    }
    if protocol.contains("HTTP") && check["path"].is_string() {
        full["path"] = check["path"].clone();
    }
    if protocol == "COMMAND" {
        full["command"] = check["command"].clone();
        return full;
    }
    for key in ["port", "portIndex"] {
        if !check[key].is_null() {
            full[key] = check[key].clone();
        }
    }
    if ports_named && check["port"].is_null() && check["portIndex"].is_null() {
        full["portIndex"] = json!(0);
    }
    full
}

fn readiness_check(check: &Value) -> Value {
    let or = |key: &str, default: Value| {
        if check[key].is_null() {
            default
        } else {
            check[key].clone()
        }
    };
    json!({
        "name": or("name", json!("readinessCheck")), "protocol": or("protocol", json!("HTTP")), "path": or("path", json!("/")),
        "portName": or("portName", json!("http-api")), "intervalSeconds": or("intervalSeconds", json!(30)),
        "timeoutSeconds": or("timeoutSeconds", json!(10)), "httpStatusCodesForReady": or("httpStatusCodesForReady", json!([200])),
        "preserveLastResponse": or("preserveLastResponse", json!(false)),
    })
}

fn mesos_check(mut check: Value) -> Value {
    for (key, default) in [
        ("intervalSeconds", 60),
        ("timeoutSeconds", 20),
        ("delaySeconds", 15),
    ] {
        if check[key].is_null() && check.is_object() {
            check[key] = json!(default);
        }
    }
    if check["http"].is_object() && check["http"]["scheme"].is_null() {
        check["http"]["scheme"] = json!("HTTP");
    }
    check
}

fn fetch(fetch: &Value) -> Value {
    let flag = |key: &str, default: bool| fetch[key].as_bool().unwrap_or(default);
    let mut full = json!({
        "uri": fetch["uri"], "extract": flag("extract", true), "executable": flag("executable", false),
        "cache": flag("cache", false),
    });
    if fetch["destPath"].is_string() {
        full["destPath"] = fetch["destPath"].clone();
    }
    full
}

fn uris(uris: &Value) -> Value {
    uris.as_array()
        .into_iter()
        .flatten()
        .map(|uri| json!({ "uri": uri }))
        .collect()
}

fn dependencies(group: &Id, list: &Value) -> Value {
    let texts = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    texts
        .map(|text| json!(Id::resolve(group, text).as_str()))
        .collect()
}

fn without_doubles(list: &Value) -> Value {
    let mut kept: Vec<Value> = Vec::new();
    for element in list.as_array().into_iter().flatten() {
        if !kept.contains(element) {
            kept.push(element.clone());
        }
    }
    Value::Array(kept)
}

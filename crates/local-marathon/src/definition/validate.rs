//! Whether a complete definition makes sense, in Marathon's words.

use serde_json::{Value, json};

use super::app::App;
use super::constraint::expression;
use super::container;
use super::id::is_path;
use super::refusal::{Complaints, Refusal, feature_off};
use super::resident;

const NO_COMMAND: &str =
    "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.";
const PATH_FORM: &str = r"must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$'";
const OPERATORS: [&str; 7] = [
    "UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "MAX_PER", "UNLIKE", "IS",
];

/// Refuses an app that Marathon would not take. `sent` is the body before defaults.
pub fn check(app: &App, sent: &serde_json::Map<String, Value>) -> Result<(), Refusal> {
    oddities(app)?;
    let mut out = Complaints::new();
    command(app, &mut out);
    names(app, &mut out);
    labels(app, &mut out);
    environment(app, &mut out);
    resources(app, &mut out);
    ports(app, sent, &mut out);
    health(app, &mut out);
    readiness(app, &mut out);
    constraints(app, &mut out);
    features(app, &mut out);
    container::check(app, &mut out);
    resident::check(app, &mut out);
    if out.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid(&out))
    }
}

fn complain(out: &mut Complaints, path: impl Into<String>, error: impl Into<String>) {
    out.push((path.into(), error.into()));
}

/// Two bodies that make Marathon itself stumble.
fn oddities(app: &App) -> Result<(), Refusal> {
    if app
        .health_checks()
        .iter()
        .any(|c| c.protocol == "COMMAND" && c.command.is_empty())
    {
        return Err(Refusal::message(
            500,
            "illegal protocol COMMAND for non-command health check",
        ));
    }
    for constraint in app.list("constraints") {
        let words: Vec<&str> = constraint
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let known = |word: &str| OPERATORS.contains(&word);
        if words.len() > 1 && !known(words[1]) && known(&words[1].to_uppercase()) {
            return Err(Refusal::message(
                500,
                format!("illegal constraint specification {}", words.join(",")),
            ));
        }
    }
    Ok(())
}

fn command(app: &App, out: &mut Complaints) {
    let (cmd, args) = (app.text("cmd"), !app.list("args").is_empty());
    let image = app
        .body
        .get("container")
        .is_some_and(|c| c["docker"].is_object() || c["appc"].is_object());
    let kind = app.body.get("container").map(|c| c["type"].clone());
    let docker = app.body.get("container").map(|c| c["docker"].is_object());
    let docker_missing = kind == Some(json!("DOCKER")) && docker != Some(true);
    if docker_missing {
        complain(out, "/container/docker", "not defined");
    } else if cmd.is_some() == args && (args || !image) {
        complain(out, "/", NO_COMMAND);
    }
    if cmd.is_some_and(|c| c.chars().count() == 1) {
        complain(out, "/", "must not be an empty string");
    }
}

fn names(app: &App, out: &mut Complaints) {
    if app.id.is_root() {
        complain(out, "/id", "Path must contain at least one path element");
        complain(out, "/", "must not be root");
    }
    if app
        .id
        .segments()
        .last()
        .is_some_and(|s| matches!(s, "restart" | "tasks" | "versions"))
    {
        complain(
            out,
            "/id",
            "must not end with any of the following reserved keywords: restart, tasks, versions",
        );
    }
    for (index, dependency) in app.dependencies().enumerate() {
        if !is_path(dependency.as_str()) {
            complain(out, format!("/dependencies({index})"), PATH_FORM);
        }
    }
}

/// Labels that Marathon and DC/OS give a meaning.
fn labels(app: &App, out: &mut Complaints) {
    let label = |key: &str| app.body.get("labels").and_then(|l| l[key].as_str());
    let single = label("MARATHON_SINGLE_INSTANCE_APP") == Some("true");
    if single && app.instances() > 1 {
        complain(out, "/", "Single instance app may only have one instance");
    }
    let version = label("DCOS_MIGRATION_API_VERSION").filter(|v| !v.is_empty());
    let named = |key: &str| label(key).is_some_and(|l| !l.is_empty());
    let complete = version == Some("v1")
        && named("DCOS_PACKAGE_FRAMEWORK_NAME")
        && named("DCOS_MIGRATION_API_PATH");
    if version.is_some() && !complete {
        let error = "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION";
        complain(out, "/", error);
    }
}

fn environment(app: &App, out: &mut Complaints) {
    let env = app.body.get("env").and_then(Value::as_object);
    if env.is_some_and(|e| e.contains_key("")) {
        complain(out, "/env/keys(0)", "must not be empty");
    }
    for (key, value) in env.into_iter().flatten().filter(|(_, v)| v.is_object()) {
        complain(
            out,
            "/env",
            "use of secret-references in the environment requires the secrets feature to be enabled",
        );
        let known = app
            .body
            .get("secrets")
            .is_some_and(|s| value["secret"].as_str().is_some_and(|n| s[n].is_object()));
        if !known {
            complain(
                out,
                format!("/env/{key}/secret"),
                "references an undefined secret",
            );
        }
    }
}

fn resources(app: &App, out: &mut Complaints) {
    for (index, fetch) in app.list("fetch").iter().enumerate() {
        if fetch["uri"]
            .as_str()
            .is_some_and(|u| u.starts_with(':') || u.contains(' '))
        {
            complain(
                out,
                format!("/fetch({index})/uri"),
                "URI has invalid syntax.",
            );
        }
    }
    if app.body.get("acceptedResourceRoles") == Some(&json!([])) {
        complain(out, "/acceptedResourceRoles", "must not be empty");
    }
}

fn ports(app: &App, sent: &serde_json::Map<String, Value>, out: &mut Complaints) {
    let ports = app.list("portDefinitions");
    let fixed: Vec<u64> = ports
        .iter()
        .filter_map(|p| p["port"].as_u64())
        .filter(|p| *p != 0)
        .collect();
    let named: Vec<&str> = ports.iter().filter_map(|p| p["name"].as_str()).collect();
    let deprecated = sent.get("ports").is_some_and(Value::is_array)
        && !sent.get("portDefinitions").is_some_and(Value::is_array);
    if has_double(&fixed) && deprecated {
        complain(out, "/", "ports must be unique");
    } else if has_double(&fixed) {
        complain(out, "/portDefinitions", "Ports must be unique.");
    }
    if has_double(&named) {
        complain(out, "/portDefinitions", "Port names must be unique.");
    }
}

/// Whether something stands there twice.
fn has_double<T: PartialEq>(list: &[T]) -> bool {
    list.iter()
        .enumerate()
        .any(|(index, a)| list[..index].contains(a))
}

fn health(app: &App, out: &mut Complaints) {
    let ports = app.service_ports().len();
    for (index, check) in app.list("healthChecks").iter().enumerate() {
        let beyond = check["portIndex"]
            .as_u64()
            .and_then(|i| usize::try_from(i).ok())
            .is_some_and(|i| i >= ports);
        if beyond {
            let text = "Health check port indices must address an element of the ports array or container port mappings.";
            complain(out, format!("/healthChecks({index})"), text);
        }
        let docker = app
            .body
            .get("container")
            .is_some_and(|c| c["type"] == "DOCKER");
        let mesos = check["protocol"]
            .as_str()
            .is_some_and(|p| p.starts_with("MESOS_"));
        if check["ipProtocol"] == "IPv6" && !(docker && mesos) {
            let text = "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks";
            complain(out, format!("/healthChecks({index})"), text);
        }
    }
    if app.health_checks().iter().filter(|c| c.is_mesos()).count() > 1 {
        complain(
            out,
            "/",
            "AppDefinition can contain at most one Mesos health check",
        );
    }
}

fn readiness(app: &App, out: &mut Complaints) {
    let ports = app.service_ports();
    let checks = app.list("readinessChecks");
    if checks.len() > 1 {
        complain(
            out,
            "/readinessChecks/size",
            format!("got {}, expected 1 or less", checks.len()),
        );
    }
    for (index, check) in checks.iter().enumerate() {
        let name = check["portName"].as_str().unwrap_or_default();
        if !ports.iter().any(|(_, n)| *n == Some(name)) {
            let text = format!("No port definition reference for portName {name}");
            complain(out, format!("/readinessChecks({index})/portName"), text);
        }
        let (timeout, interval) = (&check["timeoutSeconds"], &check["intervalSeconds"]);
        if timeout.as_f64() >= interval.as_f64() {
            let text = format!("got {timeout}, expected less than {interval}");
            complain(
                out,
                format!("/readinessChecks({index})/timeoutSeconds"),
                text,
            );
        }
    }
}

fn constraints(app: &App, out: &mut Complaints) {
    for constraint in app.list("constraints") {
        let words: Vec<&str> = constraint
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(error) = constraint_error(&words) {
            complain(out, "/constraints", error);
        } else if let [_, "LIKE" | "UNLIKE", form] = words.as_slice()
            && let Err(error) = expression(form)
        {
            complain(out, "/constraints", error);
        }
    }
}

fn constraint_error(words: &[&str]) -> Option<&'static str> {
    let [_, operator, rest @ ..] = words else {
        return Some("Each constraint must have either 2 or 3 fields");
    };
    let value = rest.first().copied();
    let number = |text: &str| text.parse::<i64>().is_ok();
    match (*operator, value) {
        _ if rest.len() > 1 => Some("Each constraint must have either 2 or 3 fields"),
        ("UNIQUE", Some(_)) => Some("UNIQUE does not accept a value"),
        ("LIKE" | "UNLIKE", None | Some("")) => {
            Some("LIKE and UNLIKE require a non-empty, regular expression value")
        }
        ("MAX_PER", value) if !value.is_some_and(number) => {
            Some("MAX_PER requires an integer value")
        }
        ("GROUP_BY", Some(value)) if !number(value) => {
            Some("GROUP BY must define an integer value or else no value at all")
        }
        (operator, _) if !OPERATORS.contains(&operator) => Some(
            "operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS",
        ),
        _ => None,
    }
}

fn features(app: &App, out: &mut Complaints) {
    if app.number("gpus") > 0.0 {
        complain(out, "/", feature_off("gpu_resources"));
    }
    if app.body.contains_key("secrets") {
        complain(out, "/secrets", feature_off("secrets"));
    }
    let strategy = &app.body["unreachableStrategy"];
    if let (Some(inactive), Some(expunge)) = (
        strategy["inactiveAfterSeconds"].as_u64(),
        strategy["expungeAfterSeconds"].as_u64(),
    ) && inactive > expunge
    {
        let text = format!(
            "inactiveAfterSeconds ({inactive}) must be less or equal to expungeAfterSeconds, which is {expunge}"
        );
        complain(out, "/unreachableStrategy/inactiveAfterSeconds", text);
    }
}

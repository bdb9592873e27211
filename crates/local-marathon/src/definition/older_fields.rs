//! Older ways to say something, next to newer ones: what Marathon refuses about a body as it was sent.

use serde_json::{Map, Value};

use super::refusal::Complaints;

type Object = Map<String, Value>;

/// Complains about older and newer fields that contradict each other.
pub fn check(sent: &Object, out: &mut Complaints) {
    let given = |key: &str| sent.get(key).filter(|value| !value.is_null());
    let filled = |key: &str| given(key).is_some_and(|value| !is_empty(value));
    let null = Value::Null;
    let container = given("container").unwrap_or(&null);
    let docker = &container["docker"];
    let address = given("ipAddress");
    mesos_container(container, out);
    if is_docker(container) && address.is_some_and(|a| !a["discovery"].is_null()) {
        let error = "ipAddress/discovery is not allowed for Docker containers";
        complain(out, "/ipAddress", error);
    }
    if filled("uris") && filled("fetch") {
        complain(out, "/uris", "may not be set in conjunction with fetch");
    }
    // clients that know only one of them send the other one empty
    let ports = |key: &str| {
        given(key)
            .and_then(Value::as_array)
            .filter(|p| !p.is_empty())
    };
    let same = |ports: &[Value], definitions: &[Value]| {
        let defined = definitions.iter().map(|d| d["port"].as_u64().unwrap_or(0));
        defined.eq(ports.iter().map(|p| p.as_u64().unwrap_or(0)))
    };
    let contradict =
        matches!((ports("ports"), ports("portDefinitions")), (Some(p), Some(d)) if !same(p, d));
    for (wrong, error) in [
        (
            !docker["network"].is_null() && filled("networks"),
            "must not specify both container.docker.network and networks",
        ),
        (
            address.is_some() && filled("networks"),
            "must not specify both networks and ipAddress",
        ),
        (
            address.is_some() && (filled("ports") || filled("portDefinitions")),
            "cannot specify both an IP address and port",
        ),
        (contradict, "cannot specify both ports and port definitions"),
    ] {
        if wrong {
            complain(out, "/", error);
        }
    }
}

/// Docker's own settings mean nothing to the Mesos containerizer.
fn mesos_container(container: &Value, out: &mut Complaints) {
    let docker = &container["docker"];
    let keys = if is_docker(container) {
        &["credential"][..]
    } else {
        &["credential", "network", "parameters", "portMappings"][..]
    };
    for key in keys {
        if !docker[key].is_null() && !is_empty(&docker[key]) {
            complain(out, &format!("/container/docker/{key}"), "must be empty");
        }
    }
}

fn is_docker(container: &Value) -> bool {
    let kind = container["type"].as_str().unwrap_or("DOCKER");
    container.is_object() && kind.eq_ignore_ascii_case("DOCKER")
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn complain(out: &mut Complaints, path: &str, error: &str) {
    out.push((path.to_owned(), error.to_owned()));
}

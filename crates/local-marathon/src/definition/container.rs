//! Containers, networks and ports of a definition: defaults, and older ways to say the same.

use serde_json::{Map, Value, json};

use super::app::App;
use super::json::each;
use super::refusal::{Complaints, feature_off};

type Object = Map<String, Value>;

/// Fills in what the definition says about containers, networks and ports, in the words of today.
pub fn complete(app: &mut Object, sent: &Object) {
    let given = |key: &str| sent.get(key).filter(|v| !v.is_null());
    let networks = networks(sent);
    let host = networks.iter().all(|n| n["mode"] == "host");
    let bridge = networks.iter().any(|n| n["mode"] == "container/bridge");
    app.insert("networks".to_owned(), Value::Array(networks));
    let container = given("container").map(|c| container(c, bridge));
    if host {
        if let Some(mut container) = container {
            if let Some(object) = container.as_object_mut() {
                object.remove("portMappings");
            }
            app.insert("container".to_owned(), container);
        }
        let ports = match (given("portDefinitions"), given("ports")) {
            (Some(definitions), _) => each(definitions, port_definition),
            (None, Some(ports)) => each(ports, |port| json!({ "port": port, "protocol": "tcp" })),
            (None, None) => json!([{ "port": 0, "name": "default", "protocol": "tcp" }]),
        };
        app.insert("portDefinitions".to_owned(), ports);
        return;
    }
    let mut container = container.unwrap_or_else(|| json!({ "type": "MESOS", "volumes": [] }));
    if container["portMappings"].is_null() {
        let discovered = &sent.get("ipAddress").unwrap_or(&Value::Null)["discovery"]["ports"];
        let mappings = discovered.as_array().filter(|ports| !ports.is_empty());
        let mappings = mappings.map_or_else(
            || json!([{ "name": "default" }]),
            |ports| ports.iter().map(discovery_port).collect(),
        );
        container["portMappings"] = each(&mappings, |m| port_mapping(m, bridge));
    }
    app.insert("container".to_owned(), container);
}

/// The networks as they are named today: `ipAddress` and Docker's own `network` are older ways to say it.
fn networks(sent: &Object) -> Vec<Value> {
    let given = |key: &str| sent.get(key).filter(|v| !v.is_null());
    let mut networks = given("networks")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if networks.is_empty() {
        let bridge = given("container").is_some_and(|c| c["docker"]["network"] == "BRIDGE");
        networks.push(match given("ipAddress") {
            Some(address) => ip_address(address),
            None if bridge => json!({ "mode": "container/bridge" }),
            None => json!({ "mode": "host" }),
        });
    }
    for network in networks.iter_mut().filter_map(Value::as_object_mut) {
        let mode = network
            .get("mode")
            .and_then(Value::as_str)
            .unwrap_or("container")
            .to_lowercase();
        network.insert("mode".to_owned(), json!(mode));
    }
    networks
}

fn ip_address(address: &Value) -> Value {
    let mut network = json!({ "mode": "container" });
    for (key, value) in [
        ("name", &address["networkName"]),
        ("labels", &address["labels"]),
    ] {
        if !value.is_null() && *value != json!({}) {
            network[key] = value.clone();
        }
    }
    network
}

fn discovery_port(port: &Value) -> Value {
    json!({
        "containerPort": port["number"], "name": port["name"], "protocol": port["protocol"], "labels": port["labels"],
    })
}

fn container(sent: &Value, bridge: bool) -> Value {
    let list = |value: &Value| {
        if value.is_array() {
            value.clone()
        } else {
            json!([])
        }
    };
    let kind = sent["type"].as_str().unwrap_or("DOCKER").to_uppercase();
    let mut container = json!({ "type": kind, "volumes": list(&sent["volumes"]) });
    if let Some(docker) = sent["docker"].as_object() {
        let flag = |key: &str| docker.get(key) == Some(&Value::Bool(true));
        container["docker"] = json!({
            "image": docker.get("image"), "forcePullImage": flag("forcePullImage"), "privileged": flag("privileged"),
            "parameters": list(docker.get("parameters").unwrap_or(&Value::Null)),
        });
        if kind == "MESOS"
            && let Some(object) = container["docker"].as_object_mut()
        {
            object.retain(|k, _| k == "image" || k == "forcePullImage");
        }
    }
    if sent["appc"].is_object() {
        container["appc"] = sent["appc"].clone();
    }
    let mappings = [&sent["portMappings"], &sent["docker"]["portMappings"]]
        .into_iter()
        .find(|m| m.is_array());
    if let Some(mappings) = mappings {
        container["portMappings"] = each(mappings, |m| port_mapping(m, bridge));
    }
    container
}

/// A port of a container. Only a bridge needs a host port; on other networks there may be none.
fn port_mapping(mapping: &Value, bridge: bool) -> Value {
    let or = |key: &str, default: Value| {
        if mapping[key].is_null() {
            default
        } else {
            mapping[key].clone()
        }
    };
    let mut full = json!({
        "containerPort": or("containerPort", json!(0)), "labels": or("labels", json!({})),
        "protocol": or("protocol", json!("tcp")), "servicePort": or("servicePort", json!(0)),
    });
    if bridge || !mapping["hostPort"].is_null() {
        full["hostPort"] = or("hostPort", json!(0));
    }
    if mapping["name"].is_string() {
        full["name"] = mapping["name"].clone();
    }
    full
}

fn port_definition(port: &Value) -> Value {
    let mut full = json!({ "port": port["port"].as_u64().unwrap_or_default() });
    full["protocol"] = json!(port["protocol"].as_str().unwrap_or("tcp"));
    for key in ["name", "labels"] {
        if !port[key].is_null() && port[key] != json!({}) {
            full[key] = port[key].clone();
        }
    }
    full
}

fn complain(out: &mut Complaints, path: impl Into<String>, error: impl Into<String>) {
    out.push((path.into(), error.into()));
}

/// Complains about containers, networks and volumes that cannot be.
pub fn check(app: &App, out: &mut Complaints) {
    let networks = app.list("networks");
    let modes = |mode: &str| networks.iter().filter(|n| n["mode"] == mode).count();
    if networks
        .iter()
        .any(|n| n["mode"] == "container" && n["name"].is_null())
    {
        complain(
            out,
            "/networks",
            "Network name must be specified when container network is selected.",
        );
    }
    let single = modes("host") + modes("container/bridge");
    if single > 1 || (single == 1 && networks.len() > 1) {
        let text = "May specify a single host network, single bridge network, or else 1-to-n container networks";
        complain(out, "/networks", text);
    }
    let container = app.body.get("container");
    let docker = container.is_some_and(|c| c["type"] == "DOCKER");
    if docker && modes("container") > 1 {
        let text =
            "may only specify a single container network when using the Docker container engine";
        complain(out, "/", text);
    }
    let mappings = app.mappings().into_iter().flatten();
    let names: Vec<&str> = mappings.filter_map(|m| m["name"].as_str()).collect();
    if names
        .iter()
        .enumerate()
        .any(|(i, name)| names[..i].contains(name))
    {
        complain(out, "/container/portMappings", "Port names must be unique.");
    }
    if container.is_some_and(|c| c["docker"].is_object() && c["appc"].is_object()) {
        let text = "mesos containers should specify, at most, a single image type";
        complain(out, "/container", text);
    }
    for (index, volume) in app
        .body
        .get("container")
        .iter()
        .filter_map(|c| c["volumes"].as_array())
        .flatten()
        .enumerate()
    {
        external_volume(volume, &format!("/container/volumes({index})"), out);
    }
}

/// External volumes are a feature that is off; what else is wrong with one is said first.
fn external_volume(volume: &Value, path: &str, out: &mut Complaints) {
    let external = &volume["external"];
    if !external.is_object() {
        return;
    }
    let driver = "dvdi/driver";
    if external["provider"] == "dvdi" && external["options"][driver].is_null() {
        complain(
            out,
            format!("{path}/external/options(\"{driver}\")"),
            "not defined",
        );
    }
    complain(out, path, feature_off("external_volumes"));
}

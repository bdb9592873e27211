//! The small resources: ping, info, leader, plugins, pods, deployments, queue.

use axum::http::Method;
use serde_json::{Value, json};

use super::Site;
use super::call::{self, Answer, Call};
use crate::definition::id::Id;
use crate::definition::refusal::Refusal;
use crate::world::FRAMEWORK;
use crate::world::instance::Instance;

/// `/ping`: the first media type we have, of those the client takes.
pub fn ping(call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    let accepted = call.accepted();
    let kind = |wanted: &String| match wanted.as_str() {
        "*/*" | "text/*" | "text/plain" => Some(("text/plain", "pong")),
        "text/html" => Some(("text/html", "pong")),
        "application/json" | "application/*" => Some(("application/json", "\"pong\"")),
        _ => None,
    };
    let found = if accepted.is_empty() {
        Some(("text/plain", "pong"))
    } else {
        accepted.iter().find_map(kind)
    };
    Ok(found.map_or_else(
        || call::empty(204),
        |(kind, text)| call::text(200, kind, text.to_owned()),
    ))
}

/// `/v2/leader`. Whoever abdicates here is elected again at once, being alone, where a real one answers `There is no leader` for
/// about a second and exits; all else is as with a new leader.
pub fn leader(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET, Method::DELETE])?;
    if call.method == Method::DELETE {
        site.marathon.change_leader();
        return Ok(call::json(
            200,
            &json!({ "message": "Leadership abdicated" }),
        ));
    }
    Ok(call::json(200, &json!({ "leader": &*site.authority })))
}

/// `/v2/plugins`.
pub fn plugins(call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    Ok(call::json(200, &json!({ "plugins": [] })))
}

/// `/v2/pods`: there are none.
pub fn pods(call: &Call, rest: &[&str]) -> Answer {
    // `/v2/pods/x::status` asks about `/x`
    let path = rest.join("/");
    let (name, about) = path.split_once("::").unwrap_or((&path, ""));
    let id = Id::absolute(name);
    match call.method {
        Method::GET if about == "status" && name.is_empty() => Ok(call::json(200, &json!([]))),
        Method::GET | Method::DELETE if !rest.is_empty() => {
            let inner = json!({ "message": format!("pod with {id} does not exist") })
                .to_string()
                .replace("\":\"", "\": \"");
            Err(Refusal::message(404, inner))
        }
        Method::GET => Ok(call::json(200, &json!([]))),
        _ => Err(Refusal::message(
            422,
            "The local Marathon does not run pods",
        )),
    }
}

/// `/v2/deployments`.
pub fn deployments(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    call.accept_json()?;
    let list: Vec<Value> = site.marathon.look(|world| {
        world
            .deployments
            .iter()
            .map(|d| world.render_deployment(d))
            .collect()
    });
    Ok(call::json(200, &json!(list)))
}

/// `DELETE /v2/deployments/{id}`: undone, or with force left as it is.
pub fn deployment(site: &Site, call: &Call, id: &str) -> Answer {
    call.allow(&[Method::DELETE])?;
    let missing = || Refusal::message(404, format!("DeploymentPlan {id} does not exist"));
    site.marathon.with(|world| {
        if call.flag("force", false) {
            world.cancel(id).ok_or_else(missing)?;
            return Ok(call::empty(202));
        }
        world
            .revert(id)
            .map(|accepted| call::accepted(200, &accepted))
    })
}

/// `/v2/queue`.
pub fn queue(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    call.accept_json()?;
    let unused = call.all("embed").any(|e| e == "lastUnusedOffers");
    Ok(call::json(
        200,
        &site.marathon.look(|world| world.render_queue(unused)),
    ))
}

/// `DELETE /v2/queue/{id}/delay`.
pub fn queue_delay(site: &Site, call: &Call, id: &[&str]) -> Answer {
    call.allow(&[Method::DELETE])?;
    let id = Id::absolute(&id.join("/"));
    site.marathon.with(|world| {
        if !world.of(&id).iter().any(Instance::is_waiting) {
            let body = json!({ "message": format!("Application {id} not found in tasks queue.") });
            return Ok(call::text(404, "text/plain", body.to_string()));
        }
        world.reset_delay(&id);
        Ok(call::empty(204))
    })
}

/// `/v2/info`.
pub fn info(site: &Site, call: &Call) -> Answer {
    call.allow(&[Method::GET])?;
    let (host, port) = site
        .authority
        .rsplit_once(':')
        .unwrap_or((&site.authority, "0"));
    let port: u16 = port.parse().unwrap_or_default();
    let mut info = json!({
        "name": "marathon", "version": "1.8.244", "buildref": "local", "elected": true, "leader": &*site.authority,
        "frameworkId": FRAMEWORK, "http_config": { "http_port": port, "https_port": 8443 },
        "zookeeper_config": {
            "zk": "zk://127.0.0.1:2181/marathon", "zk_compression": true, "zk_compression_threshold": 65536,
            "zk_connection_timeout": 10000, "zk_max_node_size": 1_024_000, "zk_max_versions": 50, "zk_session_timeout": 10000,
            "zk_timeout": 10000,
        },
    });
    info["marathon_config"] = marathon_config(host);
    if let Some(mesos) = &site.mesos {
        info["marathon_config"]["mesos_leader_ui_url"] = json!(format!("{mesos}/"));
    }
    let pace = &site.marathon.options.pace;
    for (key, length) in [
        ("scale_apps_interval", pace.scale_check),
        ("scale_apps_initial_delay", pace.first_scale_check),
    ] {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        info["marathon_config"][key] = json!(length);
    }
    Ok(call::json(200, &info))
}

fn marathon_config(host: &str) -> Value {
    let mut config = json!({
        "access_control_allow_origin": null, "checkpoint": true, "decline_offer_duration": 120_000, "default_network_name": null,
        "env_vars_prefix": null, "executor": "//cmd", "failover_timeout": 604_800, "features": [], "framework_name": "marathon",
        "ha": true, "hostname": host, "launch_token": 100, "launch_token_refresh_interval": 30000,
        "leader_proxy_connection_timeout_ms": 5000, "leader_proxy_read_timeout_ms": 10000, "local_port_max": 20000,
        "local_port_min": 10000, "master": "local", "max_instances_per_offer": 5, "mesos_bridge_name": "mesos-bridge",
        "mesos_heartbeat_failure_threshold": 5, "mesos_heartbeat_interval": 15000, "mesos_leader_ui_url": null,
    });
    let more = json!({
        "mesos_role": null, "mesos_user": "root", "min_revive_offers_interval": 100, "offer_matching_timeout": 3000,
        "on_elected_prepare_timeout": 180_000, "reconciliation_initial_delay": 15000, "reconciliation_interval": 600_000,
        "revive_offers_for_new_apps": true, "revive_offers_repetitions": 3, "store_cache": true,
        "task_launch_confirm_timeout": 300_000, "task_launch_timeout": 300_000, "task_lost_expunge_initial_delay": 300_000,
        "task_lost_expunge_interval": 30000, "task_reservation_timeout": 20000, "webui_url": null, "maintenance_mode": true,
    });
    if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
        config.extend(more);
    }
    config
}

//! Apps with a persistent volume, which Marathon calls resident: what it fills in for them, and what it asks of them.
//!
//! No volume is made here: such a volume is at home in a container, and those are not run.

use serde_json::{Map, Value, json};

use super::app::App;
use super::refusal::Complaints;

type Object = Map<String, Value>;

/// Marathon reserves what such an app needs, and only what no role has can be reserved.
const ROLES: &str = "A resident app must have `acceptedResourceRoles = [\"*\"]`.";

/// Fills in what a persistent volume entails. `sent` is the body before defaults.
pub fn complete(app: &mut Object, sent: &Object) {
    let volumes = app.get_mut("container").and_then(|c| c.get_mut("volumes"));
    let mut resident = false;
    for volume in volumes.and_then(Value::as_array_mut).into_iter().flatten() {
        let persistent = volume.get_mut("persistent");
        if let Some(persistent) = persistent.and_then(Value::as_object_mut) {
            resident = true;
            persistent.entry("type").or_insert_with(|| json!("root"));
            persistent.entry("constraints").or_insert_with(|| json!([]));
        }
    }
    if !resident {
        return;
    }
    let residency = sent.get("residency").unwrap_or(&Value::Null);
    let timeout = residency["relaunchEscalationTimeoutSeconds"].as_u64();
    let behaviour = residency["taskLostBehavior"].as_str();
    let residency = json!({
        "relaunchEscalationTimeoutSeconds": timeout.unwrap_or(3600),
        "taskLostBehavior": behaviour.unwrap_or("WAIT_FOREVER").to_uppercase(),
    });
    app.insert("residency".to_owned(), residency);
    let careful = json!({"maximumOverCapacity": 0, "minimumHealthCapacity": 0.5});
    for (key, default) in [
        ("upgradeStrategy", careful),
        ("unreachableStrategy", json!("disabled")),
    ] {
        if sent.get(key).is_none_or(Value::is_null) {
            app.insert(key.to_owned(), default);
        }
    }
}

/// Complains about volumes that cannot be, and about a resident app that wants resources of a role (Marathon's
/// `ResourceRole`, from 1.1 to 1.9).
pub fn check(app: &App, out: &mut Complaints) {
    let volumes = app
        .body
        .get("container")
        .and_then(|c| c["volumes"].as_array());
    for (index, volume) in volumes.into_iter().flatten().enumerate() {
        let persistent = &volume["persistent"];
        let path = format!("/container/volumes({index})");
        if persistent.is_object() {
            let mut complain =
                |at: &str, error: &str| out.push((format!("{path}{at}"), error.to_owned()));
            if volume["containerPath"]
                .as_str()
                .is_some_and(|p| p.contains('/'))
            {
                complain("/containerPath", "value must not contain \"/\"");
            }
            if persistent["size"].as_i64().is_some_and(|size| size <= 0) {
                complain("/persistent/size", "got 0, expected more than 0");
            }
            if persistent["type"] == "root" && persistent["constraints"] != json!([]) {
                complain(
                    "/persistent",
                    "Constraints on root volumes are not supported",
                );
            }
        }
    }
    if app.body.contains_key("residency")
        && app.body["unreachableStrategy"].is_object()
        && volumes.is_some_and(|v| !v.is_empty())
    {
        let text = "unreachableStrategy must be disabled for resident tasks";
        out.push(("/".to_owned(), text.to_owned()));
    }
    let roles = app.list("acceptedResourceRoles");
    let unreserved = roles.iter().all(|role| role == "*");
    if app.body.contains_key("residency") && !unreserved {
        out.push(("/acceptedResourceRoles".to_owned(), ROLES.to_owned()));
    }
}

//! What the local Marathon takes at most. Marathon itself has no such limits; but a slip of the finger must not take the
//! memory of this machine, and most of what is asked of one app costs something for each of its instances.

use serde_json::{Map, Value};

use super::id::Id;
use super::refusal::Refusal;
use super::tree::Tree;

/// Instances of one app. The agents have ports for as many tasks.
const INSTANCES: usize = 1_000;
/// Instances of all apps together.
const ALL_INSTANCES: usize = 10_000;
/// Elements of a list in an app, such as its ports.
const ELEMENTS: usize = 1_000;
/// Health checks of an app: each of them is made for each instance.
const HEALTH_CHECKS: usize = 100;
/// Bytes of an id. Every segment of it is a group.
const ID: usize = 1_000;

/// The sentence that refuses a tree with too many instances.
///
/// # Errors
/// When one app, or all of them, ask for more than there may be.
pub fn instances(tree: &Tree) -> Result<(), String> {
    let mut all: usize = 0;
    for app in tree.apps.values() {
        let wanted = app.instances();
        if wanted > INSTANCES {
            return Err(format!(
                "The local Marathon runs at most {INSTANCES} instances of an app, but {} asks for {wanted}",
                app.id
            ));
        }
        all = all.saturating_add(wanted);
    }
    if all > ALL_INSTANCES {
        return Err(format!(
            "The local Marathon runs at most {ALL_INSTANCES} instances of all apps together, but {all} are asked for"
        ));
    }
    Ok(())
}

/// Refuses an app with a list that is too long, before the list is looked at.
///
/// # Errors
/// Names the list.
pub fn lists(sent: &Map<String, Value>) -> Result<(), Refusal> {
    let null = Value::Null;
    let container = sent.get("container").unwrap_or(&null);
    let docker = &container["docker"];
    let inner = [
        ("container/portMappings", &container["portMappings"]),
        ("container/volumes", &container["volumes"]),
        ("container/docker/portMappings", &docker["portMappings"]),
        ("container/docker/parameters", &docker["parameters"]),
        (
            "ipAddress/discovery/ports",
            &sent.get("ipAddress").unwrap_or(&null)["discovery"]["ports"],
        ),
    ];
    let outer = sent.iter().map(|(key, value)| (key.as_str(), value));
    for (name, list) in outer.chain(inner) {
        let most = if name == "healthChecks" {
            HEALTH_CHECKS
        } else {
            ELEMENTS
        };
        let length = list.as_array().map_or(0, Vec::len);
        if length > most {
            let error =
                format!("The local Marathon takes at most {most} elements here, not {length}");
            return Err(Refusal::invalid_at(&format!("/{name}"), &error));
        }
    }
    Ok(())
}

/// Refuses an id that is too long.
///
/// # Errors
/// When it is.
pub fn id(id: &Id) -> Result<(), Refusal> {
    let length = id.as_str().len();
    if length > ID {
        let error = format!("The local Marathon takes ids of at most {ID} bytes, not of {length}");
        return Err(Refusal::invalid_at("/id", &error));
    }
    Ok(())
}

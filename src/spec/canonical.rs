//! The canonical form of a JSON document, and the two hashes that are made of it.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{LABEL_APP, LABEL_SPEC};
use crate::id::SpecHash;

/// What Marathon adds to an app when it shows it: never part of what was asked for.
const SHOWN_ONLY: &[&str] = &[
    "instances",
    "version",
    "versionInfo",
    "tasks",
    "tasksStaged",
    "tasksRunning",
    "tasksHealthy",
    "tasksUnhealthy",
    "deployments",
    "lastTaskFailure",
    "readinessCheckResults",
    "taskStats",
];

/// Canonical JSON: keys sorted, no white space, numbers that are equal written alike (`1` for `1.0`).
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(&Value::String(key.clone()), out);
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be a whole number that a double holds exactly"
            )]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                let _ = write!(out, "{}", float as i64);
            }
            _ => {
                let _ = write!(out, "{number}");
            }
        },
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hash(value: &Value) -> SpecHash {
    SpecHash::from_digest(Sha256::digest(canonical(value).as_bytes()).into())
}

impl SpecHash {
    /// The hash of a flattened spec, without `instances` and our own labels: it changes exactly when the spec does.
    #[must_use]
    pub fn of(spec: &Value) -> Self {
        let mut spec = spec.clone();
        if let Some(map) = spec.as_object_mut() {
            map.remove("instances");
            let empty = map
                .get_mut("labels")
                .and_then(Value::as_object_mut)
                .is_some_and(|labels| {
                    labels.remove(LABEL_APP);
                    labels.remove(LABEL_SPEC);
                    labels.is_empty()
                });
            if empty {
                map.remove("labels");
            }
        }
        hash(&spec)
    }
}

/// The hash of Marathon's own rendering of an app, without what changes by itself: by it drift is seen.
#[must_use]
pub fn rendering(app: &Value) -> SpecHash {
    let mut app = app.clone();
    if let Some(map) = app.as_object_mut() {
        for key in SHOWN_ONLY {
            map.remove(*key);
        }
    }
    hash(&app)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_specs_have_one_hash() {
        let a =
            json!({"id": "/a", "cpus": 1.0, "cmd": "x", "instances": 3, "labels": {"DPLOY": "a"}});
        let b = json!({"cmd": "x", "cpus": 1, "id": "/a"});
        assert_eq!(SpecHash::of(&a), SpecHash::of(&b));
        assert_ne!(
            SpecHash::of(&a),
            SpecHash::of(&json!({"cmd": "y", "cpus": 1, "id": "/a"}))
        );
    }

    #[test]
    fn the_bytes_are_fixed() {
        let value = json!({"b": [1.0, 0.5, -2, true, null], "a": "ü\n\u{1}"});
        assert_eq!(
            canonical(&value),
            "{\"a\":\"ü\\n\\u0001\",\"b\":[1,0.5,-2,true,null]}"
        );
        assert_eq!(
            SpecHash::of(&json!({"id": "/a", "cmd": "x"})).as_str(),
            "ff08d4ea1eafb0efc8ae1aeb32689684"
        );
    }
}

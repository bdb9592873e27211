//! What differs between two JSON documents, field by field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field that differs; `None` where it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// JSON pointer of the field.
    pub path: String,
    /// The value before.
    pub from: Option<Value>,
    /// The value after.
    pub to: Option<Value>,
}

/// The fields in which `new` differs from `old`. Lists are compared as a whole unless they are equally long.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk("", Some(old), Some(new), &mut changes);
    changes
}

/// What `shown` (a document that may say more, as Marathon's rendering of an app does) has in the fields of `wanted`: a
/// diff of the two then names only fields that somebody wrote.
#[must_use]
pub fn in_shape_of(shown: &Value, wanted: &Value) -> Value {
    match (shown, wanted) {
        (Value::Object(shown), Value::Object(wanted)) => wanted
            .iter()
            .filter_map(|(key, value)| match shown.get(key) {
                Some(_) if is_chosen(key, value) => Some((key.clone(), value.clone())),
                Some(s) => Some((key.clone(), in_shape_of(s, value))),
                None => None,
            })
            .collect(),
        (Value::Array(shown), Value::Array(wanted)) if shown.len() == wanted.len() => {
            let pairs = shown.iter().zip(wanted);
            pairs.map(|(s, w)| in_shape_of(s, w)).collect()
        }
        _ => shown.clone(),
    }
}

/// The fields of `spec` in which what Marathon shows of its service differs, but for the count, which is said beside them.
#[must_use]
pub fn diff_of_running(shown: &Value, spec: &Value) -> Vec<Change> {
    let mut spec = spec.clone();
    if let Some(map) = spec.as_object_mut() {
        map.remove("instances");
    }
    diff(&in_shape_of(shown, &spec), &spec)
}

/// A port of 0 asks Marathon to choose one, and it shows which.
pub(super) fn is_chosen(key: &str, wanted: &Value) -> bool {
    key.to_lowercase().ends_with("port") && wanted.as_u64() == Some(0)
}

fn same_number(a: &Value, b: &Value) -> bool {
    a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

/// A path is not made longer than so many bytes: what is below is compared as a whole.
const LONGEST_PATH: usize = 512;

/// After so many changes what is left is compared as a whole.
const MOST_CHANGES: usize = 2000;

/// An object or a list with more than so many members is compared as a whole where so many paths would be named otherwise.
const MOST_MEMBERS: usize = 1000;

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    let members = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(list)) => list.len(),
        _ => 0,
    };
    let whole = path.len() > LONGEST_PATH
        || changes.len() >= MOST_CHANGES
        || members(old).max(members(new)) > MOST_MEMBERS;
    match (old, new) {
        (Some(a), Some(b)) if a == b || same_number(a, b) => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) if !whole => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let key_path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                walk(&key_path, a.get(key), b.get(key), changes);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if !whole && a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}/{i}"), Some(x), Some(y), changes);
            }
        }
        (from, to) => changes.push(Change {
            path: path.to_owned(),
            from: from.cloned(),
            to: to.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_of_any_shape_costs_what_its_documents_do() {
        let long = "k".repeat(100_000);
        let list = |n: i32| -> Value { (0..100_000).map(|i| json!(i * n)).collect() };
        let wide = |n: i32| -> Value {
            (0..50_000)
                .map(|i| (format!("{i}"), json!(i * n)))
                .collect()
        };
        let deep = |n: i32| -> Value {
            let leaf: Value = (0..900).map(|i| json!(i * n)).collect();
            (0..900).map(|_| leaf.clone()).collect()
        };
        for of in [&list as &dyn Fn(i32) -> Value, &wide, &deep] {
            let (old, new) = (json!({&long: of(1)}), json!({&long: of(2)}));
            let (old, new) = (
                json!({"labels": old, "env": of(1)}),
                json!({"labels": new, "env": of(2)}),
            );
            let changes = diff(&old, &new);
            let paths: usize = changes.iter().map(|c| c.path.len()).sum();
            assert!(
                !changes.is_empty() && changes.len() <= 4000,
                "{}",
                changes.len()
            );
            assert!(paths < 4_000_000, "{paths}");
        }
    }

    #[test]
    fn only_what_differs_is_listed() {
        let old = json!({"cmd": "a", "cpus": 1, "env": {"A": "1", "B/c": "2"}, "args": [1, 2]});
        let new = json!({"cmd": "b", "cpus": 1.0, "env": {"A": "1"}, "args": [1, 3], "mem": 8});
        let paths: Vec<String> = diff(&old, &new).into_iter().map(|c| c.path).collect();
        assert_eq!(paths, ["/args/1", "/cmd", "/env/B~1c", "/mem"]);
    }
}

//! From the files of a commit to its services: groups are flattened, ids and dependencies made absolute.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::locate::{self, Position};
use crate::id::{ServiceId, SpecHash};
use crate::secret::plain;

/// One file of `specs/`.
#[derive(Debug, Clone)]
pub struct File {
    /// Path in the repository, e.g. `specs/web.json`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One service of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Absolute Marathon id.
    pub id: ServiceId,
    /// The file it stands in.
    pub path: String,
    /// The flattened spec: absolute `id` and `dependencies`, as the file has the rest.
    pub spec: Value,
    /// `instances` of the spec, where it says so.
    pub instances: Option<u32>,
    /// Hash of the flattened spec.
    pub hash: SpecHash,
}

/// The label by which observers are found.
const OBSERVERS: &str = "DPLOY_OBSERVER";

/// So many bytes of dependencies groups may hand down to apps, in one file: each of many apps has each of many of them.
const MOST_HANDED: usize = 8 * 1024 * 1024;

/// What is wrong with a spec, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct SpecError {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The services of all files, in the order of their ids.
///
/// # Errors
/// The first thing that is wrong, with file, line and column.
pub fn flatten(files: &[File]) -> Result<Vec<Service>, SpecError> {
    let mut services: BTreeMap<ServiceId, Service> = BTreeMap::new();
    for file in files {
        let document = Document::parse(file)?;
        for (pointer, service) in document.services()? {
            if let Some(first) = services.get(&service.id) {
                let message = format!("{} is already defined in {}", service.id, first.path);
                return Err(document.error(&format!("{pointer}/id"), message));
            }
            services.insert(service.id.clone(), service);
        }
    }
    Ok(services.into_values().collect())
}

struct Document<'a> {
    path: &'a str,
    text: &'a str,
    /// Bytes of dependencies that groups handed down to apps.
    handed: Cell<usize>,
    root: Value,
}

/// What a group hands down to what is in it.
struct Scope {
    prefix: String,
    dependencies: BTreeSet<String>,
}

type Found = Vec<(String, Service)>;

impl<'a> Document<'a> {
    fn parse(file: &'a File) -> Result<Self, SpecError> {
        let fail = |Position { line, column }, message: String| SpecError {
            path: file.path.clone(),
            line,
            column,
            message,
        };
        let text = std::str::from_utf8(&file.bytes).map_err(|e| {
            let line = file.bytes[..e.valid_up_to()].split(|b| *b == b'\n').count();
            fail(Position { line, column: 1 }, "is not UTF-8 text".to_owned())
        })?;
        if text.starts_with('\u{feff}') {
            let message = "begins with a byte order mark; save the file without it".to_owned();
            return Err(fail(Position { line: 1, column: 1 }, message));
        }
        let root: Value = serde_json::from_str(text).map_err(|e| {
            let message = e.to_string();
            let message = message
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned();
            fail(
                Position {
                    line: e.line().max(1),
                    column: e.column().max(1),
                },
                format!("invalid JSON: {message}"),
            )
        })?;
        if let Some((pointer, at)) = locate::duplicate(text) {
            let pointer = plain(&pointer, 200);
            return Err(fail(at, format!("{pointer} stands twice in one object")));
        }
        Ok(Self {
            path: &file.path,
            text,
            handed: Cell::new(0),
            root,
        })
    }

    fn error(&self, pointer: &str, message: impl Into<String>) -> SpecError {
        let Position { line, column } = locate::find(self.text, pointer);
        SpecError {
            path: self.path.to_owned(),
            line,
            column,
            // what a spec calls something may be as long as the spec
            message: plain(&message.into(), 500),
        }
    }

    fn services(&self) -> Result<Found, SpecError> {
        let mut found = Vec::new();
        let scope = Scope {
            prefix: String::new(),
            dependencies: BTreeSet::new(),
        };
        let Some(root) = self.root.as_object() else {
            return Err(self.error("", "a spec is a JSON object: an app or a group"));
        };
        if is_group(root) {
            self.group("", root, &scope, &mut found)?;
        } else {
            found.push((String::new(), self.app("", root, &scope)?));
        }
        Ok(found)
    }

    fn group(
        &self,
        at: &str,
        group: &Map<String, Value>,
        scope: &Scope,
        found: &mut Found,
    ) -> Result<(), SpecError> {
        if group
            .get("pods")
            .and_then(Value::as_array)
            .is_some_and(|p| !p.is_empty())
        {
            return Err(self.error(
                &format!("{at}/pods"),
                "pods are not deployed by dploy; use apps",
            ));
        }
        let id = match group.get("id").map(Value::as_str) {
            None if at.is_empty() => "/",
            Some(Some(id)) => id,
            _ => return Err(self.error(&format!("{at}/id"), "a group needs an id, a text")),
        };
        let prefix = resolve(id, &scope.prefix);
        self.must_be_child(at, id, &prefix, &scope.prefix)?;
        let mut dependencies = scope.dependencies.clone();
        dependencies.extend(self.dependencies(at, group, &scope.prefix)?);
        let inner = Scope {
            prefix,
            dependencies,
        };
        for (key, nested) in [("apps", false), ("groups", true)] {
            let Some(list) = group.get(key) else { continue };
            let list_at = format!("{at}/{key}");
            let Some(list) = list.as_array() else {
                return Err(self.error(&list_at, format!("{key} must be a list")));
            };
            for (i, item) in list.iter().enumerate() {
                let item_at = format!("{list_at}/{i}");
                let Some(item) = item.as_object() else {
                    return Err(self.error(&item_at, format!("an item of {key} must be an object")));
                };
                if nested {
                    self.group(&item_at, item, &inner, found)?;
                } else {
                    found.push((item_at.clone(), self.app(&item_at, item, &inner)?));
                }
            }
        }
        Ok(())
    }

    fn app(&self, at: &str, app: &Map<String, Value>, scope: &Scope) -> Result<Service, SpecError> {
        if app.contains_key("containers") || app.contains_key("pods") {
            return Err(self.error(at, "this is a pod; pods are not deployed by dploy"));
        }
        let Some(id) = app.get("id").and_then(Value::as_str) else {
            return Err(self.error(
                &format!("{at}/id"),
                "an app needs an id, a text such as \"/shop/web\"",
            ));
        };
        let absolute = resolve(id, &scope.prefix);
        self.must_be_child(at, id, &absolute, &scope.prefix)?;
        let service_id: ServiceId = absolute
            .parse()
            .map_err(|e| self.error(&format!("{at}/id"), format!("{e}")))?;
        let handed: usize = scope.dependencies.iter().map(String::len).sum();
        self.handed.set(self.handed.get() + handed);
        if self.handed.get() > MOST_HANDED {
            let why = "the dependencies that groups hand down to their apps come to more than 8 MiB; name them at the apps that need them";
            return Err(self.error(at, why));
        }
        let mut dependencies = scope.dependencies.clone();
        dependencies.extend(self.dependencies(at, app, &scope.prefix)?);
        let mut spec = app.clone();
        spec.insert("id".to_owned(), Value::String(absolute));
        if dependencies.is_empty() {
            spec.remove("dependencies");
        } else {
            spec.insert(
                "dependencies".to_owned(),
                dependencies.into_iter().collect(),
            );
        }
        self.labels_are_texts(at, app)?;
        let instances = self.instances(at, app)?;
        let spec = Value::Object(spec);
        Ok(Service {
            id: service_id,
            path: self.path.to_owned(),
            instances,
            hash: SpecHash::of(&spec),
            spec,
        })
    }

    fn must_be_child(
        &self,
        at: &str,
        id: &str,
        absolute: &str,
        parent: &str,
    ) -> Result<(), SpecError> {
        let inside = absolute.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !parent.is_empty() && parent != "/" && id.starts_with('/') && inside != parent {
            return Err(self.error(
                &format!("{at}/id"),
                format!("{id} is not a child of {parent}; use a relative id"),
            ));
        }
        Ok(())
    }

    fn dependencies(
        &self,
        at: &str,
        item: &Map<String, Value>,
        prefix: &str,
    ) -> Result<Vec<String>, SpecError> {
        let Some(list) = item.get("dependencies") else {
            return Ok(Vec::new());
        };
        let at = format!("{at}/dependencies");
        list.as_array()
            .ok_or_else(|| self.error(&at, "dependencies must be a list of ids"))?
            .iter()
            .enumerate()
            .map(|(i, d)| match d.as_str() {
                Some(id) if !id.is_empty() => Ok(resolve(id, prefix)),
                _ => Err(self.error(&format!("{at}/{i}"), "a dependency is an id, a text")),
            })
            .collect()
    }

    fn labels_are_texts(&self, at: &str, app: &Map<String, Value>) -> Result<(), SpecError> {
        let Some(labels) = app.get("labels") else {
            return Ok(());
        };
        let at = format!("{at}/labels");
        let labels = labels
            .as_object()
            .ok_or_else(|| self.error(&at, "labels must be an object of texts"))?;
        if labels.contains_key(OBSERVERS) {
            return Err(self.error(
                &format!("{at}/{OBSERVERS}"),
                format!("the label {OBSERVERS} is the observer's own: by it operator tokens find their way; take it out"),
            ));
        }
        match labels.iter().find(|(_, v)| !v.is_string()) {
            Some((key, _)) => Err(self.error(
                &format!("{at}/{key}"),
                format!("the label {key} must be a text"),
            )),
            None => Ok(()),
        }
    }

    fn instances(&self, at: &str, app: &Map<String, Value>) -> Result<Option<u32>, SpecError> {
        match app.get("instances") {
            None | Some(Value::Null) => Ok(None),
            Some(n) => match n.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(n) if n <= 100_000 => Ok(Some(n)),
                _ => Err(self.error(
                    &format!("{at}/instances"),
                    "instances must be a whole number from 0 to 100000",
                )),
            },
        }
    }
}

fn is_group(root: &Map<String, Value>) -> bool {
    root.contains_key("apps")
        || root.contains_key("groups")
        || root.get("pods").is_some_and(Value::is_array)
}

/// An id relative to `prefix`, made absolute as Marathon does: empty segments vanish, `.` and `..` are followed.
fn resolve(id: &str, prefix: &str) -> String {
    let base = if id.starts_with('/') { "" } else { prefix };
    let mut segments: Vec<&str> = Vec::new();
    for segment in base.split('/').chain(id.split('/')) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn error(text: &str) -> String {
        flatten(&[file("specs/a.json", text)])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_spec_of_any_shape_costs_what_its_size_does() {
        let long = "k".repeat(400_000);
        let numbers = vec!["1"; 200_000].join(",");
        let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for labels in [
            format!("{{\"{long}\": [{numbers}]}}"),
            format!("{{\"{long}\": {{\"{long}\": {nested}}}}}"),
            format!("{{\"a\": 1, \"{long}\": [{numbers}], \"a\": 2}}"),
        ] {
            let text = format!("{{\"id\": \"/web\", \"cmd\": \"x\", \"labels\": {labels}}}");
            let error = flatten(&[File {
                path: "specs/x.json".to_owned(),
                bytes: text.into_bytes(),
            }]);
            let said = error.unwrap_err().to_string();
            assert!(said.contains("specs/x.json:1:"), "{said:.200}");
        }
        // each of many apps has each of many dependencies
        let dependencies: Vec<String> = (0..20_000).map(|n| format!("\"/d/{n}\"")).collect();
        let apps: Vec<String> = (0..10_000)
            .map(|n| format!("{{\"id\": \"a{n}\"}}"))
            .collect();
        let text = format!(
            "{{\"id\": \"/g\", \"dependencies\": [{}], \"apps\": [{}]}}",
            dependencies.join(","),
            apps.join(",")
        );
        let file = File {
            path: "specs/g.json".to_owned(),
            bytes: text.into_bytes(),
        };
        let said = flatten(&[file]).unwrap_err().to_string();
        assert!(said.contains("hand down"), "{said:.200}");
    }

    #[test]
    fn a_group_becomes_services_with_inherited_dependencies() {
        let group = r#"{"id": "/shop", "dependencies": ["/net"],
            "groups": [{"id": "db", "apps": [{"id": "pg", "cmd": "x", "instances": 2}]}],
            "apps": [{"id": "web", "cmd": "y", "dependencies": ["db/pg", "../other"]}]}"#;
        let services = flatten(&[file("specs/g.json", group)]).unwrap();
        let ids: Vec<&str> = services.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["/shop/db/pg", "/shop/web"]);
        assert_eq!(
            services[0].spec["dependencies"],
            serde_json::json!(["/net"])
        );
        assert_eq!(services[0].instances, Some(2));
        assert_eq!(
            services[1].spec["dependencies"],
            serde_json::json!(["/net", "/other", "/shop/db/pg"])
        );
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        assert_eq!(
            error("{\n  \"id\": \"/a\"\n  \"cmd\": \"x\"\n}"),
            "specs/a.json:3:3: invalid JSON: expected `,` or `}`"
        );
        assert!(error("{\"cmd\": \"x\"}").starts_with("specs/a.json:1:1: an app needs an id"));
        assert!(
            error("{\"id\": \"/a\", \"instances\": -1}")
                .starts_with("specs/a.json:1:27: instances")
        );
        assert!(error("{\"id\": \"/a\", \"id\": \"/b\"}").contains("1:14: /id stands twice"));
        assert!(error("{\"id\": \"/a\", \"pods\": [{}]}").contains("pods"));
        assert!(error("{\"id\": \"/A\"}").contains("Marathon id"));
        assert!(error("[]").contains("JSON object"));
        assert!(
            error("{\"id\": \"/g\", \"apps\": [{\"id\": \"/h/a\"}]}").contains("not a child of /g")
        );
        assert!(error("{\"id\": \"/a\", \"labels\": {\"x\": 1}}").contains("the label x"));
    }

    #[test]
    fn one_id_stands_in_one_file() {
        let files = [
            file("specs/a.json", r#"{"id": "web"}"#),
            file("specs/b.json", r#"{"id": "/web"}"#),
        ];
        let error = flatten(&files).unwrap_err().to_string();
        assert_eq!(
            error,
            "specs/b.json:1:8: /web is already defined in specs/a.json"
        );
    }
}

//! One operation of the API, and the schemas that all of them share.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::api::Problem;
use crate::id::{AppId, ServiceId};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Anybody; of private apps those who may see them.
    Anyone,
    /// Whoever is known by a token or a session.
    Known,
    /// Who may act on the app.
    Operator,
    /// Who may register, destroy and adopt.
    Admin,
    /// GitHub, which signs what it sends.
    GitHub,
}

impl Who {
    pub fn word(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Known => "who is known",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::GitHub => "GitHub",
        }
    }

    fn security(self) -> Value {
        match self {
            Self::Anyone => json!([{}, { "token": [] }, { "session": [] }]),
            Self::GitHub => json!([{}]),
            Self::Known | Self::Operator | Self::Admin => {
                json!([{ "token": [] }, { "session": [] }])
            }
        }
    }
}

/// All operations, as they are added.
pub(super) struct Book {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
    paths: BTreeMap<&'static str, Map<String, Value>>,
}

/// An operation that is being described.
pub(super) struct Operation<'a> {
    book: &'a mut Book,
    method: &'static str,
    path: &'static str,
    parameters: Vec<Value>,
    whole: Map<String, Value>,
    responses: Map<String, Value>,
}

fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.contract = contract;
    settings.into_generator()
}

impl Book {
    pub fn new() -> Self {
        Self {
            answers: generator(Contract::Serialize),
            bodies: generator(Contract::Deserialize),
            paths: BTreeMap::new(),
        }
    }

    /// An operation: method and path as the router has them, who may call it, what it does.
    pub fn on(
        &mut self,
        method: &'static str,
        path: &'static str,
        who: Who,
        tag: &str,
        says: &str,
    ) -> Operation<'_> {
        let mut whole = Map::new();
        let id = format!("{method} {path}")
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("_");
        whole.insert("operationId".to_owned(), json!(id));
        whole.insert("tags".to_owned(), json!([tag]));
        whole.insert("summary".to_owned(), json!(says));
        whole.insert("x-who".to_owned(), json!(who.word()));
        whole.insert("security".to_owned(), who.security());
        let problem = self.answers.subschema_for::<Problem>();
        let refusal = json!({
            "description": "refused; `code` says why",
            "content": { "application/problem+json": { "schema": problem } },
        });
        let refusals = [("4XX", refusal.clone()), ("5XX", refusal)];
        let parameters = path_parameters(path, &mut self.answers);
        Operation {
            book: self,
            method,
            path,
            parameters,
            whole,
            responses: refusals
                .map(|(s, r)| (s.to_owned(), r))
                .into_iter()
                .collect(),
        }
    }

    /// The paths, and the schemas they refer to.
    pub fn finish(mut self) -> (Value, Value) {
        let mut schemas = self.bodies.take_definitions(true);
        schemas.append(&mut self.answers.take_definitions(true));
        (json!(self.paths), Value::Object(schemas))
    }
}

/// What is also done to one service.
const OF_SERVICES: [&str; 4] = ["/rollback", "/deploy", "/redeploy", "/scale"];

/// The parts of a path in braces.
fn path_parameters(path: &str, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let parts = path.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}').map(|(name, _)| name));
    names
        .map(|name| {
            let (schema, says): (Schema, &str) = match name {
                "id" if OF_SERVICES.iter().any(|act| path.ends_with(act)) => {
                    let app = schemas.subschema_for::<AppId>();
                    let service = schemas.subschema_for::<ServiceId>();
                    let either = schemars::json_schema!({ "anyOf": [app, service] });
                    (either, "The app; or one service of it, encoded: `%2Fshop%2Fweb`.")
                }
                "id" if path.starts_with("/apps") => {
                    (schemas.subschema_for::<AppId>(), "The app.")
                }
                "n" => (
                    number(1),
                    "The number of the deploy, with or without `.json`.",
                ),
                "sha" => (
                    text("^[0-9a-fA-F]{4,64}$"),
                    "The commit, four digits or more of it.",
                ),
                _ => (text("^[^/]{1,128}$"), "Its name."),
            };
            json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema })
        })
        .collect()
}

fn text(pattern: &str) -> Schema {
    schemars::json_schema!({ "type": "string", "pattern": pattern })
}

fn number(least: u32) -> Schema {
    schemars::json_schema!({ "type": "integer", "minimum": least, "maximum": u32::MAX })
}

impl Operation<'_> {
    /// What may stand in the query: the fields of the type that the handler reads.
    pub fn query<T: JsonSchema>(self) -> Self {
        self.query_of::<T>(&|_| true)
    }

    /// Of those fields, these.
    pub fn query_of<T: JsonSchema>(mut self, taken: &dyn Fn(&str) -> bool) -> Self {
        for (name, mut schema) in fields::<T>() {
            if !taken(&name) {
                continue;
            }
            let says = schema.as_object_mut().and_then(|s| s.remove("description"));
            self.parameters.push(json!({
                "name": name, "in": "query", "required": false, "schema": schema,
                "description": says.unwrap_or_default(),
            }));
        }
        self
    }

    pub fn header(mut self, name: &str, required: bool, says: &str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": required, "description": says, "schema": { "type": "string" },
        }));
        self
    }

    /// What it takes, as JSON or as a form.
    pub fn takes<T: JsonSchema>(self) -> Self {
        let schema = json!(self.book.bodies.subschema_for::<T>());
        self.body(
            &["application/json", "application/x-www-form-urlencoded"],
            &schema,
        )
    }

    /// Of the fields of a body, those that this action takes.
    pub fn takes_of<T: JsonSchema>(self, taken: &[&str]) -> Self {
        let known = fields::<T>().into_iter();
        let properties: Map<String, Value> = known
            .filter(|(name, _)| taken.contains(&name.as_str()))
            .collect();
        let schema =
            json!({ "type": "object", "properties": properties, "additionalProperties": false });
        self.body(
            &["application/json", "application/x-www-form-urlencoded"],
            &schema,
        )
    }

    pub fn body(mut self, types: &[&str], schema: &Value) -> Self {
        let content: Map<String, Value> = types
            .iter()
            .map(|t| ((*t).to_owned(), json!({ "schema": schema })))
            .collect();
        self.whole
            .insert("requestBody".to_owned(), json!({ "content": content }));
        self
    }

    /// An answer in JSON.
    pub fn answers<T: JsonSchema>(mut self, status: StatusCode, says: &str) -> Self {
        let schema = json!(self.book.answers.subschema_for::<T>());
        self.answer(status, says, "application/json", schema);
        self
    }

    /// An answer of another type, in text.
    pub fn says(mut self, status: StatusCode, says: &str, content_type: &str) -> Self {
        self.answer(status, says, content_type, json!({ "type": "string" }));
        self
    }

    /// A page, for who accepts one; where nobody is known, the login.
    pub fn page(self) -> Self {
        let login = self.method == "get" && self.whole["x-who"] != Who::Anyone.word();
        let page = self.says(StatusCode::OK, "a page", "text/html");
        if login {
            page.only(StatusCode::SEE_OTHER, "to a browser: the login")
        } else {
            page
        }
    }

    /// Refused, it answers with a page whatever is accepted.
    pub fn refused_by_page(mut self) -> Self {
        let text = json!({ "schema": { "type": "string" } });
        self.responses["4XX"]["content"]["text/html"] = text;
        self
    }

    /// An answer without a body.
    pub fn only(mut self, status: StatusCode, says: &str) -> Self {
        let response = json!({ "description": says });
        self.responses.insert(status.as_str().to_owned(), response);
        self
    }

    fn answer(&mut self, status: StatusCode, says: &str, content_type: &str, schema: Value) {
        let entry = self.responses.entry(status.as_str());
        let entry = entry.or_insert_with(|| json!({ "description": says, "content": {} }));
        let kept = &mut entry["content"][content_type]["schema"];
        *kept = match kept.take() {
            Value::Null => schema,
            // one of several, by what was asked
            Value::Object(mut several) if several.contains_key("anyOf") => {
                if let Some(Value::Array(list)) = several.get_mut("anyOf") {
                    list.push(schema);
                }
                Value::Object(several)
            }
            other => json!({ "anyOf": [other, schema] }),
        };
    }

    /// It is described.
    pub fn done(mut self) {
        self.whole
            .insert("parameters".to_owned(), Value::Array(self.parameters));
        self.whole
            .insert("responses".to_owned(), Value::Object(self.responses));
        let path = self.book.paths.entry(self.path).or_default();
        path.insert(self.method.to_owned(), Value::Object(self.whole));
    }
}

/// The fields of a type that is read, each whole in itself.
fn fields<T: JsonSchema>() -> Vec<(String, Value)> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut properties = properties.cloned().unwrap_or_default();
    // serde's other name for it, which the schema of the type does not say
    let acts = properties.contains_key("override_lock");
    if let Some(mut twin) = properties.get("to").filter(|_| acts).cloned() {
        twin["description"] = json!("The same as `to`.");
        twin["deprecated"] = json!(true);
        properties.insert("commit".to_owned(), twin);
    }
    properties.into_iter().collect()
}

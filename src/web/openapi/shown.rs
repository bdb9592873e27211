//! The document as people read it: the same words, in rows.

use std::sync::LazyLock;

use serde_json::Value;

use super::super::html::{Answer, Call, Field, Manual, Part, Shape};
use super::document;

/// Everything `/docs` shows; it is the same for everybody.
pub(super) fn manual() -> &'static Manual {
    static MANUAL: LazyLock<Manual> = LazyLock::new(|| read(document()));
    &MANUAL
}

fn read(document: &Value) -> Manual {
    let parts = list(&document["tags"]).map(|tag| {
        let name = word(&tag["name"]);
        Part {
            calls: calls(document, &name),
            says: word(&tag["description"]),
            name,
        }
    });
    let shapes = entries(&document["components"]["schemas"]).map(|(name, schema)| Shape {
        name: name.clone(),
        says: word(&schema["description"]),
        fields: fields(schema),
        words: words(schema),
    });
    Manual {
        says: word(&document["info"]["description"]),
        parts: parts.collect(),
        shapes: shapes.collect(),
    }
}

fn calls(document: &Value, tag: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, methods) in entries(&document["paths"]) {
        for (method, call) in entries(methods) {
            if call["tags"][0] != tag {
                continue;
            }
            calls.push(Call {
                id: word(&call["operationId"]),
                method: method.to_uppercase(),
                path: path.clone(),
                says: word(&call["summary"]),
                who: word(&call["x-who"]),
                parameters: list(&call["parameters"]).map(parameter).collect(),
                body: body(&call["requestBody"]["content"]["application/json"]["schema"]),
                answers: answers(&call["responses"]),
            });
        }
    }
    calls
}

fn parameter(parameter: &Value) -> Field {
    Field {
        name: word(&parameter["name"]),
        place: word(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        needed: parameter["required"] == true,
        says: word(&parameter["description"]),
    }
}

/// The fields of a body; one that has a name of its own is a row that leads there.
fn body(schema: &Value) -> Vec<Field> {
    if schema.is_null() {
        return Vec::new();
    }
    let fields = fields(schema);
    if !fields.is_empty() {
        return fields;
    }
    vec![Field {
        name: String::new(),
        place: "body".to_owned(),
        kind: kind(schema),
        needed: false,
        says: word(&schema["description"]),
    }]
}

fn fields(schema: &Value) -> Vec<Field> {
    let needed: Vec<&Value> = list(&schema["required"]).collect();
    let rows = entries(&schema["properties"]).map(|(name, field)| Field {
        name: name.clone(),
        place: "body".to_owned(),
        kind: kind(field),
        needed: needed.iter().any(|n| *n == name),
        says: word(&field["description"]),
    });
    rows.collect()
}

/// The words of an enumeration, each with what it means.
fn words(schema: &Value) -> Vec<(String, String)> {
    let each = list(&schema["oneOf"]).filter(|one| one["const"].is_string());
    each.map(|one| (word(&one["const"]), word(&one["description"])))
        .collect()
}

fn answers(responses: &Value) -> Vec<Answer> {
    let of = |(status, response): (&String, &Value)| Answer {
        status: status.clone(),
        says: word(&response["description"]),
        content: entries(&response["content"])
            .map(|(media, content)| (media.clone(), kind(&content["schema"])))
            .collect(),
    };
    entries(responses).map(of).collect()
}

/// The type of a value, in words; names of shapes stand as they are, for the page to link.
fn kind(schema: &Value) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return vec![name.to_owned()];
    }
    for several in ["anyOf", "oneOf"] {
        if schema[several].is_array() {
            return list(&schema[several]).flat_map(kind).collect();
        }
    }
    if let Some(constant) = schema["const"].as_str() {
        return vec![format!("`{constant}`")];
    }
    if schema["enum"].is_array() {
        return list(&schema["enum"])
            .filter_map(Value::as_str)
            .map(|w| format!("`{w}`"))
            .collect();
    }
    let single = |name: &str| match name {
        "array" => kind(&schema["items"])
            .iter()
            .map(|k| format!("list of {k}"))
            .collect(),
        "object" if schema["additionalProperties"].is_object() => {
            kind(&schema["additionalProperties"])
                .iter()
                .map(|k| format!("map of {k}"))
                .collect()
        }
        other => vec![other.to_owned()],
    };
    match &schema["type"] {
        Value::String(name) => single(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .flat_map(single)
            .collect(),
        _ => vec!["any".to_owned()],
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

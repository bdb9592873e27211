//! The switch for faults, `/local/faults`: a page with a row and buttons for each, and how a change of them is read.
//!
//! Programs post JSON. A button of the page posts a form that says the same: in its field `change`, or with a field
//! for each value, where `deliveries.lose` is `lose` within `deliveries`. What the faults are is the server's own.

use askama::Template;
use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::page::{self, Page, is_browser};

/// The page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<nav><a href="{{ home.0 }}">{{ home.1 }}</a></nav>
<h1>Faults <small>{{ whose }}</small></h1>
<table class="stack">{% for row in rows %}<tr><td>{% if row.now.is_some() %}<strong class="bad">{{ row.title }}</strong>{% else %}{{ row.title }}{% endif %}{% if !row.effect.is_empty() %}<br><span class="dim">{{ row.effect }}</span>{% endif %}</td>
<td>{% if let Some(now) = row.now %}<span class="bad">{{ now }}</span>{% else %}<span class="dim">off</span>{% endif %}</td>
<td>{% for button in row.buttons %}<form method="post">{% for field in button.fields %}{% if field.unit.is_empty() %}<input type="hidden" name="{{ field.name }}" value="{{ field.value }}">{% else %}<label><input type="number" name="{{ field.name }}" min="1" max="1000000" required value="{{ field.value }}"> {{ field.unit }}</label> {% endif %}{% endfor %}<button>{{ button.label }}</button></form>
{% endfor %}</td></tr>
{% endfor %}</table>
<p></p><form method="post"><input type="hidden" name="change" value='{"reset":true}'><button>all is well again</button> <span class="dim">{{ after }}</span></form>
<p class="dim">Programs post JSON here: <code>{{ example }}</code>; <code>GET</code> shows what is set.</p>"#
)]
pub struct FaultPage {
    /// Of the server: `local GitHub`.
    pub server: &'static str,
    /// Where the server's first page is, and what it is called.
    pub home: (&'static str, &'static str),
    /// Behind the heading.
    pub whose: &'static str,
    /// The faults.
    pub rows: Vec<Row>,
    /// What else happens when all is well again; may be empty.
    pub after: &'static str,
    /// What a program sends.
    pub example: String,
}

impl Page for FaultPage {
    fn title(&self) -> String {
        format!("Faults · {}", self.server)
    }
}

/// One fault, as it stands.
pub struct Row {
    title: &'static str,
    effect: &'static str,
    now: Option<String>,
    buttons: Vec<Button>,
}

struct Button {
    label: &'static str,
    fields: Vec<Field>,
}

struct Field {
    name: &'static str,
    value: String,
    /// Of a number that a person may choose; empty where there is nothing to choose.
    unit: &'static str,
}

/// A number that a person may choose.
#[derive(Clone, Copy)]
pub struct Number {
    /// Of its field.
    pub name: &'static str,
    /// What is proposed.
    pub value: u64,
    /// What it counts, as the page says it.
    pub unit: &'static str,
}

impl Row {
    /// A fault without buttons; `now` says how it stands where it is on.
    #[must_use]
    pub fn new(title: &'static str, effect: &'static str, now: Option<String>) -> Self {
        Self {
            title,
            effect,
            now,
            buttons: Vec::new(),
        }
    }

    /// A fault that is on or off: the field `name` of the JSON.
    #[must_use]
    pub fn switch(title: &'static str, effect: &'static str, name: &str, on: bool) -> Self {
        let label = if on { "switch off" } else { "switch on" };
        let row = Self::new(title, effect, on.then(|| "on".to_owned()));
        row.button(label, &json!({ name: !on }))
    }

    /// With a button that changes this.
    #[must_use]
    pub fn button(self, label: &'static str, change: &Value) -> Self {
        let field = Field {
            name: "change",
            value: change.to_string(),
            unit: "",
        };
        self.form(label, vec![field])
    }

    /// With numbers to choose and a button that sets them; where it is on, with one that sets them to 0.
    #[must_use]
    pub fn numbers(self, numbers: &[Number]) -> Self {
        let on = self.now.is_some();
        let fields = |zero: bool| {
            let field = |number: &Number| Field {
                name: number.name,
                value: if zero { 0 } else { number.value }.to_string(),
                unit: if zero { "" } else { number.unit },
            };
            numbers.iter().map(field).collect()
        };
        let row = self.form(if on { "set" } else { "switch on" }, fields(false));
        if on {
            row.form("switch off", fields(true))
        } else {
            row
        }
    }

    fn form(mut self, label: &'static str, fields: Vec<Field>) -> Self {
        self.buttons.push(Button { label, fields });
        self
    }
}

/// How a fault stands that counts down.
#[must_use]
pub fn to_come(left: u32) -> Option<String> {
    (left > 0).then(|| format!("{left} to come"))
}

/// How a fault stands that takes time.
#[must_use]
pub fn late(ms: u64) -> Option<String> {
    (ms > 0).then(|| format!("{ms} ms"))
}

/// Answers `GET`: the page for browsers, JSON for programs.
pub fn show<S: Serialize>(
    headers: &HeaderMap,
    state: S,
    page: impl FnOnce(&S) -> FaultPage,
) -> Response {
    if is_browser(headers) {
        page::show(&page(&state))
    } else {
        Json(state).into_response()
    }
}

/// Answers `POST`: makes the change, and leads a browser back to the page; a program gets what is set then.
///
/// # Errors
/// Why the body says no change.
pub fn change<T: DeserializeOwned, S: Serialize>(
    headers: &HeaderMap,
    body: &[u8],
    apply: impl FnOnce(T) -> S,
) -> Result<Response, String> {
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form")) {
        drop(apply(pressed(body)?));
        let home = [(header::LOCATION, "/local/faults")];
        return Ok((StatusCode::SEE_OTHER, home).into_response());
    }
    let change = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(Json(apply(change)).into_response())
}

fn pressed<T: DeserializeOwned>(form: &[u8]) -> Result<T, String> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
    let read = match fields.as_slice() {
        [(name, change)] if name == "change" => serde_json::from_str(change),
        _ => serde_json::from_value(Value::Object(nested(fields)?)),
    };
    read.map_err(|error| error.to_string())
}

/// The JSON that a form's fields say.
fn nested(fields: Vec<(String, String)>) -> Result<Map<String, Value>, String> {
    let mut all = Map::new();
    for (name, text) in fields {
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let (within, last) = match name.split_once('.') {
            Some((outer, inner)) => {
                let outer = all.entry(outer).or_insert_with(|| json!({}));
                (outer.as_object_mut(), inner)
            }
            None => (Some(&mut all), name.as_str()),
        };
        let known = within.map(|within| within.insert(last.to_owned(), value));
        if !matches!(known, Some(None)) {
            return Err(format!("the form says {name} twice"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_json_says() {
        for (form, said) in [
            ("", json!({})),
            ("down=true", json!({"down": true})),
            ("slow_ms=5&down=false", json!({"slow_ms": 5, "down": false})),
            (
                "d.times=3&d.word=a+b",
                json!({"d": {"times": 3, "word": "a b"}}),
            ),
            ("change=%7B%22crash%22%3A2%7D", json!({"crash": 2})),
        ] {
            assert_eq!(pressed::<Value>(form.as_bytes()), Ok(said), "{form}");
        }
        for wrong in [
            "down=true&down=false",
            "d=1&d.e=2",
            "d.e=1&d.e=2",
            "change=%7B",
        ] {
            assert!(pressed::<Value>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

//! What comes from outside is cleaned of secrets and cut to its room before it is written.

use serde_json::Value;

use crate::event::NewEvent;
use crate::secret::Redactor;

/// The room of one outside text within a payload, in bytes of JSON: however many there are, the payload has room for them.
const TEXT_LIMIT: usize = 8 * 1024;

/// The event with every outside text cleaned of secrets and capped, and its encoding. What is folded is what is stored.
pub(super) fn cleaned(event: NewEvent, redactor: &Redactor) -> (NewEvent, String, i64, String) {
    let (kind, version, payload) = event.fact.encode();
    if payload.len() <= TEXT_LIMIT && redactor.clean(&payload) == payload {
        return (event, kind, version, payload);
    }
    let mut value = serde_json::json!({"kind": kind, "payload": serde_json::from_str::<Value>(&payload).unwrap_or_default()});
    clean_texts(&mut value, false, redactor);
    let fact = serde_json::from_value(value).unwrap_or(event.fact);
    let (kind, version, payload) = fact.encode();
    (NewEvent { fact, ..event }, kind, version, payload)
}

/// Ids are parsed and cannot carry a secret; texts that people or other programs wrote can.
fn clean_texts(value: &mut Value, outside: bool, redactor: &Redactor) {
    const OUTSIDE: &[&str] = &[
        "sentence", "message", "author", "reason", "url", "pusher", "route", "differed", "stage",
    ];
    match value {
        // cut last: half a secret would not be known any more
        Value::String(text) if outside => *text = capped(redactor.clean(text)),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|v| clean_texts(v, outside, redactor)),
        Value::Object(map) => {
            for (key, v) in map.iter_mut() {
                clean_texts(v, OUTSIDE.contains(&key.as_str()), redactor);
            }
        }
        _ => {}
    }
}

/// The text, or as much of it as there is room for; says so when it was cut.
fn capped(text: String) -> String {
    let mut room = TEXT_LIMIT;
    for (at, c) in text.char_indices() {
        let size = match c {
            '"' | '\\' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        let Some(left) = room.checked_sub(size) else {
            return format!("{}… (cut)", &text[..at]);
        };
        room = left;
    }
    text
}

//! Lists that are too long for one event: they stand in `services_listed` events, part by part, before the event they
//! belong to, which then carries an empty list. Whoever reads the log in its order gets the events whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Event, Fact, NewEvent, PAYLOAD_LIMIT, Unreadable};
use crate::id::AppId;

/// How large the list in one part may be, in bytes of JSON.
const PART: usize = PAYLOAD_LIMIT - 4 * 1024;

/// The lists that an event of this payload is too long for, as events before it, and the payload without them.
#[must_use]
pub fn split(kind: &str, payload: &str) -> (Vec<Fact>, String) {
    let mut listed = Vec::new();
    let Ok(Value::Object(mut fields)) = serde_json::from_str(payload) else {
        return (listed, payload.to_owned());
    };
    let mut left = payload.to_owned();
    while left.len() > PAYLOAD_LIMIT {
        let Some(field) = longest(&fields) else { break };
        let items = match fields.get_mut(&field) {
            Some(Value::Array(items)) => std::mem::take(items),
            Some(Value::Object(map)) => {
                let pairs = std::mem::take(map).into_iter();
                pairs.map(|(key, value)| json!([key, value])).collect()
            }
            _ => break,
        };
        listed.extend(parts(kind, &field, items));
        left = Value::Object(fields.clone()).to_string();
    }
    (listed, left)
}

/// The field that holds the longest list.
fn longest(fields: &Map<String, Value>) -> Option<String> {
    let lists = fields.iter().filter(|(_, v)| match v {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    });
    let longest = lists.max_by_key(|(_, v)| v.to_string().len());
    longest.map(|(field, _)| field.clone())
}

fn parts(kind: &str, field: &str, items: Vec<Value>) -> Vec<Fact> {
    let mut parts: Vec<Vec<Value>> = vec![Vec::new()];
    let mut room = PART;
    for item in items {
        let size = item.to_string().len() + 1;
        if size > room {
            parts.push(Vec::new());
            room = PART;
        }
        room = room.saturating_sub(size);
        if let Some(part) = parts.last_mut() {
            part.push(item);
        }
    }
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let numbered = (1..).zip(parts);
    numbered
        .map(|(part, services)| Fact::ServicesListed {
            of: kind.to_owned(),
            field: field.to_owned(),
            part,
            parts: count,
            services,
        })
        .collect()
}

/// Puts the lists back where they belong, for whoever reads the log in its order.
#[derive(Debug, Default)]
pub struct Lists(BTreeMap<Option<AppId>, Vec<Listed>>);

#[derive(Debug)]
struct Listed {
    of: String,
    field: String,
    items: Vec<Value>,
}

impl Lists {
    /// The event as it was before the log gave it a number, whole.
    ///
    /// # Errors
    /// When a newer release wrote it.
    pub fn whole(&mut self, event: &Event) -> Result<NewEvent, Unreadable> {
        let mut new = event.as_new()?;
        if let Fact::ServicesListed {
            of,
            field,
            services,
            ..
        } = &new.fact
        {
            let listed = Listed {
                of: of.clone(),
                field: field.clone(),
                items: services.clone(),
            };
            let all = self.0.entry(event.app.clone()).or_default();
            all.push(listed);
            return Ok(new);
        }
        let listed = self.0.remove(&event.app).into_iter().flatten();
        for part in listed.filter(|l| l.of == event.kind) {
            new.fact = with_list(new.fact, &part.field, part.items);
        }
        Ok(new)
    }
}

fn with_list(fact: Fact, field: &str, items: Vec<Value>) -> Fact {
    let Ok(mut whole) = serde_json::to_value(&fact) else {
        return fact;
    };
    match whole.get_mut("payload").and_then(|p| p.get_mut(field)) {
        Some(Value::Array(list)) => list.extend(items),
        Some(Value::Object(map)) => {
            for item in items {
                if let (Some(key), Some(value)) = (item[0].as_str(), item.get(1)) {
                    map.insert(key.to_owned(), value.clone());
                }
            }
        }
        _ => {}
    }
    serde_json::from_value(whole).unwrap_or(fact)
}

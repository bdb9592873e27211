//! The types of JSON bodies: which field is a text, a number in which range, a list of what.
//!
//! Only shapes are looked at here; `check` says what makes sense. Unknown keys are accepted, as Marathon does.

use serde_json::{Map, Value};

use super::refusal::Complaints;

/// What a value must be.
pub enum Kind {
    /// A text with a shortest length and a form.
    Text { min: usize, form: fn(&str) -> bool },
    /// A number within bounds.
    Number { min: f64, max: f64 },
    /// A whole number within bounds.
    Int { min: i64, max: i64 },
    /// `true` or `false`.
    Bool,
    /// One of some words, in any case.
    Choice(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// Any keys, all values alike.
    Map(&'static Kind),
    /// A text, or an object that names a secret.
    EnvValue,
    /// A point in time.
    Date,
    /// An object with known fields.
    Object(&'static [Field]),
    /// Anything.
    Free,
}

/// A known field of an object.
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Whether it may be missing (or null).
    pub required: bool,
}

/// A field that may be missing.
pub const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

/// A field that must be there.
pub const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

/// Any text.
pub const TEXT: Kind = Kind::Text {
    min: 0,
    form: |_| true,
};
/// A text that is not empty.
pub const WORDS: Kind = Kind::Text {
    min: 1,
    form: |_| true,
};
/// A whole number from 0.
pub const COUNT: Kind = Kind::Int {
    min: 0,
    max: i32::MAX as i64,
};
/// A number from 0.
pub const AMOUNT: Kind = Kind::Number {
    min: 0.0,
    max: f64::MAX,
};
/// A list of texts.
pub const TEXTS: Kind = Kind::List(&TEXT);

/// Complains about everything in `value` that is not of `kind`.
pub fn check(value: &Value, kind: &Kind, path: &str, out: &mut Complaints) {
    let mut complain = |error: &str| out.push((path.to_owned(), error.to_owned()));
    match kind {
        Kind::Bool if !value.is_boolean() => complain("error.expected.jsboolean"),
        Kind::Text { min, form } => match value.as_str() {
            None => complain("error.expected.jsstring"),
            Some(text) if text.len() < *min => complain("error.minLength"),
            Some(text) if !form(text) => complain("error.pattern"),
            Some(_) => {}
        },
        Kind::Number { min, max } => match value.as_f64() {
            None => complain("error.expected.jsnumber"),
            Some(number) if number < *min => complain("error.min"),
            Some(number) if number > *max => complain("error.max"),
            Some(_) => {}
        },
        Kind::Int { min, max } => int(value, *min, *max, &mut complain),
        Kind::Choice(words) => match value.as_str() {
            None => complain("error.expected.jsstring"),
            Some(text) if !words.iter().any(|w| w.eq_ignore_ascii_case(text)) => {
                complain("error.unknown.enum.literal");
            }
            Some(_) => {}
        },
        Kind::Date if value.as_str().and_then(crate::stamp::parse).is_none() => {
            complain("error.expected.date.isoformat");
        }
        Kind::EnvValue if !value.is_string() && !value.is_object() => {
            complain("error.expected.jsobject");
        }
        Kind::List(inner) => match value.as_array() {
            None => complain("error.expected.jsarray"),
            Some(list) => {
                for (index, element) in list.iter().enumerate() {
                    check(element, inner, &format!("{path}({index})"), out);
                }
            }
        },
        Kind::Map(inner) => match value.as_object() {
            None => complain("error.expected.jsobject"),
            Some(map) => {
                for (key, element) in map {
                    check(element, inner, &format!("{path}/{key}"), out);
                }
            }
        },
        Kind::Object(fields) => object(value, fields, path, out),
        Kind::Free | Kind::Bool | Kind::Date | Kind::EnvValue => {}
    }
}

fn int(value: &Value, min: i64, max: i64, complain: &mut impl FnMut(&str)) {
    match (value.as_i64(), value.as_f64()) {
        (_, None) => complain("error.expected.jsnumber"),
        (Some(number), _) if number < min => complain("error.min"),
        (Some(number), _) if number <= max => {}
        _ => complain("error.expected.int"),
    }
}

fn object(value: &Value, fields: &[Field], path: &str, out: &mut Complaints) {
    let empty = Map::new();
    let map = value.as_object();
    for field in fields {
        let path = format!("{path}/{}", field.name);
        match (map.unwrap_or(&empty).get(field.name), field.required) {
            (Some(Value::Null) | None, false) => {}
            (Some(inner), _) => check(inner, &field.kind, &path, out),
            (None, true) => {
                let why = match map {
                    Some(_) => format!("'{}' is undefined on object: {value}", field.name),
                    None => format!("{value} is not an object"),
                };
                out.push((path, why));
            }
        }
    }
}

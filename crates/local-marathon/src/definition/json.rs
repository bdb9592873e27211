//! JSON values, changed as Marathon changes them.

use serde_json::{Number, Value};

/// Writes whole numbers without a fraction, as Marathon does.
pub fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, plain(v))).collect()),
        Value::Array(list) => Value::Array(list.into_iter().map(plain).collect()),
        other => other,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and small"
)]
fn whole(number: &Number) -> Option<Number> {
    let float = number
        .as_f64()
        .filter(|f| !number.is_i64() && f.fract() == 0.0 && f.abs() < 1e15)?;
    Some(Number::from(float as i64))
}

/// A list with every element changed; what is no list stays.
pub fn each(list: &Value, change: impl Fn(&Value) -> Value) -> Value {
    match list {
        Value::Array(list) => list.iter().map(change).collect(),
        other => other.clone(),
    }
}

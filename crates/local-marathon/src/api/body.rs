//! JSON bodies, and what Jackson says about those that are none.

use serde_json::{Value, json};

use super::call::Call;
use crate::definition::json::plain;
use crate::definition::refusal::Refusal;

/// The body as JSON. Whole numbers may be written with a point or an exponent: `1.0` is the whole number 1.
pub fn json_body(call: &Call) -> Result<Value, Refusal> {
    let text = String::from_utf8_lossy(&call.body);
    if text.trim().is_empty() {
        let details =
            "No content to map due to end-of-input\n at [Source: [B@5e1f23a7; line: 1, column: 0]";
        let body = json!({ "message": "Please specify data in JSON format", "details": details });
        return Err(not_json(body));
    }
    let body = serde_json::from_str(&text).map_err(|error| {
        let body = json!({ "message": "Invalid JSON", "details": complaint(&text, &error) });
        not_json(body)
    })?;
    Ok(plain(body))
}

fn not_json(body: Value) -> Refusal {
    Refusal {
        status: 400,
        body,
        reason: None,
    }
}

/// The body on one line, its keys in the order in which they came.
pub fn one_line(call: &Call) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let text = String::from_utf8_lossy(&call.body);
    let kept = text.chars().filter(|c| {
        let keep = quoted || !c.is_ascii_whitespace();
        quoted ^= *c == '"' && !escaped;
        escaped = quoted && *c == '\\' && !escaped;
        keep
    });
    kept.collect()
}

fn complaint(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return match text.trim() {
            "{" => "Unexpected end-of-input: expected close marker for Object (start marker at [Source: [B@5e1f23a7; line: 1, column: 1])".to_owned(),
            _ => "Unexpected end-of-input within/between Object entries".to_owned(),
        };
    }
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let at = line
        .char_indices()
        .map(|(i, _)| i)
        .take_while(|i| *i < error.column())
        .last()
        .unwrap_or_default();
    let start = line[..at]
        .char_indices()
        .rfind(|(_, c)| !c.is_alphanumeric())
        .map_or(0, |(i, c)| i + c.len_utf8());
    let token: String = line[start..]
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    let found = line[at..].chars().next().unwrap_or(' ');
    match (token.as_str(), found) {
        ("NaN", _) => "Non-standard token 'NaN': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow".to_owned(),
        (_, '/') => "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? (not recognized as one since Feature \
                     'ALLOW_COMMENTS' not enabled for parser)"
            .to_owned(),
        (token, _) if !token.is_empty() => format!("Unrecognized token '{token}': was expecting ('true', 'false' or 'null')"),
        (_, c) => format!("Unexpected character ('{c}' (code {})): was expecting double-quote to start field name", u32::from(c)),
    }
}

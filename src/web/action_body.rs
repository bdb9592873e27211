//! Bodies of actions: JSON or form, `{}` or nothing at all; what does not fit is said with its place.

use axum::extract::{FromRequest, Request};
use axum::http::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Web;
use super::error::Failure;
use super::extract::read_body;
use super::people::who;
use crate::api::ProblemCode;

/// Larger bodies are no actions.
pub(super) const LARGEST: usize = 64 * 1024;

/// The body of an action.
pub(super) struct Act<T> {
    pub body: T,
    /// Whether a browser's form sent it, and wants a page for an answer.
    pub form: bool,
    /// `Idempotency-Key`.
    pub key: Option<Key>,
    /// The fields that were given.
    pub given: Vec<String>,
    /// All that was given, for the key.
    pub whole: String,
}

/// The body of what takes no options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// An `Idempotency-Key`: it belongs to one action with one body.
pub(super) struct Key(String);

impl Key {
    /// The key as the log keeps it.
    pub fn of(&self, action: &str, whole: &str) -> String {
        let digest = crate::spec::sha256_hex(format!("{action}\n{whole}").as_bytes());
        format!("{}#{}", self.0, &digest[..16])
    }
}

impl<T: DeserializeOwned> FromRequest<Web> for Act<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        // a wish that is looked for elsewhere than where it stands would be ignored
        let query = parts.uri.query().is_some_and(|q| !q.is_empty());
        if query && parts.method == Method::POST {
            let why = "the query: an action's fields stand in its body; nothing was done";
            return Err(Failure::unprocessable(ProblemCode::Invalid, why));
        }
        let asked = who(web, &parts).await?;
        let content_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|c| c.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let key = parts
            .headers
            .get("idempotency-key")
            .and_then(|k| k.to_str().ok())
            .map(|k| {
                Key(format!(
                    "key:{}",
                    crate::secret::plain(k, 200).replace('#', "%23")
                ))
            });
        // a program that sends a form reads JSON if it says so
        let accept = parts
            .headers
            .get(header::ACCEPT)
            .and_then(|a| a.to_str().ok());
        let reads_json =
            accept.is_some_and(|a| a.contains("application/json") && !a.contains("text/html"));
        let bytes = read_body(body, LARGEST).await?;
        // it may have taken its time: who was sent away meanwhile does nothing any more
        if who(web, &parts).await? != asked {
            return Err(ended_meanwhile());
        }
        let form = content_type.starts_with("application/x-www-form-urlencoded")
            && !bytes.trim_ascii_start().starts_with(b"{");
        let value = if form {
            form_value(&bytes)
        } else {
            json_value(&bytes)?
        };
        // serde would take a list for the fields in their order
        if !value.is_object() {
            let why = "the body: must be a JSON object, e.g. {} for no options";
            return Err(Failure::unprocessable(ProblemCode::Invalid, why));
        }
        let given = value.as_object().map(|v| v.keys().cloned().collect());
        let whole = value.to_string();
        let body = serde_path_to_error::deserialize(value).map_err(|e| {
            let place = match e.path().to_string() {
                root if root == "." => "the body".to_owned(),
                field => crate::secret::plain(&field, 100),
            };
            Failure::unprocessable(ProblemCode::Invalid, format!("{place}: {}", e.inner()))
        })?;
        Ok(Self {
            body,
            form: form && !reads_json,
            key,
            given: given.unwrap_or_default(),
            whole,
        })
    }
}

fn ended_meanwhile() -> Failure {
    let why = "whoever asked was sent away, or may do something else, since this began";
    Failure::new(StatusCode::UNAUTHORIZED, ProblemCode::Token, why)
        .hint("nothing was done; ask again")
}

fn json_value(bytes: &[u8]) -> Result<Value, Failure> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(bytes).map_err(|e| {
        let detail = format!("the body is not JSON: {e}");
        Failure::new(StatusCode::BAD_REQUEST, ProblemCode::Unreadable, detail)
            .hint("send JSON, e.g. {} for no options")
    })
}

/// A form as JSON: empty fields are left out, `on` and `true` are true, counts are numbers.
fn form_value(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let decode = |t: &str| {
        percent_encoding::percent_decode_str(&t.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut map = Map::new();
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let (name, value) = (decode(name), decode(value));
        if value.trim().is_empty() {
            continue;
        }
        let value = match name.as_str() {
            "dry_run" | "override_lock" | "force" | "keep_services" => {
                Value::Bool(matches!(value.as_str(), "on" | "true" | "1"))
            }
            // a list, as one writes it into one field
            "apps" => {
                let names = value.split(',').map(str::trim).filter(|n| !n.is_empty());
                names.map(|n| Value::String(n.to_owned())).collect()
            }
            "instances" => value
                .trim()
                .parse::<u32>()
                .map_or(Value::String(value), Value::from),
            _ => Value::String(value),
        };
        map.insert(name, value);
    }
    Value::Object(map)
}

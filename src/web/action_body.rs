//! Bodies of actions: JSON or form, `{}` or nothing at all; what does not fit is said with its place.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Web;
use super::error::Failure;
use super::extract::read_body;
use super::people::who;
use crate::api::ProblemCode;
use crate::id::ServiceId;
use crate::store::StoreError;

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
    /// The key as the log keeps it, for an action on an app or on one service of it.
    pub fn of(&self, action: &str, service: Option<&ServiceId>, whole: &str) -> String {
        let service = service.map_or("", ServiceId::as_str);
        let digest = crate::spec::sha256_hex(format!("{action}\n{service}\n{whole}").as_bytes());
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
        let key = key(&parts.headers)?;
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
            return Err(StoreError::Ended.into());
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

/// Longest idempotency key, in characters.
const LONGEST_KEY: usize = 200;

/// `Idempotency-Key`, where there is one.
fn key(headers: &HeaderMap) -> Result<Option<Key>, Failure> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().ok().filter(|k| k.len() <= LONGEST_KEY);
    let key = key.ok_or_else(|| {
        let why = format!("Idempotency-Key: at most {LONGEST_KEY} characters of ASCII");
        Failure::unprocessable(ProblemCode::Invalid, why).hint("nothing was done")
    })?;
    Ok(Some(Key(format!("key:{}", key.replace('#', "%23")))))
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

/// A form as JSON: empty fields are left out but for those that decide, `on` and `true` are true, counts are numbers.
fn form_value(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let decode = |t: &str| {
        percent_encoding::percent_decode_str(&t.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut map = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        // a browser sends what was left empty too; what decides whether something is done is not left to chance
        let decides = ["dry_run", "override_lock", "force", "keep_services", "plan"];
        if value.trim().is_empty() && !decides.contains(&name.as_str()) {
            continue;
        }
        let value = match name.as_str() {
            "dry_run" | "override_lock" | "force" | "keep_services" => match value.as_str() {
                "on" | "true" | "1" => Value::Bool(true),
                "off" | "false" | "0" => Value::Bool(false),
                // neither a yes nor a no, which the body then says
                _ => Value::String(value),
            },
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

//! Whether what an observer answers is what its OpenAPI document says: every answer of every town is looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use jsonschema::Validator;
use serde_json::{Value, json};

/// What was answered otherwise than the document says.
pub type Broken = Arc<Mutex<Vec<String>>>;

/// The largest JSON that is looked at, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Looks at everything that passes.
pub fn looked_at(router: Router, broken: Broken) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| {
        look(request, next, broken.clone())
    }))
}

async fn look(request: Request, next: Next, broken: Broken) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let media = response.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|m| m.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().to_owned();
    let status = response.status();
    if !media.ends_with("json") || method == Method::HEAD {
        let wrong = judge(&method, &path, status, &media, None).err();
        return noted(response, wrong, &broken);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, LARGEST).await.unwrap();
    let value = match parts.headers.get(header::CONTENT_ENCODING) {
        Some(_) => serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])),
        None => serde_json::from_slice(&bytes),
    };
    let value = value.unwrap_or(Value::Null);
    let wrong = judge(&method, &path, status, &media, Some(&value)).err();
    noted(
        Response::from_parts(parts, Body::from(bytes)),
        wrong,
        &broken,
    )
}

/// The answer, or one with which no test goes on.
fn noted(response: Response, wrong: Option<String>, broken: &Broken) -> Response {
    let Some(wrong) = wrong else {
        return response;
    };
    eprintln!("{wrong}");
    broken.lock().unwrap().push(wrong.clone());
    (StatusCode::NOT_IMPLEMENTED, wrong).into_response()
}

/// Whether an answer is one that the document describes.
pub fn judge(
    method: &Method,
    path: &str,
    status: StatusCode,
    media: &str,
    body: Option<&Value>,
) -> Result<(), String> {
    let wrong = |why: String| Err(format!("{method} {path}: {status} {media}: {why}"));
    let document = &*STRICT;
    let operation = operation(document, method, path);
    let Some((name, operation)) = operation else {
        // what is not described is not there
        return match (status.is_client_error(), body) {
            (true, Some(body)) => problem(body).or_else(wrong),
            (true, None) => Ok(()),
            (false, _) => wrong("the document has no such operation".to_owned()),
        };
    };
    let responses = &operation["responses"];
    let class = format!("{}XX", status.as_u16() / 100);
    let described = [status.as_str(), class.as_str()];
    let Some(status) = described.into_iter().find(|s| responses.get(s).is_some()) else {
        return wrong(format!("{name} has no such status"));
    };
    let content = &responses[status]["content"];
    if content.is_null() && media.is_empty() || media == "text/html" && status.ends_with("XX") {
        return Ok(());
    }
    let any = content.get("*/*").is_some();
    if content.get(media).is_none() && !any {
        return wrong(format!("{name} has no such type; it has {content}"));
    }
    let Some(body) = body.filter(|_| !any) else {
        return Ok(());
    };
    let pointer = [
        "paths",
        &name,
        &method.as_str().to_lowercase(),
        "responses",
        status,
        "content",
        media,
        "schema",
    ];
    let pointer: Vec<String> = pointer.iter().map(|p| escaped(p)).collect();
    fits(&format!("#/{}", pointer.join("/")), body).or_else(wrong)
}

fn problem(body: &Value) -> Result<(), String> {
    fits("#/components/schemas/Problem", body)
}

fn fits(reference: &str, body: &Value) -> Result<(), String> {
    static KNOWN: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let validator = known.entry(reference.to_owned()).or_insert_with(|| {
        let mut schema = STRICT.clone();
        schema["$ref"] = json!(reference);
        let options = jsonschema::options().should_validate_formats(true);
        Arc::new(
            options
                .build(&schema)
                .unwrap_or_else(|e| panic!("{reference}: {e}")),
        )
    });
    let validator = validator.clone();
    drop(known);
    let errors: Vec<String> = validator
        .iter_errors(body)
        .take(3)
        .map(|e| {
            let said: String = e.to_string().chars().take(300).collect();
            format!("{said} at {}", e.instance_path())
        })
        .collect();
    match errors.as_slice() {
        [] => Ok(()),
        _ => Err(errors.join("; ")),
    }
}

/// One token of a JSON pointer in a fragment.
fn escaped(token: &str) -> String {
    let token = token.replace('~', "~0").replace('/', "~1");
    token.replace('{', "%7B").replace('}', "%7D")
}

/// The document, but for that nothing may be answered that it does not name.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = dploy_observer::web::openapi().clone();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        if schema.contains_key("properties") {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    document
});

/// The path and the operation that a call is one of; what is written out goes before what is in braces.
fn operation<'d>(document: &'d Value, method: &Method, path: &str) -> Option<(String, &'d Value)> {
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_lowercase(),
    };
    let paths = document["paths"].as_object().unwrap();
    let bare = path.strip_suffix(".json").unwrap_or(path);
    for path in [path, bare] {
        let mut fitting: Vec<(&String, &Value)> = paths
            .iter()
            .filter(|(template, _)| is_of(template, path))
            .collect();
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        for (template, methods) in fitting {
            if let Some(operation) = methods.get(&method) {
                return Some((template.clone(), operation));
            }
        }
    }
    None
}

fn is_of(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) =
        (template.split('/').collect(), path.split('/').collect());
    // the id of a service may stand there with its slashes
    let of_services = ["rollback", "deploy", "redeploy", "scale"];
    if let ["", "apps", "{id}", act] = template.as_slice()
        && of_services.contains(act)
    {
        return path.len() >= 4 && path[..2] == ["", "apps"] && path.last() == Some(act);
    }
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(t, p)| t.starts_with('{') && !p.is_empty() || t == p)
}

//! The API's description: an OpenAPI 3.1 document, made of the types that the handlers answer with, and the page on which people
//! read it.

mod access;
mod actions;
mod apps;
mod operation;
mod shown;
mod table;
mod tags;

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::{Html, Response};
use serde_json::{Value, json};

use super::Web;
use super::error::Failure;
use super::html;
use super::negotiate::json as json_answer;
use super::people::Viewer;

/// The version of OpenAPI that the document keeps to; its schemas are those of JSON Schema 2020-12.
const OPENAPI: &str = "3.1.0";

/// `GET /openapi.json`, the same for everybody.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

fn make() -> Value {
    let (paths, schemas) = table::operations().finish();
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "dploy observer",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Push-to-deploy for Marathon. Times are RFC 3339 in UTC, commits are whole, what there is not is null. Errors are \
                            `application/problem+json` with `code`, `detail` and `hint`. A request whose `Accept` names `text/html` first gets \
                            a page instead.",
        },
        "servers": [{ "url": "/", "description": "the observer that shows this" }],
        "tags": tags::TAGS
            .iter()
            .map(|(name, description)| json!({ "name": name, "description": description }))
            .collect::<Value>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of this observer: `dploy token add NAME` makes one. Roles: viewer, operator, admin.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "dploy_session",
                    "description": "A browser's login; the cookie's name ends with `_` and the observer's port, and begins with `__Host-` over TLS.",
                },
            },
        },
    })
}

pub(super) async fn show_document(_viewer: Viewer) -> Response {
    json_answer(axum::http::StatusCode::OK, document())
}

pub(super) async fn browse(
    State(web): State<Web>,
    viewer: Viewer,
) -> Result<Html<String>, Failure> {
    let chrome = web.chrome(viewer.person, "/docs");
    Ok(Html(html::docs(&chrome, shown::manual())))
}

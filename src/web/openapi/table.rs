//! What there is to call. A test holds it against the router.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::operation::{Book, Who};
use super::tags::SELF;
use super::{access, actions, apps};

/// All of it.
pub(super) fn operations() -> Book {
    let mut book = Book::new();
    apps::apps(&mut book);
    actions::actions(&mut book);
    apps::log(&mut book);
    access::hook(&mut book);
    access::tokens(&mut book);
    access::sessions(&mut book);
    observer(&mut book);
    book
}

fn observer(book: &mut Book) {
    book.on(
        "get",
        "/healthz",
        Who::Anyone,
        SELF,
        "Whether the process lives",
    )
    .says(StatusCode::OK, "it does", "text/plain")
    .done();
    book.on(
        "get",
        "/readyz",
        Who::Anyone,
        SELF,
        "Whether the log can be written; whether Marathon answers",
    )
    .says(
        StatusCode::OK,
        "it can; `degraded` says what else does not work",
        "text/plain",
    )
    .says(StatusCode::SERVICE_UNAVAILABLE, "it cannot", "text/plain")
    .done();
    book.on(
        "get",
        "/openapi.json",
        Who::Anyone,
        SELF,
        "This description",
    )
    .answers::<Map<String, Value>>(StatusCode::OK, "OpenAPI 3.1")
    .done();
    book.on(
        "get",
        "/docs",
        Who::Anyone,
        SELF,
        "This description, as a page",
    )
    .page()
    .done();
    book.on(
        "get",
        "/static/{name}",
        Who::Anyone,
        SELF,
        "Style, scripts and icons of the pages",
    )
    .says(StatusCode::OK, "the file", "*/*")
    .done();
    for path in ["/register", "/reset"] {
        book.on(
            "get",
            path,
            Who::Anyone,
            SELF,
            "410: where what the first release did there is now",
        )
        .done();
    }
}

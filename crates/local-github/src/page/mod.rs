//! Pages for people who want to look.

pub mod change;
pub mod fault;
pub mod hook;
pub mod index;
pub mod repository;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::hub::Hub;
use super::state::Repository;

/// Whether somebody wants to look, and no program to read.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|accept| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    })
}

fn missing(what: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        format!("There is no such {what} here.\n"),
    )
        .into_response()
}

fn find(hub: &Hub, owner: &str, name: &str) -> Option<Repository> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    hub.store
        .read(|world| world.repository(owner, name).cloned())
}

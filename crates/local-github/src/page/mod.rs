//! Pages for people who want to look.

pub mod change;
pub mod fault;
pub mod hook;
pub mod index;
pub mod repository;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::server::Server;
use super::state::Repository;

fn missing(what: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        format!("There is no such {what} here.\n"),
    )
        .into_response()
}

fn find(server: &Server, owner: &str, name: &str) -> Option<Repository> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    server
        .store
        .read(|world| world.repository(owner, name).cloned())
}

//! Files and folders by their path. `readme` is here because go-github reads it; it costs a walk.

use axum::Json;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::repo::Repo;
use super::tree::{encoded, raw, read, wants_raw};
use crate::git::object::Entry;
use crate::git::refs::candidates;
use crate::render;

/// Larger files are given only raw, in bytes.
const CONTENT: u64 = 1 << 20;

/// Parameters of contents.
#[derive(Debug, Deserialize)]
pub struct At {
    #[serde(rename = "ref")]
    name: Option<String>,
}

/// `GET …/contents/{path}?ref=`: a file, or the list of a directory.
pub async fn get_content(repo: Repo, headers: HeaderMap, Query(at): Query<At>) -> Answer<Response> {
    repo.not_empty().await?;
    let name = at
        .name
        .unwrap_or_else(|| repo.record.default_branch.clone());
    let missing = || {
        Refusal::new(
            axum::http::StatusCode::NOT_FOUND,
            format!("No commit found for the ref {name}"),
        )
    };
    if candidates(&name).is_empty() {
        return Err(missing());
    }
    let commit = repo.commit(&name).await?.ok_or_else(missing)?;
    let path = repo.parameter("path");
    let path = path.trim_matches('/');
    let id = match walk(&repo, &commit.tree, path).await? {
        Some(file) if file.kind != "tree" => return content(&repo, &file, &name, &headers).await,
        Some(folder) => folder.id,
        None => commit.tree,
    };
    let mut entries = repo.git.tree(&id, false).await?;
    for entry in &mut entries {
        if !path.is_empty() {
            entry.path = format!("{path}/{}", entry.path);
        }
    }
    let shown: Value = entries
        .iter()
        .map(|entry| described(&repo, entry, &name))
        .collect();
    Ok(Json(shown).into_response())
}

/// `GET …/readme?ref=`
pub async fn get_readme(repo: Repo, headers: HeaderMap, Query(at): Query<At>) -> Answer<Response> {
    let name = at
        .name
        .unwrap_or_else(|| repo.record.default_branch.clone());
    let commit = repo.commit(&name).await?.ok_or_else(Refusal::not_found)?;
    let entries = repo.git.tree(&commit.tree, false).await?;
    let readme = |entry: &Entry| entry.path.to_lowercase().starts_with("readme");
    let found = entries.into_iter().find(readme);
    let file = found.ok_or_else(Refusal::not_found)?;
    content(&repo, &file, &name, &headers).await
}

/// The entry at a path; none for the root itself.
pub async fn walk(repo: &Repo, tree: &str, path: &str) -> Result<Option<Entry>, Refusal> {
    let mut id = tree.to_owned();
    let mut here = None;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if here
            .as_ref()
            .is_some_and(|entry: &Entry| entry.kind != "tree")
        {
            return Err(Refusal::not_found());
        }
        let entries = repo.git.tree(&id, false).await?;
        let next = entries.into_iter().find(|entry| entry.path == part);
        let mut entry = next.ok_or_else(Refusal::not_found)?;
        id.clone_from(&entry.id);
        path.clone_into(&mut entry.path);
        here = Some(entry);
    }
    Ok(here)
}

async fn content(repo: &Repo, file: &Entry, name: &str, headers: &HeaderMap) -> Answer<Response> {
    let mut shown = described(repo, file, name);
    if file.kind == "blob" {
        let bytes = read(repo, &file.id).await?;
        if wants_raw(headers) {
            return Ok(raw(bytes));
        }
        let small = file.size.is_some_and(|size| size <= CONTENT);
        shown["encoding"] = if small { "base64" } else { "none" }.into();
        shown["content"] = if small {
            encoded(&bytes)
        } else {
            String::new()
        }
        .into();
        if file.mode == "120000" {
            shown["target"] = String::from_utf8_lossy(&bytes).into();
        }
    }
    Ok(Json(shown).into_response())
}

/// An entry as contents show it; `name` is the ref it was asked at.
pub fn described(repo: &Repo, entry: &Entry, name: &str) -> Value {
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let path = render::path(&entry.path);
    let at = render::path(name);
    let url = format!("{}/contents/{path}?ref={at}", repo.url());
    let git_kind = if kind == "dir" { "trees" } else { "blobs" };
    let git_url = format!("{}/git/{git_kind}/{}", repo.url(), entry.id);
    let html_url = format!(
        "{}/{}/{at}/{path}",
        repo.html_url(),
        if kind == "dir" { "tree" } else { "blob" }
    );
    let raw = format!(
        "{}/raw/{}/{at}/{path}",
        repo.asked.links.web,
        repo.record.full_name()
    );
    let is_file = matches!(kind, "file" | "symlink");
    json!({
        "type": kind,
        "name": entry.path.rsplit('/').next(),
        "path": entry.path,
        "sha": entry.id,
        "size": entry.size.unwrap_or(0),
        "url": url,
        "git_url": git_url,
        "html_url": html_url,
        "download_url": is_file.then_some(raw),
        "_links": {"self": url, "git": git_url, "html": html_url},
    })
}

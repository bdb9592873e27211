//! Trees, blobs and contents.

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::repo::Repo;
use crate::local::github::git::is_sha;
use crate::local::github::git::object::Entry;
use crate::local::github::git::refs::candidates;
use crate::local::github::shape;

/// A recursive tree is cut off after so many entries.
const ENTRIES: usize = 100_000;
/// Larger blobs are not given, in bytes.
const BLOB: u64 = 100 << 20;
/// `GET …/contents` gives larger files only raw, in bytes.
const CONTENT: u64 = 1 << 20;

/// Parameters of a tree.
#[derive(Debug, Deserialize)]
pub struct Depth {
    /// Set to anything at all, even `0`: GitHub reads it so.
    recursive: Option<String>,
}

/// `GET …/git/trees/{sha}`, of the id of a tree or commit, or the name of a branch.
pub async fn get_tree(repo: Repo, Query(depth): Query<Depth>) -> Answer {
    repo.not_empty().await?;
    let id = tree_id(&repo, &repo.parameter("sha")).await?;
    let mut entries = repo.git.tree(&id, depth.recursive.is_some()).await?;
    let truncated = entries.len() > ENTRIES;
    entries.truncate(ENTRIES);
    let shown: Vec<Value> = entries
        .iter()
        .map(|entry| tree_entry(&repo, entry))
        .collect();
    Ok(Json(json!({
        "sha": id,
        "url": format!("{}/git/trees/{id}", repo.url()),
        "tree": shown,
        "truncated": truncated,
    })))
}

async fn tree_id(repo: &Repo, name: &str) -> Result<String, Refusal> {
    if is_sha(name) {
        repo.object(name).await?;
        let found = repo
            .git
            .find(&[format!("{name}^{{tree}}")])
            .await?
            .pop()
            .flatten();
        return found.map(|(id, ..)| id).ok_or_else(Refusal::not_found);
    }
    let commit = repo.commit(name).await?.ok_or_else(Refusal::not_found)?;
    Ok(commit.tree)
}

fn tree_entry(repo: &Repo, entry: &Entry) -> Value {
    let mut shown =
        json!({"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.id});
    if let Some(size) = entry.size {
        shown["size"] = size.into();
    }
    if entry.kind != "commit" {
        shown["url"] = format!("{}/git/{}s/{}", repo.url(), entry.kind, entry.id).into();
    }
    shown
}

/// `GET …/git/blobs/{sha}`
pub async fn get_blob(repo: Repo, headers: HeaderMap) -> Answer<Response> {
    let id = repo.parameter("sha");
    let (kind, size) = repo.object(&id).await?;
    if kind != "blob" {
        return Err(Refusal::not_found());
    }
    if size > BLOB {
        return Err(Refusal::new(
            axum::http::StatusCode::FORBIDDEN,
            "This API returns blobs up to 100 MB in size.",
        ));
    }
    let bytes = read(&repo, &id).await?;
    if wants_raw(&headers) {
        return Ok(raw(bytes));
    }
    let shown = json!({
        "sha": id,
        "node_id": shape::node_id("Blob", &id),
        "size": size,
        "url": format!("{}/git/blobs/{id}", repo.url()),
        "content": encoded(&bytes),
        "encoding": "base64",
    });
    Ok(Json(shown).into_response())
}

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

/// The entry at a path; none for the root itself.
async fn walk(repo: &Repo, tree: &str, path: &str) -> Result<Option<Entry>, Refusal> {
    let mut id = tree.to_owned();
    let mut here = None;
    for part in path.split('/').filter(|part| !part.is_empty()) {
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

fn described(repo: &Repo, entry: &Entry, name: &str) -> Value {
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let url = format!("{}/contents/{}?ref={name}", repo.url(), entry.path);
    let git_kind = if kind == "dir" { "trees" } else { "blobs" };
    let git_url = format!("{}/git/{git_kind}/{}", repo.url(), entry.id);
    json!({
        "type": kind,
        "name": entry.path.rsplit('/').next(),
        "path": entry.path,
        "sha": entry.id,
        "size": entry.size.unwrap_or(0),
        "url": url,
        "git_url": git_url,
        "html_url": format!("{}/blob/{name}/{}", repo.html_url(), entry.path),
        "download_url": null,
        "_links": {"self": url, "git": git_url},
    })
}

async fn read(repo: &Repo, id: &str) -> Result<Vec<u8>, Refusal> {
    let found = repo.git.objects(&[id.to_owned()]).await?.pop();
    found
        .map(|object| object.data)
        .ok_or_else(Refusal::not_found)
}

fn wants_raw(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let raw = [
        "application/vnd.github.raw",
        "application/vnd.github.v3.raw",
    ];
    accepts.is_some_and(|accepts| raw.iter().any(|kind| accepts.contains(kind)))
}

fn raw(bytes: Vec<u8>) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "application/vnd.github.raw+json; charset=utf-8",
        )],
        bytes,
    )
        .into_response()
}

/// Base64 in lines of 60 characters: clients must bear the newlines.
fn encoded(bytes: &[u8]) -> String {
    // 45 bytes are 60 characters
    let lines = bytes
        .chunks(45)
        .map(|line| base64::engine::general_purpose::STANDARD.encode(line) + "\n");
    lines.collect()
}

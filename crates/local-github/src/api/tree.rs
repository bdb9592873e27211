//! Trees, blobs and tag objects; the latter because `PyGithub`'s tour makes one and go-github reads them.

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::repo::Repo;
use crate::git::is_sha;
use crate::git::object::{Entry, person};
use crate::render;

/// A recursive tree is cut off after so many entries.
const ENTRIES: usize = 100_000;
/// Larger blobs are not given, in bytes.
const BLOB: u64 = 100 << 20;

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
    shown(&repo, &id, depth.recursive.is_some()).await.map(Json)
}

/// A tree with its entries.
pub async fn shown(repo: &Repo, id: &str, recursive: bool) -> Result<Value, Refusal> {
    let mut entries = repo.git.tree(id, recursive).await?;
    let truncated = entries.len() > ENTRIES;
    entries.truncate(ENTRIES);
    let shown: Vec<Value> = entries
        .iter()
        .map(|entry| tree_entry(repo, entry))
        .collect();
    Ok(json!({
        "sha": id,
        "url": format!("{}/git/trees/{id}", repo.url()),
        "tree": shown,
        "truncated": truncated,
    }))
}

/// The tree that a name means: its own id, or a commit's, or a branch.
pub async fn tree_id(repo: &Repo, name: &str) -> Result<String, Refusal> {
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
        "node_id": render::node_id("Blob", &id),
        "size": size,
        "url": format!("{}/git/blobs/{id}", repo.url()),
        "content": encoded(&bytes),
        "encoding": "base64",
    });
    Ok(Json(shown).into_response())
}

/// `GET …/git/tags/{sha}`, of an annotated tag.
pub async fn get_tag(repo: Repo) -> Answer {
    tag(&repo, &repo.parameter("sha")).await.map(Json)
}

/// A tag object.
pub async fn tag(repo: &Repo, id: &str) -> Result<Value, Refusal> {
    let (kind, _) = repo.object(id).await?;
    let tag = repo.git.objects(&[id.to_owned()]).await?.pop();
    let tag = tag
        .filter(|_| kind == "tag")
        .ok_or_else(Refusal::not_found)?;
    let text = String::from_utf8_lossy(&tag.data);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let line = |key: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    };
    let (object, kind) = (line("object"), line("type").unwrap_or_default());
    Ok(json!({
        "node_id": render::node_id("Tag", id),
        "sha": id,
        "url": format!("{}/git/tags/{id}", repo.url()),
        "tag": line("tag"),
        "message": message,
        "tagger": line("tagger").and_then(person).map(|tagger| render::person(&tagger)),
        "object": {"sha": object, "type": kind, "url": format!("{}/git/{kind}s/{}", repo.url(), object.unwrap_or_default())},
        "verification": render::unsigned(),
    }))
}

/// A blob's bytes.
pub async fn read(repo: &Repo, id: &str) -> Result<Vec<u8>, Refusal> {
    let found = repo.git.objects(&[id.to_owned()]).await?.pop();
    found
        .map(|object| object.data)
        .ok_or_else(Refusal::not_found)
}

/// Whether bytes are wanted and not JSON.
pub fn wants_raw(headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let raw = [
        "application/vnd.github.raw",
        "application/vnd.github.v3.raw",
    ];
    accepts.is_some_and(|accepts| raw.iter().any(|kind| accepts.contains(kind)))
}

/// Bytes as they are.
pub fn raw(bytes: Vec<u8>) -> Response {
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
pub fn encoded(bytes: &[u8]) -> String {
    // 45 bytes are 60 characters
    let lines = bytes
        .chunks(45)
        .map(|line| base64::engine::general_purpose::STANDARD.encode(line) + "\n");
    lines.collect()
}

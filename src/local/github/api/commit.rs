//! Branches, refs and commits.

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Paging, Refusal};
use super::repo::Repo;
use super::status;
use crate::local::github::git::object::Commit;
use crate::local::github::git::refs::candidates;
use crate::local::github::shape;

/// The media type that asks for the bare id of a commit.
const SHA: &str = "application/vnd.github.sha";

/// `GET …/branches`
pub async fn list_branches(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let refs = repo.git.refs().await?;
    let branches = refs.iter().filter_map(|(name, id)| {
        let name = name.strip_prefix("refs/heads/")?;
        let commit = json!({"sha": id, "url": format!("{}/commits/{id}", repo.url())});
        Some(json!({"name": name, "commit": commit, "protected": false}))
    });
    Ok(paging.answer(&repo.hub.url, &repo.asked, &branches.collect::<Vec<_>>()))
}

/// `GET …/branches/{branch}`
pub async fn get_branch(repo: Repo) -> Answer {
    let name = repo.parameter("branch");
    let missing = || Refusal::new(axum::http::StatusCode::NOT_FOUND, "Branch not found");
    let head = repo.head(&name).await?.ok_or_else(missing)?;
    Ok(Json(json!({
        "name": name,
        "commit": shape::commit(&repo.hub.url, &repo.record, &head),
        "_links": {
            "self": format!("{}/branches/{name}", repo.url()),
            "html": format!("{}/tree/{name}", repo.html_url()),
        },
        "protected": false,
        "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
        "protection_url": format!("{}/branches/{name}/protection", repo.url()),
    })))
}

/// `GET …/git/ref/heads/{branch}` and `…/git/ref/tags/{tag}`
pub async fn get_ref(repo: Repo) -> Answer {
    repo.not_empty().await?;
    let short = repo.parameter("ref");
    let name = format!("refs/{short}");
    let refs = repo.git.refs().await?;
    let id = refs
        .get(&name)
        .and_then(|id| repo.hub.head(repo.record.id, &name, id));
    let id = id.ok_or_else(Refusal::not_found)?;
    let found = repo
        .git
        .find(std::slice::from_ref(&id))
        .await?
        .pop()
        .flatten();
    let (_, kind, _) = found.ok_or_else(Refusal::not_found)?;
    Ok(Json(json!({
        "ref": name,
        "node_id": shape::node_id("Ref", &name),
        "url": format!("{}/git/{name}", repo.url()),
        "object": {"sha": id, "type": kind, "url": format!("{}/git/{kind}s/{id}", repo.url())},
    })))
}

/// Which commits are listed.
#[derive(Debug, Deserialize)]
pub struct Beginning {
    sha: Option<String>,
}

/// `GET …/commits?sha=&per_page=&page=`, newest first.
pub async fn list_commits(
    repo: Repo,
    Query(from): Query<Beginning>,
    Query(paging): Query<Paging>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let name = from
        .sha
        .unwrap_or_else(|| repo.record.default_branch.clone());
    let head = repo.commit(&name).await?.ok_or_else(Refusal::not_found)?;
    let size = paging.per_page();
    let mut ids = repo
        .git
        .reachable(&head.id, &[], size + 1, paging.skip())
        .await?;
    let more = ids.len() > size;
    ids.truncate(size);
    let commits = repo.git.commits(&ids).await?;
    let shown = commits
        .iter()
        .map(|c| shape::commit(&repo.hub.url, &repo.record, c));
    let shown: Value = shown.collect();
    Ok(paging.answer_page(&repo.hub.url, &repo.asked, shown, None, more))
}

/// `GET …/commits/{ref}`, `…/commits/{ref}/status` and `…/commits/{ref}/statuses`; a ref may contain slashes.
pub async fn get_commit(
    repo: Repo,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let asked = repo.parameter("ref");
    for (suffix, combined) in [("/status", true), ("/statuses", false)] {
        if let Some(name) = asked.strip_suffix(suffix) {
            let commit = commit_of(&repo, name).await?;
            return Ok(status::show(&repo, &commit.id, combined, &paging));
        }
    }
    let commit = commit_of(&repo, &asked).await?;
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains(SHA)) {
        let tag = format!("\"{}\"", commit.id);
        let kind = format!("{SHA}; charset=utf-8");
        return Ok((
            [(header::CONTENT_TYPE, kind), (header::ETAG, tag)],
            commit.id,
        )
            .into_response());
    }
    let mut shown = shape::commit(&repo.hub.url, &repo.record, &commit);
    shown["files"] = files(&repo, &commit).await?;
    Ok(Json(shown).into_response())
}

async fn commit_of(repo: &Repo, name: &str) -> Result<Commit, Refusal> {
    if candidates(name).is_empty() {
        return Err(Refusal::not_found());
    }
    let missing = || Refusal::unprocessable(format!("No commit found for SHA: {name}"));
    repo.commit(name).await?.ok_or_else(missing)
}

async fn files(repo: &Repo, commit: &Commit) -> Result<Value, Refusal> {
    let changes = repo.git.changes(std::slice::from_ref(&commit.id)).await?;
    let each = changes.iter().flat_map(|changes| &changes.0);
    let shown = each.map(|(letter, path)| {
        let status = match letter {
            'A' => "added",
            'D' => "removed",
            _ => "modified",
        };
        json!({"filename": path, "status": status, "contents_url": format!("{}/contents/{path}?ref={}", repo.url(), commit.id)})
    });
    Ok(shown.collect())
}

/// `GET …/git/commits/{sha}`
pub async fn get_git_commit(repo: Repo) -> Answer {
    let id = repo.parameter("sha");
    let (kind, _) = repo.object(&id).await?;
    if kind != "commit" {
        return Err(Refusal::not_found());
    }
    let commit = repo
        .git
        .first_commit(&[id])
        .await?
        .ok_or_else(Refusal::not_found)?;
    Ok(Json(shape::git_commit(
        &repo.hub.url,
        &repo.record,
        &commit,
    )))
}

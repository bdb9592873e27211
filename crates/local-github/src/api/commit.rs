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
use crate::git::diff::FileChange;
use crate::git::object::Commit;
use crate::git::refs::{Which, candidates};
use crate::render;

/// The media type that asks for the bare id of a commit.
const SHA: &str = "application/vnd.github.sha";
/// And its older name.
const SHA_KINDS: [&str; 2] = [SHA, "application/vnd.github.v3.sha"];

/// Files of a commit on its page.
pub const FILES: usize = 300;

/// `GET …/branches`
pub async fn list_branches(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let refs = repo.git.refs().await?;
    let branches = refs.iter().filter_map(|(name, id)| {
        let name = name.strip_prefix("refs/heads/")?;
        let commit = json!({"sha": id, "url": format!("{}/commits/{id}", repo.url())});
        Some(json!({"name": name, "commit": commit, "protected": false}))
    });
    Ok(paging.answer(&repo.asked, &branches.collect::<Vec<_>>()))
}

/// `GET …/tags`
pub async fn list_tags(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let refs = repo.git.refs().await?;
    let mut names: Vec<&str> = refs
        .keys()
        .filter_map(|name| name.strip_prefix("refs/tags/"))
        .collect();
    names.reverse();
    let commits: Vec<String> = names
        .iter()
        .map(|name| format!("refs/tags/{name}^{{commit}}"))
        .collect();
    let found = repo.git.find(&commits).await?;
    let tags = names.iter().zip(found).filter_map(|(name, found)| {
        let (id, ..) = found?;
        Some(json!({
            "name": name,
            "commit": {"sha": id, "url": format!("{}/commits/{id}", repo.url())},
            "zipball_url": format!("{}/zipball/refs/tags/{name}", repo.url()),
            "tarball_url": format!("{}/tarball/refs/tags/{name}", repo.url()),
            "node_id": render::node_id("Ref", &format!("refs/tags/{name}")),
        }))
    });
    Ok(paging.answer(&repo.asked, &tags.collect::<Vec<_>>()))
}

/// `GET …/branches/{branch}`
pub async fn get_branch(repo: Repo) -> Answer {
    let name = repo.parameter("branch");
    let missing = || Refusal::new(axum::http::StatusCode::NOT_FOUND, "Branch not found");
    let head = repo.head(&name).await?.ok_or_else(missing)?;
    Ok(Json(json!({
        "name": name,
        "commit": render::commit(&repo.asked.links, &repo.record, &head),
        "_links": {
            "self": format!("{}/branches/{name}", repo.url()),
            "html": format!("{}/tree/{name}", repo.html_url()),
        },
        "protected": false,
        "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
        "protection_url": format!("{}/branches/{name}/protection", repo.url()),
    })))
}

/// Which commits are listed.
#[derive(Debug, Deserialize)]
pub struct Beginning {
    sha: Option<String>,
    #[serde(flatten)]
    which: Which,
}

/// `GET …/commits?sha=&path=&author=&since=&until=&per_page=&page=`, newest first.
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
    let (ids, all) = repo
        .git
        .history(&head.id, &from.which, size, paging.skip())
        .await?;
    let more = all > paging.skip().saturating_add(size);
    let commits = repo.git.commits(&ids).await?;
    let shown = commits
        .iter()
        .map(|c| render::commit(&repo.asked.links, &repo.record, c));
    let shown: Value = shown.collect();
    Ok(paging.answer_page(&repo.asked, shown, Some(all), more))
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
    if accepts.is_some_and(|accepts| SHA_KINDS.iter().any(|kind| accepts.contains(kind))) {
        let tag = format!("\"{}\"", commit.id);
        let kind = format!("{SHA}; charset=utf-8");
        return Ok((
            [(header::CONTENT_TYPE, kind), (header::ETAG, tag)],
            commit.id,
        )
            .into_response());
    }
    if let Some(kind) = text_kind(&headers) {
        let text = repo.git.text(commit.base(), &commit.id, kind).await?;
        return Ok(plain(kind, text));
    }
    let files = repo.git.files(commit.base(), &commit.id, FILES).await?;
    let mut shown = render::commit(&repo.asked.links, &repo.record, &commit);
    let sum = |of: fn(&FileChange) -> u64| files.iter().map(of).sum::<u64>();
    let (added, deleted) = (sum(|f| f.additions), sum(|f| f.deletions));
    shown["stats"] = json!({"total": added + deleted, "additions": added, "deletions": deleted});
    shown["files"] = files.iter().map(|f| file(&repo, &commit.id, f)).collect();
    Ok(Json(shown).into_response())
}

/// Whether the difference is wanted as text, `diff` or `patch`, as go-github's `GetCommitRaw` and `CompareCommitsRaw` want it.
pub fn text_kind(headers: &HeaderMap) -> Option<&'static str> {
    let accepts = headers.get(header::ACCEPT)?.to_str().ok()?;
    let kinds = ["diff", "patch"];
    kinds.into_iter().find(|kind| {
        accepts.contains(&format!("application/vnd.github.{kind}"))
            || accepts.contains(&format!("application/vnd.github.v3.{kind}"))
    })
}

/// A difference as text.
pub fn plain(kind: &str, text: Vec<u8>) -> Response {
    let kind = format!("application/vnd.github.{kind}; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// One file of a commit or comparison; `head` is where it can be read.
pub fn file(repo: &Repo, head: &str, change: &FileChange) -> Value {
    let path = render::path(&change.path);
    let html = repo.html_url();
    let mut shown = json!({
        "sha": change.id,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": format!("{html}/blob/{head}/{path}"),
        "raw_url": format!("{html}/raw/{head}/{path}"),
        "contents_url": format!("{}/contents/{path}?ref={head}", repo.url()),
    });
    if let Some(old) = &change.old_path {
        shown["previous_filename"] = old.clone().into();
    }
    shown
}

async fn commit_of(repo: &Repo, name: &str) -> Result<Commit, Refusal> {
    if candidates(name).is_empty() {
        return Err(Refusal::not_found());
    }
    let missing = || Refusal::unprocessable(format!("No commit found for SHA: {name}"));
    repo.commit(name).await?.ok_or_else(missing)
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
    Ok(Json(render::git_commit(
        &repo.asked.links,
        &repo.record,
        &commit,
    )))
}

//! `GET /repos/{owner}/{repo}/compare/{base}...{head}`

use axum::Json;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::repo::Repo;
use crate::local::github::shape;

/// Commits listed on the first page.
const COMMITS: usize = 250;

/// How `head` lies to `base`: ahead, behind, identical or diverged.
pub async fn compare_commits(repo: Repo) -> Answer {
    let asked = repo.parameter("range");
    let (base, head) = asked.split_once("...").ok_or_else(Refusal::not_found)?;
    let base_commit = repo.commit(base).await?.ok_or_else(Refusal::not_found)?;
    let head_commit = repo.commit(head).await?.ok_or_else(Refusal::not_found)?;
    let merge_base = repo
        .git
        .merge_base(&base_commit.id, &head_commit.id)
        .await?;
    let none = || {
        Refusal::new(
            axum::http::StatusCode::NOT_FOUND,
            format!("No common ancestor between {base} and {head}."),
        )
    };
    let merge_base = merge_base.ok_or_else(none)?;
    let (ahead, behind) = repo.git.distance(&base_commit.id, &head_commit.id).await?;
    let mut ids = repo
        .git
        .reachable(
            &head_commit.id,
            std::slice::from_ref(&base_commit.id),
            COMMITS,
            0,
        )
        .await?;
    ids.reverse();
    let commits = repo.git.commits(&ids).await?;
    let merge_base = repo
        .git
        .first_commit(&[merge_base])
        .await?
        .ok_or_else(Refusal::not_found)?;
    let show = |commit| shape::commit(&repo.hub.url, &repo.record, commit);
    let mut shown = links(&repo, &asked);
    shown["base_commit"] = show(&base_commit);
    shown["merge_base_commit"] = show(&merge_base);
    shown["status"] = relation(ahead, behind).into();
    shown["ahead_by"] = ahead.into();
    shown["behind_by"] = behind.into();
    shown["total_commits"] = ahead.into();
    shown["commits"] = commits.iter().map(show).collect();
    shown["files"] = json!([]);
    Ok(Json(shown))
}

fn links(repo: &Repo, range: &str) -> Value {
    let html_url = format!("{}/compare/{range}", repo.html_url());
    json!({
        "url": format!("{}/compare/{range}", repo.url()),
        "html_url": html_url,
        "permalink_url": html_url,
        "diff_url": format!("{html_url}.diff"),
        "patch_url": format!("{html_url}.patch"),
    })
}

fn relation(ahead: usize, behind: usize) -> &'static str {
    match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    }
}

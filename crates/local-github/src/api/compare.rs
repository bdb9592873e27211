//! `GET /repos/{owner}/{repo}/compare/{base}...{head}`

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{Answer, Paging, Refusal};
use super::commit::{FILES, file, plain, text_kind};
use super::repo::Repo;
use crate::render;

/// Commits listed where no page is asked for.
const COMMITS: usize = 250;

/// How `head` lies to `base`: ahead, behind, identical or diverged.
pub async fn compare_commits(
    repo: Repo,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Answer<Response> {
    let asked = repo.parameter("range");
    let (base, head) = asked.split_once("...").ok_or_else(Refusal::not_found)?;
    // a branch may be said with its owner
    let own = format!("{}:", repo.record.owner);
    let [base, head] = [base, head].map(|name| name.strip_prefix(&own).unwrap_or(name));
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
    if let Some(kind) = text_kind(&headers) {
        let text = repo.git.text(&merge_base, &head_commit.id, kind).await?;
        return Ok(plain(kind, text));
    }
    let (ahead, behind) = repo.git.distance(&base_commit.id, &head_commit.id).await?;
    let mut ids = repo
        .git
        .reachable(
            &head_commit.id,
            std::slice::from_ref(&base_commit.id),
            usize::MAX >> 33,
            0,
        )
        .await?;
    ids.reverse();
    let (skip, size) = if paging.is_asked() {
        (paging.skip(), paging.per_page())
    } else {
        (0, COMMITS)
    };
    let more = ids.len() > skip.saturating_add(size);
    let ids: Vec<String> = ids.into_iter().skip(skip).take(size).collect();
    let commits = repo.git.commits(&ids).await?;
    // files are on the first page only
    let most = if skip == 0 { FILES } else { 0 };
    let files = repo.git.files(&merge_base, &head_commit.id, most).await?;
    let merge_base = repo
        .git
        .first_commit(&[merge_base])
        .await?
        .ok_or_else(Refusal::not_found)?;
    let show = |commit| render::commit(&repo.asked.links, &repo.record, commit);
    let mut shown = links(&repo, &asked);
    shown["base_commit"] = show(&base_commit);
    shown["merge_base_commit"] = show(&merge_base);
    shown["status"] = relation(ahead, behind).into();
    shown["ahead_by"] = ahead.into();
    shown["behind_by"] = behind.into();
    shown["total_commits"] = ahead.into();
    shown["commits"] = commits.iter().map(show).collect();
    shown["files"] = files
        .iter()
        .map(|change| file(&repo, &head_commit.id, change))
        .collect();
    Ok(paging.answer_page(&repo.asked, shown, Some(ahead), more))
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

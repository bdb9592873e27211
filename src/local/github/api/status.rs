//! Commit statuses: set on a commit, listed, combined.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Body, Paging, Refusal};
use super::repo::{Repo, StatusWriter};
use crate::local::github::clock;
use crate::local::github::git::is_sha;
use crate::local::github::shape;
use crate::local::github::state::Status;

/// Characters in a description.
const DESCRIPTION: usize = 140;
/// Statuses per commit and context.
const STATUSES: usize = 1000;

/// The body of a new status.
#[derive(Debug, Deserialize)]
pub struct Wish {
    state: Option<String>,
    target_url: Option<String>,
    description: Option<String>,
    context: Option<String>,
}

/// `POST …/statuses/{sha}`
pub async fn create_status(
    StatusWriter { repo, login }: StatusWriter,
    Body(wish): Body<Wish>,
) -> Answer<Response> {
    let sha = repo.parameter("sha");
    let missing = || Refusal::unprocessable(format!("No commit found for SHA: {sha}"));
    let commit = if is_sha(&sha) {
        repo.commit(&sha).await?
    } else {
        None
    };
    let commit = commit.ok_or_else(missing)?;
    let state = wish.state.unwrap_or_default();
    if !matches!(state.as_str(), "error" | "failure" | "pending" | "success") {
        return Err(Refusal::field("Status", "state", "invalid"));
    }
    if wish
        .description
        .as_ref()
        .is_some_and(|text| text.chars().count() > DESCRIPTION)
    {
        return Err(Refusal::invalid(
            "Status",
            "description is too long (maximum is 140 characters)",
        ));
    }
    let context = wish.context.unwrap_or_else(|| "default".to_owned());
    let status = repo.hub.store.change(|world| {
        let same = |status: &&Status| {
            status.repository == repo.record.id
                && status.sha == commit.id
                && status.context.eq_ignore_ascii_case(&context)
        };
        if world.statuses.iter().filter(same).count() >= STATUSES {
            return Err(Refusal::invalid(
                "Status",
                "This SHA and context has reached the maximum number of statuses.",
            ));
        }
        let status = Status {
            id: world.new_id(),
            repository: repo.record.id,
            sha: commit.id.clone(),
            state,
            target_url: wish.target_url,
            description: wish.description,
            context: context.clone(),
            creator: login,
            created_at: clock::now(),
        };
        world.statuses.push(status.clone());
        Ok(status)
    })?;
    let location = [(
        header::LOCATION,
        format!("{}/statuses/{}", repo.url(), commit.id),
    )];
    Ok((StatusCode::CREATED, location, Json(shown(&repo, &status))).into_response())
}

/// `GET …/statuses/{sha}`
pub async fn list_statuses(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let sha = repo.parameter("sha");
    let commit = repo.commit(&sha).await?.ok_or_else(Refusal::not_found)?;
    Ok(show(&repo, &commit.id, false, &paging))
}

/// The statuses of a commit, newest first; or one per context and what they come to.
pub fn show(repo: &Repo, sha: &str, combined: bool, paging: &Paging) -> Response {
    let all = repo.hub.store.read(|world| {
        let own = world
            .statuses
            .iter()
            .rev()
            .filter(|s| s.repository == repo.record.id && s.sha == sha);
        own.cloned().collect::<Vec<_>>()
    });
    if !combined {
        let shown: Vec<Value> = all.iter().map(|status| shown(repo, status)).collect();
        return paging.answer(&repo.hub.url, &repo.asked, &shown);
    }
    let mut newest = BTreeMap::new();
    for status in &all {
        newest
            .entry(status.context.to_lowercase())
            .or_insert(status);
    }
    let is = |states: &[&str]| {
        newest
            .values()
            .any(|status| states.contains(&status.state.as_str()))
    };
    let state = if is(&["failure", "error"]) {
        "failure"
    } else if newest.is_empty() || is(&["pending"]) {
        "pending"
    } else {
        "success"
    };
    let url = format!("{}/commits/{sha}", repo.url());
    let statuses: Vec<Value> = newest.values().map(|status| shown(repo, status)).collect();
    Json(json!({
        "state": state,
        "statuses": statuses,
        "sha": sha,
        "total_count": statuses.len(),
        "repository": shape::repository(&repo.hub.url, &repo.record),
        "commit_url": url,
        "url": format!("{url}/status"),
    }))
    .into_response()
}

fn shown(repo: &Repo, status: &Status) -> Value {
    json!({
        "url": format!("{}/statuses/{}", repo.url(), status.sha),
        "avatar_url": "",
        "id": status.id,
        "node_id": shape::node_id("StatusContext", &status.id.to_string()),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": status.created_at,
        "updated_at": status.created_at,
        "creator": shape::user(&repo.hub.url, &status.creator),
    })
}

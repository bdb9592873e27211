//! Commit statuses: set on a commit, listed, combined.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Body, Paging, Refusal};
use super::repo::{Repo, StatusWriter};
use crate::clock;
use crate::git::is_sha;
use crate::render;
use crate::state::Status;

/// Characters in a description.
const DESCRIPTION: usize = 140;
/// Characters in a context.
const CONTEXT: usize = 255;
/// Characters in a link, which are more than browsers take.
const LINK: usize = 2048;
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
    wish.check()?;
    let mut status = Status {
        id: 0,
        repository: repo.record.id,
        sha: commit.id,
        state: wish.state.unwrap_or_default(),
        target_url: wish.target_url,
        description: wish.description,
        context: wish.context.unwrap_or_else(|| "default".to_owned()),
        creator: login,
        created_at: clock::now(),
    };
    repo.server.store.change(|world| {
        let of_commit = world.statuses(status.repository, &status.sha);
        let same = of_commit.filter(|other| other.replaces(&status));
        if same.count() >= STATUSES {
            let sentence = "This SHA and context has reached the maximum number of statuses.";
            return Err(Refusal::invalid("Status", sentence));
        }
        status.id = world.new_id();
        world.say(status.clone());
        Ok(())
    })?;
    repo.server.store.durable().await?;
    let location = [(
        header::LOCATION,
        format!("{}/statuses/{}", repo.url(), status.sha),
    )];
    Ok((StatusCode::CREATED, location, Json(shown(&repo, &status))).into_response())
}

impl Wish {
    fn check(&self) -> Result<(), Refusal> {
        let state = self.state.as_deref().unwrap_or_default();
        if !matches!(state, "error" | "failure" | "pending" | "success") {
            return Err(Refusal::field("Status", "state", "invalid"));
        }
        for (name, text, most) in [
            ("description", &self.description, DESCRIPTION),
            ("context", &self.context, CONTEXT),
            ("target_url", &self.target_url, LINK),
        ] {
            if text.as_ref().map_or(0, |text| text.chars().count()) > most {
                let sentence = format!("{name} is too long (maximum is {most} characters)");
                return Err(Refusal::invalid("Status", &sentence));
            }
        }
        Ok(())
    }
}

/// `GET …/statuses/{sha}`
pub async fn list_statuses(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let sha = repo.parameter("sha");
    let commit = repo.commit(&sha).await?.ok_or_else(Refusal::not_found)?;
    Ok(show(&repo, &commit.id, false, &paging))
}

/// The statuses of a commit, newest first; or one per context and what they come to.
pub fn show(repo: &Repo, sha: &str, combined: bool, paging: &Paging) -> Response {
    let all = repo.server.store.read(|world| {
        let own = world.statuses(repo.record.id, sha);
        own.cloned().collect::<Vec<_>>()
    });
    if !combined {
        let shown: Vec<Value> = all.iter().map(|status| shown(repo, status)).collect();
        return paging.answer(&repo.asked, &shown);
    }
    Json(combine(repo, sha, &all)).into_response()
}

fn combine(repo: &Repo, sha: &str, all: &[Arc<Status>]) -> Value {
    let mut newest = BTreeMap::new();
    for status in all {
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
    json!({
        "state": state,
        "statuses": statuses,
        "sha": sha,
        "total_count": statuses.len(),
        "repository": render::repository(&repo.asked.links, &repo.record),
        "commit_url": url,
        "url": format!("{url}/status"),
    })
}

fn shown(repo: &Repo, status: &Status) -> Value {
    let creator = render::user(&repo.asked.links, &status.creator);
    json!({
        "url": format!("{}/statuses/{}", repo.url(), status.sha),
        "avatar_url": creator["avatar_url"],
        "id": status.id,
        "node_id": render::node_id("StatusContext", &status.id.to_string()),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": status.created_at,
        "updated_at": status.created_at,
        "creator": creator,
    })
}

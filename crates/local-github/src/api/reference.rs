//! `/repos/{owner}/{repo}/git/refs`: what branches and tags point to, and moving them, which hooks hear of.
//! Moving is here for `PyGithub` and `@octokit/rest`.

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Body, Paging, Refusal};
use super::repo::{Repo, Writer};
use crate::git::{is_ref_name, is_sha};
use crate::push::move_ref;
use crate::render;

/// `GET …/git/ref/heads/{branch}` and `…/git/ref/tags/{tag}`; also below `…/git/refs/`, where older clients look.
pub async fn get_ref(repo: Repo) -> Answer {
    repo.not_empty().await?;
    let name = format!("refs/{}", repo.parameter("ref"));
    let refs = repo.git.refs().await?;
    let id = refs
        .get(&name)
        .and_then(|id| repo.server.head(repo.record.id, &name, id));
    let id = id.ok_or_else(Refusal::not_found)?;
    let shown = shown(&repo, vec![(name, id)]).await?.pop();
    shown.map(Json).ok_or_else(Refusal::not_found)
}

/// `GET …/git/matching-refs/{beginning}`, and `…/git/refs` for all.
pub async fn list_refs(repo: Repo, Query(paging): Query<Paging>) -> Answer<Response> {
    let beginning = format!("refs/{}", repo.parameter("ref"));
    let refs = repo.git.refs().await?.into_iter();
    let some = refs.filter(|(name, _)| name.starts_with(&beginning));
    let shown = shown(&repo, some.collect()).await?;
    Ok(paging.answer(&repo.asked, &shown))
}

async fn shown(repo: &Repo, refs: Vec<(String, String)>) -> Result<Vec<Value>, Refusal> {
    let ids: Vec<String> = refs.iter().map(|(_, id)| id.clone()).collect();
    let found = repo.git.find(&ids).await?;
    let each = refs.iter().zip(found).filter_map(|((name, id), found)| {
        let (_, kind, _) = found?;
        Some(json!({
            "ref": name,
            "node_id": render::node_id("Ref", name),
            "url": format!("{}/git/{name}", repo.url()),
            "object": {"sha": id, "type": kind, "url": format!("{}/git/{kind}s/{id}", repo.url())},
        }))
    });
    Ok(each.collect())
}

/// The body of a creation or a move.
#[derive(Debug, Deserialize)]
pub struct Wish {
    #[serde(rename = "ref")]
    name: Option<String>,
    sha: Option<String>,
    #[serde(default)]
    force: bool,
}

/// `POST …/git/refs`
pub async fn create_ref(
    Writer { repo, login }: Writer,
    Body(wish): Body<Wish>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let name = wish.name.unwrap_or_default();
    let short = name.strip_prefix("refs/").unwrap_or_default();
    let short = short
        .strip_prefix("heads/")
        .or_else(|| short.strip_prefix("tags/"));
    if !short.is_some_and(is_ref_name) {
        let sentence = format!("{name} is not a valid ref name.");
        return Err(Refusal::unprocessable(sentence));
    }
    let id = target(&repo, &name, wish.sha).await?;
    if repo.git.refs().await?.contains_key(&name) {
        return Err(Refusal::unprocessable("Reference already exists"));
    }
    set(&repo, &name, (None, Some(&id)), &login).await?;
    let shown = shown(&repo, vec![(name.clone(), id)]).await?.pop();
    let location = [(header::LOCATION, format!("{}/git/{name}", repo.url()))];
    Ok((StatusCode::CREATED, location, Json(shown)).into_response())
}

/// `PATCH …/git/refs/{ref}`: forward only, unless `force`.
pub async fn update_ref(Writer { repo, login }: Writer, Body(wish): Body<Wish>) -> Answer {
    let (name, before) = existing(&repo).await?;
    let id = target(&repo, &name, wish.sha).await?;
    let forward = wish.force || name.starts_with("refs/tags/") && before == id;
    if !forward && !repo.git.is_ancestor(&before, &id).await.unwrap_or(false) {
        return Err(Refusal::unprocessable("Update is not a fast forward"));
    }
    set(&repo, &name, (Some(&before), Some(&id)), &login).await?;
    let shown = shown(&repo, vec![(name, id)]).await?.pop();
    shown.map(Json).ok_or_else(Refusal::not_found)
}

/// `DELETE …/git/refs/{ref}`
pub async fn delete_ref(Writer { repo, login }: Writer) -> Answer<StatusCode> {
    let (name, before) = existing(&repo).await?;
    set(&repo, &name, (Some(&before), None), &login).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn existing(repo: &Repo) -> Result<(String, String), Refusal> {
    let name = format!("refs/{}", repo.parameter("ref"));
    let refs = repo.git.refs().await?;
    let id = refs.get(&name).cloned();
    let missing = || Refusal::unprocessable("Reference does not exist");
    Ok((name, id.ok_or_else(missing)?))
}

/// What a ref is to point to: a branch to a commit, a tag to anything.
async fn target(repo: &Repo, name: &str, sha: Option<String>) -> Result<String, Refusal> {
    let id = sha.unwrap_or_default();
    let found = if is_sha(&id) {
        repo.git.find(std::slice::from_ref(&id)).await?.pop()
    } else {
        return Err(Refusal::unprocessable(
            "The sha parameter must be exactly 40 characters and contain only [0-9a-f].",
        ));
    };
    match found.flatten() {
        None => Err(Refusal::unprocessable("Object does not exist")),
        Some((_, kind, _)) if kind != "commit" && name.starts_with("refs/heads/") => {
            Err(Refusal::unprocessable("Object is not a commit"))
        }
        Some(_) => Ok(id),
    }
}

async fn set(
    repo: &Repo,
    name: &str,
    change: (Option<&str>, Option<&str>),
    login: &str,
) -> Result<(), Refusal> {
    let done = move_ref(&repo.server, &repo.record, name, change, login).await?;
    let refused = || Refusal::unprocessable("Reference update failed");
    done.then_some(()).ok_or_else(refused)
}

//! Changing a file by its path: each change is a commit on a branch, and a push to the hooks. Here because `PyGithub`'s tour
//! writes files so, and `@octokit/rest` deletes them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Body, Refusal};
use super::content::{described, walk};
use super::new_object::{CommitWish, People, commit, decoded, placed};
use super::repo::{Repo, Writer};
use crate::git::object::{Commit, Entry};
use crate::git::write::Placed;
use crate::push::move_ref;
use crate::render;

/// The mode of a file that is nothing special.
const FILE: &str = "100644";

/// The body of a change of one file.
#[derive(Debug, Deserialize)]
pub struct FileWish {
    message: Option<String>,
    /// Base64.
    content: Option<String>,
    /// The blob that is there; needed where one is.
    sha: Option<String>,
    branch: Option<String>,
    #[serde(flatten)]
    people: People,
}

/// `PUT …/contents/{path}`: a commit that makes or changes the file.
pub async fn put_content(
    Writer { repo, login }: Writer,
    Body(wish): Body<FileWish>,
) -> Answer<Response> {
    let content = wish.content.as_deref();
    let content = content.ok_or_else(|| lacking("content"))?;
    let blob = repo.git.store("blob", &decoded(content)?).await?;
    let (commit, old) = change_file(&repo, &login, wish, Some(blob)).await?;
    let path = repo.parameter("path");
    let entry = walk(&repo, &commit.tree, &path).await?;
    let entry = entry.ok_or_else(Refusal::not_found)?;
    let shown = json!({
        "content": described(&repo, &entry, &commit.id),
        "commit": render::git_commit(&repo.asked.links, &repo.record, &commit),
    });
    let status = if old {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(shown)).into_response())
}

/// `DELETE …/contents/{path}`: a commit without the file.
pub async fn delete_content(Writer { repo, login }: Writer, Body(wish): Body<FileWish>) -> Answer {
    let (commit, _) = change_file(&repo, &login, wish, None).await?;
    let commit = render::git_commit(&repo.asked.links, &repo.record, &commit);
    Ok(Json(json!({"content": null, "commit": commit})))
}

/// Commits a file to a branch; says whether it was there before.
async fn change_file(
    repo: &Repo,
    login: &str,
    wish: FileWish,
    blob: Option<String>,
) -> Result<(Commit, bool), Refusal> {
    let branch = wish.branch.as_ref().unwrap_or(&repo.record.default_branch);
    let name = format!("refs/heads/{branch}");
    let before = repo
        .git
        .first_commit(&[format!("{name}^{{commit}}")])
        .await?;
    let first = repo.git.refs().await?.is_empty() && *branch == repo.record.default_branch;
    if before.is_none() && !first {
        let sentence = format!("Branch {branch} not found");
        return Err(Refusal::new(StatusCode::NOT_FOUND, sentence));
    }
    let path = repo.parameter("path");
    let old = match &before {
        Some(before) => there(repo, &before.tree, &path).await?,
        None => None,
    };
    let mode = agreed(
        old.as_ref().map(|old| (&*old.id, &*old.mode)),
        &wish,
        &path,
        blob.is_none(),
    )?;
    let placed_entry = Placed {
        mode,
        id: blob,
        path: path.clone(),
    };
    let base = before.as_ref().map(|before| before.tree.as_str());
    let change = CommitWish {
        message: wish.message.ok_or_else(|| lacking("message"))?,
        tree: placed(repo, base, &[placed_entry]).await?,
        parents: before.iter().map(|before| before.id.clone()).collect(),
        people: wish.people,
    };
    let commit = commit(repo, login, &change).await?;
    let ids = (before.as_ref().map(|b| b.id.as_str()), Some(&*commit.id));
    if !move_ref(&repo.server, &repo.record, &name, ids, login).await? {
        let sentence = format!("{branch} was changed meanwhile");
        return Err(Refusal::new(StatusCode::CONFLICT, sentence));
    }
    Ok((commit, old.is_some()))
}

/// The file that is at a path, where one is or could be.
async fn there(repo: &Repo, tree: &str, path: &str) -> Result<Option<Entry>, Refusal> {
    let ends = path.match_indices('/').map(|(end, _)| &path[..end]);
    for part in ends.chain([path]) {
        let Some(entry) = walk(repo, tree, part).await.ok().flatten() else {
            return Ok(None);
        };
        match (part == path, entry.kind != "tree") {
            (true, true) => return Ok(Some(entry)),
            (false, false) => {}
            _ => {
                let sentence = format!("{part} is in the way of {path}");
                return Err(Refusal::unprocessable(sentence));
            }
        }
    }
    Ok(None)
}

/// The mode of the file, where the caller knows what is there now.
fn agreed(
    old: Option<(&str, &str)>,
    wish: &FileWish,
    path: &str,
    deleting: bool,
) -> Result<String, Refusal> {
    match (old, &wish.sha) {
        (None, _) if deleting => Err(Refusal::not_found()),
        (None, None) => Ok(FILE.to_owned()),
        (Some(_), None) => Err(lacking("sha")),
        (Some((id, mode)), Some(sha)) if id == sha => Ok(mode.to_owned()),
        (_, Some(sha)) => Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("{path} does not match {sha}"),
        )),
    }
}

/// The first commit of a repository that is not to be empty: a README.
pub async fn begin(repo: &Repo, login: &str) -> Result<(), Refusal> {
    let about = repo.record.description.as_ref();
    let about = about.map_or_else(String::new, |text| format!("\n{text}\n"));
    let text = format!("# {}\n{about}", repo.record.name);
    let id = repo.git.store("blob", text.as_bytes()).await?;
    let entry = Placed {
        mode: FILE.to_owned(),
        id: Some(id),
        path: "README.md".to_owned(),
    };
    let wish = CommitWish {
        message: "Initial commit".to_owned(),
        tree: placed(repo, None, &[entry]).await?,
        parents: Vec::new(),
        people: People::default(),
    };
    let commit = commit(repo, login, &wish).await?;
    let name = format!("refs/heads/{}", repo.record.default_branch);
    move_ref(
        &repo.server,
        &repo.record,
        &name,
        (None, Some(&commit.id)),
        login,
    )
    .await?;
    Ok(())
}

fn lacking(what: &str) -> Refusal {
    Refusal::unprocessable(format!("Invalid request.\n\n\"{what}\" wasn't supplied."))
}

//! Making blobs, trees, commits and tags without a clone. Here because `PyGithub`'s tour does it, and with it whoever writes
//! commits by `@octokit/rest`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Body, Refusal};
use super::repo::{Repo, Writer};
use super::tree;
use crate::clock;
use crate::git::object::Commit;
use crate::git::write::Placed;
use crate::git::{is_ref_name, is_sha};
use crate::render;

/// The body of a new blob.
#[derive(Debug, Deserialize)]
pub struct BlobWish {
    content: String,
    #[serde(default)]
    encoding: String,
}

/// `POST …/git/blobs`
pub async fn create_blob(
    Writer { repo, .. }: Writer,
    Body(wish): Body<BlobWish>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let bytes = match wish.encoding.as_str() {
        "base64" => decoded(&wish.content)?,
        _ => wish.content.into_bytes(),
    };
    let id = repo.git.store("blob", &bytes).await?;
    let url = format!("{}/git/blobs/{id}", repo.url());
    Ok(created(&url, json!({"sha": id, "url": url})))
}

/// The body of a new tree.
#[derive(Debug, Deserialize)]
pub struct TreeWish {
    base_tree: Option<String>,
    tree: Vec<EntryWish>,
}

/// An entry with its object or its text; a `sha` of `null` takes the entry away.
#[derive(Debug, Deserialize)]
struct EntryWish {
    path: String,
    #[serde(default)]
    mode: String,
    sha: Option<String>,
    content: Option<String>,
}

impl EntryWish {
    /// As an index has it: a folder is all that is in it.
    async fn placed(self, repo: &Repo) -> Result<Vec<Placed>, Refusal> {
        let id = match (self.sha, self.content) {
            (Some(id), _) if !is_sha(&id) => {
                return Err(Refusal::unprocessable("tree.sha is not a valid SHA"));
            }
            (Some(id), _) => Some(id),
            (None, Some(text)) => Some(repo.git.store("blob", text.as_bytes()).await?),
            (None, None) => None,
        };
        if let (Some(id), "040000") = (&id, self.mode.as_str()) {
            let name = format!("{id}^{{tree}}");
            let found = repo.git.find(&[name]).await?.pop().flatten();
            let missing = || Refusal::unprocessable(format!("tree.sha {id} is not a tree"));
            let (id, ..) = found.ok_or_else(missing)?;
            let within = repo.git.tree(&id, true).await?.into_iter();
            let files = within.filter(|entry| entry.kind != "tree");
            return Ok(files
                .map(|file| Placed {
                    mode: file.mode,
                    id: Some(file.id),
                    path: format!("{}/{}", self.path, file.path),
                })
                .collect());
        }
        let modes = ["100644", "100755", "160000", "120000"];
        if id.is_some() && !modes.contains(&self.mode.as_str()) {
            return Err(Refusal::unprocessable("Must supply a valid tree.mode"));
        }
        Ok(vec![Placed {
            mode: self.mode,
            id,
            path: self.path,
        }])
    }
}

/// `POST …/git/trees`
pub async fn create_tree(
    Writer { repo, .. }: Writer,
    Body(wish): Body<TreeWish>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let base = match &wish.base_tree {
        Some(name) => Some(tree::tree_id(&repo, name).await?),
        None => None,
    };
    let there = match &base {
        Some(base) => repo.git.tree(base, true).await?,
        None => Vec::new(),
    };
    let mut entries = Vec::new();
    for entry in wish.tree {
        // what takes the place of a folder takes it whole
        let below = format!("{}/", entry.path);
        let replaced = there.iter().filter(|old| old.path.starts_with(&below));
        entries.extend(replaced.filter(|old| old.kind != "tree").map(|old| Placed {
            mode: old.mode.clone(),
            id: None,
            path: old.path.clone(),
        }));
        entries.extend(entry.placed(&repo).await?);
    }
    let id = placed(&repo, base.as_deref(), &entries).await?;
    let shown = tree::shown(&repo, &id, false).await?;
    Ok(created(&format!("{}/git/trees/{id}", repo.url()), shown))
}

/// A tree with these entries in place.
pub async fn placed(
    repo: &Repo,
    base: Option<&str>,
    entries: &[Placed],
) -> Result<String, Refusal> {
    let made = repo.git.store_tree(base, entries).await?;
    made.map_err(|said| Refusal::unprocessable(format!("GitRPC::BadObjectState: {}", said.0)))
}

/// Who made a commit; what is absent is the caller's, now.
#[derive(Debug, Clone, Default, Deserialize)]
struct PersonWish {
    name: Option<String>,
    email: Option<String>,
    date: Option<Timestamp>,
}

impl PersonWish {
    /// As a commit object has it.
    fn line(&self, login: &str) -> String {
        let clean = |text: &str| text.replace(['<', '>', '\n', '\0'], "");
        let name = clean(self.name.as_deref().unwrap_or(login));
        let email = self.email.as_deref().map(clean);
        let email = email.unwrap_or_else(|| render::email(login));
        let at = self.date.unwrap_or_else(clock::now).as_second();
        format!("{name} <{email}> {at} +0000")
    }
}

/// The body of a new commit.
#[derive(Debug, Deserialize)]
pub struct CommitWish {
    pub message: String,
    pub tree: String,
    #[serde(default)]
    pub parents: Vec<String>,
    #[serde(flatten)]
    pub people: People,
}

/// Who wrote it and who committed it: the caller, unless the body says so.
#[derive(Debug, Default, Deserialize)]
pub struct People {
    author: Option<PersonWish>,
    committer: Option<PersonWish>,
}

/// `POST …/git/commits`
pub async fn create_commit(
    Writer { repo, login }: Writer,
    Body(wish): Body<CommitWish>,
) -> Answer<Response> {
    repo.not_empty().await?;
    let names = [std::slice::from_ref(&wish.tree), &wish.parents].concat();
    let kinds = if names.iter().all(|id| is_sha(id)) {
        repo.git.find(&names).await?
    } else {
        Vec::new()
    };
    let wanted = std::iter::once("tree").chain(std::iter::repeat("commit"));
    let mut each = kinds.iter().zip(wanted);
    let sound = |(found, wanted): (&Option<(String, String, u64)>, &str)| {
        found.as_ref().is_some_and(|(_, kind, _)| kind == wanted)
    };
    if kinds.is_empty() || !each.all(sound) {
        return Err(Refusal::unprocessable(
            "Tree SHA does not exist or a parent is no commit",
        ));
    }
    let commit = commit(&repo, &login, &wish).await?;
    let shown = render::git_commit(&repo.asked.links, &repo.record, &commit);
    let url = format!("{}/git/commits/{}", repo.url(), commit.id);
    Ok(created(&url, shown))
}

/// Stores a commit.
pub async fn commit(repo: &Repo, login: &str, wish: &CommitWish) -> Result<Commit, Refusal> {
    let author = wish.people.author.clone().unwrap_or_default();
    let committer = wish.people.committer.clone();
    let committer = committer.unwrap_or_else(|| author.clone());
    let parents: Vec<String> = wish
        .parents
        .iter()
        .map(|id| format!("parent {id}\n"))
        .collect();
    let text = format!(
        "tree {}\n{}author {}\ncommitter {}\n\n{}",
        wish.tree,
        parents.concat(),
        author.line(login),
        committer.line(login),
        wish.message.replace('\0', ""),
    );
    let id = repo.git.store("commit", text.as_bytes()).await?;
    let made = repo.git.first_commit(&[id]).await?;
    made.ok_or_else(Refusal::not_found)
}

/// The body of a new tag object.
#[derive(Debug, Deserialize)]
pub struct TagWish {
    tag: String,
    message: String,
    object: String,
    #[serde(rename = "type")]
    kind: String,
    tagger: Option<PersonWish>,
}

/// `POST …/git/tags`: an annotated tag, which a ref has yet to point to.
pub async fn create_tag(
    Writer { repo, login }: Writer,
    Body(wish): Body<TagWish>,
) -> Answer<Response> {
    let (kind, _) = repo.object(&wish.object).await?;
    if kind != wish.kind || !is_ref_name(&wish.tag) {
        return Err(Refusal::unprocessable("Invalid tag or object"));
    }
    let text = format!(
        "object {}\ntype {kind}\ntag {}\ntagger {}\n\n{}",
        wish.object,
        wish.tag,
        wish.tagger.unwrap_or_default().line(&login),
        wish.message,
    );
    let id = repo.git.store("tag", text.as_bytes()).await?;
    let shown = tree::tag(&repo, &id).await?;
    Ok(created(&format!("{}/git/tags/{id}", repo.url()), shown))
}

/// The bytes that Base64 stands for, with or without newlines.
pub fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    bytes.map_err(|_| Refusal::unprocessable("content is not valid Base64"))
}

fn created(url: &str, shown: Value) -> Response {
    let location = [(header::LOCATION, url.to_owned())];
    (StatusCode::CREATED, location, Json(shown)).into_response()
}

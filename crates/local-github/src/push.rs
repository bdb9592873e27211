//! What a push did to the refs, told to the hooks as GitHub tells it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::clock;
use super::git::object::{Changes, Commit, Person};
use super::git::refs::Refs;
use super::git::{Git, ZEROS};
use super::hook::request::PendingDelivery;
use super::render;
use super::server::{Move, Server};
use super::state::{Payload, Repository};

/// GitHub lists no more commits than this in one payload.
const COMMITS: usize = 2048;
/// And no more files than this for one of them.
const FILES: usize = 3000;
/// A push of more tags than this tells of none.
const TAGS: usize = 3;
/// A push of more branches than this tells of none.
const BRANCHES: usize = 5000;
/// What is larger is told to nobody, in bytes.
const PAYLOAD: usize = 25 << 20;

/// A ref that a push changed.
struct Change<'a> {
    name: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl Change<'_> {
    fn is_tag(&self) -> bool {
        self.name.starts_with("refs/tags/")
    }
}

/// Compares the refs before and after a push, and sends one `push` event per ref to each hook that wants it.
///
/// # Errors
/// When git fails; the push itself has happened.
pub async fn announce(
    server: &Server,
    repository: &Repository,
    before: &Refs,
    pusher: &str,
) -> anyhow::Result<()> {
    let git = server.git(repository);
    let after = git.refs().await?;
    let mut changes = changes(before, &after);
    for (tags, most) in [(true, TAGS), (false, BRANCHES)] {
        if changes.iter().filter(|c| c.is_tag() == tags).count() > most {
            changes.retain(|c| c.is_tag() != tags);
        }
    }
    for change in changes {
        let teller = Teller {
            server,
            git: &git,
            repository,
            before,
            pusher,
        };
        let payload = teller.payload(&change).await?;
        remember(server, repository, &change, &payload);
        send(server, repository, &payload.to_string().into());
    }
    Ok(())
}

/// Moves a ref as a push does, and tells of it; not when it is no longer what it was. Says whether it did.
///
/// # Errors
/// When git fails, or nothing can be saved: the ref stays then. In the rare case that only the end cannot be saved it has moved,
/// and the hooks hear of it.
pub async fn move_ref(
    server: &Server,
    repository: &Repository,
    name: &str,
    (before, after): (Option<&str>, Option<&str>),
    pusher: &str,
) -> anyhow::Result<bool> {
    let turn = server.turn(repository.id);
    let _turn = turn.lock().await;
    let git = server.git(repository);
    let refs = git.refs().await?;
    server.store.ready().await?;
    let moved = git.set_ref(name, before, after).await?;
    if moved {
        announce(server, repository, &refs, pusher).await?;
        server.store.durable().await?;
    }
    Ok(moved)
}

fn changes<'a>(before: &'a Refs, after: &'a Refs) -> Vec<Change<'a>> {
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let all = names.map(|name| Change {
        name,
        before: before.get(name).map(String::as_str),
        after: after.get(name).map(String::as_str),
    });
    all.filter(|change| change.before != change.after).collect()
}

fn remember(server: &Server, repository: &Repository, change: &Change<'_>, payload: &Value) {
    if let Some(after) = change.after {
        server.moved(Move {
            repository: repository.id,
            name: change.name.to_owned(),
            before: change.before.map(str::to_owned),
            after: after.to_owned(),
            tree: payload["head_commit"]["tree_id"]
                .as_str()
                .map(str::to_owned),
        });
    }
}

/// Sends a push to all hooks under one GUID.
fn send(server: &Server, repository: &Repository, payload: &Payload) {
    let fits = payload.len() <= PAYLOAD;
    let hooks = server.store.change(|world| {
        if let Some(record) = world.repository_mut(repository.id) {
            record.last_push = fits.then(|| payload.clone());
            record.pushed_at = clock::now();
        }
        let wanting = world
            .hooks
            .iter()
            .filter(|h| fits && h.repository == repository.id && h.active && h.wants("push"));
        wanting.map(|hook| hook.id).collect::<Vec<_>>()
    });
    let guid = uuid::Uuid::new_v4().to_string();
    for hook in hooks {
        server.sender.push(PendingDelivery {
            hook,
            event: "push",
            guid: guid.clone(),
            payload: payload.clone(),
            redelivery: false,
            forged: false,
        });
    }
}

/// An author; one with an account also has a `username`.
fn person(person: &Person) -> Value {
    let mut shown = json!({"name": person.name, "email": person.email});
    if let Some(login) = render::login(&person.email) {
        shown["username"] = login.into();
    }
    shown
}

/// Tells of one push.
struct Teller<'a> {
    server: &'a Server,
    git: &'a Git,
    repository: &'a Repository,
    before: &'a Refs,
    pusher: &'a str,
}

impl Teller<'_> {
    async fn payload(&self, change: &Change<'_>) -> anyhow::Result<Value> {
        let base = &self.server.links;
        let head = match change.after {
            Some(id) => self.git.first_commit(&[format!("{id}^{{commit}}")]).await?,
            None => None,
        };
        let commits = match &head {
            Some(head) if !change.is_tag() => self.commits(change, head).await?,
            _ => Vec::new(),
        };
        let head_commit = match &head {
            Some(head) => self
                .described(std::slice::from_ref(head), None)
                .await?
                .pop(),
            None => None,
        };
        Ok(json!({
            "ref": change.name,
            "before": change.before.unwrap_or(ZEROS),
            "after": change.after.unwrap_or(ZEROS),
            "repository": render::pushed_repository(base, self.repository, clock::now()),
            "pusher": {"name": self.pusher, "email": render::email(self.pusher)},
            "sender": render::user(base, self.pusher),
            "created": change.before.is_none(),
            "deleted": change.after.is_none(),
            "forced": self.is_forced(change).await?,
            "base_ref": self.base_ref(change, head.as_ref()),
            "compare": self.compare(change, &commits),
            "commits": commits,
            "head_commit": head_commit,
        }))
    }

    /// The commits a branch gained, oldest first.
    async fn commits(&self, change: &Change<'_>, head: &Commit) -> anyhow::Result<Vec<Value>> {
        let known: Vec<String> = self.before.values().cloned().collect();
        let new: HashSet<String> = self
            .git
            .reachable(&head.id, &known, COMMITS, 0)
            .await?
            .into_iter()
            .collect();
        let mut ids = match change.before {
            Some(before) => {
                self.git
                    .reachable(&head.id, &[before.to_owned()], COMMITS, 0)
                    .await?
            }
            None => self.git.reachable(&head.id, &known, COMMITS, 0).await?,
        };
        ids.reverse();
        let commits = self.git.commits(&ids).await?;
        self.described(&commits, Some(&new)).await
    }

    /// Commits as payloads show them; those outside `new` were in the repository before.
    async fn described(
        &self,
        commits: &[Commit],
        new: Option<&HashSet<String>>,
    ) -> anyhow::Result<Vec<Value>> {
        let ids: Vec<String> = commits.iter().map(|c| c.id.clone()).collect();
        let changes = self.git.changes(&ids).await?;
        let distinct = |commit: &Commit| new.is_none_or(|new| new.contains(&commit.id));
        let each = commits.iter().zip(&changes);
        Ok(each
            .map(|(commit, changes)| self.describe(commit, changes, distinct(commit)))
            .collect())
    }

    fn describe(&self, commit: &Commit, changes: &Changes, distinct: bool) -> Value {
        let files = |letters: &str| {
            let some = changes
                .0
                .iter()
                .filter(|(letter, _)| letters.contains(*letter))
                .take(FILES);
            some.map(|(_, path)| path.clone()).collect::<Vec<_>>()
        };
        json!({
            "id": commit.id,
            "tree_id": commit.tree,
            "distinct": distinct,
            "message": commit.message,
            "timestamp": commit.committer.local_time(),
            "url": format!("{}/commit/{}", self.html_url(), commit.id),
            "author": person(&commit.author),
            "committer": person(&commit.committer),
            "added": files("A"),
            "removed": files("D"),
            "modified": files("MT"),
        })
    }

    /// Whether commits were lost from the branch.
    async fn is_forced(&self, change: &Change<'_>) -> anyhow::Result<bool> {
        match (change.before, change.after) {
            (Some(before), Some(after)) if !change.is_tag() => {
                Ok(!self.git.is_ancestor(before, after).await?)
            }
            (Some(_), Some(_)) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Set where a new ref points to the head of a branch that was there before.
    fn base_ref(&self, change: &Change<'_>, head: Option<&Commit>) -> Option<String> {
        let head = head.filter(|_| change.before.is_none())?;
        let mut branches = self
            .before
            .iter()
            .filter(|(name, _)| name.starts_with("refs/heads/"));
        branches
            .find(|(_, id)| **id == head.id)
            .map(|(name, _)| name.clone())
    }

    fn compare(&self, change: &Change<'_>, commits: &[Value]) -> String {
        let short = |id: &str| id.chars().take(12).collect::<String>();
        let html = self.html_url();
        match (change.before, change.after, commits) {
            (None, _, [only]) => format!(
                "{html}/commit/{}",
                short(only["id"].as_str().unwrap_or_default())
            ),
            (None, _, _) => {
                let name = change.name.splitn(3, '/').nth(2).unwrap_or(change.name);
                format!("{html}/compare/{name}")
            }
            (Some(before), after, _) => format!(
                "{html}/compare/{}...{}",
                short(before),
                short(after.unwrap_or(ZEROS))
            ),
        }
    }

    fn html_url(&self) -> String {
        format!("{}/{}", self.server.url, self.repository.full_name())
    }
}

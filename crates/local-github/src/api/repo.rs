//! The repository a call is about, and what its caller may do there: said by the handler's arguments.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::answer::{Asked, Refusal};
use super::middleware::{Caller, RestState};
use crate::git::object::Commit;
use crate::git::refs::candidates;
use crate::git::{Git, is_ref_name, is_sha};
use crate::render;
use crate::server::{Server, Token};
use crate::state::{Hook, Repository};

/// A repository that the caller may read.
pub struct Repo {
    pub server: Arc<Server>,
    pub record: Repository,
    pub git: Git,
    pub asked: Asked,
    caller: Option<Token>,
    parameters: Vec<(String, String)>,
}

/// A repository whose hooks the caller may see and change.
pub struct HookOwner(pub Repo);

/// A repository whose commits the caller may set a status on.
pub struct StatusWriter {
    pub repo: Repo,
    pub login: String,
}

/// A repository that the caller may push to.
pub struct Writer {
    pub repo: Repo,
    pub login: String,
}

impl<S> FromRequestParts<S> for Repo
where
    RestState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let repo = Self::whoever_asks(parts, state).await?;
        if repo.record.private {
            repo.permit(&["repo"])?;
        }
        Ok(repo)
    }
}

impl Repo {
    /// The repository of the path; whether the caller may read it is not asked.
    async fn whoever_asks<S>(parts: &mut Parts, state: &S) -> Result<Self, Refusal>
    where
        RestState: FromRef<S>,
        S: Send + Sync,
    {
        let RestState { server, .. } = RestState::from_ref(state);
        let raw = RawPathParams::from_request_parts(parts, state).await;
        let raw = raw.map_err(|_| Refusal::not_found())?;
        let parameters: Vec<(String, String)> = raw
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let named = |name: &str| value(&parameters, name).ok_or_else(Refusal::not_found);
        let (owner, name) = (named("owner")?, named("repo")?);
        let record = server
            .store
            .read(|world| world.repository(&owner, &name).cloned());
        let record = record.ok_or_else(Refusal::not_found)?;
        let asked = parts.extensions.get::<Asked>().cloned();
        let asked = asked.unwrap_or_else(|| Asked {
            uri: parts.uri.clone(),
            links: server.links.clone(),
        });
        Ok(Self {
            git: server.git(&record),
            record,
            asked,
            caller: parts
                .extensions
                .get::<Caller>()
                .and_then(|caller| caller.0.clone()),
            parameters,
            server,
        })
    }
}

impl<S> FromRequestParts<S> for HookOwner
where
    RestState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let repo = Repo::whoever_asks(parts, state).await?;
        let mut accepted = vec!["repo", "public_repo", "admin:repo_hook"];
        if parts.method != axum::http::Method::DELETE {
            accepted.push("write:repo_hook");
        }
        if parts.method == axum::http::Method::GET {
            accepted.push("read:repo_hook");
        }
        repo.permit(&accepted)?;
        Ok(Self(repo))
    }
}

impl<S> FromRequestParts<S> for StatusWriter
where
    RestState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let repo = Repo::whoever_asks(parts, state).await?;
        let login = repo.permit(&["repo", "public_repo", "repo:status"])?;
        Ok(Self { repo, login })
    }
}

impl<S> FromRequestParts<S> for Writer
where
    RestState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let repo = Repo::from_request_parts(parts, state).await?;
        let login = repo.permit(&["repo", "public_repo"])?;
        Ok(Self { repo, login })
    }
}

fn value(parameters: &[(String, String)], name: &str) -> Option<String> {
    let (_, raw) = parameters.iter().find(|(key, _)| key == name)?;
    let decoded = percent_encoding::percent_decode_str(raw)
        .decode_utf8()
        .ok()?;
    Some(decoded.into_owned())
}

impl Repo {
    /// One that was just made by its owner.
    pub fn new(server: &Arc<Server>, record: Repository, asked: Asked, owner: Token) -> Self {
        Self {
            git: server.git(&record),
            server: Arc::clone(server),
            record,
            asked,
            caller: Some(owner),
            parameters: Vec::new(),
        }
    }

    /// A part of the path, decoded.
    pub fn parameter(&self, name: &str) -> String {
        value(&self.parameters, name).unwrap_or_default()
    }

    /// A number in the path.
    pub fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.parameter(name)
            .parse()
            .map_err(|_| Refusal::not_found())
    }

    /// Where the REST API has this repository.
    pub fn url(&self) -> String {
        render::api_url(&self.asked.links, &self.record)
    }

    /// The repository as its own call shows it, with what the caller may do.
    pub fn shown(&self) -> Value {
        let all = self.permit(&["repo", "public_repo"]).is_ok();
        let mut shown = render::repository(&self.asked.links, &self.record);
        shown["permissions"] =
            json!({"admin": all, "maintain": all, "push": all, "triage": all, "pull": true});
        shown["network_count"] = 0.into();
        shown["subscribers_count"] = 0.into();
        shown
    }

    /// Where people see it.
    pub fn html_url(&self) -> String {
        format!("{}/{}", self.asked.links.web, self.record.full_name())
    }

    /// Refuses who may change only public ones.
    pub fn may_hide(&self) -> Result<(), Refusal> {
        self.permit(&["repo"]).map(drop)
    }

    /// The login of a caller with one of these scopes; for others there is nothing here.
    fn permit(&self, accepted: &[&str]) -> Result<String, Refusal> {
        let mut accepted = accepted.to_vec();
        accepted.retain(|scope| !(self.record.private && *scope == "public_repo"));
        let caller = self.caller.as_ref().filter(|token| token.may(&accepted));
        caller
            .map(|token| token.login.clone())
            .ok_or_else(Refusal::not_found)
    }

    /// The hook of the path.
    pub fn hook(&self) -> Result<Hook, Refusal> {
        let id = self.number("hook")?;
        let hook = self.server.store.read(|world| world.hook(id).cloned());
        hook.filter(|hook| hook.repository == self.record.id)
            .ok_or_else(Refusal::not_found)
    }

    /// Refuses where there is no commit at all.
    pub async fn not_empty(&self) -> Result<(), Refusal> {
        if self.git.refs().await?.is_empty() {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "Git Repository is empty.",
            ));
        }
        Ok(())
    }

    /// The commit a name means: a branch as it is seen (it may lag), a tag, an id or its beginning.
    pub async fn commit(&self, name: &str) -> Result<Option<Commit>, Refusal> {
        let Some(found) = self.git.first_commit(&candidates(name)).await? else {
            return Ok(None);
        };
        if name.len() >= 7 && found.id.starts_with(name) {
            let hidden = self.server.is_missing(self.record.id, &found.id);
            return Ok((!hidden).then_some(found));
        }
        let branch = name.strip_prefix("refs/").unwrap_or(name);
        let branch = branch.strip_prefix("heads/").unwrap_or(branch);
        self.seen(&format!("refs/heads/{branch}"), found).await
    }

    /// A branch's head, as it is seen; none where there is no such branch.
    pub async fn head(&self, branch: &str) -> Result<Option<Commit>, Refusal> {
        if !is_ref_name(branch) {
            return Ok(None);
        }
        let name = format!("refs/heads/{branch}");
        match self
            .git
            .first_commit(&[format!("{name}^{{commit}}")])
            .await?
        {
            Some(real) => self.seen(&name, real).await,
            None => Ok(None),
        }
    }

    async fn seen(&self, name: &str, real: Commit) -> Result<Option<Commit>, Refusal> {
        match self.server.head(self.record.id, name, &real.id) {
            Some(id) if id == real.id => Ok(Some(real)),
            Some(id) => Ok(self.git.first_commit(&[id]).await?),
            None => Ok(None),
        }
    }

    /// The object of a whole id, unless it lags: its kind and size.
    pub async fn object(&self, id: &str) -> Result<(String, u64), Refusal> {
        self.not_empty().await?;
        if !is_sha(id) || self.server.is_missing(self.record.id, id) {
            return Err(Refusal::not_found());
        }
        let found = self.git.find(&[id.to_owned()]).await?.pop().flatten();
        found
            .map(|(_, kind, size)| (kind, size))
            .ok_or_else(Refusal::not_found)
    }
}

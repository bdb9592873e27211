//! Where an operator wants to go: a deploy by its number, a commit by its (shortened) id. Only what was deployed
//! before, or is an ancestor of the branch: GitHub shows commits of foreign forks under a repository's name.

use axum::http::StatusCode;

use super::Web;
use super::error::Failure;
use crate::api::{ActBody, ProblemCode};
use crate::context::{Commit, ReadError};
use crate::event::{DeployQueued, DeployRef};
use crate::github::GithubError;
use crate::history::{App, Deploy, DeployState, Target};
use crate::id::{CommitId, DeployNumber, ServiceId};
use crate::plan::digest;

fn not_rollbackable(why: impl Into<String>) -> Failure {
    Failure::unprocessable(ProblemCode::NotRollbackable, why)
}

/// A deploy or a commit, as it was written.
pub(super) enum Wanted {
    Deploy(DeployNumber),
    Commit(String),
    Head,
}

impl Wanted {
    /// As it was written.
    pub fn word(&self) -> String {
        match self {
            Self::Deploy(number) => format!("deploy {number}"),
            Self::Commit(text) => text.clone(),
            Self::Head => "the head".to_owned(),
        }
    }
}

/// Reads `to`, `commit` or `deploy` of a body.
pub(super) fn wanted(body: &ActBody) -> Result<Wanted, Failure> {
    if body.deploy.is_some() && body.to.is_some() {
        let why = "deploy: stands beside to; say one of them";
        return Err(Failure::unprocessable(ProblemCode::Invalid, why).hint("nothing was done"));
    }
    let by_number = body
        .deploy
        .as_ref()
        .map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned));
    let text = by_number
        .map(|n| format!("#{}", n.trim_start_matches('#')))
        .or_else(|| body.to.clone());
    match text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) {
        Some(text) => place(&text),
        None => Ok(Wanted::Head),
    }
}

/// Reads a deploy (`#40`) or a commit.
pub(super) fn place(text: &str) -> Result<Wanted, Failure> {
    if let Some(number) = text.strip_prefix('#') {
        let number = number.parse().map_err(|_| {
            Failure::unprocessable(
                ProblemCode::Invalid,
                format!("{text:?} is no deploy; write it as #40"),
            )
        })?;
        return Ok(Wanted::Deploy(DeployNumber(number)));
    }
    let hex = (4..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex {
        Ok(Wanted::Commit(text.to_owned()))
    } else {
        Err(Failure::unprocessable(
            ProblemCode::Invalid,
            format!("{text:?} is no commit (4 to 64 hexadecimal digits) and no deploy (#40)"),
        ))
    }
}

/// A target and the commit it stands for.
pub(super) struct Resolved {
    pub to: DeployRef,
    pub specs_of: Option<DeployNumber>,
    pub commit: Commit,
}

impl Web {
    /// Finds what is gone back to, and reads its specs.
    pub(super) async fn resolve(&self, app: &App, wanted: &Wanted) -> Result<Resolved, Failure> {
        let store = &self.context.store;
        match wanted {
            Wanted::Deploy(number) => {
                let deploy = store.deploy(&app.id, *number).await?.ok_or_else(|| {
                    not_rollbackable(format!("{} has no deploy {number}", app.id))
                })?;
                self.of_deploy(app, &deploy, Some(*number)).await
            }
            Wanted::Commit(text) => {
                let deploys = store.deploys_of(&app.id, text).await?;
                let commits: std::collections::BTreeSet<&CommitId> =
                    deploys.iter().map(|d| &d.wanted.commit).collect();
                if commits.len() > 1 {
                    return Err(not_rollbackable(format!(
                        "{text} is the beginning of {} commits; write more of it",
                        commits.len()
                    )));
                }
                let best = deploys
                    .iter()
                    .find(|d| d.state() == DeployState::Succeeded && d.files.is_some())
                    .or_else(|| deploys.iter().find(|d| d.files.is_some()));
                match best {
                    Some(deploy) => self.of_deploy(app, deploy, Some(deploy.number)).await,
                    None => self.never_deployed(app, text).await,
                }
            }
            Wanted::Head => {
                let head = app
                    .head
                    .as_ref()
                    .ok_or_else(|| not_rollbackable("the head of the branch is not known yet"))?;
                let stored = store.deploys_of(&app.id, head.commit.as_str()).await?;
                match stored.iter().find(|d| d.files.is_some()) {
                    Some(deploy) => self.of_deploy(app, deploy, None).await,
                    None => self.read(app, head.commit.clone(), None).await,
                }
            }
        }
    }

    async fn of_deploy(
        &self,
        app: &App,
        deploy: &Deploy,
        named: Option<DeployNumber>,
    ) -> Result<Resolved, Failure> {
        let mut with_files = deploy.clone();
        if with_files.files.is_none() {
            let others = self
                .context
                .store
                .deploys_of(&app.id, deploy.wanted.commit.as_str())
                .await?;
            match others.into_iter().find(|d| d.files.is_some()) {
                Some(other) => with_files = other,
                None => return self.read(app, deploy.wanted.commit.clone(), named).await,
            }
        }
        let files = with_files.files.clone().unwrap_or_default();
        let commit = self
            .context
            .stored_commit(&app.id, files)
            .await
            .map_err(unreadable)?;
        let to = DeployRef {
            deploy: named,
            commit: deploy.wanted.commit.clone(),
        };
        Ok(Resolved {
            to,
            specs_of: Some(with_files.number),
            commit,
        })
    }

    async fn never_deployed(&self, app: &App, text: &str) -> Result<Resolved, Failure> {
        let (github, repository) = (&self.context.github, app.source.repository_id);
        let unknown = |e: GithubError| {
            let why =
                format!("{text} was never deployed here, and GitHub does not vouch for it: {e}");
            asked_of_github(&e, why)
        };
        let commit = github.expand(repository, text).await.map_err(unknown)?;
        let head = app
            .head
            .as_ref()
            .map(|h| h.commit.clone())
            .ok_or_else(|| not_rollbackable("the head of the branch is not known yet"))?;
        if !github
            .is_ancestor(repository, &commit, &head)
            .await
            .map_err(unknown)?
        {
            return Err(not_rollbackable(format!(
                "{} was never deployed here and is not an ancestor of {} ({})",
                commit.short(),
                app.source.branch,
                head.short()
            )));
        }
        self.read(app, commit, None).await
    }

    async fn read(
        &self,
        app: &App,
        commit: CommitId,
        named: Option<DeployNumber>,
    ) -> Result<Resolved, Failure> {
        let files = self
            .context
            .list_commit(app.source.repository_id, &commit)
            .await
            .map_err(unreadable)?;
        let read = self
            .context
            .stored_commit(&app.id, files)
            .await
            .map_err(unreadable)?;
        Ok(Resolved {
            to: DeployRef {
                deploy: named,
                commit,
            },
            specs_of: None,
            commit: read,
        })
    }
}

/// The command's target, as the body asks for it.
pub(super) fn target(resolved: &Resolved, body: &ActBody, only: Option<ServiceId>) -> Target {
    Target {
        to: resolved.to.clone(),
        specs_of: resolved.specs_of,
        only,
        reason: body
            .reason
            .as_deref()
            .map(|r| crate::secret::plain(r, 500))
            .filter(|r| !r.trim().is_empty()),
        resume: body.resume.unwrap_or_default(),
        scale: body.scale.unwrap_or_default(),
        plan: body.plan.clone().filter(|p| !p.is_empty()),
        specs: digest(&resolved.commit.services),
        override_lock: body.override_lock,
        force: body.force,
    }
}

/// The deploy that such a target would queue, for a preview.
pub(super) fn would_queue(target: &Target, cause: crate::event::Cause) -> DeployQueued {
    DeployQueued {
        commit: target.to.commit.clone(),
        cause,
        before: None,
        specs_of: target.specs_of,
        only: target.only.clone(),
        scale: target.scale,
        force: target.force,
        reason: target.reason.clone(),
    }
}

/// What GitHub would have to say of a commit. Where it says nothing, that is no word about the commit.
fn asked_of_github(error: &GithubError, why: String) -> Failure {
    match error {
        GithubError::Unreachable(_) | GithubError::Limited(..) => {
            Failure::new(StatusCode::BAD_GATEWAY, ProblemCode::Github, why)
                .hint("try again when GitHub answers; what was deployed here needs no GitHub")
        }
        _ => not_rollbackable(why),
    }
}

fn unreadable(error: ReadError) -> Failure {
    match error {
        ReadError::Store(error) => error.into(),
        ReadError::Github(error) => asked_of_github(&error, error.to_string()),
        ReadError::Invalid(why) => not_rollbackable(format!("its specs are not valid: {why}")),
    }
}

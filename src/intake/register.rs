//! An app enters: its name is read at the head of its branch, and that head is its first push.

use crate::context::{Context, ReadError};
use crate::event::{AppSettings, Source, Visibility};
use crate::github::GithubError;
use crate::history::{Answer, Command, Refusal, Registering};
use crate::id::{AppId, Branch, RepositoryName};
use crate::store::StoreError;

/// Why an app cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// GitHub does not answer; later it may.
    #[error("{0}")]
    Github(GithubError),
    /// The repository, the branch or the descriptor is not as it must be.
    #[error("{0}")]
    Invalid(String),
    /// The log refuses it or cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GithubError> for RegisterError {
    fn from(error: GithubError) -> Self {
        match error {
            GithubError::Missing(why) => {
                Self::Invalid(format!("{why}: not found, or the token may not see it"))
            }
            GithubError::Refused(why) => Self::Invalid(why),
            other => Self::Github(other),
        }
    }
}

/// Registers the app of a branch. Answers its name, and whether it is new.
///
/// # Errors
/// See [`RegisterError`].
pub async fn register(
    context: &Context,
    name: &RepositoryName,
    branch: &Branch,
    actor: &str,
) -> Result<(AppId, bool), RegisterError> {
    let repository = context.github.repository(name).await?;
    let known = context.store.apps_of(repository.id).await?;
    if let Some(app) = known.iter().find(|a| a.source.branch == *branch) {
        if app.destroying.is_some() {
            return Err(StoreError::Refused(Refusal::Destroying).into());
        }
        let visibility = repository.visibility;
        follow(context, &app.id, Some(repository.name), visibility).await?;
        return Ok((app.id.clone(), false));
    }
    let head = match context.github.head(repository.id, branch, None).await {
        Ok(Some(head)) => head,
        Ok(None) | Err(GithubError::Missing(_)) => {
            return Err(RegisterError::Invalid(format!(
                "{name} has no branch {branch}; push it, or name another trigger branch"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let (descriptor, info) = context
        .descriptor(repository.id, &head)
        .await
        .map_err(|error| match error {
            ReadError::Github(error) => error.into(),
            ReadError::Invalid(why) => {
                RegisterError::Invalid(format!("{why} (at {} of {name})", head.short()))
            }
            ReadError::Store(error) => error.into(),
        })?;
    let id: AppId = descriptor
        .app_name
        .parse()
        .map_err(|e| RegisterError::Invalid(format!("dploy.app: app_name: {e}")))?;
    // a secret before the hook, and the hook before the first push can arrive
    context.store.make_hook_secret(repository.id).await?;
    let source = Source {
        repository_id: repository.id,
        repository: repository.name,
        branch: branch.clone(),
        visibility: repository.visibility,
    };
    let settings = AppSettings {
        prune: descriptor.prune,
        deadline: descriptor.deadline,
    };
    let command = Command::Register(Box::new(Registering {
        source,
        settings,
        head,
        info: Some(info),
    }));
    let answer = context
        .store
        .log()
        .command(&id, actor, None, command)
        .await?;
    Ok((id, matches!(answer, Answer::Queued(_))))
}

/// Follows a rename or transfer, where the id is the same and the name is not, and who may see the repository.
pub(super) async fn follow(
    context: &Context,
    app: &AppId,
    repository: Option<RepositoryName>,
    visibility: Visibility,
) -> Result<(), StoreError> {
    let command = Command::Follow {
        repository,
        visibility,
    };
    let log = context.store.log();
    log.command(app, "observer", None, command)
        .await
        .map(|_| ())
}

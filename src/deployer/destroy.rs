//! Taking an app down: its services, then the webhook, then the word that it is done. Each step is written down,
//! so that a crash in the middle goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::job::Job;
use super::retreat::is_missing;
use super::{Next, Step};
use crate::event::{ApplyIntended, Call, Fact, Intended};
use crate::history::Command;
use crate::id::ServiceId;
use crate::marathon::{Deployed, MarathonError};
use crate::rollout;
use crate::sentence::Code;

pub(super) async fn step(job: &Job<'_>) -> Step {
    let Some(destroying) = &job.app.destroying else {
        return Ok(Next::Again);
    };
    if !destroying.keep_services {
        let mut ids: BTreeSet<ServiceId> = destroying.services.iter().cloned().collect();
        ids.extend(rollout::ours(&job.context.marathon, job.app.id.as_str()).await?);
        if let Some(id) = ids.first() {
            return remove(job, id, true).await;
        }
    }
    if let Some(hook) = destroying.hook {
        let repository = job.app.source.repository_id;
        if let Err(error) = job.context.github.delete_hook(repository, hook).await {
            let known = job
                .app
                .hook
                .failure
                .as_ref()
                .is_some_and(|f| f.sentence == error.to_string());
            if !known {
                let failed = Fact::HookFailed {
                    code: error.code().into(),
                    sentence: error.to_string(),
                };
                job.command(Command::Note(vec![failed])).await?;
            }
            return Ok(Next::After(job.context.timing.retry));
        }
        let removed = Fact::HookRemoved {
            id: Some(hook),
            sentence: format!(
                "the webhook {hook} is gone from {}",
                job.app.source.repository
            ),
        };
        job.command(Command::Note(vec![removed])).await?;
        job.context.store.drop_hook_secrets(repository).await?;
        return Ok(Next::Again);
    }
    gone(job).await
}

/// Removes one service and waits until Marathon does not know it any more.
pub(super) async fn remove(job: &Job<'_>, id: &ServiceId, force: bool) -> Step {
    let context = job.context;
    match context.marathon.app(id).await? {
        None => {
            let sentence = format!("{id} is gone from Marathon");
            job.command(Command::Note(vec![Fact::ServiceRemoved {
                id: id.clone(),
                sentence,
            }]))
            .await?;
            Ok(Next::Again)
        }
        Some(app) if !rollout::is_of(&app, &job.app.id) => {
            let sentence = format!(
                "{id} is left alone: it does not carry the label of {} any more",
                job.app.id
            );
            job.command(Command::Note(vec![Fact::ServiceRemoved {
                id: id.clone(),
                sentence,
            }]))
            .await?;
            Ok(Next::Again)
        }
        Some(app) => {
            if let Some(deploy) = &job.app.running {
                let service = Intended {
                    id: id.clone(),
                    spec: None,
                    version: Some(app.version.clone()),
                };
                let intent = ApplyIntended {
                    call: Call::Delete,
                    body: None,
                    force,
                    services: vec![service],
                    target: Vec::new(),
                    raised: BTreeMap::new(),
                };
                job.record(deploy.number, vec![Fact::ApplyIntended(Box::new(intent))])
                    .await?;
            }
            let answer = context.marathon.delete_app(id, force).await;
            deleted(job, id, answer).await
        }
    }
}

async fn deleted(job: &Job<'_>, id: &ServiceId, answer: Result<Deployed, MarathonError>) -> Step {
    let (fact, step) = match answer {
        Ok(deployed) => {
            let (marathon_deployment, version) = (deployed.deployment_id, deployed.version);
            (
                Fact::ApplyAccepted {
                    call: Call::Delete,
                    marathon_deployment,
                    version,
                    services: vec![id.clone()],
                },
                Ok(Next::Again),
            )
        }
        Err(error) if is_missing(&error) => {
            let accepted = Fact::ApplyAccepted {
                call: Call::Delete,
                marathon_deployment: None,
                version: None,
                services: vec![id.clone()],
            };
            (accepted, Ok(Next::Again))
        }
        Err(error @ MarathonError::Unreachable(_)) => return Err(error.into()),
        Err(error) => {
            let code = String::from(Code::Locked);
            let refused = Fact::ApplyRefused {
                call: Call::Delete,
                code,
                sentence: error.to_string(),
                services: vec![id.clone()],
            };
            (refused, Ok(Next::After(job.context.timing.retry)))
        }
    };
    if let Some(deploy) = &job.app.running {
        job.record(deploy.number, vec![fact]).await?;
    }
    step
}

async fn gone(job: &Job<'_>) -> Step {
    let kept: Vec<ServiceId> = job.app.services.keys().cloned().collect();
    let removed = removed_services(job).await?;
    let mut sentence = match removed.len() {
        0 => "no service was to remove".to_owned(),
        1 => "1 service removed".to_owned(),
        n => format!("{n} services removed"),
    };
    if !kept.is_empty() {
        let _ = write!(sentence, ", {} left running", kept.len());
    }
    sentence.push_str(match job.app.hook.id {
        Some(_) => "; the webhook stays, another app of the repository uses it",
        None => "; no webhook is left",
    });
    job.command(Command::Note(vec![Fact::AppDestroyed {
        removed,
        kept,
        sentence,
    }]))
    .await?;
    Ok(Next::Idle)
}

/// The services that this destroy removed, from the log.
async fn removed_services(job: &Job<'_>) -> Result<Vec<ServiceId>, crate::store::StoreError> {
    let filter = |kind: &str| crate::store::EventFilter {
        app: Some(job.app.id.clone()),
        kind: Some(kind.to_owned()),
        newest_first: true,
        limit: 1000,
        ..Default::default()
    };
    let began = job
        .context
        .store
        .events(&filter("destroy_requested"))
        .await?
        .first()
        .map_or(0, |e| e.seq);
    let removed = job.context.store.events(&filter("service_removed")).await?;
    Ok(removed
        .iter()
        .filter(|e| e.seq > began)
        .filter_map(|e| match e.fact() {
            Ok(Fact::ServiceRemoved { id, .. }) => Some(id),
            _ => None,
        })
        .collect())
}

//! Taking an app down: its services, then the webhook, then the word that it is done. Each step is written down,
//! so that a crash in the middle goes on where it stopped.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::call::{Made, make, plain};
use super::debt::{self, Paid};
use super::job::Job;
use super::{Next, Step, owner, retreat};
use crate::event::{Call, Fact, Intended};
use crate::github::GithubError;
use crate::history::Command;
use crate::id::ServiceId;
use crate::rollout;

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
    // services that stay are left without a rollout, and with the counts that are wanted
    let mut goes_on = String::new();
    if destroying.keep_services {
        let known = job.app.services.keys().cloned().collect();
        let ids = retreat::still_ours(job, known).await?;
        match retreat::end_rollouts(job, None, &ids).await? {
            Some(said) => goes_on = said,
            None => return Ok(Next::After(job.context.timing.look)),
        }
    }
    if let Some((id, debt)) = job.app.debts.first_key_value() {
        return match debt::pay(job, None, id, *debt).await? {
            Paid::Done => Ok(Next::Again),
            Paid::NotYet(why) => debt::gives_up(job, id, debt, &why).await,
        };
    }
    let repository = job.app.source.repository_id;
    let used = job.context.store.repository_is_used(repository).await?;
    if let Some(hook) = destroying.hook.filter(|_| !used) {
        return remove_hook(job, hook).await;
    }
    let mut left = None;
    if !used && job.app.hook.id.is_none() {
        left = unnoted_hooks(job).await.err();
    }
    gone(job, left, &goes_on).await
}

async fn remove_hook(job: &Job<'_>, hook: u64) -> Step {
    let source = &job.app.source;
    let repository = source.repository_id;
    if let Err(error) = job.context.github.delete_hook(repository, hook).await {
        let failure = job.app.hook.failure.as_ref();
        if failure.is_none_or(|f| f.sentence != error.to_string()) {
            let failed = Fact::HookFailed {
                code: error.code().into(),
                sentence: error.to_string(),
            };
            job.command(Command::Note(vec![failed])).await?;
        }
        return Ok(Next::Wait);
    }
    let removed = Fact::HookRemoved {
        id: Some(hook),
        sentence: format!("the webhook {hook} is gone from {}", source.repository),
    };
    job.command(Command::Note(vec![removed])).await?;
    job.context.store.drop_hook_secrets(repository).await?;
    Ok(Next::Again)
}

/// Removes what calls us and was never written down, as when the observer was killed while it made it.
async fn unnoted_hooks(job: &Job<'_>) -> Result<(), GithubError> {
    let (github, repository) = (&job.context.github, job.app.source.repository_id);
    let hooks = github.hooks(repository).await?;
    for hook in hooks.iter().filter(|h| h.url() == job.context.hook.url) {
        github.delete_hook(repository, hook.id).await?;
    }
    Ok(())
}

/// Removes one service and waits until Marathon does not know it any more.
pub(super) async fn remove(job: &Job<'_>, id: &ServiceId, force: bool) -> Step {
    let context = job.context;
    match context.marathon.app(id).await? {
        None => {
            let sentence = format!("{id} is gone from Marathon");
            has_left(job, id, sentence, false).await
        }
        Some(app) if !rollout::is_of(&app, &job.app.id) => {
            let sentence = format!(
                "{id} is left alone: it does not carry the label of {} any more",
                job.app.id
            );
            has_left(job, id, sentence, true).await
        }
        Some(app) => {
            let deploy = job.app.running.as_ref().map(|d| d.number);
            let service = Intended {
                id: id.clone(),
                spec: None,
                version: Some(app.version),
                instances: None,
                count: None,
            };
            let intended = plain(Call::Delete, force, vec![service]);
            match make(job, deploy, intended, None, &|_| None).await? {
                Made::Accepted => Ok(Next::Again),
                // looked at again: it may be gone, or not ours any more
                Made::Refused => Ok(Next::Wait),
                Made::NotYet(error) => {
                    let Some(number) = deploy else {
                        return Ok(Next::Wait);
                    };
                    let why = owner::waits_for(job, &error, std::slice::from_ref(id)).await;
                    job.wait_for(number, why, Some(id.to_string())).await
                }
            }
        }
    }
}

/// A service is gone, or is somebody else's and left alone.
async fn has_left(job: &Job<'_>, id: &ServiceId, sentence: String, left: bool) -> Step {
    let fact = Fact::ServiceRemoved {
        id: id.clone(),
        sentence,
        left,
    };
    job.command(Command::Note(vec![fact])).await?;
    Ok(Next::Again)
}

async fn gone(job: &Job<'_>, unseen: Option<GithubError>, goes_on: &str) -> Step {
    let kept: Vec<ServiceId> = job.app.services.keys().cloned().collect();
    let (removed, left) = removed_services(job).await?;
    let mut sentence = match removed.len() {
        0 => "no service was to remove".to_owned(),
        1 => "1 service removed".to_owned(),
        n => format!("{n} services removed"),
    };
    if !kept.is_empty() {
        let _ = write!(sentence, ", {} left running", kept.len());
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(ServiceId::as_str).take(5).collect();
        let _ = write!(
            sentence,
            "; left alone, as not this app's any more: {}",
            names.join(", ")
        );
    }
    match (job.app.hook.id, unseen) {
        (Some(_), _) => {
            sentence.push_str("; the webhook stays, another app of the repository uses it");
        }
        (None, None) => sentence.push_str("; no webhook is left"),
        (None, Some(error)) => {
            let _ = write!(
                sentence,
                "; no webhook is known, and whether one is left could not be seen: {error}"
            );
        }
    }
    sentence.push_str(goes_on);
    // what Marathon does not say is left unsaid: nothing waits for it
    let empty = job.context.marathon.empty_groups(&removed).await;
    let empty = empty.unwrap_or_default();
    if !empty.is_empty() {
        let groups = empty.join(", ");
        let _ = write!(sentence, "; the empty group {groups} stays in Marathon");
    }
    job.command(Command::Note(vec![Fact::AppDestroyed {
        removed,
        kept,
        sentence,
    }]))
    .await?;
    Ok(Next::Idle)
}

/// The services that this destroy removed, and those that it left alone, from the log.
async fn removed_services(
    job: &Job<'_>,
) -> Result<(Vec<ServiceId>, Vec<ServiceId>), crate::store::StoreError> {
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
    let mut events = job.context.store.events(&filter("service_removed")).await?;
    // those that only their label named are gone without a word
    events.extend(job.context.store.events(&filter("apply_accepted")).await?);
    let (mut removed, mut alone) = (BTreeSet::new(), BTreeSet::new());
    for event in events.iter().filter(|e| e.seq > began) {
        match event.fact() {
            Ok(Fact::ServiceRemoved { id, left, .. }) => {
                if left { &mut alone } else { &mut removed }.insert(id);
            }
            Ok(Fact::ApplyAccepted {
                call: Call::Delete,
                services,
                ..
            }) => removed.extend(services),
            _ => {}
        }
    }
    Ok((removed.into_iter().collect(), alone.into_iter().collect()))
}

//! One plain sentence for each kind of event.

use super::phrase::{again, because, count, head_of, ids, until, verb};
use super::{
    Action, ApplyIntended, Call, Cause, DeployQueued, DeployRef, Fact, Outcome, Planned,
    PushReceived, Registration, ResumeWhen, RollbackRequested, Via,
};
use crate::id::{CommitId, DeployNumber, ServiceId};
use crate::sentence::Code;

/// One plain sentence that says what happened.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
#[must_use]
pub fn summary(fact: &Fact) -> String {
    match fact {
        Fact::AppRegistered { source, .. } => {
            format!("Registered: {} at {}.", source.repository, source.branch)
        }
        Fact::AppChanged { old, new } => changed(old, new),
        Fact::AppDestroyed { sentence, .. } => format!("Destroyed: {sentence}"),
        Fact::RollbackRequested(wish) => rollback(wish),
        Fact::AppPinned {
            commit,
            deploy,
            reason,
            resume,
            ..
        } => pinned(commit, *deploy, reason.as_deref(), *resume),
        Fact::AppResumed { reason, head } => format!(
            "Following the branch again{}{}.",
            head_of(head.as_ref()),
            because(reason.as_deref())
        ),
        Fact::AppLocked { reason, .. } => format!("Locked: {reason}"),
        Fact::AppUnlocked { reason, head } => format!(
            "Unlocked{}{}.",
            head_of(head.as_ref()),
            because(reason.as_deref())
        ),
        Fact::AppAdopted { services } => {
            format!("Adopted {}.", ids(services.iter().map(|s| &s.id)))
        }
        Fact::DriftSeen { services } => drift(services),
        Fact::DestroyRequested {
            services,
            hook,
            keep_services,
        } => destroys(services.len(), hook.is_some(), *keep_services),
        Fact::RequestRefused {
            route,
            reason,
            count,
        } => refused(route, reason, *count),
        Fact::HookRegistered { id, url } => {
            format!("Webhook {id} registered at GitHub; it calls {url}")
        }
        Fact::HookRepaired { id, differed, .. } => {
            format!("Webhook {id} repaired: {} differed.", differed.join(", "))
        }
        Fact::HookPinged { id, .. } => format!("GitHub's ping of webhook {id} arrived."),
        Fact::HookFailed { code, sentence } => format!("Webhook trouble, {code}: {sentence}"),
        Fact::HookRemoved { sentence, .. } => format!("Webhook removed: {sentence}"),
        Fact::ServicesListed {
            of, part, parts, ..
        } => format!("Part {part} of {parts} of a list that is too long for {of}, which follows."),
        Fact::StatusReported { what, state } => format!("GitHub was told: {what} is {state}."),
        Fact::PushReceived(push) => received(push),
        Fact::PushIgnored {
            commit, sentence, ..
        } => format!("Push of {} ignored: {sentence}", commit.short()),
        Fact::PushHeld {
            commit, sentence, ..
        } => format!("Push of {} held: {sentence}", commit.short()),
        Fact::DeployQueued(wanted) => queued(wanted),
        Fact::DeployStarted { commit } => format!("Deploy of {} started.", commit.short()),
        Fact::DeployWaiting { code, sentence, .. } if *code == Code::GoesOn.word() => {
            format!("It goes on: {sentence}.")
        }
        Fact::DeployWaiting { code, sentence, .. } => format!("Waiting, {code}: {sentence}"),
        Fact::SpecsRead { commit, files, .. } => {
            format!("Read {} of {}.", count(files.len(), "file"), commit.short())
        }
        Fact::PlanMade {
            services,
            unchanged,
            warnings,
            ..
        } => planned(services, *unchanged, warnings.len()),
        Fact::ServiceProgressed {
            id,
            stage,
            sentence,
        } => progressed(id, stage, sentence.as_deref()),
        Fact::DeployEnding { code, sentence, .. } => {
            format!("Being ended without losing what is healthy, {code}: {sentence}")
        }
        Fact::DeploySucceeded {
            services, sentence, ..
        } => said("Succeeded", sentence, services),
        Fact::DeployUnchanged {
            services, sentence, ..
        } => said("Nothing to change", sentence, services),
        Fact::DeployFailed { code, sentence, .. } => format!("Failed, {code}: {sentence}"),
        Fact::DeployCancelled { sentence, .. } => format!("Cancelled: {sentence}"),
        Fact::DeploySuperseded { by, sentence } => superseded(by, sentence),
        Fact::ApplyIntended(intent) => intended(intent),
        Fact::ApplyAccepted {
            call,
            marathon_deployment,
            services,
            ..
        } => accepted(*call, marathon_deployment.as_deref(), services),
        Fact::ApplyRefused {
            call,
            code,
            sentence,
            ..
        } => format!("Marathon refused to {}, {code}: {sentence}", verb(*call)),
        Fact::ServiceScaled { id, old, new } => format!("{id} scaled from {old} to {new}."),
        Fact::ServiceRemoved {
            sentence,
            left: true,
            ..
        } => sentence.clone(),
        Fact::ServiceRemoved { id, sentence, .. } => format!("{id} removed: {sentence}"),
    }
}

fn pinned(
    commit: &CommitId,
    deploy: Option<DeployNumber>,
    reason: Option<&str>,
    resume: ResumeWhen,
) -> String {
    format!(
        "Pinned to {}{}{}; {}.",
        commit.short(),
        deploy.map(|d| format!(" ({d})")).unwrap_or_default(),
        because(reason),
        until(resume)
    )
}

fn destroys(services: usize, hook: bool, keep_services: bool) -> String {
    let services = if keep_services {
        "the services stay".to_owned()
    } else {
        format!("{} to remove", count(services, "service"))
    };
    let hook = if hook { ", and the webhook" } else { "" };
    format!("Destroy begins: {services}{hook}.")
}

fn refused(route: &str, reason: &str, times: u64) -> String {
    let times = if times > 1 {
        format!(" ({times} times)")
    } else {
        String::new()
    };
    format!("Refused a call of {route}: {reason}{times}")
}

fn progressed(id: &ServiceId, stage: &str, sentence: Option<&str>) -> String {
    match sentence {
        Some(sentence) => format!("{id} is {stage}: {sentence}"),
        None => format!("{id} is {stage}."),
    }
}

fn superseded(by: &DeployRef, sentence: &str) -> String {
    match by.deploy {
        Some(number) => format!("Superseded by {number}: {sentence}"),
        None => format!("Superseded by {}: {sentence}", by.commit.short()),
    }
}

fn accepted(call: Call, marathon_deployment: Option<&str>, services: &[ServiceId]) -> String {
    format!(
        "Marathon accepted to {}{}{}.",
        verb(call),
        about(services),
        marathon_deployment
            .map(|id| format!("; its deployment is {id}"))
            .unwrap_or_default()
    )
}

fn changed(old: &Registration, new: &Registration) -> String {
    let mut parts = Vec::new();
    if old.source.repository != new.source.repository {
        parts.push(format!(
            "repository {} → {}",
            old.source.repository, new.source.repository
        ));
    }
    if old.source.branch != new.source.branch {
        parts.push(format!(
            "branch {} → {}",
            old.source.branch, new.source.branch
        ));
    }
    if old.source.visibility != new.source.visibility {
        parts.push(format!(
            "visibility {} → {}",
            old.source.visibility.word(),
            new.source.visibility.word()
        ));
    }
    if old.settings.prune != new.settings.prune {
        parts.push(format!(
            "prune {} → {}",
            old.settings.prune, new.settings.prune
        ));
    }
    if old.settings.deadline != new.settings.deadline {
        let seconds = |d: Option<u64>| d.map_or("default".to_owned(), |s| format!("{s} s"));
        parts.push(format!(
            "deadline {} → {}",
            seconds(old.settings.deadline),
            seconds(new.settings.deadline)
        ));
    }
    if parts.is_empty() {
        "Settings recorded.".to_owned()
    } else {
        format!("Changed: {}.", parts.join(", "))
    }
}

fn rollback(wish: &RollbackRequested) -> String {
    // what is left behind may never have come to be live
    let from = wish.from.as_ref().filter(|f| f.commit != wish.to.commit);
    format!(
        "Rollback{} to {}{}{}; {}.",
        wish.only
            .as_ref()
            .map(|id| format!(" of {id} alone"))
            .unwrap_or_default(),
        wish.to.commit.short(),
        from.map(|f| format!(" from {}", f.commit.short()))
            .unwrap_or_default(),
        because(wish.reason.as_deref()),
        until(wish.resume)
    )
}

fn received(push: &PushReceived) -> String {
    let via = match push.via {
        Via::Webhook => "by webhook",
        Via::Redelivery => "by a redelivery of the webhook",
        Via::Deliveries => "from the webhook's recorded deliveries",
        Via::Poll => "by asking the branch",
        Via::Cli => "from an operator",
    };
    let message = push.commit.as_ref().map(|c| c.message.as_str());
    format!(
        "{}{} on {}{}, learned {via}{}{}.",
        if push.forced {
            "Forced push of "
        } else {
            "Push of "
        },
        push.after.short(),
        push.git_ref
            .strip_prefix("refs/heads/")
            .unwrap_or(&push.git_ref),
        push.pusher
            .as_ref()
            .map(|who| format!(" by {who}"))
            .unwrap_or_default(),
        again(&push.contains_rolled_back),
        message.map(|m| format!(": “{m}”")).unwrap_or_default(),
    )
}

fn queued(wanted: &DeployQueued) -> String {
    let cause = match wanted.cause {
        Cause::Push => "for a push",
        Cause::Rollback => "for a rollback",
        Cause::Redeploy => "to deploy it again",
        Cause::Resume => "because the pin was lifted",
        Cause::Unlock => "because the lock was lifted",
        Cause::Cli => "because an operator asked",
    };
    format!(
        "Queued {}{} {cause}{}.",
        wanted.commit.short(),
        wanted
            .only
            .as_ref()
            .map(|id| format!(" ({id} alone)"))
            .unwrap_or_default(),
        because(wanted.reason.as_deref())
    )
}

fn planned(services: &[Planned], unchanged: u32, warnings: usize) -> String {
    let mut parts: Vec<String> = [
        Action::Create,
        Action::Update,
        Action::Restart,
        Action::Remove,
        Action::Drifted,
    ]
    .into_iter()
    .filter_map(|action| {
        let number = services.iter().filter(|s| s.change == action).count();
        (number > 0).then(|| format!("{number} {}", action.word()))
    })
    .collect();
    let watched = services
        .iter()
        .filter(|s| s.change == Action::Unchanged)
        .count();
    let same = usize::try_from(unchanged).unwrap_or(0).max(watched);
    if same > 0 {
        parts.push(format!("{same} unchanged"));
    }
    if parts.is_empty() {
        parts.push("nothing to change".to_owned());
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    format!("Plan: {}.", parts.join(", "))
}

fn intended(intent: &ApplyIntended) -> String {
    let services = ids(intent.services.iter().map(|s| &s.id));
    let target = if services.is_empty() {
        intent.target.join(", ")
    } else {
        services
    };
    format!(
        "Asking Marathon to {}{}{}.",
        verb(intent.call),
        if target.is_empty() {
            String::new()
        } else {
            format!(": {target}")
        },
        if intent.force {
            " (over the deployment that runs)"
        } else {
            ""
        }
    )
}

fn drift(services: &[super::Drift]) -> String {
    let parts: Vec<String> = services
        .iter()
        .map(|d| {
            if d.sentence.is_empty() {
                format!("{} is as deployed again", d.id)
            } else {
                format!("{}: {}", d.id, d.sentence)
            }
        })
        .collect();
    if parts.is_empty() {
        "Everything is as deployed again.".to_owned()
    } else {
        format!("Changed in Marathon by somebody else: {}", parts.join("; "))
    }
}

fn said(word: &str, sentence: &str, services: &[Outcome]) -> String {
    if sentence.is_empty() {
        format!("{word}: {}.", count(services.len(), "service"))
    } else {
        format!("{word}: {sentence}")
    }
}

fn about(services: &[ServiceId]) -> String {
    if services.is_empty() {
        String::new()
    } else {
        format!(": {}", ids(services.iter()))
    }
}

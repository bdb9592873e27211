//! Everything before Marathon is touched: the head, the commit, the plan, the lock. Nothing here has a deadline.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::following::Following;
use super::job::Job;
use super::{Next, Step, StepError, apply, call, follow, owner};
use crate::context::Context;
use crate::context::{Commit, ReadError};
use crate::event::{Action, DeployQueued, Fact, Planned};
use crate::github::GithubError;
use crate::history::{App, Command, Deploy, plan_token};
use crate::id::{CommitId, ServiceId};
use crate::marathon::LiveApp;
use crate::plan::{Obstacle, Plan, Running, digest, plan};
use crate::rollout;
use crate::sentence::{Code, Sentence};
use crate::spec::flatten;

pub(super) async fn step(job: &Job<'_>, deploy: &Deploy, following: &mut Following) -> Step {
    if deploy.started_at.is_none() {
        if deploy.wanted.cause.follows()
            && let Some(next) = check_head(job, deploy, following).await?
        {
            return Ok(next);
        }
        job.command(Command::Start(deploy.number)).await?;
        return Ok(Next::Again);
    }
    let context = job.context;
    let read = async {
        let files = context
            .files_of(&job.app.id, deploy, job.app.source.repository_id)
            .await?;
        context.stored_commit(&job.app.id, files).await
    };
    let commit = match read.await {
        Ok(commit) => commit,
        Err(ReadError::Store(error)) => return Err(error.into()),
        Err(error) => return cannot_read(job, deploy, error).await,
    };
    if deploy.files.is_none() {
        let read = Fact::SpecsRead {
            commit: deploy.wanted.commit.clone(),
            files: commit.files.clone(),
            settings: commit.settings.clone(),
        };
        job.record(deploy.number, vec![read]).await?;
        return Ok(Next::Again);
    }
    make_plan(job, deploy, &commit, following).await
}

/// The branch is the truth; a push is a hint. `None`: the commit is the head, go on.
async fn check_head(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
) -> Result<Option<Next>, StepError> {
    let (context, source) = (job.context, &job.app.source);
    let commit = &deploy.wanted.commit;
    let head = match context
        .github
        .head(source.repository_id, &source.branch, Some(commit))
        .await
    {
        Ok(None) => return Ok(None),
        Ok(Some(head)) if head == *commit => return Ok(None),
        Ok(Some(head)) => Some(head),
        Err(GithubError::Missing(_)) => None,
        Err(error) => {
            return job
                .wait(
                    deploy.number,
                    Sentence::new(error.code(), error.to_string()),
                )
                .await
                .map(Some);
        }
    };
    // GitHub may name for a while where the branch was before the push, or from where it was forced to this commit
    let forced = job.app.forced.as_ref().filter(|(_, to)| to == commit);
    let may_lag = |head: &CommitId| {
        deploy.wanted.before.as_ref() == Some(head) || forced.is_some_and(|(from, _)| from == head)
    };
    let lags = |head: &CommitId| may_lag(head) || was_pushed_onto(job.app, commit, head);
    if head.as_ref().is_none_or(lags) {
        let now = context.clock.elapsed();
        let waited = now.saturating_sub(*following.lags_since.get_or_insert(now));
        if waited < context.timing.lag {
            let left = context.timing.lag.saturating_sub(waited);
            return Ok(Some(Next::WaitAtMost(left)));
        }
    }
    let deploy = deploy.number;
    let seen = match head {
        Some(head) if !may_lag(&head) => Command::HeadMoved { deploy, head },
        head => Command::HeadLags {
            deploy,
            sentence: lag_sentence(&source.branch.to_string(), head.as_ref(), commit),
            head,
        },
    };
    job.command(seen).await?;
    Ok(Some(Next::Again))
}

/// Whether the branch was at `before` until it was pushed to this commit, its head: GitHub may still say so, also where it is not
/// the push that is deployed, but a person who wants the head.
fn was_pushed_onto(app: &App, commit: &CommitId, before: &CommitId) -> bool {
    let head = app.head.as_ref().filter(|h| h.commit == *commit);
    head.is_some_and(|h| h.pushed_onto.as_ref() == Some(before))
}

fn lag_sentence(branch: &str, head: Option<&CommitId>, commit: &CommitId) -> String {
    match head {
        Some(head) => format!(
            "the branch {branch} is at {} and was not seen at {}; push again, or deploy it by hand",
            head.short(),
            commit.short()
        ),
        None => format!("the branch {branch} does not exist; push it again"),
    }
}

async fn cannot_read(job: &Job<'_>, deploy: &Deploy, error: ReadError) -> Step {
    if let Some(why) = error.waits() {
        return job.wait(deploy.number, why).await;
    }
    fail(
        job,
        deploy,
        Sentence::new(Code::SpecInvalid, error.to_string()),
    )
    .await
}

async fn fail(job: &Job<'_>, deploy: &Deploy, why: Sentence) -> Step {
    job.record(deploy.number, vec![job.failed(deploy, why)])
        .await?;
    Ok(Next::Again)
}

/// A plan and what it was made of, as a dry run shows it.
pub struct Preview {
    /// The plan.
    pub plan: Plan,
    /// What runs.
    pub live: BTreeMap<ServiceId, Running>,
    /// The specs that were applied last, by service.
    pub old_specs: BTreeMap<ServiceId, Value>,
    /// The commit's services.
    pub commit: Commit,
    /// Digest of the commit's services, for the plan token.
    pub specs: String,
    /// The plan token.
    pub token: String,
}

impl Context {
    /// What a deploy of `commit` would change now.
    ///
    /// # Errors
    /// When Marathon or the log cannot be read; the inner error says why there is no plan.
    pub async fn preview(
        &self,
        app: &App,
        wanted: &DeployQueued,
        commit: Commit,
    ) -> anyhow::Result<Result<Preview, Obstacle>> {
        let apps = self.live(app, &commit.services).await?;
        let old_specs = self.applied_specs(app).await?;
        Ok(self
            .preview_of(app, wanted, commit, &apps, old_specs)
            .await?)
    }

    async fn preview_of(
        &self,
        app: &App,
        wanted: &DeployQueued,
        commit: Commit,
        apps: &BTreeMap<ServiceId, LiveApp>,
        old_specs: BTreeMap<ServiceId, Value>,
    ) -> Result<Result<Preview, Obstacle>, crate::store::StoreError> {
        let mut live: BTreeMap<ServiceId, Running> = apps
            .iter()
            .map(|(id, a)| (id.clone(), rollout::running(a)))
            .collect();
        self.unnamed(app, &mut live).await?;
        let bounds = self.bounds(app, &commit.services).await?;
        let mut with_settings = app.clone();
        with_settings.settings = commit.settings.clone();
        Ok(plan(
            &with_settings,
            wanted,
            &commit.services,
            &live,
            &old_specs,
            &bounds,
        )
        .map(|plan| {
            let specs = digest(&commit.services);
            let token = plan_token(app, &specs, wanted.only.as_ref());
            Preview {
                plan,
                live,
                old_specs,
                commit,
                specs,
                token,
            }
        }))
    }

    /// The specs that were applied last, from the deploys that did it.
    async fn applied_specs(
        &self,
        app: &App,
    ) -> Result<BTreeMap<ServiceId, Value>, crate::store::StoreError> {
        let numbers: BTreeSet<_> = app.services.values().filter_map(|s| s.deploy).collect();
        let mut specs = BTreeMap::new();
        for number in numbers {
            let Some(files) = self
                .store
                .deploy(&app.id, number)
                .await?
                .and_then(|d| d.files)
            else {
                continue;
            };
            let mut contents = Vec::new();
            for file in files.iter().filter(|f| f.path != "dploy.app") {
                if let Some(bytes) = self.store.blob(&file.blob).await? {
                    contents.push(crate::spec::File {
                        path: file.path.clone(),
                        bytes,
                    });
                }
            }
            for service in flatten(&contents).unwrap_or_default() {
                if app
                    .services
                    .get(&service.id)
                    .is_some_and(|s| s.deploy == Some(number))
                {
                    specs.insert(service.id, service.spec);
                }
            }
        }
        Ok(specs)
    }
}

async fn make_plan(
    job: &Job<'_>,
    deploy: &Deploy,
    commit: &Commit,
    following: &mut Following,
) -> Step {
    let context = job.context;
    let apps = context.live(job.app, &commit.services).await?;
    let old_specs = context.applied_specs(job.app).await?;
    let preview = context
        .preview_of(job.app, &deploy.wanted, commit.clone(), &apps, old_specs)
        .await?;
    let preview = match preview {
        Ok(preview) => preview,
        Err(Obstacle::Fails(why)) => return fail(job, deploy, why).await,
        Err(Obstacle::FirstStart(sentence)) => {
            job.command(Command::HoldFirstStart {
                deploy: deploy.number,
                sentence,
            })
            .await?;
            return Ok(Next::Again);
        }
    };
    let plan = &preview.plan;
    if !plan.adopted.is_empty() {
        job.command(Command::Note(vec![Fact::AppAdopted {
            services: plan.adopted.clone(),
        }]))
        .await?;
        return unchanged(
            job,
            deploy,
            plan,
            &plan.adopted,
            "its services ran already and are as the specs say",
        )
        .await;
    }
    let planned: Vec<Planned> = plan.steps.iter().map(|s| s.planned.clone()).collect();
    let called = deploy.life.intent().is_some();
    let before = deploy.plan.as_ref();
    let same = before.is_some_and(|before| *before == planned || called && alike(before, &planned));
    if called && !same {
        call::drop_unsent(job).await?;
        return Ok(Next::Again);
    }
    let begun = deploy.has_begun();
    if plan.steps.is_empty() && begun {
        return follow::without_calls(job, deploy, following).await;
    }
    if plan.steps.is_empty() {
        return unchanged(job, deploy, plan, &plan.unchanged, "nothing to change").await;
    }
    if !begun && !same {
        let made = Fact::PlanMade {
            services: planned,
            unchanged: u32::try_from(plan.unchanged.len()).unwrap_or(u32::MAX),
            plan: preview.token.clone(),
            warnings: plan.warnings.iter().take(50).cloned().collect(),
        };
        job.record(deploy.number, vec![made]).await?;
        return Ok(Next::Again);
    }
    if let Some((why, holder)) = held_by_others(job, deploy, plan).await? {
        return job.wait_for(deploy.number, why, Some(holder)).await;
    }
    match apply::begin(job, deploy, following, plan, &apps).await? {
        Some(next) => Ok(next),
        None => follow::without_calls(job, deploy, following).await,
    }
}

/// Whether two plans differ only in what is to be restarted: what crashes and comes up in turn is not planned anew as long as
/// Marathon does not take the call.
fn alike(before: &[Planned], now: &[Planned]) -> bool {
    let stays = |p: &Planned| matches!(p.change, Action::Restart | Action::Unchanged);
    let same = |(a, b): (&Planned, &Planned)| {
        let of_same = (&a.id, &a.spec, a.instances) == (&b.id, &b.spec, b.instances);
        of_same && (a.change == b.change || stays(a) && stays(b))
    };
    before.len() == now.len() && before.iter().zip(now).all(same)
}

async fn unchanged(
    job: &Job<'_>,
    deploy: &Deploy,
    plan: &Plan,
    services: &[crate::event::Outcome],
    sentence: &str,
) -> Step {
    let mut sentence = sentence.to_owned();
    if job.app.inherits() {
        let running = job.context.marathon.deployments().await?;
        sentence.push_str(&owner::rollouts(job.app, &running));
    }
    sentence.push_str(&owner::strays(job.app, &plan.orphans));
    let fact = Fact::DeployUnchanged {
        services: services.to_vec(),
        orphans: plan.orphans.clone(),
        sentence,
    };
    job.record(deploy.number, vec![fact]).await?;
    Ok(Next::Again)
}

/// Somebody else's deployment that holds one of the services.
async fn held_by_others(
    job: &Job<'_>,
    deploy: &Deploy,
    plan: &Plan,
) -> Result<Option<(Sentence, String)>, StepError> {
    if deploy.wanted.force {
        return Ok(None);
    }
    let running = job.context.marathon.deployments().await?;
    let ids: BTreeSet<ServiceId> = plan.steps.iter().map(|s| s.planned.id.clone()).collect();
    let ours = owner::ours(job, &running, &ids).await?;
    for running in running.iter().filter(|d| !ours.contains(&d.id)) {
        let held = plan.steps.iter().find(|s| {
            running
                .affected_apps
                .iter()
                .any(|a| a == s.planned.id.as_str())
        });
        if let Some(held) = held {
            let why = owner::locked(job, &held.planned.id, running).await?;
            return Ok(Some((why, running.id.clone())));
        }
    }
    Ok(None)
}

//! What an operator wants that changes what runs: what it would come to, and the command that does it.

use super::Web;
use super::acting::Acting;
use super::adopt;
use super::error::Failure;
use super::outlook::{gone, no_marathon, scaled, unchanged};
use super::target::{Resolved, Wanted, would_queue};
use crate::api::{PlanBody, ProblemCode};
use crate::event::{Cause, DeployQueued, Outcome, ResumeWhen, Scale};
use crate::history::{Answer, App, Command, Shown, Target, aimed, plan_token};
use crate::id::{CommitId, ServiceId};
use crate::plan::{Obstacle, digest};

/// What is wanted.
pub(super) enum Wish {
    /// A rollback, a deploy or a redeploy.
    Aim(Box<Aim>),
    /// The branch again, or deploys again: the head, where it does not run.
    GoOn(Command),
    /// Services that nobody owns.
    Adopt(Vec<Outcome>),
    /// Another number of instances.
    Scale {
        service: ServiceId,
        old: u32,
        new: u32,
        override_lock: bool,
    },
    /// No app any more.
    Destroy {
        keep_services: bool,
        override_lock: bool,
    },
}

/// Where a deploy goes to.
pub(super) struct Aim {
    pub resolved: Resolved,
    pub target: Target,
    pub cause: Cause,
}

/// What a plan token is of.
struct Basis {
    of: String,
    only: Option<ServiceId>,
    commit: Option<CommitId>,
    /// The commit, where one would be deployed.
    resolved: Option<Resolved>,
}

impl Wish {
    fn command(&self) -> Command {
        match self {
            Self::Aim(aim) => {
                let target = Box::new(aim.target.clone());
                match aim.cause {
                    Cause::Rollback => Command::Rollback(target),
                    Cause::Redeploy => Command::Redeploy(target),
                    _ => Command::Deploy(target),
                }
            }
            Self::GoOn(command) => command.clone(),
            Self::Adopt(services) => Command::Adopt {
                services: services.clone(),
            },
            Self::Scale {
                service,
                old,
                new,
                override_lock,
            } => Command::Scale {
                service: service.clone(),
                old: *old,
                new: *new,
                override_lock: *override_lock,
            },
            Self::Destroy {
                keep_services,
                override_lock,
            } => Command::Destroy {
                keep_services: *keep_services,
                override_lock: *override_lock,
            },
        }
    }

    /// The same, whatever was looked at.
    fn unbound(&self) -> Command {
        let mut command = self.command();
        if let Command::Rollback(target) | Command::Deploy(target) | Command::Redeploy(target) =
            &mut command
        {
            target.plan = None;
        }
        command
    }

    async fn basis(&self, acting: &Acting<'_>) -> Result<Basis, Failure> {
        let (web, app) = (acting.web, &acting.app);
        let (of, only, resolved) = match self {
            Self::Aim(aim) => {
                let only = aim.target.only.clone();
                (aimed(&aim.target, aim.cause, !acting.form), only, None)
            }
            Self::GoOn(command) => {
                let log = web.context.store.log();
                let would = log
                    .would(&app.id, &acting.person.actor(), command.clone())
                    .await?;
                let resolved = match would {
                    Answer::Queued(_) => Some(web.resolve(app, &Wanted::Head).await?),
                    _ => None,
                };
                let specs = resolved.as_ref().map(|r| digest(&r.commit.services));
                let specs = specs.unwrap_or_else(|| "nothing".to_owned());
                let act = match command {
                    Command::Resume { .. } => "resume",
                    _ => "unlock",
                };
                let of = resolved.as_ref().map(|r| r.to.commit.as_str());
                (
                    format!("{act} {specs} {}", of.unwrap_or_default()),
                    None,
                    resolved,
                )
            }
            Self::Adopt(services) => {
                let resolved = web.resolve(app, &adopt::stands_at(app)).await?;
                let ids: Vec<&str> = services.iter().map(|s| s.id.as_str()).collect();
                let specs = digest(&resolved.commit.services);
                (
                    format!("{specs} with {}", ids.join(" ")),
                    None,
                    Some(resolved),
                )
            }
            Self::Scale { service, new, .. } => {
                (format!("{new} instances"), Some(service.clone()), None)
            }
            Self::Destroy { keep_services, .. } => (
                format!("no app, services kept: {keep_services}"),
                None,
                None,
            ),
        };
        Ok(Basis {
            of,
            only,
            commit: resolved.as_ref().map(|r| r.to.commit.clone()),
            resolved,
        })
    }

    async fn plan(&self, acting: &Acting<'_>, basis: Basis) -> Result<PlanBody, Failure> {
        let (web, app) = (acting.web, &acting.app);
        let mut plan = match (self, basis.resolved) {
            (Self::Aim(aim), _) => {
                let queued = would_queue(&aim.target, aim.cause);
                web.previewed(app, &queued, &aim.resolved).await?
            }
            (Self::Adopt(services), Some(resolved)) => {
                let mut adopted = app.clone();
                adopted.adopt(services);
                let queued = head_queued(&resolved, Cause::Redeploy);
                web.previewed(&adopted, &queued, &resolved).await?
            }
            (Self::GoOn(_), Some(resolved)) => {
                let queued = head_queued(&resolved, Cause::Resume);
                web.previewed(app, &queued, &resolved).await?
            }
            (Self::Scale { service, new, .. }, _) => scaled(web, app, service, *new).await?,
            (Self::Destroy { keep_services, .. }, _) => gone(web, app, *keep_services).await?,
            (Self::GoOn(_) | Self::Adopt(_), None) => unchanged(app),
        };
        plan.plan = plan_token(app, &basis.of, basis.only.as_ref());
        plan.also = self.also(app);
        let log = acting.web.context.store.log();
        let would = log
            .would(&app.id, &acting.person.actor(), self.unbound())
            .await;
        if matches!(would, Ok(Answer::Unchanged)) {
            plan.also.clear();
        }
        if let Self::Destroy { .. } = self {
            plan.also.extend(web.hook_goes(app).await?);
        }
        Ok(plan)
    }

    /// What happens besides.
    fn also(&self, app: &App) -> Vec<String> {
        let branch = &app.source.branch;
        let follows = || format!("{} follows {branch} again", app.id);
        let mut also = Vec::new();
        match self {
            Self::Aim(aim) => {
                let to = &aim.target.to.commit;
                let pinned = app.pin.as_ref().map(|p| &p.commit);
                let is_head = app.head.as_ref().map(|h| &h.commit) == Some(to);
                let resume = match aim.target.resume {
                    ResumeWhen::NextPush => "until the next new push",
                    ResumeWhen::Manual => "until an operator resumes",
                };
                if aim.cause == Cause::Rollback || !is_head && pinned != Some(to) {
                    let short = to.short();
                    also.push(format!("{} is pinned to {short} {resume}", app.id));
                } else if is_head && pinned.is_some() {
                    also.push(follows());
                }
            }
            Self::GoOn(Command::Resume { .. }) if app.pin.is_some() => also.push(follows()),
            Self::GoOn(Command::Unlock { .. }) if app.lock.is_some() => {
                also.push(format!("{} is not locked any more", app.id));
            }
            Self::Adopt(services) => {
                let ids = services.iter();
                also.extend(ids.map(|s| format!("{} becomes a service of {}", s.id, app.id)));
            }
            Self::Destroy { .. } => {
                let open = app.running.iter().chain(&app.waiting);
                also.extend(open.map(|d| format!("deploy {} ends", d.number)));
            }
            Self::GoOn(_) | Self::Scale { .. } => {}
        }
        also
    }
}

impl Acting<'_> {
    /// What a wish would come to now.
    pub async fn look(&self, wish: &Wish) -> Result<PlanBody, Failure> {
        let basis = wish.basis(self).await?;
        Box::pin(wish.plan(self, basis)).await
    }

    /// Does it, where it still is as it was looked at; what is not any more is shown anew.
    pub async fn carry_out(&self, wish: &Wish, plan: Option<&str>) -> Result<Answer, Failure> {
        let command = match plan.filter(|plan| !plan.is_empty()) {
            // a target carries its plan itself
            Some(plan) if !matches!(wish, Wish::Aim(_)) => {
                let basis = Box::pin(wish.basis(self)).await?;
                Command::Shown(Box::new(Shown {
                    plan: plan.to_owned(),
                    of: basis.of,
                    only: basis.only,
                    commit: basis.commit,
                    command: wish.command(),
                }))
            }
            _ => wish.command(),
        };
        match self.command(command).await {
            Err(failure) if failure.0.is(ProblemCode::PlanStale) => {
                Err(match self.look(wish).await {
                    Ok(plan) => failure.plan(plan),
                    Err(_) => failure,
                })
            }
            answer => answer,
        }
    }
}

/// A token that was asked for and did not come would be no binding at all.
pub(super) fn empty_plan() -> Failure {
    let why = "plan: is empty; send the token that a dry run answered, or leave it out";
    Failure::unprocessable(ProblemCode::Invalid, why).hint("nothing was done")
}

/// The deploy of a commit that an app follows or is pinned to.
fn head_queued(resolved: &Resolved, cause: Cause) -> DeployQueued {
    DeployQueued {
        commit: resolved.to.commit.clone(),
        cause,
        before: None,
        specs_of: resolved.specs_of,
        only: None,
        scale: Scale::default(),
        force: false,
        reason: None,
    }
}

impl Web {
    /// What a deploy would do now.
    async fn previewed(
        &self,
        app: &App,
        queued: &DeployQueued,
        resolved: &Resolved,
    ) -> Result<PlanBody, Failure> {
        let preview = self.context.preview(app, queued, resolved.commit.clone());
        match preview.await.map_err(no_marathon)? {
            Ok(preview) => self.plan_body(app, &resolved.to, &preview).await,
            Err(Obstacle::Fails(why)) => Err(Failure::unprocessable(
                ProblemCode::NotRollbackable,
                why.to_string(),
            )),
            Err(Obstacle::FirstStart(why)) => {
                Err(Failure::unprocessable(ProblemCode::NotRollbackable, why))
            }
        }
    }
}

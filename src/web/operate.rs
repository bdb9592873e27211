//! What operators do with an app: rollback, deploy, redeploy, cancel, resume, lock, unlock, scale, adopt. Pages and programs
//! use the same routes; a form is answered with a redirect, a program with JSON.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::Web;
use super::acting::Acting;
use super::action_body::Act;
use super::adopt::adopt;
use super::error::Failure;
use super::fields::{one_service, takes};
use super::html;
use super::negotiate::{Wants, json as json_answer, wants};
use super::people::{Operator, needs};
use super::target::{Resolved, Wanted, target, wanted, would_queue};
use crate::access::{Person, Role};
use crate::api::{ActBody, AppBody, PlanBody, ProblemCode};
use crate::clock::{moment, stamp};
use crate::event::Cause;
use crate::history::{App, Command, Target};
use crate::id::{DeployNumber, ServiceId};
use crate::plan::Obstacle;

/// The app of a name, or the app of a service: a name with a slash in it is a service, which acts alone.
async fn app_or_service(
    web: &Web,
    person: &Person,
    name: &str,
) -> Result<(App, Option<ServiceId>), Failure> {
    if !name.contains('/') {
        return Ok((web.app_for(person, Role::Operator, name).await?, None));
    }
    let text = format!("/{}", name.trim_matches('/'));
    let service: ServiceId = text.parse().map_err(|e| Failure::missing(format!("{e}")))?;
    let missing = || Failure::missing(format!("no app has a service {service}"));
    let owner = web.context.store.owner_of(&service).await?;
    let owner = owner.ok_or_else(missing)?;
    match web.app_for(person, Role::Operator, owner.as_str()).await {
        // whose it is they are not told who are not shown the app
        Err(failure) if failure.0.is(ProblemCode::NotFound) => Err(missing()),
        app => Ok((app?, Some(service))),
    }
}

pub(super) async fn act(
    State(web): State<Web>,
    Operator(person): Operator,
    Path((name, action)): Path<(String, String)>,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    let (app, service) = app_or_service(&web, &person, &name).await?;
    perform(&web, app, service, &person, &action, act).await
}

/// `POST /apps/dployex/buzz/gen/rollback`: a service with its slashes plain.
pub(super) async fn act_on_service(
    State(web): State<Web>,
    Operator(person): Operator,
    uri: Uri,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    let path = percent_encoding::percent_decode_str(uri.path())
        .decode_utf8_lossy()
        .into_owned();
    let missing = || {
        Failure::missing(format!(
            "there is nothing at {}",
            crate::secret::plain(&path, 200)
        ))
    };
    let (service, action) = path
        .strip_prefix("/apps/")
        .and_then(|p| p.rsplit_once('/'))
        .ok_or_else(missing)?;
    if action != "rollback" {
        return Err(missing());
    }
    let (app, service) = app_or_service(&web, &person, &format!("{service}/")).await?;
    perform(&web, app, service, &person, action, act).await
}

async fn perform(
    web: &Web,
    app: App,
    service: Option<ServiceId>,
    person: &Person,
    action: &str,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    if action == "adopt" {
        needs(person, Role::Admin)?;
    }
    takes(action, &act.given)?;
    let mut body = act.body;
    let service = one_service(&app, action, service, body.service.take())?;
    let acting = Acting {
        web,
        app,
        actor: person.actor(),
        form: act.form,
        key: act.key.map(|key| key.of(action, &act.whole)),
    };
    let reason = body
        .reason
        .as_deref()
        .map(|r| crate::secret::plain(r, 500))
        .filter(|r| !r.trim().is_empty());
    let command = match action {
        "rollback" => return rollback(&acting, &body, service).await,
        "deploy" => return deploy(&acting, &body, service, Cause::Cli).await,
        "redeploy" => return deploy(&acting, &body, service, Cause::Redeploy).await,
        "scale" => return scale(&acting, &body, service).await,
        "adopt" => return adopt(&acting, &body).await,
        "destroy" => {
            return Err(Failure::missing(
                "an app is destroyed by DELETE /apps/{id}, or on its page",
            ));
        }
        "cancel" => Command::Cancel {
            deploy: number(&body)?,
            reason,
        },
        "resume" => Command::Resume { reason },
        "unlock" => Command::Unlock { reason },
        "lock" => Command::Lock {
            reason: reason.ok_or_else(|| {
                Failure::unprocessable(
                    ProblemCode::Invalid,
                    "reason: a lock needs a reason, for those who meet it",
                )
            })?,
            until: until(web, &body)?,
        },
        other => return Err(Failure::missing(format!("there is no action {other:?}"))),
    };
    let answer = acting.command(command).await?;
    Ok(acting.answer(&answer))
}

/// When a lock ends by itself.
fn until(web: &Web, body: &ActBody) -> Result<Option<String>, Failure> {
    let invalid = |why: String| Failure::unprocessable(ProblemCode::Invalid, why);
    let Some(text) = &body.until else {
        return Ok(None);
    };
    let end = moment(text).map_err(|why| invalid(format!("until: {why}")))?;
    if end <= web.context.clock.now() {
        return Err(invalid("until: is over already".to_owned()));
    }
    Ok(Some(stamp(end)))
}

fn number(body: &ActBody) -> Result<Option<DeployNumber>, Failure> {
    match wanted(body)? {
        Wanted::Deploy(number) => Ok(Some(number)),
        Wanted::Head => Ok(None),
        Wanted::Commit(_) => Err(Failure::unprocessable(
            ProblemCode::Invalid,
            "deploy: a number, as in #40",
        )),
    }
}

/// Where a rollback goes to; it must be said.
fn place(body: &ActBody) -> Result<Wanted, Failure> {
    match wanted(body)? {
        Wanted::Head => Err(Failure::unprocessable(
            ProblemCode::Invalid,
            "to: say where to go back to, a commit or a deploy (#40)",
        )),
        wish => Ok(wish),
    }
}

async fn rollback(
    acting: &Acting<'_>,
    body: &ActBody,
    only: Option<ServiceId>,
) -> Result<Response, Failure> {
    let resolved = acting.web.resolve(&acting.app, &place(body)?).await?;
    let target = target(&resolved, body, only);
    aim(acting, body, &resolved, target, Cause::Rollback).await
}

/// Shows what it would come to, or does it; what is not any more as it was looked at is shown anew.
async fn aim(
    acting: &Acting<'_>,
    body: &ActBody,
    resolved: &Resolved,
    target: Target,
    cause: Cause,
) -> Result<Response, Failure> {
    let (web, app) = (acting.web, &acting.app);
    let shown = async || preview(web, app, resolved, &target, cause).await;
    if body.dry_run {
        return Ok(json_answer(StatusCode::OK, &shown().await?));
    }
    let boxed = Box::new(target.clone());
    let command = match cause {
        Cause::Rollback => Command::Rollback(boxed),
        Cause::Redeploy => Command::Redeploy(boxed),
        _ => Command::Deploy(boxed),
    };
    match acting.command(command).await {
        Err(failure) if failure.0.is(ProblemCode::PlanStale) => Err(match shown().await {
            Ok(plan) => failure.plan(plan),
            Err(_) => failure,
        }),
        other => Ok(acting.answer(&other?)),
    }
}

/// What a rollback, or a deploy of another cause, would do now.
async fn preview(
    web: &Web,
    app: &App,
    resolved: &Resolved,
    target: &Target,
    cause: Cause,
) -> Result<PlanBody, Failure> {
    let queued = would_queue(target, cause);
    let preview = web
        .context
        .preview(app, &queued, resolved.commit.clone())
        .await;
    let preview =
        preview.map_err(|e| {
            Failure::new(StatusCode::BAD_GATEWAY, ProblemCode::Marathon, e.to_string()).hint(
            "the plan needs Marathon; without a plan the rollback can be asked for all the same",
        )
        })?;
    match preview {
        Ok(preview) => web.plan_body(app, &resolved.to, &preview).await,
        Err(Obstacle::Fails(why)) => Err(Failure::unprocessable(
            ProblemCode::NotRollbackable,
            why.to_string(),
        )),
        Err(Obstacle::FirstStart(why)) => {
            Err(Failure::unprocessable(ProblemCode::NotRollbackable, why))
        }
    }
}

async fn deploy(
    acting: &Acting<'_>,
    body: &ActBody,
    only: Option<ServiceId>,
    cause: Cause,
) -> Result<Response, Failure> {
    let app = &acting.app;
    let wish = match (wanted(body)?, cause, &app.live) {
        (Wanted::Head, Cause::Redeploy, Some(live)) => Wanted::Deploy(live.deploy),
        (wish, ..) => wish,
    };
    let resolved = acting.web.resolve(app, &wish).await?;
    let target = target(&resolved, body, only);
    aim(acting, body, &resolved, target, cause).await
}

async fn scale(
    acting: &Acting<'_>,
    body: &ActBody,
    service: Option<ServiceId>,
) -> Result<Response, Failure> {
    let invalid = |what: &str| Failure::unprocessable(ProblemCode::Invalid, what.to_owned());
    let service = service.ok_or_else(|| invalid("service: which one"))?;
    let new = body
        .instances
        .ok_or_else(|| invalid("instances: how many, a whole number"))?;
    if !acting.app.services.contains_key(&service) {
        return Err(Failure::missing(format!(
            "{} has no service {service}",
            acting.app.id
        )));
    }
    let live = acting
        .web
        .context
        .marathon
        .app(&service)
        .await?
        .ok_or_else(|| Failure::missing(format!("{service} does not run")))?;
    let answer = acting
        .command(Command::Scale {
            service,
            old: live.instances,
            new,
            override_lock: body.override_lock,
        })
        .await?;
    Ok(acting.answer(&answer))
}
#[derive(Deserialize)]
pub(super) struct RollbackQuery {
    to: Option<String>,
    deploy: Option<String>,
    service: Option<String>,
}

/// The confirmation of a rollback: what it undoes, the diff, the consequences. It works without JavaScript.
pub(super) async fn confirm_rollback(
    State(web): State<Web>,
    Operator(person): Operator,
    Path(name): Path<String>,
    Query(query): Query<RollbackQuery>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (app, service) = app_or_service(&web, &person, &name).await?;
    let service = service.or_else(|| query.service.as_deref().and_then(|s| s.parse().ok()));
    let body = ActBody {
        to: query.to,
        deploy: query.deploy.map(Value::String),
        ..ActBody::default()
    };
    let resolved = web.resolve(&app, &place(&body)?).await?;
    let target = target(&resolved, &body, service);
    let plan = preview(&web, &app, &resolved, &target, Cause::Rollback).await?;
    if wants(&uri, &headers) == Wants::Json {
        return Ok(json_answer(StatusCode::OK, &plan));
    }
    let chrome = web.chrome(Some(person), &format!("/apps/{}", app.id));
    let message = web.message(&app.id, &resolved.to.commit).await;
    Ok(Html(html::rollback(
        &chrome,
        &AppBody::from(&app),
        &plan,
        target.only.as_ref(),
        message.as_ref(),
        None,
    ))
    .into_response())
}

//! What operators do with an app: rollback, deploy, redeploy, cancel, resume, lock, unlock, scale, adopt. Pages and programs
//! use the same routes; a form is answered with a redirect, a program with JSON.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::Web;
use super::acting::Acting;
use super::action_body::Act;
use super::adopt::adopted;
use super::error::Failure;
use super::fields::{one_service, takes};
use super::html;
use super::negotiate::{Wants, json as json_answer, wants};
use super::people::{Operator, needs};
use super::target::{Wanted, target, wanted};
use super::wish::{Aim, Wish, empty_plan};
use crate::access::{Person, Role};
use crate::api::{ActBody, AppBody, ProblemCode};
use crate::clock::{moment, stamp};
use crate::event::Cause;
use crate::history::{App, Command};
use crate::id::{DeployNumber, ServiceId};

/// The actions that have a plan, and a page that shows it.
const PLANNED: [&str; 7] = [
    "rollback", "deploy", "redeploy", "resume", "unlock", "scale", "adopt",
];

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
    if !PLANNED.contains(&action) {
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
    if body.plan.as_deref() == Some("") {
        return Err(empty_plan());
    }
    let service = one_service(&app, action, service, body.service.take())?;
    let acting = Acting {
        action,
        web,
        app,
        person,
        form: act.form,
        key: act
            .key
            .map(|key| key.of(action, service.as_ref(), &act.whole)),
    };
    // asked again, it is answered as it was, whatever has changed since
    if let Some(answer) = acting.replayed().await? {
        return Ok(acting.answer(&answer));
    }
    let wish = match action {
        "rollback" | "deploy" | "redeploy" | "resume" | "unlock" | "scale" | "adopt" => {
            wish(&acting, action, &body, service).await?
        }
        "cancel" | "lock" => {
            let answer = acting.command(gate(web, action, &body)?).await?;
            return Ok(acting.answer(&answer));
        }
        "destroy" => {
            return Err(Failure::missing(
                "an app is destroyed by DELETE /apps/{id}, or on its page",
            ));
        }
        other => return Err(Failure::missing(format!("there is no action {other:?}"))),
    };
    if body.dry_run {
        return Ok(json_answer(StatusCode::OK, &acting.look(&wish).await?));
    }
    let answer = acting.carry_out(&wish, body.plan.as_deref()).await?;
    Ok(acting.answer(&answer))
}

/// Why, for those who read the history.
fn reason(body: &ActBody) -> Option<String> {
    let reason = body.reason.as_deref();
    let reason = reason.map(|r| crate::secret::plain(r, 500));
    reason.filter(|r| !r.trim().is_empty())
}

/// What changes no plan: the end of a deploy, and a lock.
fn gate(web: &Web, action: &str, body: &ActBody) -> Result<Command, Failure> {
    let reason = reason(body);
    if action == "cancel" {
        let deploy = number(body)?;
        return Ok(Command::Cancel { deploy, reason });
    }
    let needed = "reason: a lock needs a reason, for those who meet it";
    Ok(Command::Lock {
        reason: reason.ok_or_else(|| Failure::unprocessable(ProblemCode::Invalid, needed))?,
        until: until(web, body)?,
    })
}

/// What an action wants, as its body says.
async fn wish(
    acting: &Acting<'_>,
    action: &str,
    body: &ActBody,
    only: Option<ServiceId>,
) -> Result<Wish, Failure> {
    let (web, app) = (acting.web, &acting.app);
    let reason = reason(body);
    let (cause, place) = match action {
        "resume" => return Ok(Wish::GoOn(Command::Resume { reason })),
        "unlock" => return Ok(Wish::GoOn(Command::Unlock { reason })),
        "scale" => return scale(acting, body, only).await,
        "adopt" => return adopted(acting, body).await.map(Wish::Adopt),
        "rollback" => (Cause::Rollback, place(body)?),
        "redeploy" => {
            let place = match (wanted(body)?, &app.live) {
                (Wanted::Head, Some(live)) => Wanted::Deploy(live.deploy),
                (place, _) => place,
            };
            (Cause::Redeploy, place)
        }
        _ => (Cause::Cli, wanted(body)?),
    };
    let resolved = web.resolve(app, &place).await?;
    let target = target(&resolved, body, only);
    Ok(Wish::Aim(Box::new(Aim {
        resolved,
        target,
        cause,
    })))
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

async fn scale(
    acting: &Acting<'_>,
    body: &ActBody,
    service: Option<ServiceId>,
) -> Result<Wish, Failure> {
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
    Ok(Wish::Scale {
        service,
        old: live.instances,
        new,
        override_lock: body.override_lock,
    })
}

/// The confirmation of an action: from, to, the diff, the consequences. It works without JavaScript.
pub(super) async fn confirm(
    State(web): State<Web>,
    Operator(person): Operator,
    Path((name, action)): Path<(String, String)>,
    Query(body): Query<ActBody>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !PLANNED.contains(&action.as_str()) {
        let detail = format!("{} does not take GET", uri.path());
        let wrong = StatusCode::METHOD_NOT_ALLOWED;
        let mut answer = Failure::new(wrong, ProblemCode::Method, detail).into_response();
        let allowed = HeaderValue::from_static("POST");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return Ok(answer);
    }
    let (app, service) = app_or_service(&web, &person, &name).await?;
    if action == "adopt" {
        needs(&person, Role::Admin)?;
    }
    let mut body = body;
    let service = one_service(&app, &action, service, body.service.take())?;
    let acting = Acting {
        action: &action,
        web: &web,
        person: &person,
        app,
        form: wants(&uri, &headers) == Wants::Html,
        key: None,
    };
    let wish = wish(&acting, &action, &body, service.clone()).await?;
    let plan = acting.look(&wish).await;
    if wants(&uri, &headers) == Wants::Json {
        return Ok(json_answer(StatusCode::OK, &plan?));
    }
    let app = &acting.app;
    let chrome = web.chrome(Some(person), &format!("/apps/{}", app.id));
    let shown = AppBody::from(app);
    if action != "rollback" {
        // without Marathon there is no plan; who must act now does it without one
        let (plan, silence) = match plan {
            Ok(plan) => (Some(plan), None),
            Err(failure) if failure.0.is(ProblemCode::Marathon) => (None, Some(failure.0.detail)),
            Err(failure) => return Err(failure),
        };
        let asked = html::Asked {
            action: &action,
            only: service.as_ref(),
            body: &body,
            plan: plan.as_ref(),
            silence: silence.as_deref(),
        };
        return Ok(Html(html::confirm(&chrome, &shown, &asked)).into_response());
    }
    let plan = plan?;
    let message = match &plan.to {
        Some(to) => web.message(&app.id, &to.commit).await,
        None => None,
    };
    let page = html::rollback(
        &chrome,
        &shown,
        &plan,
        service.as_ref(),
        message.as_ref(),
        None,
    );
    Ok(Html(page).into_response())
}

/// `GET /apps/{id}/rollback`.
pub(super) async fn confirm_rollback(
    state: State<Web>,
    operator: Operator,
    Path(name): Path<String>,
    query: Query<ActBody>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let path = Path((name, "rollback".to_owned()));
    confirm(state, operator, path, query, uri, headers).await
}

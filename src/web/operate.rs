//! What operators do: rollback, deploy, cancel, pin, lock, scale, adopt, register, destroy, hook. Pages and programs
//! use the same routes; a form is answered with a redirect, a program with JSON.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Web;
use super::act::Act;
use super::error::Failure;
use super::extract::Operator;
use super::html;
use super::negotiate::{Wants, json as json_answer, wants, wants_page};
use super::pages::destroyed_sentence;
use super::target::{Resolved, Wanted, target, wanted, would_queue};
use crate::api::{ActBody, AppBody, PlanBody, QueuedBody, RegisterBody};
use crate::event::{Action, Cause, Outcome};
use crate::history::{Answer, App, Command, Refusal, Target};
use crate::id::{Branch, DeployNumber, RepositoryName, ServiceId};
use crate::intake::{self, KeepError, RegisterError};
use crate::plan::Obstacle;
use crate::store::StoreError;

/// An action on one app, with everything that all of them need.
struct Acting<'a> {
    web: &'a Web,
    app: App,
    actor: String,
    form: bool,
    key: Option<String>,
}

impl Acting<'_> {
    async fn command(&self, command: Command) -> Result<Answer, Failure> {
        Ok(self
            .web
            .context
            .store
            .log()
            .command(&self.app.id, &self.actor, self.key.clone(), command)
            .await?)
    }

    /// 202 with the deploy, 200 otherwise; a form goes to the page that shows it.
    fn answer(&self, answer: &Answer) -> Response {
        let page = match answer {
            Answer::Queued(number) => format!("/apps/{}/deploys/{}", self.app.id, number.0),
            _ => format!("/apps/{}", self.app.id),
        };
        if self.form {
            return Redirect::to(&page).into_response();
        }
        match answer {
            Answer::Queued(number) => {
                let body = QueuedBody {
                    deploy: *number,
                    url: format!("{}{page}", self.web.public_url),
                };
                json_answer(StatusCode::ACCEPTED, &body)
            }
            Answer::Unchanged | Answer::Duplicate => {
                json_answer(StatusCode::OK, &json!({"result": "unchanged"}))
            }
            Answer::Held(why) => json_answer(
                StatusCode::OK,
                &json!({"result": "held", "sentence": why.sentence}),
            ),
            Answer::Done => json_answer(StatusCode::OK, &json!({"result": "done"})),
        }
    }
}

/// The app of a name, or the app of a service: a name with a slash in it is a service, which acts alone.
async fn app_or_service(web: &Web, name: &str) -> Result<(App, Option<ServiceId>), Failure> {
    if !name.contains('/') {
        return Ok((web.app_named(name).await?, None));
    }
    let text = format!("/{}", name.trim_matches('/'));
    let service: ServiceId = text.parse().map_err(|e| Failure::missing(format!("{e}")))?;
    let owner = web.context.store.owner_of(&service).await?;
    let owner = owner.ok_or_else(|| Failure::missing(format!("no app has a service {service}")))?;
    Ok((web.app_named(owner.as_str()).await?, Some(service)))
}

pub(super) async fn act(
    State(web): State<Web>,
    operator: Operator,
    Path((name, action)): Path<(String, String)>,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    let (app, service) = app_or_service(&web, &name).await?;
    perform(&web, app, service, &operator, &action, act).await
}

/// `POST /apps/dployex/buzz/gen/rollback`: a service with its slashes plain.
pub(super) async fn act_on_service(
    State(web): State<Web>,
    operator: Operator,
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
    let (app, service) = app_or_service(&web, &format!("{service}/")).await?;
    perform(&web, app, service, &operator, action, act).await
}

async fn perform(
    web: &Web,
    app: App,
    service: Option<ServiceId>,
    operator: &Operator,
    action: &str,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    let acting = Acting {
        web,
        app,
        actor: operator.actor(),
        form: act.form,
        key: act.key,
    };
    let body = act.body;
    let reason = body
        .reason
        .as_deref()
        .map(|r| crate::secret::plain(r, 500))
        .filter(|r| !r.trim().is_empty());
    let command = match action {
        "rollback" => return rollback(&acting, body, service).await,
        "deploy" => return deploy(&acting, &body, Cause::Cli).await,
        "redeploy" => return deploy(&acting, &body, Cause::Redeploy).await,
        "scale" => return scale(&acting, &body).await,
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
                    "invalid",
                    "reason: a lock needs a reason, for those who meet it",
                )
            })?,
        },
        other => return Err(Failure::missing(format!("there is no action {other:?}"))),
    };
    let answer = acting.command(command).await?;
    Ok(acting.answer(&answer))
}

fn number(body: &ActBody) -> Result<Option<DeployNumber>, Failure> {
    match wanted(body)? {
        Wanted::Deploy(number) => Ok(Some(number)),
        Wanted::Head => Ok(None),
        Wanted::Commit(_) => Err(Failure::unprocessable(
            "invalid",
            "deploy: a number, as in #40",
        )),
    }
}

/// Where a rollback goes to; it must be said.
fn place(body: &ActBody) -> Result<Wanted, Failure> {
    match wanted(body)? {
        Wanted::Head => Err(Failure::unprocessable(
            "invalid",
            "to: say where to go back to, a commit or a deploy (#40)",
        )),
        wish => Ok(wish),
    }
}

async fn rollback(
    acting: &Acting<'_>,
    body: ActBody,
    only: Option<ServiceId>,
) -> Result<Response, Failure> {
    let wish = place(&body)?;
    let (web, app) = (acting.web, &acting.app);
    let resolved = web.resolve(app, &wish).await?;
    let target = target(&resolved, &body, only);
    if body.dry_run {
        return Ok(json_answer(
            StatusCode::OK,
            &preview(web, app, &resolved, &target).await?,
        ));
    }
    match acting
        .command(Command::Rollback(Box::new(target.clone())))
        .await
    {
        Err(failure) if failure.0.code == "plan_stale" => {
            Err(match preview(web, app, &resolved, &target).await {
                Ok(plan) => failure.plan(plan),
                Err(_) => failure,
            })
        }
        other => Ok(acting.answer(&other?)),
    }
}

/// What a rollback would do now.
async fn preview(
    web: &Web,
    app: &App,
    resolved: &Resolved,
    target: &Target,
) -> Result<PlanBody, Failure> {
    let queued = would_queue(target, Cause::Rollback);
    let preview = web
        .context
        .preview(app, &queued, resolved.commit.clone())
        .await;
    let preview = preview.map_err(|e| {
        Failure::new(StatusCode::BAD_GATEWAY, "marathon", e.to_string()).hint(
            "the plan needs Marathon; without a plan the rollback can be asked for all the same",
        )
    })?;
    match preview {
        Ok(preview) => web.plan_body(app, &resolved.to, &preview).await,
        Err(Obstacle::Fails(why)) => {
            Err(Failure::unprocessable("not_rollbackable", why.to_string()))
        }
        Err(Obstacle::FirstStart(why)) => Err(Failure::unprocessable("not_rollbackable", why)),
    }
}

async fn deploy(acting: &Acting<'_>, body: &ActBody, cause: Cause) -> Result<Response, Failure> {
    let app = &acting.app;
    let wish = match (wanted(body)?, cause, &app.live) {
        (Wanted::Head, Cause::Redeploy, Some(live)) => Wanted::Deploy(live.deploy),
        (wish, ..) => wish,
    };
    let resolved = acting.web.resolve(app, &wish).await?;
    let only = body
        .service
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|e| Failure::unprocessable("invalid", format!("service: {e}")))?;
    let target = Box::new(target(&resolved, body, only));
    let command = if cause == Cause::Redeploy {
        Command::Redeploy(target)
    } else {
        Command::Deploy(target)
    };
    let answer = acting.command(command).await?;
    Ok(acting.answer(&answer))
}

async fn scale(acting: &Acting<'_>, body: &ActBody) -> Result<Response, Failure> {
    let invalid = |what: &str| Failure::unprocessable("invalid", what.to_owned());
    let service: ServiceId = body
        .service
        .as_deref()
        .ok_or_else(|| invalid("service: which one"))?
        .parse()
        .map_err(|e| invalid(&format!("service: {e}")))?;
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
        })
        .await?;
    Ok(acting.answer(&answer))
}

async fn adopt(acting: &Acting<'_>, body: &ActBody) -> Result<Response, Failure> {
    let (web, app) = (acting.web, &acting.app);
    let resolved = web.resolve(app, &Wanted::Head).await?;
    let wanted = |id: &ServiceId| {
        body.services
            .as_ref()
            .is_none_or(|list| list.iter().any(|s| s == id.as_str()))
    };
    let live = web.context.live(app, &resolved.commit.services).await?;
    let services: Vec<Outcome> = resolved
        .commit
        .services
        .iter()
        .filter(|s| wanted(&s.id))
        .filter_map(|s| live.get(&s.id).map(|l| (s, l)))
        .map(|(s, l)| Outcome {
            id: s.id.clone(),
            change: Action::Unchanged,
            new: l.instances,
            old: 0,
            spec: None,
            instances: s.instances,
            rendering: None,
        })
        .collect();
    if services.is_empty() {
        return Err(Failure::unprocessable(
            "invalid",
            "none of these services runs in Marathon; there is nothing to adopt",
        ));
    }
    let answer = acting.command(Command::Adopt { services }).await?;
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
    operator: Operator,
    Path(name): Path<String>,
    Query(query): Query<RollbackQuery>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (app, service) = app_or_service(&web, &name).await?;
    let service = service.or_else(|| query.service.as_deref().and_then(|s| s.parse().ok()));
    let body = ActBody {
        to: query.to,
        deploy: query.deploy.map(Value::String),
        ..ActBody::default()
    };
    let resolved = web.resolve(&app, &place(&body)?).await?;
    let target = target(&resolved, &body, service);
    let plan = preview(&web, &app, &resolved, &target).await?;
    if wants(&uri, &headers) == Wants::Json {
        return Ok(json_answer(StatusCode::OK, &plan));
    }
    let chrome = web.chrome(Some(operator.name), &format!("/apps/{}", app.id));
    let message = web.message(&app.id, &resolved.to.commit).await;
    Ok(Html(html::rollback(
        &chrome,
        &AppBody::from(&app),
        &plan,
        message.as_ref(),
        None,
    ))
    .into_response())
}

pub(super) async fn register_app(
    State(web): State<Web>,
    operator: Operator,
    act: Act<RegisterBody>,
) -> Result<Response, Failure> {
    let invalid = |what: String| Failure::unprocessable("invalid", what);
    let repository: RepositoryName = act
        .body
        .repository
        .parse()
        .map_err(|e| invalid(format!("repository: {e}")))?;
    let branch: Branch = act
        .body
        .branch
        .as_deref()
        .unwrap_or("dcos")
        .parse()
        .map_err(|e| invalid(format!("branch: {e}")))?;
    let registered = intake::register(&web.context, &repository, &branch, &operator.actor()).await;
    let (id, new) = registered.map_err(|error| match error {
        RegisterError::Github(error) => {
            Failure::new(StatusCode::BAD_GATEWAY, "github", error.to_string())
                .hint("try again when GitHub answers")
        }
        RegisterError::Invalid(why) => Failure::unprocessable("not_registrable", why),
        RegisterError::Store(error) => error.into(),
    })?;
    if act.form {
        return Ok(Redirect::to(&format!("/apps/{id}")).into_response());
    }
    let app = web.app_named(id.as_str()).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut answer = json_answer(status, &AppBody::from(&app));
    if let Ok(location) = format!("{}/apps/{id}", web.public_url).parse() {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

/// A misspelt option must not destroy more than was meant.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DestroyBody {
    #[serde(default)]
    confirm: Option<String>,
    #[serde(default)]
    keep_services: bool,
}

pub(super) async fn confirm_destroy(
    State(web): State<Web>,
    operator: Operator,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let app = web.app_named(&name).await?;
    let page = web.app_page(&app, None).await?;
    let chrome = web.chrome(Some(operator.name), &format!("/apps/{}", app.id));
    Ok(Html(html::destroy(&chrome, &page, None)).into_response())
}

pub(super) async fn destroy_by_form(
    State(web): State<Web>,
    operator: Operator,
    Path(name): Path<String>,
    act: Act<DestroyBody>,
) -> Result<Response, Failure> {
    let app = web.app_named(&name).await?;
    if act.body.confirm.as_deref() != Some(app.id.as_str()) {
        let page = web.app_page(&app, None).await?;
        let chrome = web.chrome(Some(operator.name), &format!("/apps/{}", app.id));
        let error = format!("Type {} to confirm; nothing was done.", app.id);
        return Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            Html(html::destroy(&chrome, &page, Some(&error))),
        )
            .into_response());
    }
    destroy(&web, &app, &operator, act.body.keep_services, Wants::Html).await
}

pub(super) async fn destroy_app(
    State(web): State<Web>,
    operator: Operator,
    Path(name): Path<String>,
    Query(query): Query<DestroyBody>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let app = web.app_named(&name).await?;
    let reads = if wants_page(&uri, &headers) == Wants::Html
        && headers
            .get(header::ACCEPT)
            .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("html")))
    {
        Wants::Html
    } else {
        Wants::Json
    };
    destroy(&web, &app, &operator, query.keep_services, reads).await
}

/// Begins the destroy and waits a while for its end, so that the answer can say what was done.
async fn destroy(
    web: &Web,
    app: &App,
    operator: &Operator,
    keep_services: bool,
    reads: Wants,
) -> Result<Response, Failure> {
    let mut head = web.context.store.head();
    match web
        .context
        .store
        .log()
        .command(
            &app.id,
            &operator.actor(),
            None,
            Command::Destroy { keep_services },
        )
        .await
    {
        // a second call follows the first
        Ok(_) | Err(StoreError::Refused(Refusal::Destroying)) => {}
        Err(error) => return Err(error.into()),
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut now = web.app_named(app.id.as_str()).await?;
    while !now.destroyed
        && tokio::time::timeout_at(until, head.changed())
            .await
            .is_ok_and(|c| c.is_ok())
    {
        now = web.app_named(app.id.as_str()).await?;
    }
    let sentence = if now.destroyed {
        destroyed_sentence(web, &app.id).await?
    } else {
        None
    };
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for id in app.services.keys() {
        match now.services.contains_key(id) && !now.destroyed {
            true => open.push(format!("{id} still runs")),
            false if keep_services => done.push(format!("{id} was left running")),
            false => done.push(format!("{id} was removed")),
        }
    }
    if let Some(failure) = &now.hook.failure {
        open.push(format!("the webhook: {}", failure.sentence));
    }
    if reads == Wants::Html {
        let chrome = web.chrome(Some(operator.name.clone()), "/");
        return Ok(Html(html::destroyed(
            &chrome,
            app.id.as_str(),
            sentence.as_deref(),
            &done,
            &open,
        ))
        .into_response());
    }
    let status = if now.destroyed {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok(json_answer(
        status,
        &json!({"app": app.id, "state": now.state(), "done": done, "open": open, "sentence": sentence}),
    ))
}

/// The hook of an app: register, repair, ping, remove.
pub(super) async fn act_on_hook(
    State(web): State<Web>,
    _operator: Operator,
    Path((name, action)): Path<(String, String)>,
    act: Act<ActBody>,
) -> Result<Response, Failure> {
    let app = web.app_named(&name).await?;
    let (github, repository) = (&web.context.github, app.source.repository_id);
    let no_hook = || {
        Failure::new(
            StatusCode::CONFLICT,
            "no_hook",
            format!("{} has no webhook yet", app.id),
        )
        .hint("register it first")
    };
    let done = match action.as_str() {
        "register" | "repair" => web.hooks.keep(&app).await,
        "ping" => github
            .ping_hook(repository, app.hook.id.ok_or_else(no_hook)?)
            .await
            .map_err(KeepError::from),
        "remove" => remove_hook(&web, &app, app.hook.id.ok_or_else(no_hook)?).await,
        other => {
            return Err(Failure::missing(format!(
                "a webhook has no action {other:?}"
            )));
        }
    };
    match done {
        Ok(()) if act.form => Ok(Redirect::to(&format!("/apps/{}/hook", app.id)).into_response()),
        Ok(()) => Ok(json_answer(
            StatusCode::OK,
            &web.hook(&web.app_named(&name).await?).await?,
        )),
        Err(KeepError::Github(error)) => Err(Failure::new(
            StatusCode::BAD_GATEWAY,
            "github",
            error.to_string(),
        )),
        Err(KeepError::Store(error)) => Err(error.into()),
    }
}

async fn remove_hook(web: &Web, app: &App, id: u64) -> Result<(), KeepError> {
    web.context
        .github
        .delete_hook(app.source.repository_id, id)
        .await?;
    let removed = crate::event::Fact::HookRemoved {
        id: Some(id),
        sentence: "removed by an operator".to_owned(),
    };
    let stays_so = crate::event::Fact::HookFailed {
        code: intake::HOOK_REMOVED.to_owned(),
        sentence: "the webhook was removed by an operator; register it again when pushes shall arrive at once.".to_owned(),
    };
    web.context
        .store
        .log()
        .command(
            &app.id,
            "observer",
            None,
            Command::Note(vec![removed, stays_so]),
        )
        .await?;
    Ok(())
}

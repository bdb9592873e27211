//! An app enters, and an app leaves with everything that is its own.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::acting::Acting;
use super::action_body::{Act, Nothing};
use super::error::Failure;
use super::html;
use super::negotiate::{Wants, json as json_answer, wants_page};
use super::pages::destroyed_sentence;
use super::people::{Admin, needs_everywhere};
use super::wish::{Wish, empty_plan};
use crate::access::{Person, Role};
use crate::api::{AppBody, DestroyedBody, ProblemCode, RegisterBody};
use crate::context::renamed;
use crate::event::Fact;
use crate::history::App;
use crate::id::{Branch, RepositoryName, ServiceId};
use crate::intake::{self, RegisterError};
use crate::store::EventFilter;

pub(super) async fn register_app(
    State(web): State<Web>,
    Admin(person): Admin,
    act: Act<RegisterBody>,
) -> Result<Response, Failure> {
    // which app it will be says the descriptor at the head
    needs_everywhere(&person, Role::Admin)?;
    let invalid = |what: String| Failure::unprocessable(ProblemCode::Invalid, what);
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
    let registered = intake::register(&web.context, &repository, &branch, &person.actor()).await;
    let (id, new) = registered.map_err(|error| match error {
        RegisterError::Github(error) => Failure::new(
            StatusCode::BAD_GATEWAY,
            ProblemCode::Github,
            error.to_string(),
        )
        .hint("try again when GitHub answers"),
        RegisterError::Invalid(why) => Failure::unprocessable(ProblemCode::NotRegistrable, why),
        RegisterError::Store(error) => error.into(),
    })?;
    let app = web.app_named(id.as_str()).await?;
    if !new && let Some(why) = called_otherwise(&web, &app).await {
        return Err(Failure::unprocessable(ProblemCode::NotRegistrable, why));
    }
    if act.form {
        return Ok(Redirect::to(&format!("/apps/{id}?did=register-done")).into_response());
    }
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

/// The branch is followed already, and its head calls the app by another name: what to do about it.
async fn called_otherwise(web: &Web, app: &App) -> Option<String> {
    let head = app.head.as_ref()?;
    let repository = app.source.repository_id;
    let read = web.context.descriptor(repository, &head.commit).await;
    let (descriptor, _) = read.ok()?;
    (descriptor.app_name != app.id.as_str()).then(|| renamed(&app.id, &descriptor.app_name))
}

/// A misspelt option must not destroy more than was meant.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DestroyBody {
    /// The app's name, once more.
    #[serde(default)]
    confirm: Option<String>,
    /// Leave its services running.
    #[serde(default)]
    keep_services: bool,
    /// Act although the app is locked.
    #[serde(default)]
    override_lock: bool,
    /// Only show what would happen.
    #[serde(default)]
    dry_run: bool,
    /// The plan token that was looked at.
    #[serde(default)]
    plan: Option<String>,
}

impl DestroyBody {
    fn wish(&self) -> Wish {
        Wish::Destroy {
            keep_services: self.keep_services,
            override_lock: self.override_lock,
        }
    }
}

pub(super) async fn confirm_destroy(
    State(web): State<Web>,
    Admin(person): Admin,
    Path(name): Path<String>,
    Query(wish): Query<DestroyBody>,
) -> Result<Response, Failure> {
    let app = web.app_for(&person, Role::Admin, &name).await?;
    let page = web.app_page(&app, None, true).await?;
    let acting = Acting::by(&web, app, &person);
    // without Marathon there is no plan, and who must may destroy it all the same
    let plan = acting.look(&wish.wish()).await.ok();
    let chrome = web.chrome(Some(person.clone()), &format!("/apps/{}", acting.app.id));
    let page = html::destroy(&chrome, &page, plan.as_ref(), wish.keep_services, None);
    Ok(Html(page).into_response())
}

pub(super) async fn destroy_by_form(
    State(web): State<Web>,
    Admin(person): Admin,
    Path(name): Path<String>,
    act: Act<DestroyBody>,
) -> Result<Response, Failure> {
    let app = web.app_for(&person, Role::Admin, &name).await?;
    let reads = if act.form { Wants::Html } else { Wants::Json };
    if act.body.confirm.as_deref() != Some(app.id.as_str()) {
        if reads == Wants::Json {
            let why = format!("confirm: must be {}; nothing was done", app.id);
            return Err(Failure::unprocessable(ProblemCode::Invalid, why));
        }
        let page = web.app_page(&app, None, true).await?;
        let chrome = web.chrome(Some(person), &format!("/apps/{}", app.id));
        let error = format!("Type {} to confirm; nothing was done.", app.id);
        return Ok((
            StatusCode::UNPROCESSABLE_ENTITY,
            Html(html::destroy(
                &chrome,
                &page,
                None,
                act.body.keep_services,
                Some(&error),
            )),
        )
            .into_response());
    }
    destroy(&web, &app, &person, &act.body, reads).await
}

pub(super) async fn destroy_app(
    State(web): State<Web>,
    Admin(person): Admin,
    Path(name): Path<String>,
    Query(query): Query<DestroyBody>,
    uri: Uri,
    headers: HeaderMap,
    // its options stand in the query, and none is ignored
    act: Act<Nothing>,
) -> Result<Response, Failure> {
    if act.key.is_some() {
        let why = "Idempotency-Key: a destroy takes none; a second one follows the first, or finds the app gone";
        return Err(Failure::unprocessable(ProblemCode::Invalid, why).hint("nothing was done"));
    }
    let app = web.app_for(&person, Role::Admin, &name).await?;
    let reads = if wants_page(&uri, &headers) == Wants::Html
        && headers
            .get(header::ACCEPT)
            .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("html")))
    {
        Wants::Html
    } else {
        Wants::Json
    };
    destroy(&web, &app, &person, &query, reads).await
}

/// The services that were to go since `app` was read, and are somebody else's.
async fn left_alone(web: &Web, app: &App) -> Result<Vec<ServiceId>, Failure> {
    let filter = EventFilter {
        app: Some(app.id.clone()),
        kind: Some("service_removed".to_owned()),
        since: Some(app.last_seq),
        limit: 1000,
        ..EventFilter::default()
    };
    let events = web.context.store.events(&filter).await?;
    let left = events.iter().filter_map(|e| match e.fact() {
        Ok(Fact::ServiceRemoved { id, left: true, .. }) => Some(id),
        _ => None,
    });
    Ok(left.collect())
}

/// Begins the destroy and waits a while for its end, so that the answer can say what was done.
async fn destroy(
    web: &Web,
    app: &App,
    person: &Person,
    wish: &DestroyBody,
    reads: Wants,
) -> Result<Response, Failure> {
    let keep_services = wish.keep_services;
    let mut head = web.context.store.head();
    let acting = Acting::by(web, app.clone(), person);
    if wish.plan.as_deref() == Some("") && reads == Wants::Json {
        return Err(empty_plan());
    }
    if wish.dry_run {
        return Ok(json_answer(
            StatusCode::OK,
            &acting.look(&wish.wish()).await?,
        ));
    }
    match acting.carry_out(&wish.wish(), wish.plan.as_deref()).await {
        Ok(_) => {}
        // a second call follows the first
        Err(failure) if failure.0.is(ProblemCode::Destroying) => {}
        Err(failure) => return Err(failure),
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
    let alone = left_alone(web, app).await?;
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for id in app.services.keys() {
        match now.services.contains_key(id) && !now.destroyed {
            true => open.push(format!("{id} still runs")),
            false if alone.contains(id) => open.push(format!(
                "{id} runs on: it does not carry the label of {} any more",
                app.id
            )),
            false if keep_services => done.push(format!("{id} was left running")),
            false => done.push(format!("{id} was removed")),
        }
    }
    if let Some(id) = app.hook.id.filter(|_| now.hook.id.is_none()) {
        done.push(format!("the webhook {id} was removed"));
    }
    if let Some(failure) = &now.hook.failure {
        open.push(format!("the webhook: {}", failure.sentence));
    }
    if reads == Wants::Html {
        let chrome = web.chrome(Some(person.clone()), "/");
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
    let body = DestroyedBody {
        app: app.id.clone(),
        state: now.state(),
        done,
        open,
        sentence,
    };
    Ok(json_answer(status, &body))
}

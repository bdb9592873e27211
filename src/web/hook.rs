//! What operators do with the webhook: register, repair, ping, remove.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::Web;
use super::action_body::{Act, Nothing};
use super::error::Failure;
use super::negotiate::json as json_answer;
use super::people::{Admin, not_allowed};
use crate::access::{Person, Role};
use crate::api::ProblemCode;
use crate::history::{App, Command};
use crate::intake::KeepError;
use crate::sentence::Code;

/// The hook of an app: register, repair, ping, remove.
pub(super) async fn act_on_hook(
    State(web): State<Web>,
    Admin(person): Admin,
    Path((name, action)): Path<(String, String)>,
    act: Act<Nothing>,
) -> Result<Response, Failure> {
    let app = web.app_for(&person, Role::Admin, &name).await?;
    is_for_all_of(&web, &app, &person).await?;
    let (github, repository) = (&web.context.github, app.source.repository_id);
    let no_hook = || {
        Failure::new(
            StatusCode::CONFLICT,
            ProblemCode::NoHook,
            format!("{} has no webhook yet", app.id),
        )
        .hint("register it first")
    };
    let done = match action.as_str() {
        "register" | "repair" => web.hooks.keep(repository, &person.actor()).await,
        "ping" => github
            .ping_hook(repository, app.hook.id.ok_or_else(no_hook)?)
            .await
            .map_err(KeepError::from),
        "remove" => {
            remove_hook(
                &web,
                &app,
                app.hook.id.ok_or_else(no_hook)?,
                &person.actor(),
            )
            .await
        }
        other => {
            return Err(Failure::missing(format!(
                "a webhook has no action {other:?}"
            )));
        }
    };
    match done {
        Ok(()) if act.form => {
            let page = format!("/apps/{}/hook?did={action}-done", app.id);
            Ok(Redirect::to(&page).into_response())
        }
        Ok(()) => Ok(json_answer(
            StatusCode::OK,
            &web.hook(&web.app_named(&name).await?).await?,
        )),
        Err(KeepError::Github(error)) => Err(Failure::new(
            StatusCode::BAD_GATEWAY,
            ProblemCode::Github,
            error.to_string(),
        )),
        Err(KeepError::Store(error)) => Err(error.into()),
    }
}

/// The webhook is that of all apps of the repository.
async fn is_for_all_of(web: &Web, app: &App, person: &Person) -> Result<(), Failure> {
    let apps = web.context.store.apps_of(app.source.repository_id).await?;
    if apps.iter().all(|a| person.is_for(&a.id)) {
        return Ok(());
    }
    let why = format!(
        "the webhook serves other apps of the repository too, for which the token {} is not",
        person.name
    );
    Err(not_allowed(why))
}

async fn remove_hook(web: &Web, app: &App, id: u64, actor: &str) -> Result<(), KeepError> {
    web.context
        .github
        .delete_hook(app.source.repository_id, id)
        .await?;
    let removed = crate::event::Fact::HookRemoved {
        id: Some(id),
        sentence: "removed by an operator".to_owned(),
    };
    let stays_so = crate::event::Fact::HookFailed {
        code: Code::Removed.into(),
        sentence: "the webhook was removed by an operator; register it again when pushes shall arrive at once.".to_owned(),
    };
    // the hook was there for all apps of the repository
    let apps = web.context.store.apps_of(app.source.repository_id).await?;
    for app in apps.iter().filter(|app| app.destroying.is_none()) {
        let facts = vec![removed.clone(), stays_so.clone()];
        let log = web.context.store.log();
        log.command(&app.id, actor, None, Command::Note(facts))
            .await?;
    }
    Ok(())
}

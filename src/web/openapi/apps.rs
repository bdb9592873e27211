//! Apps, and what is read of them.

use axum::http::StatusCode;

use super::super::diff::Between;
use super::super::events::EventsQuery;
use super::super::lifecycle::DestroyBody;
use super::super::live::OfApp;
use super::super::logs::LogsQuery;
use super::super::pages::ListQuery;
use super::operation::{Book, Who};
use super::tags::{APPS, LOG};
use crate::api::{
    AppBody, AppPage, AppsBody, DeployBody, DestroyedBody, DiffBody, EventsBody, LogBody, PlanBody,
    RegisterBody, StatusBody, WhyBody,
};

pub(super) fn apps(book: &mut Book) {
    for path in ["/", "/apps", "/apps.json"] {
        let list = book.on("get", path, Who::Anyone, APPS, "All apps");
        let list = list
            .query_of::<ListQuery>(&|name| name != "before")
            .answers::<AppsBody>(StatusCode::OK, "the apps");
        let list = list.only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`");
        match path {
            "/apps.json" => list.done(),
            _ => list.page().done(),
        }
    }
    book.on("post", "/apps", Who::Admin, APPS, "Register an app")
        .takes::<RegisterBody>()
        .answers::<AppBody>(StatusCode::CREATED, "registered")
        .answers::<AppBody>(StatusCode::OK, "it is so already")
        .only(StatusCode::SEE_OTHER, "to a form: the app's page")
        .done();
    book.on(
        "get",
        "/apps/{id}",
        Who::Anyone,
        APPS,
        "An app: what runs, services, deploys; for operators its settings",
    )
    .query_of::<ListQuery>(&|name| !matches!(name, "after" | "page"))
    .answers::<AppPage>(StatusCode::OK, "the app")
    .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`")
    .page()
    .done();
    book.on(
        "delete",
        "/apps/{id}",
        Who::Admin,
        APPS,
        "Destroy an app: its services, then its webhook",
    )
    .query_of::<DestroyBody>(&|name| name != "confirm")
    .answers::<DestroyedBody>(StatusCode::OK, "it is gone; or the plan of a dry run")
    .answers::<PlanBody>(StatusCode::OK, "")
    .answers::<DestroyedBody>(StatusCode::ACCEPTED, "something is left to do; ask again")
    .page()
    .done();
    book.on(
        "get",
        "/apps/{id}/deploys/{n}",
        Who::Anyone,
        APPS,
        "A deploy: state, reason, services",
    )
    .answers::<DeployBody>(StatusCode::OK, "the deploy")
    .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`")
    .page()
    .done();
    book.on(
        "get",
        "/apps/{id}/diff",
        Who::Anyone,
        APPS,
        "In what the specs of two deploys differ, or of two commits",
    )
    .query::<Between>()
    .answers::<DiffBody>(StatusCode::OK, "the services that differ")
    .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`")
    .done();
    book.on(
        "get",
        "/apps/{id}/logs",
        Who::Operator,
        APPS,
        "What a task wrote, read from its Mesos agent",
    )
    .query::<LogsQuery>()
    .answers::<LogBody>(StatusCode::OK, "the lines")
    .says(StatusCode::OK, "", "text/plain")
    .says(StatusCode::OK, "", "text/event-stream")
    .page()
    .done();
    book.on(
        "get",
        "/why/{sha}",
        Who::Anyone,
        APPS,
        "Why a commit is, or is not, live",
    )
    .answers::<WhyBody>(StatusCode::OK, "what is known of it")
    .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`")
    .page()
    .done();
    book.on(
        "get",
        "/status",
        Who::Anyone,
        APPS,
        "What the first release answered, of the app of the settings",
    )
    .answers::<StatusBody>(StatusCode::OK, "where it stands")
    .done();
}

pub(super) fn log(book: &mut Book) {
    for path in ["/events", "/events.json"] {
        let list = book.on(
            "get",
            path,
            Who::Anyone,
            LOG,
            "The log, newest first; with `since` alone oldest first",
        );
        let list = list
            .query::<EventsQuery>()
            .answers::<EventsBody>(StatusCode::OK, "at most a hundred events")
            .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`");
        match path {
            "/events.json" => list.done(),
            _ => list.page().done(),
        }
    }
    book.on(
        "get",
        "/events.jsonl",
        Who::Anyone,
        LOG,
        "The log, oldest first, an event a line",
    )
    .query::<EventsQuery>()
    .says(StatusCode::OK, "the events", "application/jsonl")
    .done();
    book.on(
        "get",
        "/feed.atom",
        Who::Anyone,
        LOG,
        "What deploys came to and what operators did, as an Atom feed",
    )
    .query::<OfApp>()
    .says(StatusCode::OK, "the newest", "application/atom+xml")
    .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`")
    .done();
    book.on(
        "get",
        "/live",
        Who::Anyone,
        LOG,
        "That something changed: `id` and `data` `{seq, app, picture}`, as server-sent events",
    )
    .query::<OfApp>()
    .header(
        "Last-Event-ID",
        false,
        "What was told last: what came after it is told at once.",
    )
    .says(StatusCode::OK, "a stream", "text/event-stream")
    .done();
}

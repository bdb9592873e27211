//! What operators do.

use axum::http::StatusCode;

use super::super::fields;
use super::super::lifecycle::DestroyBody;
use super::operation::{Book, Who};
use super::tags::ACTIONS;
use crate::api::{ActBody, DestroyedBody, PlanBody, QueuedBody, ResultBody};

/// The actions of an app, each with what it does.
const ACTS: &[(&str, &str, &str, Who)] = &[
    (
        "/apps/{id}/rollback",
        "rollback",
        "Go back to a commit or a deploy, and stay there",
        Who::Operator,
    ),
    (
        "/apps/{id}/deploy",
        "deploy",
        "Deploy the head of the branch, or another commit, which pins",
        Who::Operator,
    ),
    (
        "/apps/{id}/redeploy",
        "redeploy",
        "Deploy what is live once more",
        Who::Operator,
    ),
    (
        "/apps/{id}/cancel",
        "cancel",
        "End the deploy that runs",
        Who::Operator,
    ),
    (
        "/apps/{id}/resume",
        "resume",
        "Follow the branch again",
        Who::Operator,
    ),
    (
        "/apps/{id}/lock",
        "lock",
        "Nobody deploys until unlock",
        Who::Operator,
    ),
    (
        "/apps/{id}/unlock",
        "unlock",
        "Let deploys go on",
        Who::Operator,
    ),
    (
        "/apps/{id}/scale",
        "scale",
        "Set the number of instances of a service",
        Who::Operator,
    ),
    (
        "/apps/{id}/adopt",
        "adopt",
        "Take services over that nobody owns",
        Who::Admin,
    ),
];

const KEY: &str = "Sent again, the action is answered as before and does nothing; with another action or body it is refused.";

pub(super) fn actions(book: &mut Book) {
    for (path, action, says, who) in ACTS {
        let taken = fields::fields(action).unwrap_or_default();
        let look = book.on("get", path, *who, ACTIONS, "Its plan: what it would change");
        if !matches!(*action, "lock" | "cancel") {
            look.query_of::<ActBody>(&|name| taken.contains(&name))
                .answers::<PlanBody>(StatusCode::OK, "the plan")
                .page()
                .done();
        }
        act(book, path, action, says, *who);
    }
    book.on(
        "get",
        "/apps/{id}/destroy",
        Who::Admin,
        ACTIONS,
        "The question before a destroy, as a page",
    )
    .query::<DestroyBody>()
    .page()
    .done();
    book.on(
        "post",
        "/apps/{id}/destroy",
        Who::Admin,
        ACTIONS,
        "Destroy, confirmed by the app's name",
    )
    .takes::<DestroyBody>()
    .answers::<DestroyedBody>(StatusCode::OK, "it is gone; or the plan of a dry run")
    .answers::<PlanBody>(StatusCode::OK, "")
    .answers::<DestroyedBody>(StatusCode::ACCEPTED, "something is left to do")
    .page()
    .done();
}

fn act(book: &mut Book, path: &'static str, action: &str, says: &str, who: Who) {
    let taken = fields::fields(action).unwrap_or_default();
    let act = book.on("post", path, who, ACTIONS, says);
    let act = act
        .header("Idempotency-Key", false, KEY)
        .takes_of::<ActBody>(&taken)
        .answers::<QueuedBody>(StatusCode::ACCEPTED, "a deploy is queued")
        .answers::<ResultBody>(
            StatusCode::OK,
            "done, or it was so already; or the plan of a dry run",
        )
        .only(StatusCode::SEE_OTHER, "to a form: the page that shows it");
    if taken.contains(&"dry_run") {
        act.answers::<PlanBody>(StatusCode::OK, "").done();
    } else {
        act.done();
    }
}

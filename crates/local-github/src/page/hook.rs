//! The buttons beside a hook: call it again, ping it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::{find, missing};
use crate::hook::request::Job;
use crate::hub::Hub;

/// How long the page waits, so that it can show how the delivery went.
const PATIENCE: Duration = Duration::from_secs(2);

/// `POST /{owner}/{repo}/settings/hooks/{hook}/deliveries/{delivery}/redeliver`
pub async fn redeliver(
    State(hub): State<Arc<Hub>>,
    Path((owner, name, hook, delivery)): Path<(String, String, u64, u64)>,
) -> Response {
    let Some(repository) = find(&hub, &owner, &name) else {
        return missing("repository");
    };
    let found = hub
        .store
        .read(|world| world.deliveries.find(hook, delivery));
    let Some(delivery) = found.filter(|d| d.repository == repository.id) else {
        return missing("delivery");
    };
    let page = format!("/{}#hook-{hook}", repository.full_name());
    send(&hub, Job::again(&delivery), &page).await
}

/// `POST /{owner}/{repo}/settings/hooks/{hook}/ping`
pub async fn ping(
    State(hub): State<Arc<Hub>>,
    Path((owner, name, hook)): Path<(String, String, u64)>,
) -> Response {
    let Some(repository) = find(&hub, &owner, &name) else {
        return missing("repository");
    };
    let found = hub.store.read(|world| world.hook(hook).cloned());
    let Some(hook) = found.filter(|hook| hook.repository == repository.id) else {
        return missing("hook");
    };
    let page = format!("/{}#hook-{}", repository.full_name(), hook.id);
    send(&hub, Job::ping(&hub.links, &repository, &hook), &page).await
}

async fn send(hub: &Hub, job: Job, page: &str) -> Response {
    hub.post.send(job);
    let _ = tokio::time::timeout(PATIENCE, hub.post.settle()).await;
    Redirect::to(page).into_response()
}

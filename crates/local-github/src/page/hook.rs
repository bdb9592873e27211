//! The buttons beside a hook: call it again, ping it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::{find, missing};
use crate::hook::request::PendingDelivery;
use crate::server::Server;

/// How long the page waits, so that it can show how the delivery went.
const PATIENCE: Duration = Duration::from_secs(2);

/// `POST /{owner}/{repo}/settings/hooks/{hook}/deliveries/{delivery}/redeliver`
pub async fn redeliver(
    State(server): State<Arc<Server>>,
    Path((owner, name, hook, delivery)): Path<(String, String, u64, u64)>,
) -> Response {
    let Some(repository) = find(&server, &owner, &name) else {
        return missing("repository");
    };
    let found = server
        .store
        .read(|world| world.deliveries.find(hook, delivery));
    let Some(delivery) = found.filter(|d| d.repository == repository.id) else {
        return missing("delivery");
    };
    let page = format!("/{}#hook-{hook}", repository.full_name());
    send(&server, PendingDelivery::again(&delivery), &page).await
}

/// `POST /{owner}/{repo}/settings/hooks/{hook}/ping`
pub async fn ping(
    State(server): State<Arc<Server>>,
    Path((owner, name, hook)): Path<(String, String, u64)>,
) -> Response {
    let Some(repository) = find(&server, &owner, &name) else {
        return missing("repository");
    };
    let found = server.store.read(|world| world.hook(hook).cloned());
    let Some(hook) = found.filter(|hook| hook.repository == repository.id) else {
        return missing("hook");
    };
    let page = format!("/{}#hook-{}", repository.full_name(), hook.id);
    send(
        &server,
        PendingDelivery::ping(&server.links, &repository, &hook),
        &page,
    )
    .await
}

async fn send(server: &Server, pending: PendingDelivery, page: &str) -> Response {
    server.sender.send(pending);
    let _ = tokio::time::timeout(PATIENCE, server.sender.settle()).await;
    Redirect::to(page).into_response()
}

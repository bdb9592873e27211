//! `/repos/{owner}/{repo}/hooks/{id}/deliveries`: what was sent, what came back, and sending it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, linked, per_page};
use super::repo::{HookOwner, Repo};
use crate::hook::request::PendingDelivery;
use crate::state::Delivery;

/// Which deliveries are wanted; there are no page numbers.
#[derive(Debug, Deserialize)]
pub struct Window {
    per_page: Option<String>,
    cursor: Option<String>,
    status: Option<String>,
}

impl Window {
    /// The id that all wanted deliveries are older than.
    fn below(&self) -> Result<u64, Refusal> {
        let Some(cursor) = &self.cursor else {
            return Ok(u64::MAX);
        };
        let id = cursor.strip_prefix("v1_").and_then(|id| id.parse().ok());
        id.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "Invalid cursor"))
    }
}

/// `GET …/deliveries`, newest first.
pub async fn list_deliveries(
    HookOwner(repo): HookOwner,
    Query(window): Query<Window>,
) -> Answer<Response> {
    let hook = repo.hook()?;
    let below = window.below()?;
    // as GitHub documents it: an attempt without any answer is neither
    let codes = match window.status.as_deref() {
        None => 0..=u16::MAX,
        Some("success") => 200..=399,
        Some("failure") => 400..=599,
        Some(_) => return Err(Refusal::unprocessable("Invalid status")),
    };
    let size = per_page(window.per_page.as_deref());
    let page = repo.server.store.read(|world| {
        let own = world
            .deliveries
            .iter()
            .rev()
            .filter(|d| d.hook == hook.id && d.id < below);
        let some = own.filter(|d| codes.contains(&d.status_code));
        some.take(size + 1)
            .map(|d| (d.id, summary(d)))
            .collect::<Vec<_>>()
    });
    let shown: Vec<&Value> = page.iter().take(size).map(|(_, shown)| shown).collect();
    let mut links = Vec::new();
    if let (true, Some((last, _))) = (page.len() > size, page.get(size - 1)) {
        links.push(("next", vec![("cursor", format!("v1_{last}"))]));
    }
    Ok(linked(&repo.asked, &links, Json(shown).into_response()))
}

/// `GET …/deliveries/{delivery}`, with request and response.
pub async fn get_delivery(HookOwner(repo): HookOwner) -> Answer {
    let delivery = find(&repo)?;
    let mut shown = summary(&delivery);
    shown["url"] = delivery.url.clone().into();
    let payload: Value = serde_json::from_str(&delivery.payload).unwrap_or_default();
    shown["request"] = json!({"headers": delivery.request_headers, "payload": payload});
    shown["response"] =
        json!({"headers": delivery.response_headers, "payload": delivery.response_body});
    Ok(Json(shown))
}

/// `POST …/deliveries/{delivery}/attempts`: the same event under the same GUID.
pub async fn redeliver(HookOwner(repo): HookOwner) -> Answer<Response> {
    let delivery = find(&repo)?;
    repo.server.sender.send(PendingDelivery::again(&delivery));
    Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response())
}

fn find(repo: &Repo) -> Result<Arc<Delivery>, Refusal> {
    let (hook, id) = (repo.hook()?, repo.number("delivery")?);
    let found = repo
        .server
        .store
        .read(|world| world.deliveries.find(hook.id, id));
    found.ok_or_else(Refusal::not_found)
}

fn summary(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivery.delivered_at,
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": null,
        "installation_id": null,
        "repository_id": delivery.repository,
        "throttled_at": null,
        "url": "",
    })
}

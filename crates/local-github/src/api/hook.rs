//! `/repos/{owner}/{repo}/hooks`: webhooks and their rules.

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{Answer, Body, Paging, Refusal};
use super::repo::{HookOwner, Repo};
use crate::clock;
use crate::hook::request::PendingDelivery;
use crate::render;
use crate::state::{Hook, HookConfig, LastResponse, World};

/// Hooks per repository and event.
const HOOKS: usize = 20;

/// The body of a creation or a change.
#[derive(Debug, Deserialize)]
pub struct Wish {
    name: Option<String>,
    config: Option<ConfigWish>,
    events: Option<Vec<String>>,
    add_events: Option<Vec<String>>,
    remove_events: Option<Vec<String>>,
    active: Option<bool>,
}

/// The configuration in a body; what is absent has a default, or stays, depending on the call.
#[derive(Debug, Default, Deserialize)]
pub struct ConfigWish {
    url: Option<String>,
    content_type: Option<String>,
    secret: Option<String>,
    insecure_ssl: Option<Value>,
}

/// `POST …/hooks`
pub async fn create_hook(HookOwner(repo): HookOwner, Body(wish): Body<Wish>) -> Answer<Response> {
    if wish.name.as_deref().is_some_and(|name| name != "web") {
        return Err(Refusal::field("Hook", "name", "invalid"));
    }
    let config = wish.config.unwrap_or_default().fill(None)?;
    let events = checked(wish.events.unwrap_or_else(|| vec!["push".to_owned()]))?;
    let now = clock::now();
    let hook = repo.server.store.change(|world| {
        let mut hook = Hook {
            id: 0,
            repository: repo.record.id,
            active: wish.active.unwrap_or(true),
            events,
            config,
            created_at: now,
            updated_at: now,
            last_response: LastResponse::none(),
        };
        allowed(world, &hook)?;
        hook.id = world.new_id();
        world.hooks.push(hook.clone());
        Ok::<_, Refusal>(hook)
    })?;
    repo.server.store.durable().await?;
    // sent side by side with our answer, and often there first
    ping(&repo, &hook);
    let shown = render::hook(&repo.asked.links, &repo.record, &hook);
    let location = [(
        header::LOCATION,
        format!("{}/hooks/{}", repo.url(), hook.id),
    )];
    Ok((StatusCode::CREATED, location, Json(shown)).into_response())
}

/// `GET …/hooks`
pub async fn list_hooks(HookOwner(repo): HookOwner, Query(paging): Query<Paging>) -> Response {
    let shown = repo.server.store.read(|world| {
        let hooks = world
            .hooks
            .iter()
            .filter(|h| h.repository == repo.record.id);
        hooks
            .map(|hook| render::hook(&repo.asked.links, &repo.record, hook))
            .collect::<Vec<_>>()
    });
    paging.answer(&repo.asked, &shown)
}

/// `GET …/hooks/{id}`
pub async fn get_hook(HookOwner(repo): HookOwner) -> Answer {
    let hook = repo.hook()?;
    Ok(Json(render::hook(&repo.asked.links, &repo.record, &hook)))
}

/// `PATCH …/hooks/{id}`: **a secret that is not in the body is removed**, as GitHub's reference warns.
pub async fn update_hook(HookOwner(repo): HookOwner, Body(wish): Body<Wish>) -> Answer {
    let mut hook = repo.hook()?;
    hook.config = match wish.config {
        Some(config) => {
            let url = config.url.clone().unwrap_or(hook.config.url);
            let config = ConfigWish {
                url: Some(url),
                ..config
            };
            config.fill(None)?
        }
        None => HookConfig {
            secret: None,
            ..hook.config
        },
    };
    let mut events = wish.events.unwrap_or(hook.events);
    events.extend(wish.add_events.unwrap_or_default());
    let removed = wish.remove_events.unwrap_or_default();
    events.retain(|event| !removed.contains(event));
    hook.events = checked(events)?;
    hook.active = wish.active.unwrap_or(hook.active);
    replace(&repo, hook)
        .await
        .map(|hook| Json(render::hook(&repo.asked.links, &repo.record, &hook)))
}

/// `GET …/hooks/{id}/config`
pub async fn get_config(HookOwner(repo): HookOwner) -> Answer {
    Ok(Json(render::hook_config(&repo.hook()?.config)))
}

/// `PATCH …/hooks/{id}/config`: changes only what is given.
pub async fn update_config(HookOwner(repo): HookOwner, Body(wish): Body<ConfigWish>) -> Answer {
    let mut hook = repo.hook()?;
    hook.config = wish.fill(Some(&hook.config))?;
    let hook = replace(&repo, hook).await?;
    Ok(Json(render::hook_config(&hook.config)))
}

/// `DELETE …/hooks/{id}`
pub async fn delete_hook(HookOwner(repo): HookOwner) -> Answer<StatusCode> {
    let hook = repo.hook()?;
    repo.server.store.change(|world| world.remove_hook(hook.id));
    repo.server.store.durable().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/hooks/{id}/pings`
pub async fn ping_hook(HookOwner(repo): HookOwner) -> Answer<StatusCode> {
    ping(&repo, &repo.hook()?);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST …/hooks/{id}/tests`: the newest push once more, as a new event.
pub async fn test_hook(HookOwner(repo): HookOwner) -> Answer<StatusCode> {
    let hook = repo.hook()?;
    if let Some(payload) = repo.record.last_push.clone().filter(|_| hook.wants("push")) {
        repo.server
            .sender
            .push(PendingDelivery::new(hook.id, "push", payload));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn ping(repo: &Repo, hook: &Hook) {
    let pending = PendingDelivery::ping(&repo.server.links, &repo.record, hook);
    repo.server.sender.send(pending);
}

async fn replace(repo: &Repo, mut hook: Hook) -> Result<Hook, Refusal> {
    hook.updated_at = clock::now();
    repo.server.store.change(|world| {
        allowed(world, &hook)?;
        let old = world.hook_mut(hook.id).ok_or_else(Refusal::not_found)?;
        hook.last_response = old.last_response.clone();
        *old = hook.clone();
        Ok::<_, Refusal>(())
    })?;
    repo.server.store.durable().await?;
    Ok(hook)
}

impl ConfigWish {
    /// What is absent is taken from `old`, or is GitHub's default where there is none.
    fn fill(self, old: Option<&HookConfig>) -> Result<HookConfig, Refusal> {
        let url = self.url.or_else(|| old.map(|old| old.url.clone()));
        let url = url.ok_or_else(|| Refusal::invalid("Hook", "url cannot be blank"))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Refusal::invalid("Hook", "url is missing a scheme"));
        }
        let content_type = self
            .content_type
            .or_else(|| old.map(|old| old.content_type.clone()));
        let content_type = content_type.unwrap_or_else(|| "form".to_owned());
        if !matches!(content_type.as_str(), "json" | "form") {
            return Err(Refusal::invalid(
                "Hook",
                "content_type must be json or form",
            ));
        }
        let insecure_ssl = match self.insecure_ssl {
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            _ => old.map_or_else(|| "0".to_owned(), |old| old.insecure_ssl.clone()),
        };
        let secret = self
            .secret
            .or_else(|| old.and_then(|old| old.secret.clone()));
        Ok(HookConfig {
            url,
            content_type,
            insecure_ssl,
            secret: secret.filter(|secret| !secret.is_empty()),
        })
    }
}

fn checked(mut events: Vec<String>) -> Result<Vec<String>, Refusal> {
    let sound = |event: &String| {
        event == "*"
            || !event.is_empty() && event.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    if events.is_empty() || !events.iter().all(sound) {
        return Err(Refusal::field("Hook", "events", "invalid"));
    }
    events.sort();
    events.dedup();
    Ok(events)
}

/// GitHub's rules about the other hooks of the repository.
fn allowed(world: &World, hook: &Hook) -> Result<(), Refusal> {
    let others = || {
        world
            .hooks
            .iter()
            .filter(|other| other.repository == hook.repository && other.id != hook.id)
    };
    let overlap = |other: &Hook| {
        other
            .events
            .iter()
            .any(|event| event == "*" || hook.wants(event))
    };
    if others().any(|other| other.config.url == hook.config.url && overlap(other)) {
        return Err(Refusal::invalid(
            "Hook",
            "Hook already exists on this repository",
        ));
    }
    for event in &hook.events {
        if others().filter(|other| other.wants(event)).count() >= HOOKS {
            let sentence = format!("The \"{event}\" event cannot have more than {HOOKS} hooks");
            return Err(Refusal::invalid("Hook", &sentence));
        }
    }
    Ok(())
}

//! The HTTP side: routes, headers and error answers as Marathon 1.8 gives them.

mod access;
mod app;
mod app_change;
mod body;
pub mod call;
pub mod connection;
mod group;
mod local;
mod selector;
mod small_resources;
mod stream;
mod task;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use tower_http::compression::CompressionLayer;

use self::call::{Answer, Call, failure};
use super::page;
use crate::api::connection::Cut;
use crate::definition::refusal::Refusal;
use crate::marathon::Marathon;
use crate::options::Credentials;
use local_kit::guard;

/// Bodies longer than this are refused.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// What every handler works with.
#[derive(Clone)]
pub struct Site {
    /// The running Marathon.
    pub marathon: Arc<Marathon>,
    /// `127.0.0.1:8080`.
    pub authority: Arc<str>,
    /// Base URL of the Mesos master, where one is served.
    pub mesos: Option<Arc<str>>,
}

/// All routes, behind the guard that lets only programs on this machine in.
pub fn router(marathon: Arc<Marathon>, address: SocketAddr) -> Router {
    router_beside(marathon, address, None)
}

/// The same, where a Mesos master is served at that base URL.
pub fn router_beside(
    marathon: Arc<Marathon>,
    address: SocketAddr,
    mesos: Option<Arc<str>>,
) -> Router {
    let site = Site {
        marathon,
        authority: address.to_string().into(),
        mesos,
    };
    Router::new()
        .fallback(answer)
        .with_state(site)
        .layer(CompressionLayer::new().gzip(true))
        .layer(axum::middleware::from_fn(guard::loopback_only))
}

async fn answer(
    State(site): State<Site>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let call = match Call::read(request, cut.peer, LONGEST_BODY).await {
        Ok(call) => call,
        Err(refusal) => return dressed(&site, failure(&refusal)),
    };
    let credentials = site.marathon.options.credentials.as_ref();
    if let Some(refused) = access::refused(&call, credentials.map(Credentials::expose)) {
        return refused;
    }
    if call.resource() == ["local", "faults"] {
        return local::faults(&site, &call);
    }
    let faults = site.marathon.faults.clone();
    let state = faults.state();
    if state.slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(state.slow_ms)).await;
    }
    if faults.state().is_cut() {
        cut.cut();
        return call::empty(503);
    }
    let changes = call.method != Method::GET && !call.is_dry_run();
    let fault = if changes {
        refused(&site, state.locked)
    } else {
        None
    };
    let mut response = match fault {
        Some(refusal) => failure(&refusal),
        None => answered(&site, &call)
            .await
            .unwrap_or_else(|refusal| failure(&refusal)),
    };
    if changes {
        // like Marathon, which answers when ZooKeeper has it
        if let Err(error) = site.marathon.saved().await {
            let text = format!("The change is made, but cannot be saved: {error:#}");
            response = failure(&Refusal::message(500, text));
        }
    }
    // who dies meanwhile answers nobody
    if changes && faults.take_loss() || faults.state().is_cut() {
        cut.cut();
    }
    dressed(&site, response)
}

/// The refusal that a fault asks for.
fn refused(site: &Site, locked: bool) -> Option<Refusal> {
    if locked {
        return Some(Refusal::locked(&[
            "00000000-0000-4000-8000-00000000fa17".to_owned()
        ]));
    }
    let refuse = site.marathon.faults.take_refusal()?;
    Some(Refusal::message(refuse.status, refuse.message))
}

/// Adds the headers that every answer of a leader has.
fn dressed(site: &Site, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let leader = HeaderValue::try_from(format!("http://{}", site.authority));
    if let Ok(leader) = leader {
        headers.insert(HeaderName::from_static("x-marathon-leader"), leader);
    }
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_XSS_PROTECTION, "1; mode=block"),
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (header::PRAGMA, "no-cache"),
        (header::EXPIRES, "0"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn answered(site: &Site, call: &Call) -> Answer {
    match call.resource() {
        [local, tasks, task, log] if local == "local" && tasks == "tasks" => {
            local::log(site, call, task, log).await
        }
        _ => route(site, call),
    }
}

fn route(site: &Site, call: &Call) -> Answer {
    let resource = call.resource();
    let segments: Vec<&str> = resource.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["ping"] => small_resources::ping(call),
        [""] | [] => Ok(call::redirect(&format!("http://{}/ui/", site.authority))),
        ["help"] => Ok(call::redirect("api-console/index.html")),
        ["ui", path @ ..] => {
            let page = page::route(&site.marathon, &call.method, &site.authority, path);
            page.ok_or_else(|| Refusal::message(404, "There is no such page or app"))
        }
        ["local", "info"] => local::info(site, call),
        ["v2", "info"] => small_resources::info(site, call),
        ["v2", "leader"] => small_resources::leader(site, call),
        ["v2", "plugins"] => small_resources::plugins(call),
        ["v2", "events"] => Ok(stream::events(site, call)),
        ["v2", "pods", rest @ ..] => small_resources::pods(call, rest),
        ["v2", "apps", rest @ ..] => app::route(site, call, rest),
        ["v2", "groups", rest @ ..] => group::route(site, call, rest),
        ["v2", "deployments"] => small_resources::deployments(site, call),
        ["v2", "deployments", id] => small_resources::deployment(site, call, id),
        ["v2", "queue"] => small_resources::queue(site, call),
        ["v2", "queue", id @ .., "delay"] => small_resources::queue_delay(site, call, id),
        ["v2", "tasks"] => task::all(site, call),
        ["v2", "tasks", "delete"] => task::delete_many(site, call),
        _ => Err(Refusal::message(500, "URI not found")),
    }
}

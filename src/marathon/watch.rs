//! Marathon's event stream. It only wakes; what is true is asked for. Besides, it is the only place that names
//! instances that were never launched, which are needed to end a rollout safely.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Method, header};
use serde_json::Value;
use sse_stream::SseStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use crate::transport::Way;

/// How many instances are remembered over all apps.
const REMEMBERED: usize = 20_000;

/// What was heard on the stream.
#[derive(Default)]
pub struct Watched {
    /// By app: instances, and the version each is to be launched in.
    scheduled: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Watched {
    /// The instances of an app that are scheduled and were not launched, as far as they were heard of.
    #[must_use]
    pub fn never_launched(&self, app: &str) -> Vec<String> {
        self.scheduled
            .lock()
            .map(|s| {
                s.get(app)
                    .into_iter()
                    .flat_map(BTreeMap::keys)
                    .cloned()
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Whether an instance of an app that was never launched is of an earlier version than this one, as far as it was heard of.
    #[must_use]
    pub fn waits_in_earlier_version(&self, app: &str, version: &str) -> bool {
        let Ok(scheduled) = self.scheduled.lock() else {
            return false;
        };
        let mut versions = scheduled.get(app).into_iter().flat_map(BTreeMap::values);
        versions.any(|v| v.as_str() < version)
    }

    fn hear(&self, event: &Value) {
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        if text("eventType") != Some("instance_changed_event") {
            return;
        }
        let (Some(app), Some(instance), Some(condition)) =
            (text("runSpecId"), text("instanceId"), text("condition"))
        else {
            return;
        };
        let Ok(mut scheduled) = self.scheduled.lock() else {
            return;
        };
        let known = scheduled.get(app).is_some_and(|i| i.contains_key(instance));
        // said once more of one that was never launched, it is the last that is heard of it: it is to go, and is gone
        if condition == "Scheduled" && !known {
            let version = text("runSpecVersion").unwrap_or_default();
            if scheduled.values().map(BTreeMap::len).sum::<usize>() < REMEMBERED {
                scheduled
                    .entry(app.to_owned())
                    .or_default()
                    .insert(instance.to_owned(), version.to_owned());
            }
        } else if let Some(instances) = scheduled.get_mut(app) {
            instances.remove(instance);
            if instances.is_empty() {
                scheduled.remove(app);
            }
        }
    }
}

/// A running subscription.
#[derive(Clone)]
pub struct Watch {
    changes: watch::Receiver<u64>,
    watched: Arc<Watched>,
}

impl Watch {
    /// A subscription, and the ear through which it hears.
    #[must_use]
    pub fn through_ear() -> (Self, Ear) {
        let (sender, changes) = watch::channel(0);
        let watched = Arc::new(Watched::default());
        let heard = watched.clone();
        (Self { changes, watched }, Ear { sender, heard })
    }

    /// Subscribes, and subscribes again whenever the stream ends, until `stop`.
    #[must_use]
    pub fn start(client: Client, stop: CancellationToken) -> Self {
        let (subscription, ear) = Self::through_ear();
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(250);
            loop {
                let connected = tokio::select! {
                    () = stop.cancelled() => return,
                    connected = listen(&client, &ear) => connected,
                };
                pause = if connected {
                    Duration::from_millis(250)
                } else {
                    (pause * 2).min(Duration::from_secs(15))
                };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
        subscription
    }

    /// What was heard.
    #[must_use]
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Follows a counter that moves with every event.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// Where events come in.
pub struct Ear {
    sender: watch::Sender<u64>,
    heard: Arc<Watched>,
}

impl Ear {
    /// The stream broke off: what was said meanwhile is not known, so neither is who was never launched.
    pub fn lost(&self) {
        if let Ok(mut scheduled) = self.heard.scheduled.lock() {
            scheduled.clear();
        }
        self.sender.send_modify(|n| *n += 1);
    }

    /// Hears an event, as Marathon writes it.
    pub fn hear(&self, event: &Value) {
        self.heard.hear(event);
        self.sender.send_modify(|n| *n += 1);
    }
}

/// Reads the stream until it ends; answers whether it was connected at all.
async fn listen(client: &Client, ear: &Ear) -> bool {
    let Some(answer) = connect(client).await else {
        return false;
    };
    ear.lost();
    let mut stream = SseStream::from_bytes_stream(answer.bytes_stream());
    while let Some(Ok(event)) = stream.next().await {
        if let Some(value) = event
            .data
            .as_deref()
            .and_then(|d| serde_json::from_str::<Value>(d).ok())
        {
            ear.hear(&value);
        }
    }
    ear.lost();
    true
}

/// A standby redirects this one route to the leader; credentials go along only to the leader that it names itself, and
/// not without TLS where they came with it.
async fn connect(client: &Client) -> Option<reqwest::Response> {
    let place = client.place().ok()?;
    let base = &place.base;
    let own = subscription(&place.stream, &format!("{base}/v2/events"));
    let answer = client.send_by(&place.stream, &place, own).await.ok()?;
    if answer.status().is_success() {
        return Some(answer);
    }
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let target = reqwest::Url::parse(location).ok()?;
    let leader = place.way.request(Method::GET, &format!("{base}/v2/leader"));
    let leader: Value = client.send(&place, leader).await.ok()?.json().await.ok()?;
    let named = format!("{}:{}", target.host_str()?, target.port_or_known_default()?);
    if leader.get("leader").and_then(Value::as_str) != Some(named.as_str()) {
        return None;
    }
    let there = subscription(&place.stream, location);
    let answer = if loses_tls(base, &target) {
        // as it is, with nothing that shows who we are
        place.stream.send(there).await.ok()
    } else {
        client.send_by(&place.stream, &place, there).await.ok()
    };
    answer.filter(|a| a.status().is_success())
}

fn subscription(way: &Way, url: &str) -> reqwest::RequestBuilder {
    way.request(Method::GET, url)
        .header(header::ACCEPT, "text/event-stream")
        .timeout(Duration::from_hours(1))
}

fn loses_tls(base: &str, target: &reqwest::Url) -> bool {
    target.scheme() != "https" && reqwest::Url::parse(base).is_ok_and(|b| b.scheme() == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_taken_back_before_it_was_launched_waits_no_more() {
        let watched = Watched::default();
        let hear = |instance: &str, condition: &str| {
            watched.hear(&serde_json::json!({
                "eventType": "instance_changed_event", "runSpecId": "/web", "runSpecVersion": "2026-11-22T10:00:00.000Z",
                "instanceId": instance, "condition": condition,
            }));
        };
        let later = "2026-11-22T10:00:01.000Z";
        hear("a", "Scheduled");
        hear("b", "Scheduled");
        assert_eq!(watched.never_launched("/web"), ["a", "b"]);
        assert!(watched.waits_in_earlier_version("/web", later));
        hear("a", "Provisioned");
        hear("b", "Scheduled");
        assert!(watched.never_launched("/web").is_empty());
        assert!(!watched.waits_in_earlier_version("/web", later));
    }

    #[test]
    fn credentials_that_came_with_tls_do_not_go_on_without() {
        let (plain, tls) = ("http://a:8080", "https://a:8443");
        let loses = |base, target: &str| loses_tls(base, &target.parse().unwrap());
        assert!(loses(tls, plain) && loses("HTTPS://a", plain));
        assert!(!loses(tls, tls) && !loses(plain, tls) && !loses(plain, plain));
    }
}

//! The sender: takes what is owed to hooks, delivers it once, and records how it went.
//!
//! One delivery at a time per hook, hooks side by side. Nothing is tried again by itself, as at GitHub.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::request::{PendingDelivery, form};
use crate::clock;
use crate::fault::{Fate, Faults};
use crate::state::{Delivery, Hook};
use crate::store::Store;
use local_kit::http;

/// More of an answer than this is not recorded, in bytes.
const ANSWER: usize = 64 << 10;

/// More than this is not owed, in bytes of payloads: a hook that does not answer holds up all that comes after.
const OWED: usize = 256 << 20;

/// Delivers to hooks.
#[derive(Debug)]
pub struct Sender {
    store: Arc<Store>,
    faults: Arc<Faults>,
    client: reqwest::Client,
    /// For hooks whose certificate nobody checks.
    unchecking: reqwest::Client,
    timeout: Duration,
    /// An entry is there while somebody works it off.
    queues: Mutex<HashMap<u64, VecDeque<PendingDelivery>>>,
    held: Mutex<Vec<PendingDelivery>>,
    owed: watch::Sender<Owed>,
    stop: CancellationToken,
}

/// What is still to be delivered.
#[derive(Debug, Default)]
struct Owed {
    jobs: usize,
    /// Of their payloads.
    bytes: usize,
}

impl Owed {
    /// One more, of this size. Says whether there is room for it.
    fn add(&mut self, bytes: usize) -> bool {
        let room = self.bytes + bytes <= OWED;
        if room {
            self.jobs += 1;
            self.bytes += bytes;
        }
        room
    }

    fn done(&mut self, bytes: usize) {
        self.jobs -= 1;
        self.bytes -= bytes;
    }
}

/// How an attempt went, in GitHub's words.
struct Outcome {
    status: String,
    code: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Sender {
    /// A sender for the hooks in `store`; `stop` drops what is owed.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(
        store: Arc<Store>,
        faults: Arc<Faults>,
        timeout: Duration,
        stop: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            store,
            faults,
            client: http::client()?.pool_max_idle_per_host(0).build()?,
            unchecking: http::unchecking_client()?
                .pool_max_idle_per_host(0)
                .build()?,
            timeout,
            queues: Mutex::default(),
            held: Mutex::default(),
            owed: watch::Sender::default(),
            stop,
        }))
    }

    /// Sends what happened to one hook, unless a fault says otherwise.
    pub fn push(self: &Arc<Self>, mut pending: PendingDelivery) {
        match self.faults.next_fate() {
            Fate::Lose => {}
            Fate::Send => self.send(pending),
            Fate::Forge => {
                pending.forged = true;
                self.send(pending);
            }
            Fate::Double => {
                self.send(pending.clone());
                self.send(pending);
            }
            Fate::Delay(by) => self.send_later(pending, by),
            Fate::Hold { last } => {
                lock(&self.held).push(pending);
                if last {
                    self.release();
                }
            }
        }
    }

    /// Sends what was held back, last one first.
    pub fn release(self: &Arc<Self>) {
        let held = std::mem::take(&mut *lock(&self.held));
        for pending in held.into_iter().rev() {
            self.send(pending);
        }
    }

    /// Sends without regard to faults.
    pub fn send(self: &Arc<Self>, pending: PendingDelivery) {
        if self.owe(&pending) {
            self.enqueue(pending);
        }
    }

    fn owe(&self, pending: &PendingDelivery) -> bool {
        let room = self
            .owed
            .send_if_modified(|owed| owed.add(pending.payload.len()));
        if !room {
            tracing::warn!(hook = pending.hook, guid = %pending.guid, "too much is owed to hooks: a delivery is lost");
        }
        room
    }

    /// Waits until nothing is owed. What a fault holds back is not owed.
    pub async fn settle(&self) {
        let mut owed = self.owed.subscribe();
        tokio::select! {
            _ = owed.wait_for(|owed| owed.jobs == 0) => {}
            () = self.stop.cancelled() => {}
        }
    }

    fn send_later(self: &Arc<Self>, pending: PendingDelivery, by: Duration) {
        if !self.owe(&pending) {
            return;
        }
        let sender = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(by) => sender.enqueue(pending),
                () = sender.stop.cancelled() => {}
            }
        });
    }

    fn enqueue(self: &Arc<Self>, pending: PendingDelivery) {
        let hook = pending.hook;
        match lock(&self.queues).entry(hook) {
            Entry::Occupied(queue) => queue.into_mut().push_back(pending),
            Entry::Vacant(place) => {
                place.insert(VecDeque::from([pending]));
                let sender = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::select! {
                        () = sender.work_off(hook) => {}
                        () = sender.stop.cancelled() => {}
                    }
                });
            }
        }
    }

    async fn work_off(&self, hook: u64) {
        while let Some(pending) = self.next(hook) {
            self.deliver(&pending).await;
            self.owed
                .send_modify(|owed| owed.done(pending.payload.len()));
        }
    }

    fn next(&self, hook: u64) -> Option<PendingDelivery> {
        let mut queues = lock(&self.queues);
        let pending = queues.get_mut(&hook)?.pop_front();
        if pending.is_none() {
            queues.remove(&hook);
        }
        pending
    }

    async fn deliver(&self, pending: &PendingDelivery) {
        let Some(hook) = self.store.read(|world| world.hook(pending.hook).cloned()) else {
            return;
        };
        let (headers, body) = form(&hook, pending);
        let delivered_at = clock::precise();
        let started = Instant::now();
        let outcome = self.attempt(&hook, &headers, body).await;
        let duration = started.elapsed().as_millis();
        tracing::debug!(hook = hook.id, event = pending.event, guid = %pending.guid, status = %outcome.status, "delivered");
        self.store.record(Delivery {
            id: 0,
            hook: hook.id,
            repository: hook.repository,
            guid: pending.guid.clone(),
            event: pending.event.to_owned(),
            redelivery: pending.redelivery,
            delivered_at,
            duration: f64::from(u32::try_from(duration).unwrap_or(u32::MAX)) / 1000.0,
            status: outcome.status,
            status_code: outcome.code,
            url: hook.config.url,
            request_headers: headers,
            payload: pending.payload.clone(),
            response_headers: outcome.headers,
            response_body: outcome.body,
        });
    }

    async fn attempt(
        &self,
        hook: &Hook,
        headers: &BTreeMap<String, String>,
        body: String,
    ) -> Outcome {
        let url = match loopback(&hook.config.url) {
            Ok(url) => url,
            Err(refusal) => return Outcome::failed(502, refusal),
        };
        let client = match hook.config.insecure_ssl.as_str() {
            "1" => &self.unchecking,
            _ => &self.client,
        };
        let mut request = client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match tokio::time::timeout(self.timeout, read(request)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) if error.is_connect() => {
                Outcome::failed(502, "failed to connect to host")
            }
            Ok(Err(_)) => {
                let url = &hook.config.url;
                let words = format!("POST {url} giving up after 1 attempt(s): Post \"{url}\": EOF");
                Outcome::failed(500, &words)
            }
            Err(_) => Outcome::failed(504, "timed out"),
        }
    }
}

impl Outcome {
    /// No answer came. GitHub records a code all the same.
    fn failed(code: u16, status: &str) -> Self {
        Self {
            status: status.to_owned(),
            code,
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }
}

async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Outcome> {
    let mut response = request.send().await?;
    let status = response.status();
    let text = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ANSWER {
            break;
        }
    }
    let words = match status.as_u16() {
        200..300 => "OK".to_owned(),
        code => format!("Invalid HTTP Response: {code}"),
    };
    Ok(Outcome {
        status: words,
        code: status.as_u16(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// A URL on this machine; the local GitHub calls nobody else.
fn loopback(url: &str) -> Result<Url, &'static str> {
    const ELSEWHERE: &str = "refused: the local GitHub calls loopback addresses only";
    let url = Url::parse(url).map_err(|_| "refused: not a URL")?;
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        Ok(url)
    } else {
        Err(ELSEWHERE)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{OWED, Owed, loopback};

    #[test]
    fn no_more_is_owed_than_there_is_room_for() {
        let mut owed = Owed::default();
        assert!(owed.add(OWED / 2) && owed.add(OWED / 2));
        assert!(!owed.add(1));
        owed.done(OWED / 2);
        assert!(owed.add(1));
        assert_eq!((owed.jobs, owed.bytes), (2, OWED / 2 + 1));
    }

    #[test]
    fn hooks_are_called_on_this_machine_only() {
        for here in [
            "http://127.0.0.1:1/x",
            "http://localhost:1",
            "http://[::1]:1/",
            "http://127.9.9.9",
        ] {
            assert!(loopback(here).is_ok(), "{here}");
        }
        for there in [
            "http://10.0.0.1/",
            "https://example.com/",
            "http://localhost.evil/",
            "nonsense",
            "http://0.0.0.0:1/",
        ] {
            assert!(loopback(there).is_err(), "{there}");
        }
    }
}

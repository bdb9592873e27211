//! Everything outside the observer: Marathon, GitHub, and the way between, on which calls get lost, come late or are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http;
use dploy_observer::event;
use dploy_observer::id::BlobId;
use dploy_observer::transport::{Transport, TransportError};
use fastrand::Rng;
use local_marathon::Cut;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::calls::Arrival;
use super::clock::StoryClock;
use super::cluster::{ADDRESS, Cluster, Hand};
use super::github::{Asked, Github, Heads};
use super::judge::{Check, Finding};
use super::story::Trouble;

/// How long a look takes at most where Marathon is slow.
pub const BLURRED: Duration = Duration::from_secs(40);

/// How long the observer waits for an answer of Marathon.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A change of Marathon, as it is called for.
#[derive(Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub body: Vec<u8>,
    /// The app for which the observer works while it calls.
    pub app: Option<String>,
}

impl Call {
    fn read(request: &reqwest::Request, app: Option<String>) -> Self {
        let url = request.url();
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        let body = request.body().and_then(reqwest::Body::as_bytes);
        Self {
            method: request.method().to_string(),
            path: format!("{}{query}", url.path()),
            body: body.unwrap_or_default().to_vec(),
            app,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// What it is to the log, if Marathon carried it out.
    fn carried_out(&self, status: u16, answer: &[u8]) -> Option<Arrival> {
        let path = self.path.split('?').next().unwrap_or_default();
        let call = match self.method.as_str() {
            "PUT" if path == "/v2/apps" => event::Call::Put,
            "POST" if path.ends_with("/restart") => event::Call::Restart,
            _ => return None,
        };
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        (status < 300).then(|| Arrival {
            app: self.app.clone().unwrap_or_default(),
            call,
            body: BlobId::of(&self.body),
            deployment: answer["deploymentId"].as_str().map(str::to_owned),
        })
    }

    /// The services it changes; a cancel names none, it only lets go.
    pub fn services(&self) -> Vec<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        if path == "/v2/tasks/delete" {
            let body = self.json();
            let ids = body["ids"].as_array().into_iter().flatten();
            let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
            return Cluster::services_of(ids.into_iter());
        }
        if path == "/v2/apps" {
            let body = self.json();
            let apps = body.as_array().into_iter().flatten();
            return apps
                .filter_map(|a| a["id"].as_str().map(str::to_owned))
                .collect();
        }
        let id = path.strip_prefix("/v2/apps").unwrap_or_default();
        let id = id.strip_suffix("/restart").unwrap_or(id);
        if id.is_empty() {
            Vec::new()
        } else {
            vec![id.to_owned()]
        }
    }
}

/// A call that is on its way for a while, with the step that waits for it.
pub struct Held {
    pub due: Duration,
    app: Option<String>,
    go: oneshot::Sender<()>,
}

/// A call that arrives when nobody waits for its answer any more.
pub struct Late {
    pub due: Duration,
    pub call: Call,
}

/// What becomes of a call.
enum Fate {
    Goes,
    Never(TransportError),
    Refused(u16, Value),
    AnswerLost,
    Late,
    Held(oneshot::Receiver<()>),
}

pub struct Inside {
    pub cluster: Cluster,
    pub github: Github,
    /// What does not work, and until when.
    pub trouble: BTreeMap<Trouble, Duration>,
    pub chance: Rng,
    pub held: Vec<Held>,
    pub late: Vec<Late>,
    /// The app for which the present step works.
    pub acting: Option<String>,
    /// Services that the observer said it takes over.
    pub adopted: BTreeSet<String>,
    /// Apps that were destroyed: what they kept is theirs by its label alone.
    pub destroyed: BTreeSet<String>,
    /// Services that somebody wants gone.
    pub doomed: BTreeMap<String, Duration>,
    /// Until when looks are taken slowly: what dies meanwhile cannot be seen.
    pub blurred_until: Duration,
    pub findings: Vec<Finding>,
    /// What was called, for the trace.
    pub calls: Vec<String>,
    /// What Marathon carried out for us since the log was read.
    pub arrivals: Vec<Arrival>,
    /// Services of calls that arrived when nobody waited for them any more.
    pub came_late: Vec<String>,
    next_tick: Duration,
}

pub struct Outside {
    pub clock: Arc<StoryClock>,
    inside: Mutex<Inside>,
}

impl Outside {
    pub fn new(seed: u64) -> Arc<Self> {
        let clock = Arc::new(StoryClock::default());
        let cluster = Cluster::new(seed, Arc::clone(&clock));
        Self::of(seed, clock, cluster, Github::new(seed))
    }

    /// Both sides as they are given.
    pub fn of(seed: u64, clock: Arc<StoryClock>, cluster: Cluster, github: Github) -> Arc<Self> {
        let next_tick = clock.passed();
        let inside = Inside {
            cluster,
            github,
            trouble: BTreeMap::new(),
            chance: Rng::with_seed(seed ^ 0x7769_7265),
            held: Vec::new(),
            late: Vec::new(),
            acting: None,
            adopted: BTreeSet::new(),
            destroyed: BTreeSet::new(),
            doomed: BTreeMap::new(),
            blurred_until: Duration::ZERO,
            findings: Vec::new(),
            calls: Vec::new(),
            arrivals: Vec::new(),
            came_late: Vec::new(),
            next_tick,
        };
        Arc::new(Self {
            clock,
            inside: Mutex::new(inside),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub fn now(&self) -> Duration {
        self.clock.passed()
    }

    /// Time passes while somebody waits: tasks and Marathon go on, nobody else does anything.
    fn pass(&self, span: Duration) {
        let until = self.now() + span;
        loop {
            let mut inside = self.lock();
            let next = inside.next_tick.min(until);
            self.clock.is(next);
            if next >= until {
                return;
            }
            inside.tick(next);
        }
    }

    /// The way to Marathon.
    pub fn marathon(self: &Arc<Self>) -> Transport {
        let outside = Arc::clone(self);
        BoxCloneSyncService::new(tower::service_fn(move |request: reqwest::Request| {
            let outside = Arc::clone(&outside);
            async move { outside.to_marathon(&request).await }
        }))
    }

    /// The way to GitHub.
    pub fn github(self: &Arc<Self>) -> Transport {
        let outside = Arc::clone(self);
        BoxCloneSyncService::new(tower::service_fn(move |request: reqwest::Request| {
            let outside = Arc::clone(&outside);
            async move { outside.to_github(&request) }
        }))
    }

    async fn to_marathon(
        &self,
        request: &reqwest::Request,
    ) -> Result<reqwest::Response, TransportError> {
        let (call, fate) = {
            let mut inside = self.lock();
            let call = Call::read(request, inside.acting.clone());
            let fate = inside.fate(&call, self.now());
            (call, fate)
        };
        if self.lock().has(Trouble::MarathonSlow) {
            let seconds = self.lock().chance.u64(1..12);
            self.pass(Duration::from_secs(seconds));
            self.lock().blurred_until = self.now() + BLURRED;
        }
        match fate {
            Fate::Goes => Ok(self.deliver(&call, false).await),
            Fate::Never(error) => Err(error),
            Fate::Refused(status, body) => Ok(response(
                status,
                &[("content-type", "application/json".to_owned())],
                body.to_string().into_bytes(),
            )),
            Fate::AnswerLost => {
                self.deliver(&call, false).await;
                Err(TransportError::Broken(
                    "connection closed before message completed".to_owned(),
                ))
            }
            Fate::Late => {
                self.pass(PATIENCE);
                let mut inside = self.lock();
                let due = self.now() + Duration::from_secs(inside.chance.u64(1..20));
                inside.late.push(Late { due, call });
                Err(TransportError::Timeout)
            }
            Fate::Held(go) => {
                // where it is let go the process lives no more
                go.await.map_err(|_| refused())?;
                Ok(self.deliver(&call, true).await)
            }
        }
    }

    /// A call arrives. `stale`: it was long on its way, so that what the observer looked at before it may be history.
    pub async fn deliver(&self, call: &Call, stale: bool) -> reqwest::Response {
        let now = self.now();
        let router = {
            let mut inside = self.lock();
            if call.changes() {
                inside.arrives(call, stale, now);
            }
            inside.cluster.router.clone()
        };
        let request = http::Request::builder()
            .method(call.method.as_str())
            .uri(&call.path)
            .header("host", "127.0.0.1:8080")
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .extension(ConnectInfo(Cut::detached(ADDRESS)))
            .body(Body::from(call.body.clone()))
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 26)
            .await
            .unwrap();
        let mut inside = self.lock();
        if call.changes() {
            inside.arrived(call, stale, status, now);
            inside.arrivals.extend(call.carried_out(status, &bytes));
        }
        response(
            status,
            &[("content-type", "application/json".to_owned())],
            bytes.to_vec(),
        )
    }

    fn to_github(&self, request: &reqwest::Request) -> Result<reqwest::Response, TransportError> {
        let call = Call::read(request, None);
        if self.lock().has(Trouble::GithubSlow) {
            let seconds = self.lock().chance.u64(1..9);
            self.pass(Duration::from_secs(seconds));
        }
        let now = self.now();
        let mut inside = self.lock();
        if inside.has(Trouble::GithubAway) {
            return Err(refused());
        }
        for status in [401, 403, 429, 500] {
            if inside.has(Trouble::GithubRefuses(status)) {
                let body = json!({"message": format!("no, {status}")});
                let headers = if status == 429 {
                    vec![("retry-after", "30".to_owned())]
                } else {
                    Vec::new()
                };
                return Ok(response(status, &headers, body.to_string().into_bytes()));
            }
        }
        if inside.has(Trouble::GithubHides) {
            let body = json!({"message": "Not Found", "status": "404"});
            return Ok(response(404, &[], body.to_string().into_bytes()));
        }
        let heads = if inside.has(Trouble::GithubLags) {
            Heads::Lag
        } else if inside.has(Trouble::GithubErrs) {
            Heads::Err
        } else {
            Heads::Right
        };
        let etag = request
            .headers()
            .get("if-none-match")
            .and_then(|e| e.to_str().ok());
        let body = call.json();
        let asked = Asked {
            method: &call.method,
            path: &call.path,
            etag,
            body: &body,
        };
        let answer = inside.github.answer(&asked, heads, now);
        Ok(response(answer.status, &answer.headers, answer.body))
    }
}

fn refused() -> TransportError {
    TransportError::Connect("connection refused".to_owned())
}

fn response(status: u16, headers: &[(&str, String)], body: Vec<u8>) -> reqwest::Response {
    let mut answer = http::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, value);
    }
    answer.body(body).unwrap().into()
}

impl Inside {
    pub fn has(&self, trouble: Trouble) -> bool {
        self.trouble.contains_key(&trouble)
    }

    /// Trouble whose time is over ends.
    pub fn relieve(&mut self, now: Duration) {
        self.trouble.retain(|_, until| *until > now);
    }

    pub fn next_tick(&self) -> Duration {
        self.next_tick
    }

    /// Something was changed: what follows from it is a matter of seconds.
    pub fn moves(&mut self, now: Duration) {
        self.next_tick = self.next_tick.min(now + Duration::from_secs(1));
    }

    /// Marathon goes on.
    pub fn tick(&mut self, now: Duration) {
        let offers = !self.has(Trouble::NoOffers);
        let change = local_marathon::FaultChange {
            no_offers: Some(!offers),
            ..Default::default()
        };
        self.cluster.marathon.faults().apply(change);
        self.cluster.tick(now);
        self.judge_kills(false, now);
        let stride = if self.cluster.is_busy() { 1 } else { 10 };
        self.next_tick = now + Duration::from_secs(stride);
    }

    fn fate(&mut self, call: &Call, now: Duration) -> Fate {
        if self.has(Trouble::MarathonAway) {
            return Fate::Never(refused());
        }
        for status in [401, 403, 409, 422, 429, 503] {
            if self.has(Trouble::MarathonRefuses(status))
                && (call.changes() || matches!(status, 401 | 429 | 503))
            {
                return Fate::Refused(status, refusal(status));
            }
        }
        if !call.changes() {
            // a round that is no worker's waits for its answer
            if self.has(Trouble::QuestionsHeld) && call.app.is_some() {
                return self.hold(call, now, 3);
            }
            return Fate::Goes;
        }
        if self.has(Trouble::Full) {
            let message = "Max number (100) of running deployments is achieved. Wait for existing deployments to complete or cancel one";
            return Fate::Refused(403, json!({"message": message}));
        }
        if self.has(Trouble::CallsLost) {
            let error = TransportError::Broken("connection reset by peer".to_owned());
            return Fate::Never(error);
        }
        if self.has(Trouble::RepliesLost) {
            return Fate::AnswerLost;
        }
        if self.has(Trouble::CallsLate) {
            return Fate::Late;
        }
        if self.has(Trouble::CallsHeld) {
            return self.hold(call, now, 25);
        }
        Fate::Goes
    }

    /// The present step waits for a call that is held, or for several.
    pub fn holds_a_call(&self) -> bool {
        self.held.iter().any(|h| h.app == self.acting)
    }

    fn hold(&mut self, call: &Call, now: Duration, seconds: u64) -> Fate {
        let (go, gone) = oneshot::channel();
        let due = now + Duration::from_secs(self.chance.u64(1..seconds));
        let app = call.app.clone();
        self.held.push(Held { due, app, go });
        Fate::Held(gone)
    }

    /// Lets a held call go whose time has come; answers for which app it was made.
    pub fn release(&mut self, now: Duration) -> Option<String> {
        let due = self.held.iter().position(|h| h.due <= now)?;
        let held = self.held.remove(due);
        // the step may be gone with its process
        let _ = held.go.send(());
        Some(held.app.unwrap_or_default())
    }

    /// Nobody but the observer may change Marathon now: a look of its may be followed by its call.
    pub fn is_between(&self) -> bool {
        !self.held.is_empty() || !self.late.is_empty()
    }

    /// A change of ours is about to be made: is it ours to make?
    fn arrives(&mut self, call: &Call, stale: bool, now: Duration) {
        for id in call.services() {
            let Some(seen) = self.cluster.seen(&id) else {
                continue;
            };
            // who came and went while we looked slowly cannot be seen
            let owner = seen.label.as_ref();
            let gone = owner.is_some_and(|l| self.destroyed.contains(l));
            let unseen = gone && now < self.blurred_until;
            if seen.label != call.app && !self.adopted.contains(&id) && !stale && !unseen {
                let whose = seen
                    .label
                    .map_or("nobody's".to_owned(), |l| format!("{l}'s"));
                let app = call.app.as_deref().unwrap_or("nobody");
                self.find(
                    Check::NotOurs,
                    now,
                    format!(
                        "{} {} for {app} changes {id}, which is {whose}",
                        call.method, call.path
                    ),
                );
            }
        }
        let path = call.path.split('?').next().unwrap_or_default();
        let mut touched = call.services();
        if let Some(deployment) = path.strip_prefix("/v2/deployments/") {
            touched = self.cluster.held_by(deployment);
        }
        for id in touched {
            let hand = if stale { Hand::Others } else { Hand::Ours };
            let before = self.cluster.hands.entry(id).or_insert(hand);
            if *before != Hand::Forced {
                *before = hand;
            }
        }
    }

    fn arrived(&mut self, call: &Call, stale: bool, status: u16, now: Duration) {
        self.cluster.pump(now);
        self.judge_kills(true, now);
        self.moves(now);
        if stale {
            self.came_late.extend(call.services());
        }
        let late = if stale { " (after a while)" } else { "" };
        self.calls
            .push(format!("{} {} -> {status}{late}", call.method, call.path));
    }

    /// Healthy tasks that Marathon killed through our doing: at our call, or because no deployment holds what we left.
    fn judge_kills(&mut self, by_call: bool, now: Duration) {
        let kills = std::mem::take(&mut self.cluster.kills);
        for kill in kills {
            let doomed = self.doomed.get(&kill.service);
            let stays = doomed.is_none_or(|from| now < *from);
            let seen = now >= self.blurred_until;
            let ours = stays && seen && kill.hand == Hand::Ours && (by_call || kill.free);
            if ours && kill.left < kill.wanted {
                let how = if by_call { "our call" } else { "what we left" };
                let sentence = format!(
                    "{how} killed a healthy task of {}: {} healthy are left, {} is the least",
                    kill.service, kill.left, kill.wanted
                );
                self.findings.push(Finding {
                    check: Check::HealthyLost,
                    sentence,
                });
            }
        }
    }

    pub fn find(&mut self, check: Check, _now: Duration, sentence: String) {
        self.findings.push(Finding { check, sentence });
    }
}

fn refusal(status: u16) -> Value {
    match status {
        409 => {
            json!({"message": "App is locked by one or more deployments.", "deployments": [{"id": "00000000-0000-4000-8000-000000000000"}]})
        }
        422 => {
            json!({"message": "Object is not valid", "details": [{"path": "/id", "errors": ["no"]}]})
        }
        _ => json!({"message": format!("no, {status}")}),
    }
}

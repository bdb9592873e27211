//! What stands between a client and Marathon in the field: basic authentication, a cluster of DC/OS that wants a login, a
//! Marathon that does not lead. And a trap, which only remembers who came by.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const SERVICE: &str = "/service/marathon";
const LOGIN: &str = "/acs/api/v1/auth/login";

enum Kind {
    Basic {
        authorization: String,
    },
    Dcos {
        user: String,
        password: String,
        /// The master behind `/agent/<id>/…`.
        mesos: Option<String>,
    },
    Standby {
        to: String,
    },
    Silent {
        about: Mutex<Option<String>>,
    },
    Cluster,
    Troubled {
        next: Mutex<Vec<(String, Trouble)>>,
    },
}

/// What becomes of one request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody is behind the gate: 502, and a page of the gate's own.
    Away,
    /// It is carried out, and its answer is lost: 502 too.
    Lost,
    /// Of an app no task is listed, as for a moment when Marathon begins anew.
    Unlisted,
}

struct Inner {
    kind: Kind,
    /// Without a slash at the end.
    upstream: String,
    /// `host:port` of the gate.
    own: String,
    /// Whether the gate is the leader to those who ask it.
    leads: bool,
    tokens: Mutex<BTreeSet<String>>,
    /// Whether the tokens that are given out are not taken.
    forgets: AtomicBool,
    asked: Mutex<Vec<String>>,
    logins: AtomicUsize,
    refused: AtomicUsize,
    http: reqwest::Client,
}

/// A server in front of a Marathon; it ends with this handle.
pub struct Gate {
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Gate {
    /// `--http_credentials`: nothing goes on without user and password.
    pub fn basic(upstream: &str, user: &str, password: &str) -> Self {
        Self::start(Kind::basic(user, password), upstream, false)
    }

    /// The same, and it is itself what `/v2/leader` names.
    pub fn leader(upstream: &str, user: &str, password: &str) -> Self {
        Self::start(Kind::basic(user, password), upstream, true)
    }

    /// DC/OS: Marathon is below `/service/marathon` and wants one of the tokens that the login gave out.
    pub fn dcos(upstream: &str, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        let mesos = None;
        let kind = Kind::Dcos {
            user,
            password,
            mesos,
        };
        Self::start(kind, upstream, false)
    }

    /// The same, and the agents of this Mesos are there too, for who has a token: below `/agent`, as Marathon then says of its Mesos.
    pub fn dcos_with_agents(upstream: &str, mesos: &str, user: &str, password: &str) -> Self {
        let kind = Kind::Dcos {
            user: user.to_owned(),
            password: password.to_owned(),
            mesos: Some(mesos.to_owned()),
        };
        Self::start(kind, upstream, false)
    }

    /// A Marathon that does not lead: everything goes on to the leader, but the event stream is redirected there.
    pub fn standby(upstream: &str) -> Self {
        Self::redirecting(upstream, upstream)
    }

    /// The same, but the event stream is redirected to `to`, whoever leads.
    pub fn redirecting(upstream: &str, to: &str) -> Self {
        Self::start(Kind::Standby { to: to.to_owned() }, upstream, false)
    }

    /// Everything goes on, until it is to be [`silent_about`](Self::silent_about) something.
    pub fn talking(upstream: &str) -> Self {
        let about = Mutex::default();
        Self::start(Kind::Silent { about }, upstream, false)
    }

    /// Everything goes on, until there is to be [`trouble`](Self::trouble).
    pub fn troubled(upstream: &str) -> Self {
        let next = Mutex::default();
        Self::start(Kind::Troubled { next }, upstream, false)
    }

    /// The next so many requests whose method and path have this in them come to this.
    pub fn trouble(&self, word: &str, trouble: Trouble, times: usize) {
        if let Kind::Troubled { next } = &self.inner.kind {
            let more = std::iter::repeat_n((word.to_owned(), trouble), times);
            next.lock().unwrap().extend(more);
        }
    }

    /// How much of that is still to come.
    pub fn troubles(&self) -> usize {
        match &self.inner.kind {
            Kind::Troubled { next } => next.lock().unwrap().len(),
            _ => 0,
        }
    }

    /// It does not say that it is a local one.
    pub fn cluster(upstream: &str) -> Self {
        Self::start(Kind::Cluster, upstream, false)
    }

    /// Paths with this word in them are never answered any more.
    pub fn silent_about(&self, word: &str) {
        if let Kind::Silent { about } = &self.inner.kind {
            *about.lock().unwrap() = Some(word.to_owned());
        }
    }

    fn start(kind: Kind, upstream: &str, leads: bool) -> Self {
        let (listener, own) = bound();
        let inner = Arc::new(Inner {
            kind,
            upstream: upstream.trim_end_matches('/').to_owned(),
            own,
            leads,
            tokens: Mutex::default(),
            forgets: AtomicBool::new(false),
            asked: Mutex::default(),
            logins: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        });
        let shared = inner.clone();
        let router = Router::new().fallback(move |request: Request| {
            let inner = shared.clone();
            async move { inner.answer(request).await }
        });
        Self {
            inner,
            server: serve(listener, router),
        }
    }

    /// The base to give to a client.
    pub fn url(&self) -> String {
        match self.inner.kind {
            Kind::Dcos { .. } => format!("http://{}{SERVICE}", self.inner.own),
            _ => format!("http://{}", self.inner.own),
        }
    }

    /// No token that was given out is taken any more.
    pub fn expire(&self) {
        self.inner.tokens().clear();
    }

    /// From now on logins succeed, but their tokens are not taken.
    pub fn forget(&self) {
        self.inner.forgets.store(true, Ordering::SeqCst);
    }

    /// How often this path was asked for, by whomever.
    pub fn asked(&self, path: &str) -> usize {
        let asked = self.inner.asked.lock().unwrap();
        asked.iter().filter(|a| *a == path).count()
    }

    /// How often somebody wanted to log in.
    pub fn logins(&self) -> usize {
        self.inner.logins.load(Ordering::SeqCst)
    }

    /// How many requests were answered with 401, logins apart.
    pub fn refused(&self) -> usize {
        self.inner.refused.load(Ordering::SeqCst)
    }

    /// The tokens that are taken.
    pub fn tokens(&self) -> Vec<String> {
        self.inner.tokens().iter().cloned().collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Kind {
    fn basic(user: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let authorization = format!("Basic {pair}");
        Self::Basic { authorization }
    }
}

impl Inner {
    fn tokens(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.tokens.lock().unwrap()
    }

    async fn answer(&self, request: Request) -> Response {
        let target = request.uri().path_and_query().unwrap().as_str().to_owned();
        self.asked.lock().unwrap().push(target.clone());
        let shown = request.headers().get(header::AUTHORIZATION);
        let shown = shown.and_then(|v| v.to_str().ok()).unwrap_or_default();
        match &self.kind {
            Kind::Basic { authorization } if shown != authorization => {
                self.refuse("Basic realm=\"Mesosphere\"")
            }
            Kind::Basic { .. } if self.leads && target == "/v2/leader" => {
                Json(json!({ "leader": self.own })).into_response()
            }
            Kind::Standby { to } if target.starts_with("/v2/events") => {
                let there = format!("{to}{target}");
                (StatusCode::FOUND, [(header::LOCATION, there)]).into_response()
            }
            Kind::Silent { about } => {
                let word = about.lock().unwrap().clone();
                if word.is_some_and(|word| target.contains(&word)) {
                    return std::future::pending().await;
                }
                self.forward(&target, request).await
            }
            Kind::Troubled { next } => {
                let of = format!("{} {target}", request.method());
                let trouble = taken(&mut next.lock().unwrap(), &of);
                self.amid(trouble, &target, request).await
            }
            Kind::Cluster if target.starts_with("/local/") => StatusCode::NOT_FOUND.into_response(),
            Kind::Basic { .. } | Kind::Standby { .. } | Kind::Cluster => {
                self.forward(&target, request).await
            }
            Kind::Dcos { .. } if target == LOGIN => self.login(request).await,
            Kind::Dcos { .. } => {
                let token = shown.strip_prefix("token=").unwrap_or_default();
                if !self.tokens().contains(token) {
                    return self.refuse("oauthjwt");
                }
                self.routed(&target, request).await
            }
        }
    }

    async fn amid(&self, trouble: Option<Trouble>, target: &str, request: Request) -> Response {
        let page = (StatusCode::BAD_GATEWAY, Html("<h1>502 Bad Gateway</h1>"));
        match trouble {
            None => self.forward(target, request).await,
            Some(Trouble::Away) => page.into_response(),
            Some(Trouble::Lost) => {
                let answer = self.forward(target, request).await;
                assert!(answer.status().is_success(), "{}", answer.status());
                whole(answer.into_body()).await;
                page.into_response()
            }
            Some(Trouble::Unlisted) => {
                let answer = self.forward(target, request).await;
                let body = whole(answer.into_body()).await;
                let mut app: Value = serde_json::from_slice(&body).unwrap();
                for service in app["services"].as_array_mut().unwrap() {
                    service["tasks"] = json!([]);
                }
                Json(app).into_response()
            }
        }
    }

    /// As the admin router of DC/OS hands requests on.
    async fn routed(&self, target: &str, request: Request) -> Response {
        let Kind::Dcos {
            mesos: Some(mesos), ..
        } = &self.kind
        else {
            return match target.strip_prefix(SERVICE) {
                Some(path) => self.forward(path, request).await,
                None => StatusCode::NOT_FOUND.into_response(),
            };
        };
        match target.strip_prefix(SERVICE) {
            // there it is relative to the cluster
            Some("/v2/info") => {
                let info = self.http.get(format!("{}/v2/info", self.upstream));
                let mut info: Value = info.send().await.unwrap().json().await.unwrap();
                info["marathon_config"]["mesos_leader_ui_url"] = json!("/mesos");
                Json(info).into_response()
            }
            Some(path) => self.forward(path, request).await,
            None => {
                let agent = self.http.get(format!("{mesos}{target}"));
                let answer = agent.send().await.unwrap();
                (answer.status(), answer.bytes().await.unwrap()).into_response()
            }
        }
    }

    fn refuse(&self, scheme: &str) -> Response {
        self.refused.fetch_add(1, Ordering::SeqCst);
        let challenge = [(header::WWW_AUTHENTICATE, scheme.to_owned())];
        (StatusCode::UNAUTHORIZED, challenge, "Unauthorized").into_response()
    }

    async fn login(&self, request: Request) -> Response {
        let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
        let Kind::Dcos { user, password, .. } = &self.kind else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let body = whole(request.into_body()).await;
        let given: Value = serde_json::from_slice(&body).unwrap_or_default();
        if given != json!({"uid": user, "password": password}) {
            // an unkind server: it says again what it was told
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
        let token = format!("sentinel.jwt-{number}.{}", self.own);
        if !self.forgets.load(Ordering::SeqCst) {
            self.tokens().insert(token.clone());
        }
        Json(json!({ "token": token })).into_response()
    }

    /// Both bodies flow on as they come. `Host` is set by the client that asks on.
    async fn forward(&self, target: &str, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let mut onward = self
            .http
            .request(head.method, format!("{}{target}", self.upstream))
            .headers(end_to_end(&head.headers));
        if head.headers.contains_key(header::CONTENT_LENGTH)
            || head.headers.contains_key(header::TRANSFER_ENCODING)
        {
            onward = onward.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        match onward.send().await {
            Ok(answer) => {
                let (status, headers) = (answer.status(), end_to_end(answer.headers()));
                (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
            }
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
}

/// The first trouble that is meant for a request.
fn taken(next: &mut Vec<(String, Trouble)>, request: &str) -> Option<Trouble> {
    let at = next.iter().position(|(word, _)| request.contains(word))?;
    Some(next.remove(at).1)
}

/// The headers that are not of one connection alone.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING] {
        kept.remove(name);
    }
    kept
}

/// A request that fell into a trap.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A server that has nothing and remembers everything; it ends with this handle.
pub struct Trap {
    seen: Arc<Mutex<Vec<Seen>>>,
    own: String,
    server: JoinHandle<()>,
}

impl Trap {
    pub fn new() -> Self {
        Self::answering(|_, _| None)
    }

    /// Answers with what `answer` has for a path (with its query) and the `host:port` of the trap; 404 where it has
    /// nothing. A text is sent as HTML.
    pub fn answering(
        answer: impl Fn(&str, &str) -> Option<Value> + Clone + Send + Sync + 'static,
    ) -> Self {
        let (listener, own) = bound();
        let here = own.clone();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = seen.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (kept, answer, here) = (kept.clone(), answer.clone(), here.clone());
            async move {
                let (head, body) = request.into_parts();
                let seen = Seen {
                    method: head.method.to_string(),
                    // a tunnel is asked for by host and port alone
                    path: head
                        .uri
                        .path_and_query()
                        .map_or_else(|| head.uri.to_string(), ToString::to_string),
                    headers: head.headers,
                    body: whole(body).await,
                };
                let answer = answer(&seen.path, &here);
                kept.lock().unwrap().push(seen);
                let nothing = json!({"message": "there is nothing here"});
                match answer {
                    Some(Value::String(page)) => Html(page).into_response(),
                    Some(value) => Json(value).into_response(),
                    None => (StatusCode::NOT_FOUND, Json(nothing)).into_response(),
                }
            }
        });
        Self {
            seen,
            own,
            server: serve(listener, router),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.own)
    }

    /// What came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn whole(body: Body) -> Bytes {
    axum::body::to_bytes(body, 32 * 1024 * 1024).await.unwrap()
}

fn bound() -> (std::net::TcpListener, String) {
    // reqwest has no provider of its own
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let own = listener.local_addr().unwrap().to_string();
    (listener, own)
}

fn serve(listener: std::net::TcpListener, router: Router) -> JoinHandle<()> {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

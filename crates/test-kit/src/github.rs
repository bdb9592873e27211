//! A local GitHub on any port, and a receiver that records what its hooks are told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::any};
use local_github::{LocalGithub, Options, Pace, Token};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::git::git;
use crate::http::client;

pub const TOKEN: &str = "local-token";
pub const SECRET: &str = "hook-secret";

/// A local GitHub with the repository `acme/shop`.
pub struct Bench {
    pub github: LocalGithub,
    pub dir: tempfile::TempDir,
    pub http: reqwest::Client,
    pub id: u64,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

pub async fn open(dir: &Path, pace: Pace) -> LocalGithub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token = |value: &str, login: &str, scopes: &str| Token {
        value: value.into(),
        login: login.into(),
        scopes: scopes.into(),
    };
    let tokens = vec![
        token(TOKEN, "ana", "repo, admin:repo_hook"),
        token("weak", "bob", "repo:status"),
    ];
    let dir = dir.join("github");
    LocalGithub::start(listener, Options { dir, tokens, pace })
        .await
        .unwrap()
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Pace::default()).await
    }

    pub async fn with(pace: Pace) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let github = open(dir.path(), pace).await;
        let id = github
            .create_repository("acme", "shop", "main")
            .await
            .unwrap();
        Self {
            github,
            dir,
            http: client(),
            id,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.github.url()))
    }

    /// A REST call with the token; `path` is below the repository unless it begins with a slash.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/repos/acme/shop/{path}")
        };
        let mut request = self.request(method, &path).bearer_auth(TOKEN);
        if !body.is_null() {
            request = request.json(&body);
        }
        reply(request).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, Value::Null).await
    }

    /// Registers a JSON hook with [`SECRET`] for pushes, and waits for its ping.
    pub async fn hook(&self, receiver: &Receiver) -> u64 {
        let config = json!({"url": receiver.url, "content_type": "json", "secret": SECRET});
        let made = self
            .call(Method::POST, "hooks", json!({"config": config}))
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        self.github.settle().await;
        receiver.take();
        made.json()["id"].as_u64().unwrap()
    }

    pub async fn deliveries(&self, hook: u64) -> Vec<Value> {
        let list = self.get(&format!("hooks/{hook}/deliveries")).await.json();
        list.as_array().unwrap().clone()
    }

    /// An empty clone on branch `main` that pushes here.
    pub fn clone(&self) -> Clone {
        let path = self.dir.path().join("clone");
        let clone = Clone { path: path.clone() };
        let url = format!("{}/acme/shop.git", self.github.url());
        git(
            self.dir.path(),
            &["clone", "--quiet", &url, path.to_str().unwrap()],
        );
        clone.git(&["checkout", "--quiet", "-B", "main"]);
        clone
    }
}

pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

/// A working tree.
pub struct Clone {
    pub path: PathBuf,
}

impl Clone {
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.path, arguments)
    }

    /// Commits one file; gives the commit's id.
    pub fn commit(&self, file: &str, content: &str) -> String {
        let path = self.path.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "--quiet", "-m", &format!("change {file}")]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn push(&self) {
        self.git(&["push", "--quiet", "origin", "HEAD"]);
    }
}

/// One request of a hook.
#[derive(Debug, Clone)]
pub struct Heard {
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether the signature is the one of `secret`, computed by openssl's rules and not by the server's code.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&self.body);
        let sent = self.header("x-hub-signature-256").strip_prefix("sha256=");
        sent == Some(hex::encode(mac.finalize().into_bytes()).as_str())
    }
}

/// Somebody whom hooks call.
pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

#[derive(Clone)]
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    status: StatusCode,
    silent: bool,
}

impl Receiver {
    pub async fn new() -> Self {
        Self::answering(StatusCode::ACCEPTED, false).await
    }

    /// One that answers this, or keeps silent for ever.
    pub async fn answering(status: StatusCode, silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dploy", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let ear = Ear {
            heard: Arc::clone(&heard),
            status,
            silent,
        };
        let app = Router::new()
            .fallback(any(listen))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(ear);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, heard }
    }

    /// What was heard since the last look.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

async fn listen(
    State(ear): State<Ear>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let headers = headers
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
        .collect();
    ear.heard.lock().unwrap().push(Heard { headers, body });
    if ear.silent {
        std::future::pending::<()>().await;
    }
    (ear.status, "Queued as <deploy> #1")
}

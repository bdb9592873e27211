//! Webhooks that are acknowledged after the commit to disk, beside a route that checks the signature and stores nothing, and beside
//! the disk itself.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;

use super::data_folder::{OBSERVER, lock, tell};
use super::fleet;
use super::process::{Program, client};
use super::say;

/// So long each is measured.
const TIME: Duration = Duration::from_secs(8);

/// Apps that are pushed to, where it is more than one.
const APPS: usize = 64;

/// Sends pushes over so many connections for a while; answers how many were acknowledged.
async fn send(url: &str, secrets: &Arc<Vec<String>>, connections: usize, apps: usize) -> f64 {
    static VERSION: AtomicU32 = AtomicU32::new(100);
    let until = Instant::now() + TIME;
    let began = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for connection in 0..connections {
        let (url, secrets) = (url.to_owned(), secrets.clone());
        all.spawn(async move {
            let http = client();
            let mut count = 0_usize;
            while Instant::now() < until {
                let n = connection % apps;
                let version = VERSION.fetch_add(1, Ordering::Relaxed);
                let (body, signature) = push(n, version, &secrets[n]);
                let answer = http
                    .post(&url)
                    .header("content-type", "application/json")
                    .header("x-github-event", "push")
                    .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
                    .header("x-github-hook-installation-target-id", fleet::repository(n))
                    .header("x-hub-signature-256", signature)
                    .body(body)
                    .send()
                    .await
                    .expect("an answer");
                assert!(answer.status().is_success(), "{}", answer.status());
                let _ = answer.bytes().await;
                count += 1;
            }
            count
        });
    }
    let mut total = 0;
    while let Some(count) = all.join_next().await {
        total += count.expect("it sends");
    }
    say::rate(total, began.elapsed())
}

/// A push as large as GitHub's are, signed.
fn push(n: usize, version: u32, secret: &str) -> (String, String) {
    let commit = fleet::commit(n, version);
    let files: Vec<String> = (0..120)
        .map(|f| format!("src/module_{f:03}/a_file_that_was_changed.rs"))
        .collect();
    let body = json!({
        "ref": "refs/heads/main", "before": fleet::commit(n, version - 1), "after": commit, "deleted": false, "forced": false,
        "repository": {"id": fleet::repository(n), "full_name": format!("acme/{}", fleet::app(n))},
        "head_commit": {"id": commit, "message": "a change", "author": {"name": "Ana"}, "modified": files},
        "pusher": {"name": "ana"}, "sender": {"login": "ana"},
    })
    .to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    (body, signature)
}

/// A server that checks the same signature and stores nothing.
async fn yardstick(secret: String) -> String {
    let route = move |headers: HeaderMap, body: Bytes| async move {
        let shown = headers
            .get("x-hub-signature-256")
            .and_then(|s| s.to_str().ok());
        let shown = shown
            .and_then(|s| s.strip_prefix("sha256="))
            .and_then(|s| hex::decode(s).ok());
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(&body);
        let good = shown.is_some_and(|s| mac.verify_slice(&s).is_ok());
        let known = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
        if good && known {
            axum::http::StatusCode::ACCEPTED
        } else {
            axum::http::StatusCode::UNAUTHORIZED
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://{}/dploy",
        listener.local_addr().expect("an address")
    );
    let router = Router::new().route("/dploy", post(route));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// How often a second the disk takes 4 KiB at the end of a file and says that it has them.
fn disk(folder: &Path) -> f64 {
    let mut file = std::fs::File::create(folder.join("appended")).expect("a file");
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < TIME / 2 {
        file.write_all(&[7; 4096]).expect("it is written");
        file.sync_data().expect("it is synced");
        count += 1;
    }
    say::rate(count, began.elapsed())
}

/// Debian's `webhook`, which runs a command for each push and stores nothing, where it is installed.
async fn webhook(folder: &Path, secrets: &Arc<Vec<String>>) -> Option<f64> {
    let hooks = json!([{"id": "dploy", "execute-command": "/bin/true", "trigger-rule": {"match": {
        "type": "payload-hmac-sha256", "secret": secrets[0], "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}}}]);
    let file = folder.join("hooks.json");
    std::fs::write(&file, hooks.to_string()).expect("a file");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .ok()?
        .port();
    let mut child = std::process::Command::new("webhook")
        .arg("-hooks")
        .arg(&file)
        .args(["-ip", "127.0.0.1", "-port", &port.to_string()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = send(
        &format!("http://127.0.0.1:{port}/hooks/dploy"),
        secrets,
        64,
        1,
    )
    .await;
    let _ = child.kill();
    let _ = child.wait();
    Some(rate)
}

pub async fn run() {
    // on the disk that data folders are on, not in memory
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let data = folder.path().join("data");
    let store = fleet::opened(&data).await;
    fleet::settled(&store, APPS, 1).await;
    let mut secrets = Vec::new();
    for n in 0..APPS {
        // held by a lock: what is measured is the acknowledgement, not the deploy behind it
        let _ = tell(&store, &fleet::app(n), OBSERVER, lock("measured")).await;
        let secret = store
            .make_hook_secret(fleet::repository(n))
            .await
            .expect("a secret");
        secrets.push(secret.expose().to_owned());
    }
    store.close().await;
    let secrets = Arc::new(secrets);
    let program = Program::start(&data, &["--poll=86400".to_owned()]).await;
    let url = format!("{}/dploy", program.url);
    let without = yardstick(secrets[0].clone()).await;
    let nothing = send(&without, &secrets, 64, 1).await;
    say::line(
        "a route that stores nothing, 64 connections",
        &format!("{nothing:.0}/s"),
        "the yardstick",
    );
    for (apps, goal) in [(1, "≥ 0.2"), (APPS, "≥ 0.2")] {
        let rate = send(&url, &secrets, 64, apps).await;
        let what = format!(
            "acknowledged, 64 connections, {apps} app{}",
            if apps == 1 { "" } else { "s" }
        );
        say::line(
            &what,
            &format!("{rate:.0}/s"),
            &format!("{:.2} of it ({goal})", rate / nothing),
        );
        if apps == 1
            && let Some(other) = webhook(folder.path(), &secrets).await
        {
            say::line(
                "webhook of Debian, which stores nothing",
                &format!("{other:.0}/s"),
                &format!("ours is {:.2} of it (≥ 3)", rate / other),
            );
        }
    }
    let synced = disk(folder.path());
    say::line(
        "the disk: 4 KiB appended and synced",
        &format!("{synced:.0}/s"),
        "the yardstick",
    );
    let one = send(&url, &secrets, 1, 1).await;
    say::line(
        "acknowledged, 1 connection",
        &format!("{one:.0}/s"),
        &format!("{:.2} of it (≥ 0.4)", one / synced),
    );
    let (now, most) = program.memory();
    say::line(
        "memory of the observer",
        &format!("{now:.0} MiB"),
        &format!("at most {most:.0} MiB"),
    );
}

//! Who opens connections and says little: it costs nobody else an answer.

use std::net::SocketAddr;

use serde_json::json;
use test_kit::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::town::{Town, service};

/// A connection from an address of this machine, that has said this.
async fn says(town: &Town, from: &str, text: &str) -> TcpStream {
    let to: SocketAddr = town
        .url()
        .rsplit('/')
        .next()
        .unwrap()
        .replace("localhost", "127.0.0.1")
        .parse()
        .unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let _ = stream.write_all(text.as_bytes()).await;
    stream
}

/// What is answered until the connection ends.
async fn end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = test_kit::wait::ended(stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the observer ends it");
    String::from_utf8_lossy(&answer).into_owned()
}

const ASKS: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_half_a_head_is_sent_away_and_pushes_go_on() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town =
        Town::with_settings(&specs, &["--head-timeout=1", "--connections-of-peer=300"]).await;
    let mut waiting = Vec::new();
    for n in 0..200 {
        let half = format!("{ASKS}X-Number: {n}");
        waiting.push(says(&town, "127.0.0.1", if n % 2 == 0 { "" } else { &half }).await);
    }
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("meanwhile");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    for stream in waiting {
        let answer = end(stream).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_others_have_theirs() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::with_settings(&specs, &["--connections-of-peer=6"]).await;
    let whole = format!("{ASKS}Connection: close\r\n\r\n");
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(says(&town, "127.0.0.77", "").await);
    }
    until("all of them are there", async || {
        match end(says(&town, "127.0.0.77", &whole).await).await.as_str() {
            "" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    let other = end(says(&town, "127.0.0.78", &whole).await).await;
    assert!(other.contains("200 OK"), "{other}");
    // a place is free again when its connection has ended
    silent.pop();
    until("there is a place", async || {
        match end(says(&town, "127.0.0.77", &whole).await).await {
            answer if answer.contains("200 OK") => Ok(()),
            other => Err(other),
        }
    })
    .await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_never_reads_the_answer_gives_the_place_back() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let settings = [
        "--connections-of-peer=1",
        "--answer-timeout=1",
        "--requests-of-peer=0",
    ];
    let town = Town::with_settings(&specs, &settings).await;
    // more than the system keeps for a reader
    let page = "GET /static/app.css HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let asks = tokio::spawn({
        let mut stream = says(&town, "127.0.0.77", "").await;
        async move {
            let written = stream.write_all(page.as_bytes()).await;
            // nothing of it is read
            std::future::pending::<()>().await;
            drop((stream, written));
        }
    });
    let whole = format!("{ASKS}Connection: close\r\n\r\n");
    until("its place is taken", async || {
        match end(says(&town, "127.0.0.77", &whole).await).await.as_str() {
            "" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    until("its place is free", async || {
        match end(says(&town, "127.0.0.77", &whole).await).await {
            answer if answer.contains("200 OK") => Ok(()),
            other => Err(other),
        }
    })
    .await;
    asks.abort();
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_that_drip_do_not_hold_up_a_push() {
    let specs = [("web", service("/shop/web", 1, ""))];
    // nobody finds the push but the webhook
    let town = Town::with_settings(&specs, &["--poll=3600"]).await;
    let hook = town.get("/apps/shop/hook.json").await["id"].to_string();
    let id = town.get("/events.json?kind=app_registered").await;
    let repository = id["events"][0]["payload"]["source"]["repository_id"].to_string();
    let form = "a".repeat(64);
    let head = format!(
        "POST /dploy HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\nContent-Type: application/json\r\n\
         X-GitHub-Hook-Id: {hook}\r\nX-GitHub-Hook-Installation-Target-Type: repository\r\n\
         X-GitHub-Hook-Installation-Target-Id: {repository}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: x\r\n\
         X-Hub-Signature-256: sha256={form}\r\n\r\n{{"
    );
    let mut dripping = Vec::new();
    for _ in 0..16 {
        dripping.push(says(&town, "127.0.0.1", &head).await);
    }
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("meanwhile");
    let deploy = town.ended(2).await;
    assert_eq!(
        (&deploy["state"], &deploy["commit"]),
        (&json!("succeeded"), &json!(commit))
    );
    let pushes = town.get("/events.json?kind=push_received").await;
    assert_eq!(pushes["events"][0]["payload"]["via"], "webhook", "{pushes}");
    drop(dripping);
    town.end().await;
}

//! Webhook bodies that are signed and still wrong: the right status, words for a person, and nothing deployed.

use dploy_observer::secret::Secret;
use dploy_observer::signature::sign;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::town::{Town, service};

/// A delivery of GitHub, signed with the secret of the town's repository unless a header says otherwise.
struct Delivery<'a> {
    town: &'a Town,
    secret: Secret,
    number: u32,
}

impl Delivery<'_> {
    async fn of(town: &Town) -> Delivery<'_> {
        let store = &town.observer.as_ref().unwrap().store;
        let secret = store.hook_secrets(town.repository).await.unwrap()[0].clone();
        Delivery {
            town,
            secret,
            number: 0,
        }
    }

    /// Sends a body with these headers in place of the usual ones; an empty value leaves the header out.
    async fn send(&mut self, body: &[u8], headers: &[(&str, &str)]) -> (u16, String) {
        self.number += 1;
        let mut all = vec![
            ("content-type", "application/json".to_owned()),
            ("x-github-event", "push".to_owned()),
            ("x-github-delivery", format!("bad-{}", self.number)),
            ("x-hub-signature-256", sign(&self.secret, body)),
            (
                "x-github-hook-installation-target-id",
                self.town.repository.to_string(),
            ),
        ];
        all.retain(|(name, _)| headers.iter().all(|(other, _)| other != name));
        let changed = headers.iter().filter(|(_, value)| !value.is_empty());
        all.extend(changed.map(|(name, value)| (*name, (*value).to_owned())));
        let mut request = self.town.http.post(format!("{}/dploy", self.town.url()));
        for (name, value) in all {
            request = request.header(name, value);
        }
        let answer = request.body(body.to_vec()).send().await.unwrap();
        (
            answer.status().as_u16(),
            words(&answer.text().await.unwrap()),
        )
    }

    async fn says(&mut self, body: &[u8], headers: &[(&str, &str)], status: u16, text: &str) {
        let (got, said) = self.send(body, headers).await;
        assert_eq!(
            got,
            status,
            "{said}: {}",
            String::from_utf8_lossy(&body[..body.len().min(200)])
        );
        assert!(said.contains(text), "{text:?} is not in {said:?}");
    }
}

/// What a person reads: the sentence of a problem, or the plain text.
fn words(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(problem) => {
            let of = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", of("detail"), of("hint"))
        }
        Err(_) => text.trim().to_owned(),
    }
}

fn push(town: &Town) -> Value {
    json!({
        "ref": "refs/heads/dcos", "before": "0".repeat(40), "after": "ab".repeat(20),
        "repository": {"id": town.repository, "full_name": "acme/shop"},
        "pusher": {"name": "ana"}, "sender": {"login": "ana"},
    })
}

fn with(mut push: Value, field: &str, value: Value) -> Vec<u8> {
    push[field] = value;
    push.to_string().into_bytes()
}

async fn town() -> Town {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.event_until("hook_pinged").await;
    town
}

/// Nothing was queued, and the observer is alive.
async fn nothing_happened(town: &Town, before: usize) {
    let events = town.events().await;
    assert!(
        events[before..]
            .iter()
            .all(|e| e["kind"] == "request_refused"),
        "{:?}",
        &events[before..]
    );
    assert_eq!(town.app().await["deploys"].as_array().unwrap().len(), 1);
    assert_eq!(town.version("/shop/web").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_body_that_cannot_be_read_is_refused_with_what_is_wrong() {
    let town = town().await;
    let before = town.events().await.len();
    let mut hook = Delivery::of(&town).await;
    let good = push(&town);
    let text = good.to_string();
    let deep = "[".repeat(100_000);
    let bodies: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "EOF"),
        (b"hello".to_vec(), "cannot be read"),
        (b"null".to_vec(), "cannot be read"),
        (b"[]".to_vec(), "cannot be read"),
        (deep.into_bytes(), "cannot be read"),
        (vec![0xff, 0xfe, 0x00], "cannot be read"),
        (
            text.as_bytes()[..text.len() / 2].to_vec(),
            "EOF while parsing",
        ),
        (
            text.replace("\"ref\"", "\"reference\"").into_bytes(),
            "missing field `ref`",
        ),
        (
            with(good.clone(), "ref", json!(7)),
            "invalid type: integer `7`",
        ),
        (with(good.clone(), "after", json!(null)), "invalid type"),
        (
            with(good.clone(), "after", json!("main; rm -rf /")),
            "after:",
        ),
        (with(good.clone(), "after", json!("")), "after:"),
        (with(good.clone(), "after", json!("ABCDEF")), "after:"),
        (with(good.clone(), "repository", json!(null)), "repository"),
        (with(good.clone(), "repository", json!({})), "id"),
        (with(good.clone(), "repository", json!({"id": -1})), "-1"),
        (
            with(good.clone(), "repository", json!({"id": 999_999})),
            "999999",
        ),
    ];
    for (body, text) in bodies {
        hook.says(&body, &[], 400, text).await;
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    hook.says(b"action=push", &form, 400, "no payload").await;
    hook.says(b"payload=%7B%22", &form, 400, "cannot be read")
        .await;
    hook.says(b"payload=\xff", &form, 400, "UTF-8").await;
    for (other, named) in [
        ("text/xml", "text/xml"),
        ("", "application/json"),
        ("application/jsonp", "application/json"),
    ] {
        hook.says(text.as_bytes(), &[("content-type", other)], 415, named)
            .await;
    }
    for missing in ["x-github-delivery", "x-github-event"] {
        let (status, said) = hook.send(text.as_bytes(), &[(missing, "")]).await;
        assert!(
            status == 400 && said.to_lowercase().contains(missing),
            "{missing}: {status} {said}"
        );
    }
    nothing_happened(&town, before).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readable_body_that_asks_for_nothing_is_answered_with_the_reason() {
    let town = town().await;
    let before = town.events().await.len();
    let mut hook = Delivery::of(&town).await;
    let good = push(&town);
    let event = |name: &'static str| [("x-github-event", name)];
    hook.says(b"{}", &event("issues"), 200, "only pushes are deployed")
        .await;
    hook.says(b"not json", &event("star"), 200, "only pushes are deployed")
        .await;
    let tag = with(good.clone(), "ref", json!("refs/tags/v1"));
    hook.says(&tag, &[], 200, "refs/tags/v1 is not a branch")
        .await;
    let other = with(good.clone(), "ref", json!("refs/heads/feature"));
    hook.says(&other, &[], 200, "no app follows the branch feature")
        .await;
    let tricky = with(
        good.clone(),
        "ref",
        json!("refs/heads/\u{202e}socd\u{1b}[31m"),
    );
    let (status, said) = hook.send(&tricky, &[]).await;
    assert!(
        status == 200 && !said.contains(['\u{202e}', '\u{1b}']),
        "{said:?}"
    );
    let mut gone = good.clone();
    gone["deleted"] = json!(true);
    gone["after"] = json!("0".repeat(40));
    hook.says(
        gone.to_string().as_bytes(),
        &[],
        200,
        "the branch dcos was deleted; what runs stays",
    )
    .await;
    let ping = json!({"repository": {"id": 999}}).to_string();
    hook.says(ping.as_bytes(), &event("ping"), 400, "not of repository")
        .await;
    let head = town.git(&["rev-parse", "HEAD"]);
    let known = with(good, "after", json!(head));
    hook.says(&known, &[], 200, "Duplicate").await;
    nothing_happened(&town, before).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_github_sends_is_refused_before_it_is_received() {
    let town = town().await;
    let address = town
        .url()
        .trim_start_matches("http://")
        .replace("localhost", "127.0.0.1");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /dploy HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{{",
        26 * 1024 * 1024 + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let deploys = town.app().await["deploys"].as_array().unwrap().len();
    assert_eq!(deploys, 1);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_all_that_a_real_push_is_deployed() {
    let town = town().await;
    let mut hook = Delivery::of(&town).await;
    for body in [&b"{"[..], b"\xff", b"{\"ref\": []}"] {
        assert_eq!(hook.send(body, &[]).await.0, 400);
    }
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("version 2");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

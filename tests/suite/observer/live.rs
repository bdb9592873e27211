//! Open pages are told when they are not what they were; nobody is told of what they are not shown.

use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};
use test_kit::wait::ended;

use super::privacy::another_app;
use crate::support::town::{TOKEN, Town, service};

/// A stream of what changes.
struct Ear {
    answer: reqwest::Response,
    text: String,
}

impl Ear {
    async fn open(town: &Town, path: &str, token: Option<&str>, last: Option<i64>) -> Self {
        let mut call = town.http.get(format!("{}{path}", town.url()));
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        if let Some(last) = last {
            call = call.header("last-event-id", last);
        }
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The next thing that is said; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let said: String = self.text.drain(..end + 2).collect();
                let data = said.lines().find_map(|l| l.strip_prefix("data: "));
                match data.filter(|data| *data != "{}") {
                    Some(data) => return Some(serde_json::from_str(data).unwrap()),
                    None => continue,
                }
            }
            let chunk = ended(self.answer.chunk()).await.expect("something is said");
            let chunk = chunk.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// What is said, until it is of this.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let said = self.next().await.expect("it goes on");
            if holds(&said) {
                return said;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_is_told_of_events_and_of_what_marathon_shows() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let mut ear = Ear::open(&town, "/live?app=shop", None, None).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    town.ended(2).await;
    let newest = town.events().await.last().unwrap()["seq"].as_i64().unwrap();
    let said = ear.until(|s| s["seq"].as_i64() >= Some(newest)).await;
    assert_eq!(said["app"], "shop");
    let picture = said["picture"].as_u64().unwrap();
    // a task dies, which is no event of ours
    let task = town.tasks("/shop/web").await.remove(0);
    town.marathon_send("POST", "/v2/tasks/delete", &json!({"ids": [task]}))
        .await;
    let died = ear.until(|s| s["picture"].as_u64() > Some(picture)).await;
    assert_eq!(died["app"], "shop");
    // who was away hears what was missed, of each app its newest
    let mut late = Ear::open(&town, "/live", None, Some(2)).await;
    let missed = late.next().await.unwrap();
    assert_eq!(missed["app"], "shop");
    assert!(missed["seq"].as_i64() >= Some(newest), "{missed}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_nothing_of_what_is_not_shown_and_ends_with_the_login() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    another_app(&town, "secret", true).await;
    let made = json!({"name": "ana", "role": "viewer"});
    let (_, made) = town.post("/tokens", &made).await;
    let ana = made["token"].as_str().unwrap().to_owned();
    let hidden = town.http.get(format!("{}/live?app=secret", town.url()));
    assert_eq!(hidden.send().await.unwrap().status(), 404);
    let mut stranger = Ear::open(&town, "/live", None, None).await;
    let mut known = Ear::open(&town, "/live", Some(&ana), None).await;
    for app in ["secret", "shop"] {
        let lock = json!({"reason": "x"});
        assert_eq!(town.post(&format!("/apps/{app}/lock"), &lock).await.0, 200);
    }
    known.until(|s| s["app"] == "secret").await;
    // what comes first is of the app that strangers are shown
    assert_eq!(stranger.next().await.unwrap()["app"], "shop");
    let revoke = town.http.delete(format!("{}/tokens/ana", town.url()));
    assert_eq!(
        revoke.bearer_auth(TOKEN).send().await.unwrap().status(),
        200
    );
    while known.next().await.is_some() {}
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_every_stream_at_once() {
    let mut town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut ear = Ear::open(&town, "/live", None, None).await;
    town.stop().await;
    while ear.next().await.is_some() {}
    town.start().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_what_it_was_is_not_made_again_and_never_for_somebody_else() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let ask = async |token: Option<&str>, tag: Option<&str>| {
        let mut call = town.http.get(format!("{}/apps/shop", town.url()));
        call = call.header("accept", "text/html");
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        if let Some(tag) = tag {
            call = call.header(IF_NONE_MATCH, tag);
        }
        let answer = call.send().await.unwrap();
        let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        (answer.status().as_u16(), tag)
    };
    // a minute may end in between, when times on the page are another
    let same = test_kit::wait::until("nothing changes", async || {
        let (_, tag) = ask(None, None).await;
        match ask(None, Some(&tag)).await {
            (304, same) => Ok(same),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let (status, operators) = ask(Some(TOKEN), Some(&same)).await;
    assert_eq!(status, 200, "another viewer has another page");
    assert_ne!(operators, same);
    town.post("/apps/shop/lock", &json!({"reason": "x"})).await;
    assert_eq!(ask(None, Some(&same)).await.0, 200, "something happened");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_come_packed_to_who_takes_it_and_streams_never() {
    use std::io::Read as _;
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let ask = async |path: &str, packed: bool| {
        let mut call = town.http.get(format!("{}{path}", town.url()));
        call = call.header("accept", "text/html").bearer_auth(TOKEN);
        if packed {
            call = call.header("accept-encoding", "gzip, br");
        }
        call.send().await.unwrap()
    };
    for path in [
        "/",
        "/apps/shop",
        "/apps.json",
        "/events.jsonl",
        "/openapi.json",
        "/static/app.css",
    ] {
        let (plain, packed) = (ask(path, false).await, ask(path, true).await);
        let encoding = |a: &reqwest::Response| a.headers().get("content-encoding").cloned();
        assert_eq!(encoding(&plain), None, "{path}");
        assert_eq!(encoding(&packed).unwrap(), "gzip", "{path}");
        assert_eq!(packed.headers()["vary"], "accept-encoding", "{path}");
        // each form has a name of its own
        let tag = packed.headers().get(ETAG).cloned();
        assert!(
            tag.is_none() || tag != plain.headers().get(ETAG).cloned(),
            "{path}"
        );
        let (plain, packed) = (plain.bytes().await.unwrap(), packed.bytes().await.unwrap());
        let mut whole = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut whole)
            .unwrap();
        assert!(
            packed.len() < plain.len() && whole.len().abs_diff(plain.len()) < 50,
            "{path}"
        );
    }
    let refused = ask("/events.json?since=abc", true).await;
    assert_eq!(refused.status(), 400);
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("since: invalid digit"), "{refused}");
    let live = ask("/live", true).await;
    assert!(live.headers().get("content-encoding").is_none());
    let log = ask("/apps/shop/logs?follow=1", true).await;
    assert!(log.headers().get("content-encoding").is_none());
    town.end().await;
}

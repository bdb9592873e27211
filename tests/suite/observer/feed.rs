//! The feed: what deploys came to and what operators did, for whoever is shown the app.

use std::collections::BTreeSet;

use reqwest::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use serde_json::json;

use crate::support::town::{TOKEN, Town, service};

/// What stands between these tags, each time.
fn all<'t>(text: &'t str, tag: &str) -> Vec<&'t str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = text.split(open.as_str()).skip(1);
    parts
        .map(|p| p.split(close.as_str()).next().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_tells_what_deploys_came_to_and_each_thing_once() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let (_, locked) = town
        .post("/apps/shop/lock", &json!({"reason": "a <b> & \u{202e}c"}))
        .await;
    assert_eq!(locked["result"], "done");
    let read = async |tag: Option<&str>| {
        let url = format!("{}/feed.atom?app=shop", town.url());
        let mut call = town.http.get(url).bearer_auth(TOKEN);
        if let Some(tag) = tag {
            call = call.header(IF_NONE_MATCH, tag);
        }
        call.send().await.unwrap()
    };
    let answer = read(None).await;
    assert_eq!(
        answer.headers()[CONTENT_TYPE],
        "application/atom+xml; charset=utf-8"
    );
    let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
    let text = answer.text().await.unwrap();
    let titles = all(&text, "title");
    assert!(
        titles[1].contains("Locked: a &#60;b&#62; &#38; c"),
        "{titles:?}"
    );
    assert!(
        titles.iter().any(|t| t.starts_with("shop #1: ")),
        "{titles:?}"
    );
    // how it came to that is for the page
    assert!(
        !text.contains("plan_made") && !text.contains("apply_intended"),
        "{text}"
    );
    let ids: BTreeSet<&str> = all(&text, "id").into_iter().collect();
    assert_eq!(ids.len(), all(&text, "id").len());
    assert_eq!(all(&text, "updated")[0], all(&text, "updated")[1]);
    assert_eq!(read(Some(&tag)).await.status(), 304);
    town.post("/apps/shop/unlock", &json!({})).await;
    let later = read(Some(&tag)).await.text().await.unwrap();
    assert!(all(&later, "title")[1].contains("Unlocked"), "{later}");
    let kept: BTreeSet<&str> = all(&later, "id").into_iter().collect();
    assert!(ids.is_subset(&kept), "what was told keeps its name");
    let none = town.http.get(format!("{}/feed.atom?app=none", town.url()));
    assert_eq!(none.send().await.unwrap().status(), 404);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_an_app_is_searched_by_its_address() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    town.spec("web", &service("/shop/web", 2, ""));
    let second = town.push("web: a new front page");
    town.ended(2).await;
    town.post(
        "/apps/shop/rollback",
        &json!({"deploy": 1, "reason": "the cart is EMPTY"}),
    )
    .await;
    town.ended(3).await;
    let found = async |query: &str| {
        let page = town.get(&format!("/apps/shop.json?{query}")).await;
        let deploys = page["deploys"].as_array().unwrap().clone();
        let numbers = deploys.iter().map(|d| d["deploy"].as_u64().unwrap());
        numbers.collect::<Vec<u64>>()
    };
    assert_eq!(found("").await, [3, 2, 1]);
    assert_eq!(found("q=front+page").await, [2]);
    assert_eq!(found(&format!("q={}", &second[..9])).await, [2]);
    assert_eq!(found("q=empty").await, [3]);
    assert_eq!(found("show=rollbacks").await, [3]);
    assert_eq!(found("show=worked&before=3").await, [2, 1]);
    assert_eq!(found("show=failed").await, [0_u64; 0]);
    let page = town
        .http
        .get(format!("{}/apps/shop?q=front+page", town.url()));
    let page = page.header("accept", "text/html").send().await.unwrap();
    let page = page.text().await.unwrap();
    // what runs is shown whatever is looked for
    assert!(
        page.contains(r#"id="deploy-2""#) && !page.contains(r#"id="deploy-1""#),
        "{page}"
    );
    assert!(
        page.contains(r#"value="front page""#) && page.contains("the cart is EMPTY"),
        "{page}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_commit_is_not_live_is_answered_in_a_sentence_with_the_next_step() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let first = town.app().await["live"]["commit"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut ill = service("/shop/web", 2, "");
    ill["cmd"] = json!("echo 'no database' >&2; exit 3");
    town.spec("web", &ill);
    let second = town.push("web: a database");
    assert_eq!(town.ended(2).await["state"], "failed");
    let why = async |commit: &str| {
        let body = town.get(&format!("/why/{commit}.json")).await;
        let page = town.http.get(format!("{}/why/{commit}", town.url()));
        let page = page.bearer_auth(TOKEN).header("accept", "text/html");
        let page = page.send().await.unwrap().text().await.unwrap();
        (body["apps"][0].clone(), page)
    };
    let (verdict, page) = why(&first).await;
    assert_eq!(
        (&verdict["live"], &verdict["app"]),
        (&json!(true), &json!("shop"))
    );
    assert!(page.contains("is live in shop, by deploy #1."), "{page}");
    let (verdict, page) = why(&second[..8]).await;
    let said = verdict["sentence"].as_str().unwrap();
    assert!(
        said.contains("is not live in shop: #2 failed") && said.contains("no database"),
        "{said}"
    );
    assert!(page.contains("/apps/shop/redeploy?deploy=2"), "{page}");
    town.post("/apps/shop/lock", &json!({"reason": "an audit"}))
        .await;
    town.spec("web", &service("/shop/web", 3, ""));
    let third = town.push("web: without");
    town.event_until("push_held").await;
    let (verdict, page) = why(&third).await;
    assert_eq!(verdict["live"], false);
    assert!(page.contains("/apps/shop/unlock"), "{verdict} {page}");
    town.end().await;
}

//! What happens while something else is under way: somebody is sent away, a key comes again, a name is asked for by its neighbour.

use serde_json::{Value, json};

use super::privacy::another_app;
use crate::support::town::{TOKEN, Town, service};

async fn two_services() -> Town {
    Town::with(&[
        ("web", service("/shop/web", 1, "")),
        ("api", service("/shop/api", 1, "")),
    ])
    .await
}

/// A POST with a key, or as a form.
async fn post(town: &Town, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut call = town.http.post(format!("{}{path}", town.url()));
    if let Some(key) = key {
        call = call.header("idempotency-key", key);
    }
    let answer = call.bearer_auth(TOKEN).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_revoked_while_marathon_is_asked_does_nothing_any_more() {
    let town = two_services().await;
    let made = json!({"name": "ana", "role": "operator"});
    let (_, made) = town.post("/tokens", &made).await;
    let token = made["token"].as_str().unwrap().to_owned();
    town.marathon_send("POST", "/local/faults", &json!({"slow_ms": 1500}))
        .await;
    let call = town.http.post(format!("{}/apps/shop/scale", town.url()));
    let body = json!({"service": "/shop/web", "instances": 3});
    let scaling = tokio::spawn(call.bearer_auth(token).json(&body).send());
    // the call before was made by who was known then; it is answered long after this
    assert!(town.get("/events.json").await["events"].is_array());
    let revoke = town.http.delete(format!("{}/tokens/ana", town.url()));
    let revoked = revoke.bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(revoked.status(), 200);
    assert_eq!(scaling.await.unwrap().unwrap().status(), 401);
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    let web = town.marathon("/v2/apps/shop/web").await;
    assert_eq!(web["app"]["instances"], 1);
    assert!(!town.kinds().await.contains(&"service_scaled".to_owned()));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_of_one_service_and_answers_as_it_did_whatever_changed_since() {
    let town = two_services().await;
    let three = json!({"instances": 2});
    let (status, first) = post(&town, "/apps/shop/api/scale", Some("k"), &three).await;
    assert_eq!((status, &first["result"]), (200, &json!("done")), "{first}");
    let (status, other) = post(&town, "/apps/shop/web/scale", Some("k"), &three).await;
    assert_eq!(
        (status, &other["code"]),
        (422, &json!("key_reused")),
        "{other}"
    );
    // Marathon is not asked again
    town.marathon_send("POST", "/local/faults", &json!({"down": true}))
        .await;
    let again = post(&town, "/apps/shop/api/scale", Some("k"), &three).await;
    assert_eq!(again, (200, first));
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    let (status, long) = post(
        &town,
        "/apps/shop/lock",
        Some(&"k".repeat(201)),
        &json!({"reason": "x"}),
    )
    .await;
    assert_eq!(status, 422, "{long}");
    assert!(town.app().await["lock"].is_null());
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_says_neither_yes_nor_no_does_nothing() {
    let town = two_services().await;
    for form in [
        "dry_run=yes",
        "dry_run",
        "dry_run=TRUE",
        "plan=",
        "override_lock=",
        "to=%231&deploy=1",
    ] {
        let call = town.http.post(format!("{}/apps/shop/redeploy", town.url()));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer = call.bearer_auth(TOKEN).body(form).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{form}");
    }
    assert_eq!(town.app().await["deploys"].as_array().unwrap().len(), 1);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_service_is_hears_only_who_may_see_that_app() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    another_app(&town, "secret", true).await;
    another_app(&town, "open", false).await;
    town.git(&["checkout", "-q", "dcos"]);
    for (number, name) in [(2, "secret"), (3, "open")] {
        town.spec("taken", &service(&format!("/{name}/web"), 9, ""));
        town.push(name);
        let failure = town.ended(number).await["failure"].clone();
        assert_eq!(failure["code"], "OF_ANOTHER_APP", "{failure}");
        let sentence = failure["sentence"].as_str().unwrap();
        let named = sentence.contains(&format!("the app {name}"));
        assert_eq!(named, name == "open", "{sentence}");
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_strangers_may_ask_is_asked_without_bound() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::with_settings(&specs, &["--requests-of-peer=1"]).await;
    let from_elsewhere = reqwest::Client::builder()
        .no_proxy()
        .local_address(std::net::IpAddr::from([127, 0, 0, 88]))
        .build()
        .unwrap();
    for path in ["/login", "/readyz", "/nothing/here", "/apps.json"] {
        let mut answers = Vec::new();
        for _ in 0..30 {
            let answer = from_elsewhere.get(format!("{}{path}", town.url()));
            answers.push(answer.send().await.unwrap().status().as_u16());
        }
        assert!(answers.contains(&429), "{path}: {answers:?}");
    }
    town.end().await;
}

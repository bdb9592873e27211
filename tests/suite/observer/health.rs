//! How well an app is is what runs of it, whatever was deployed and whoever changed it.

use serde_json::{Value, json};
use test_kit::wait::until;

use crate::support::town::{Town, service};

/// The app's page once it says so.
async fn until_health(town: &Town, health: &str, stage: &str) -> Value {
    until("the page says how it is", async || {
        let app = town.app().await;
        let is = (app["health"].as_str(), app["services"][0]["state"].as_str());
        if is == (Some(health), Some(stage)) {
            Ok(app)
        } else {
            Err(app.to_string())
        }
    })
    .await
}

/// What lists say of the only app, which is the same as its own page.
async fn listed(town: &Town) -> Value {
    town.get("/apps.json").await["apps"][0].clone()
}

async fn change(town: &Town, method: &str, path: &str, body: &Value) {
    let (status, answer) = town.marathon_send(method, path, body).await;
    assert!(status < 300, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_as_well_as_what_runs_of_it_whoever_changed_that() {
    let mut web = service("/shop/web", 1, "");
    web["instances"] = json!(2);
    let mut town = Town::with(&[("web", web)]).await;
    let app = until_health(&town, "ok", "healthy").await;
    assert_eq!(
        app["instances"],
        json!({"wanted": 2, "running": 2, "healthy": 2})
    );
    let runs = &app["services"][0];
    assert_eq!(runs["endpoints"].as_array().unwrap().len(), 2, "{runs}");
    assert_eq!(runs["tasks"].as_array().unwrap().len(), 2, "{runs}");
    assert!(
        runs["command"].as_str().unwrap().contains("serve"),
        "{runs}"
    );
    let page = runs["marathon"].as_str().unwrap();
    assert!(page.ends_with("/ui/#/apps/%2Fshop%2Fweb"), "{page}");
    let strangers = town.get("/apps/shop.json").await;
    let runs = &strangers["services"][0];
    assert_eq!(
        (&runs["command"], &runs["marathon"]),
        (&json!(null), &json!(null))
    );
    // somebody takes an instance away, and then all: that is meant, and no deploy said so
    change(
        &town,
        "PUT",
        "/v2/apps/shop/web?force=true",
        &json!({"instances": 0}),
    )
    .await;
    until_health(&town, "ok", "down").await;
    change(
        &town,
        "PUT",
        "/v2/apps/shop/web?force=true",
        &json!({"instances": 2}),
    )
    .await;
    until_health(&town, "ok", "healthy").await;
    // its tasks get sick: nothing was deployed, and it is not well
    let ports = town.app().await["services"][0]["endpoints"].clone();
    for endpoint in ports.as_array().unwrap() {
        let url = format!("http://{}/status/500", endpoint.as_str().unwrap());
        town.http.post(url).send().await.unwrap();
    }
    let sick = until_health(&town, "failed", "unhealthy").await;
    assert!(
        sick["sentence"].as_str().unwrap().contains("/health"),
        "{sick}"
    );
    assert_eq!(listed(&town).await["health"], "failed");
    // somebody removes it
    change(&town, "DELETE", "/v2/apps/shop/web?force=true", &json!({})).await;
    let gone = until_health(&town, "failed", "missing").await;
    assert_eq!(gone["sentence"], "/shop/web is not in Marathon");
    // Marathon goes away: it is shown as it was, with its age; who begins anew knows nothing
    change(&town, "POST", "/local/faults", &json!({"down": true})).await;
    assert_eq!(town.app().await["health"], "failed");
    town.stop().await;
    town.start().await;
    let app = town.app().await;
    assert_eq!(
        (&app["health"], &app["seen_at"]),
        (&json!("unknown"), &json!(null))
    );
    let page = town
        .http
        .get(format!("{}/apps/shop", town.url()))
        .header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("what runs is not known") && page.contains("Not known"),
        "{page}"
    );
    change(&town, "POST", "/local/faults", &json!({"reset": true})).await;
    town.end().await;
}

//! What is said of an app at a moment is true at that moment: of the deploy that runs, not of the one before it.

use serde_json::json;
use test_kit::wait::until;

use crate::support::town::{TOKEN, Town, service};

async fn page(town: &Town, path: &str) -> String {
    let request = town.http.get(format!("{}{path}", town.url()));
    let request = request.header("accept", "text/html").bearer_auth(TOKEN);
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_from_a_failure_says_what_it_does_and_what_it_changes() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut bad = service("/shop/web", 2, "");
    bad["cmd"] = json!("exec nosuchprogram");
    town.spec("web", &bad);
    town.push("127");
    let failed = town.ended(2).await["failure"]["sentence"].clone();
    assert_eq!(town.app().await["sentence"], failed);

    town.marathon_send("POST", "/local/faults", &json!({"locked": true}))
        .await;
    let wish = json!({"to": "#1", "reason": "it crashes"});
    let (status, body) = town.post("/apps/shop/rollback", &wish).await;
    assert_eq!(status, 202, "{body}");
    let waits = town
        .deploy_until(3, "waits", |d| d["waiting"]["code"] == "LOCKED")
        .await;
    assert_eq!(
        waits["services"][0]["state"], "waiting",
        "what runs already is not this deploy's: {waits}"
    );
    let app = town.app().await;
    assert_eq!(app["sentence"], waits["waiting"]["sentence"], "{app}");

    let stuck = json!({"reset": true, "no_offers": true});
    town.marathon_send("POST", "/local/faults", &stuck).await;
    until("it is called for and nothing is said of it", async || {
        let (app, deploy) = (town.app().await, town.deploy(3).await);
        assert_ne!(app["sentence"], failed, "{app}");
        if deploy["ended_at"].is_string() || deploy["services"][0]["state"] != "waiting" {
            Ok(())
        } else {
            Err(deploy.to_string())
        }
    })
    .await;
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    assert_eq!(town.ended(3).await["state"], "succeeded");
    let shown = page(&town, "/apps/shop/deploys/3").await;
    assert!(
        shown.contains("nosuchprogram"),
        "it changed what the failed deploy had left: {shown}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_last_deploy_ended_says_nothing_of_an_app_that_is_destroyed() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut bad = service("/shop/web", 2, "");
    bad["cmd"] = json!("exec nosuchprogram");
    town.spec("web", &bad);
    town.push("127");
    town.ended(2).await;
    assert_eq!(town.app().await["health"], "failed");
    town.marathon_send("POST", "/local/faults", &json!({"locked": true}))
        .await;
    let begun = town.http.delete(format!("{}/apps/shop", town.url()));
    let begun = tokio::spawn(begun.bearer_auth(TOKEN).send());
    let app = until("it is being destroyed", async || {
        let app = town.app().await;
        if app["state"] == "destroying" {
            Ok(app)
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(app["health"], "unknown", "{app}");
    let says = app["sentence"].as_str().unwrap();
    assert!(
        says.starts_with("It is being taken down: 1 service"),
        "{app}"
    );
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    until("it is destroyed", async || {
        let app = town.app().await;
        if app["state"] != "destroyed" {
            return Err(app.to_string());
        }
        assert_eq!(
            (&app["health"], &app["sentence"]),
            (&json!("unknown"), &json!(null))
        );
        Ok(())
    })
    .await;
    assert_eq!(begun.await.unwrap().unwrap().status().as_u16(), 200);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_repository_and_crashes_is_not_said_to_run() {
    let old = service("/shop/old", 1, "");
    let town = Town::with(&[("web", service("/shop/web", 1, "")), ("old", old)]).await;
    std::fs::remove_file(town.clone.join("specs/old.json")).unwrap();
    town.push("old is gone");
    town.ended(2).await;
    let said = async |part: &str| {
        until(&format!("it is said to be {part:?}"), async || {
            let app = town.app().await;
            let mut services = app["services"].as_array().unwrap().iter();
            let old = services.find(|s| s["id"] == "/shop/old").unwrap();
            let sentence = old["sentence"].as_str().unwrap_or_default().to_owned();
            if sentence.contains(part) {
                Ok(())
            } else {
                Err(sentence)
            }
        })
        .await;
    };
    said("; it still runs (prune: true").await;
    let none = json!({"minimumHealthCapacity": 0, "maximumOverCapacity": 0});
    let crashes = json!({"cmd": "exit 3", "labels": {"DPLOY": "shop"}, "upgradeStrategy": none});
    let (status, _) = town
        .marathon_send("PUT", "/v2/apps//shop/old?force=true", &crashes)
        .await;
    assert_eq!(status, 200);
    said("; it is left in Marathon and does not run: Command exited with status 3").await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_waits_says_what_it_waits_for_now_and_not_at_first() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.marathon_send("POST", "/local/faults", &json!({"down": true}))
        .await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("into the dark");
    let waits = town
        .deploy_until(2, "Marathon is away", |d| {
            d["waiting"]["sentence"].is_string()
        })
        .await;
    let first = waits["waiting"]["sentence"].as_str().unwrap().to_owned();
    assert!(!first.contains("credentials"), "{first}");
    let closed = json!({"reset": true, "refuse": {"status": 401, "message": "no", "times": 1000}});
    town.marathon_send("POST", "/local/faults", &closed).await;
    town.deploy_until(2, "Marathon wants credentials", |d| {
        let said = d["waiting"]["sentence"].as_str().unwrap_or_default();
        d["waiting"]["code"] == "MARATHON_UNREACHABLE" && said.contains("wants credentials")
    })
    .await;
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    assert_eq!(town.ended(2).await["state"], "succeeded");
    town.end().await;
}

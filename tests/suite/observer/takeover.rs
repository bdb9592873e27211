//! An app that is called otherwise, and what an app left that is gone: the advice of each sentence is followed to the letter.

use serde_json::json;
use test_kit::wait::until;

use crate::support::town::{PAT, TOKEN, Town, quick, service};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_renamed_as_its_sentence_says() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.write("dploy.app", "app_name: store\n");
    town.push("rename");
    let failure = town.ended(2).await["failure"].clone();
    assert_eq!(failure["code"], "SPEC_INVALID");
    let sentence = failure["sentence"].as_str().unwrap();
    let advice = "put it back. To rename it for good: DELETE /apps/shop?keep_services=true, \
                  POST /apps with its repository and branch, POST /apps/store/adopt with {\"from\": \"shop\"}";
    assert!(sentence.contains(advice), "{sentence}");

    // registered once more, it says the same, and not that all is well
    let body = json!({"repository": "acme/shop", "branch": "dcos"});
    let (status, refused) = town.post("/apps", &body).await;
    assert_eq!(status, 422, "{refused}");
    assert!(
        refused["detail"].as_str().unwrap().contains(advice),
        "{refused}"
    );

    let (tasks, call) = (
        town.tasks("/shop/web").await,
        town.http
            .delete(format!("{}/apps/shop?keep_services=true", town.url())),
    );
    assert_eq!(
        call.bearer_auth(TOKEN)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
            / 100,
        2
    );
    until("shop is gone", async || {
        let app = town.app().await;
        if app["state"] == "destroyed" {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(town.post("/apps", &body).await.0, 201);
    let deploy = town.ended_of("store", 1).await;
    assert_eq!(deploy["failure"]["code"], "NOT_OURS", "{deploy}");
    let sentence = deploy["failure"]["sentence"].as_str().unwrap();
    assert_eq!(
        sentence,
        "/shop/web is of the app shop, by its label; if that app is gone, take it over (POST /apps/store/adopt with {\"from\": \"shop\"}), else change the id"
    );
    let (status, refused) = town.post("/apps/store/adopt", &json!({})).await;
    assert_eq!(status, 422, "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("\"from\": \"shop\" takes over what it left"),
        "{detail}"
    );
    let (status, queued) = town
        .post("/apps/store/adopt", &json!({"from": "shop"}))
        .await;
    assert_eq!(status, 202, "{queued}");
    let deploy = town.ended_of("store", 2).await;
    assert_eq!(deploy["state"], "succeeded", "{deploy}");
    let app = town.marathon("/v2/apps//shop/web").await;
    assert_eq!(app["app"]["labels"]["DPLOY"], "store");
    assert_eq!(app["app"]["tasksHealthy"], 1);
    assert!(!tasks.is_empty());
    // adopted once is not owned for ever: whose it is says the label
    let other = json!([{"id": "/shop/web", "labels": {"DPLOY": "blog"}}]);
    let (status, said) = town.marathon_send("PATCH", "/v2/apps", &other).await;
    assert_eq!(status, 200, "{said}");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("after somebody took it");
    let deploy = town.ended_of("store", 3).await;
    assert_eq!(deploy["failure"]["code"], "NOT_OURS", "{deploy}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_owns_that_is_deployed_from_here_is_not_taken_over() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let other = town.github.create_repository("acme", "blog", "dcos").await;
    other.unwrap();
    town.git(&[
        "remote",
        "add",
        "blog",
        &format!("{}/acme/blog.git", town.github.url()),
    ]);
    town.write("dploy.app", "app_name: blog\n");
    // by its label alone: the log knows nothing of it
    let mut theirs = service("/blog/web", 1, "");
    theirs["labels"] = json!({"DPLOY": "shop"});
    assert_eq!(town.marathon_send("POST", "/v2/apps", &theirs).await.0, 201);
    std::fs::remove_file(town.clone.join("specs/web.json")).unwrap();
    town.spec("blog", &service("/blog/web", 1, ""));
    town.git(&["add", "-A"]);
    town.git(&["commit", "-qm", "blog"]);
    town.git(&["push", "-q", "blog", "HEAD:dcos"]);
    let body = json!({"repository": "acme/blog", "branch": "dcos"});
    assert_eq!(town.post("/apps", &body).await.0, 201);
    let deploy = town.ended_of("blog", 1).await;
    assert_eq!(deploy["failure"]["code"], "NOT_OURS", "{deploy}");
    let (status, refused) = town
        .post("/apps/blog/adopt", &json!({"from": "shop"}))
        .await;
    assert_eq!(status, 422, "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("the app shop, which is deployed from here"),
        "{detail}"
    );
    town.end().await;
}

/// What the first release does with a spec: it writes its label into it and tells Marathon.
async fn first_release_deploys(town: &Town, version: u32) {
    let mut spec = service("/shop/web", version, "");
    spec["labels"] = json!({"DPLOY": "shop"});
    let path = "/v2/apps//shop/web?force=true";
    let (status, said) = town.marathon_send("PUT", path, &spec).await;
    assert!(matches!(status, 200 | 201), "{said}");
    until("it runs", async || {
        let app = town.marathon("/v2/apps//shop/web").await["app"].clone();
        let alone = app["deployments"] == json!([]) && app["tasksHealthy"] == 1;
        if alone && app["tasksRunning"] == 1 {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_release_goes_on_beside_it_is_switched_off_and_comes_back() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let mut town = Town::unobserved(&specs, &[], quick()).await;
    first_release_deploys(&town, 1).await;
    let version =
        async |town: &Town| town.marathon("/v2/apps//shop/web").await["app"]["version"].clone();
    let before = version(&town).await;
    town.start().await;
    assert_eq!(town.ended(1).await["state"], "unchanged");
    assert_eq!(version(&town).await, before, "taken over without a call");
    let (status, _) = town
        .post(
            "/apps/shop/lock",
            &json!({"reason": "the first release deploys"}),
        )
        .await;
    assert!(status < 300);
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("version 2");
    until("it is held", async || {
        let why = town.get(&format!("/why/{commit}")).await;
        if why.to_string().contains("was held: locked") {
            Ok(())
        } else {
            Err(why.to_string())
        }
    })
    .await;
    first_release_deploys(&town, 2).await;
    let before = version(&town).await;
    let (status, queued) = town.post("/apps/shop/unlock", &json!({})).await;
    assert_eq!((status, &queued["deploy"]), (202, &json!(2)), "{queued}");
    assert_eq!(town.ended(2).await["state"], "unchanged");
    assert_eq!(version(&town).await, before, "it changed nothing");
    // and back
    let (status, _) = town
        .post("/apps/shop/lock", &json!({"reason": "back"}))
        .await;
    assert!(status < 300);
    first_release_deploys(&town, 1).await;
    until("it is drift", async || {
        let app = town.app().await;
        if app["drift"].to_string().contains("/shop/web") {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(town.version("/shop/web").await, "1", "and left alone");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_of_the_first_release_is_taken_over_on_the_same_address() {
    let url = "http://127.0.0.1:1";
    let specs = [("web", service("/shop/web", 1, ""))];
    let public = format!("--public-url={url}");
    let mut town = Town::unobserved(&specs, &[&public], quick()).await;
    let hooks = format!("{}/repos/acme/shop/hooks", town.github.url());
    let github =
        |request: reqwest::RequestBuilder| request.bearer_auth(PAT).header("user-agent", "test");
    // as the first release makes it: no secret, and a form
    let body = json!({"name": "web", "active": true, "config": {"url": format!("{url}/dploy")}});
    let made = github(town.http.post(&hooks))
        .json(&body)
        .send()
        .await
        .unwrap();
    let made: serde_json::Value = made.json().await.unwrap();
    assert_eq!(made["config"]["content_type"], "form");
    town.start().await;
    until("it is ours", async || {
        let all = github(town.http.get(&hooks)).send().await.unwrap();
        let all: serde_json::Value = all.json().await.unwrap();
        let hook = &all[0];
        let same = hook["id"] == made["id"] && all.as_array().unwrap().len() == 1;
        let kept = hook["config"]["content_type"] == "json" && hook["config"]["secret"].is_string();
        if same && kept {
            Ok(())
        } else {
            Err(all.to_string())
        }
    })
    .await;
    town.end().await;
}

//! An app that is called otherwise, and what an app left that is gone: the advice of each sentence is followed to the letter.

use serde_json::json;
use test_kit::wait::until;

use crate::support::town::{TOKEN, Town, service};

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

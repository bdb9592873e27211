//! A repository is made over the REST API as at GitHub, and the first push to it works.

use reqwest::Method;
use serde_json::{Value, json};

use test_kit::git::git;
use test_kit::github::{Bench, Clone, Receiver, Reply, SECRET, reply};

async fn make(bench: &Bench, body: Value) -> Reply {
    bench.call(Method::POST, "/user/repos", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_repository_is_the_callers_and_empty() {
    let bench = Bench::new().await;
    let wish = json!({"name": "fleet", "private": false, "description": "ships"});
    let made = make(&bench, wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!(shown["full_name"], "ana/fleet");
    assert_eq!(shown["owner"]["login"], "ana");
    assert_eq!(shown["default_branch"], "main");
    let there = format!("{}/repos/ana/fleet", bench.github.url());
    assert_eq!(made.header("location"), there);
    let got = bench.get("/repos/ana/fleet").await;
    assert_eq!(got.json(), shown, "as it is shown afterwards");
    let commits = bench.get("/repos/ana/fleet/commits").await;
    assert_eq!(commits.status, 409, "{}", commits.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_push_of_any_branch_to_a_new_repository_works_and_is_told_to_its_hooks() {
    let bench = Bench::new().await;
    let made = make(&bench, json!({"name": "fleet"})).await.json();
    let receiver = Receiver::new().await;
    let config = json!({"url": receiver.url, "content_type": "json", "secret": SECRET});
    let hook = bench
        .call(
            Method::POST,
            "/repos/ana/fleet/hooks",
            json!({"config": config}),
        )
        .await;
    assert_eq!(hook.status, 201, "{}", hook.text);
    bench.github.settle().await;
    receiver.take();

    let path = bench.dir.path().join("fleet");
    let url = made["clone_url"].as_str().unwrap();
    git(
        bench.dir.path(),
        &["init", "--quiet", "-b", "dcos", "fleet"],
    );
    let clone = Clone { path };
    clone.git(&["remote", "add", "origin", url]);
    let head = clone.commit("dploy.app", "app_name: fleet\n");
    clone.git(&["push", "--quiet", "origin", "dcos"]);
    bench.github.settle().await;

    let events = receiver.take();
    assert_eq!(events.len(), 1);
    assert!(events[0].is_signed_with(SECRET));
    assert_eq!(events[0].json()["ref"], "refs/heads/dcos");
    assert_eq!(events[0].json()["created"], true);
    let branch = bench.get("/repos/ana/fleet/branches/dcos").await.json();
    assert_eq!(branch["commit"]["sha"], head.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_in_githubs_words_however_it_is_written() {
    let bench = Bench::new().await;
    assert_eq!(make(&bench, json!({"name": "fleet"})).await.status, 201);
    for name in ["fleet", "FLEET"] {
        let again = make(&bench, json!({"name": name})).await;
        assert_eq!(again.status, 422, "{name}");
        let body = again.json();
        assert_eq!(body["message"], "Repository creation failed.");
        assert_eq!(
            body["errors"],
            json!([{
                "resource": "Repository", "code": "custom", "field": "name",
                "message": "name already exists on this account",
            }])
        );
    }
    // of two at once one makes it
    let (one, other) = tokio::join!(
        make(&bench, json!({"name": "race"})),
        make(&bench, json!({"name": "race"}))
    );
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [201, 422]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_needs_a_name_and_somebody_who_may_make_it() {
    let bench = Bench::new().await;
    for name in ["", "a b", "a/b", "..", "x.git", "ä", &"x".repeat(101)] {
        let refused = make(&bench, json!({"name": name})).await;
        assert_eq!(refused.status, 422, "{name:?}");
        assert_eq!(refused.json()["errors"][0]["field"], "name", "{name:?}");
    }
    for body in [json!({"private": true}), json!({"name": 5})] {
        assert_eq!(make(&bench, body).await.status, 422);
    }
    let ask = || {
        let request = bench.request(Method::POST, "/user/repos");
        request.json(&json!({"name": "fleet"}))
    };
    let nobody = reply(ask()).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.json()["message"], "Requires authentication");
    assert_eq!(reply(ask().bearer_auth("wrong")).await.status, 401);
    assert_eq!(reply(ask().bearer_auth("weak")).await.status, 404);
    assert_eq!(bench.get("/repos/ana/fleet").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_repository_is_there_for_those_alone_who_may_see_it() {
    let bench = Bench::new().await;
    let made = make(&bench, json!({"name": "fleet", "private": true})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!(
        (&shown["private"], &shown["visibility"]),
        (&json!(true), &json!("private"))
    );
    let own = bench.get("/user/repos").await.json();
    let is_fleet = |r: &Value| r["name"] == "fleet";
    assert!(own.as_array().unwrap().iter().any(is_fleet), "{own}");
    let id = shown["id"].as_u64().unwrap();
    let by_id = format!("/repositories/{id}");
    let unseen = [
        "/repos/ana/fleet",
        &by_id,
        "/repos/ana/fleet/hooks",
        "/repos/ana/fleet/branches",
    ];
    let status = async |path: &str, token: &str| {
        let mut request = bench.request(Method::GET, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        reply(request).await.status
    };
    for path in unseen {
        for token in ["", "weak"] {
            assert_eq!(status(path, token).await, 404, "{path} by {token:?}");
        }
    }
    let theirs = bench.get("/users/ana/repos").await.json();
    assert!(!theirs.as_array().unwrap().iter().any(is_fleet), "{theirs}");
    let change = |body: Value| bench.call(Method::PATCH, "/repos/ana/fleet", body);
    let refused = change(json!({"visibility": "secret"})).await;
    assert_eq!(refused.status, 422);
    let public = change(json!({"private": false})).await.json();
    assert_eq!(public["visibility"], "public");
    assert_eq!(status("/repos/ana/fleet", "").await, 200);
    let hidden = change(json!({"visibility": "private", "description": "ships"}))
        .await
        .json();
    assert_eq!(
        (&hidden["private"], &hidden["description"]),
        (&json!(true), &json!("ships"))
    );
    assert_eq!(status("/repos/ana/fleet", "weak").await, 404);
}

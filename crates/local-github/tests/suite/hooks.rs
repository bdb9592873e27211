//! Hooks of the local GitHub: rules, deliveries that fail, faults, restarts.

use std::time::Duration;

use axum::http::StatusCode;
use local_github::Pace;
use reqwest::Method;
use serde_json::{Value, json};

use test_kit::github::{Bench, Receiver, SECRET, TOKEN, open, reply};
use test_kit::http::client;

async fn push(bench: &Bench, clone: &test_kit::github::Clone, n: u32) -> String {
    let head = clone.commit("n", &n.to_string());
    clone.push();
    bench.github.settle().await;
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_hook_is_pinged_and_hides_its_secret() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let config = json!({"url": receiver.url, "content_type": "json", "secret": SECRET});
    let made = bench
        .call(Method::POST, "hooks", json!({"config": config}))
        .await;
    let hook = made.json();
    assert_eq!(made.status, 201);
    assert_eq!(made.header("location"), hook["url"]);
    assert_eq!(
        (&hook["events"], &hook["active"], &hook["name"]),
        (&json!(["push"]), &json!(true), &json!("web"))
    );
    assert_eq!(hook["config"]["secret"], "********");
    bench.github.settle().await;
    let ping = receiver.take().remove(0);
    assert_eq!(ping.header("x-github-event"), "ping");
    assert!(ping.is_signed_with(SECRET));
    let body = ping.json();
    assert_eq!(
        (&body["hook_id"], &body["repository"]["id"]),
        (&hook["id"], &json!(bench.id))
    );
    assert!(!String::from_utf8_lossy(&ping.body).contains(SECRET));
    let path = format!("hooks/{}", hook["id"]);
    assert_eq!(bench.get(&path).await.json()["last_response"]["code"], 202);
    assert_eq!(
        bench
            .call(Method::POST, &format!("{path}/pings"), Value::Null)
            .await
            .status,
        204
    );
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_hook_cannot_be_made_twice_nor_more_than_twenty() {
    let bench = Bench::new().await;
    let make = async |url: String, events: Value| {
        let body = json!({"config": {"url": url}, "events": events});
        bench.call(Method::POST, "hooks", body).await
    };
    let url = || "http://127.0.0.1:9/hook".to_owned();
    assert_eq!(make(url(), json!(["push"])).await.status, 201);
    let twice = make(url(), json!(["issues", "push"])).await;
    assert_eq!(twice.status, 422);
    let body = twice.json();
    assert_eq!(body["message"], "Validation Failed");
    assert_eq!(body["status"], "422");
    let error = json!({"resource": "Hook", "code": "custom", "message": "Hook already exists on this repository"});
    assert_eq!(body["errors"], json!([error]));
    assert_eq!(
        make(url(), json!(["issues"])).await.status,
        201,
        "no event in common"
    );
    for n in 1..20 {
        assert_eq!(
            make(format!("{}/{n}", url()), json!(["push"])).await.status,
            201
        );
    }
    let many = make(format!("{}/20", url()), json!(["push"])).await.json();
    assert_eq!(
        many["errors"][0]["message"],
        "The \"push\" event cannot have more than 20 hooks"
    );
    let page = bench.get("hooks?per_page=8&page=2").await;
    assert_eq!(page.json().as_array().unwrap().len(), 8);
    let next = format!(
        "<{}/repos/acme/shop/hooks?per_page=8&page=3>; rel=\"next\"",
        bench.github.url()
    );
    assert!(
        page.header("link").contains(&next),
        "{}",
        page.header("link")
    );
    for (body, status) in [
        (json!({}), 422),
        (json!({"config": {"url": "nonsense"}}), 422),
        (
            json!({"config": {"url": "http://127.0.0.1:9/x"}, "name": "irc"}),
            422,
        ),
    ] {
        assert_eq!(bench.call(Method::POST, "hooks", body).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_without_the_secret_removes_it_but_one_of_the_config_does_not() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let id = bench.hook(&receiver).await;
    let clone = bench.clone();
    let path = format!("hooks/{id}");
    let config = bench
        .call(
            Method::PATCH,
            &format!("{path}/config"),
            json!({"content_type": "form"}),
        )
        .await;
    assert_eq!(config.json()["secret"], "********");
    push(&bench, &clone, 1).await;
    let form = receiver.take().remove(0);
    assert_eq!(
        form.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert!(form.is_signed_with(SECRET) && form.body.starts_with(b"payload=%7B%22"));

    let patched = bench
        .call(Method::PATCH, &path, json!({"active": true}))
        .await
        .json();
    assert_eq!(patched["config"].get("secret"), None);
    push(&bench, &clone, 2).await;
    assert_eq!(receiver.take().remove(0).header("x-hub-signature-256"), "");

    bench
        .call(
            Method::PATCH,
            &format!("{path}/config"),
            json!({"secret": "new"}),
        )
        .await;
    push(&bench, &clone, 3).await;
    assert!(receiver.take().remove(0).is_signed_with("new"));

    bench
        .call(Method::PATCH, &path, json!({"active": false}))
        .await;
    push(&bench, &clone, 4).await;
    assert_eq!(receiver.take().len(), 0);

    assert_eq!(
        bench.call(Method::DELETE, &path, Value::Null).await.status,
        204
    );
    assert_eq!(
        bench.call(Method::DELETE, &path, Value::Null).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_hidden_from_those_without_the_right() {
    let bench = Bench::new().await;
    let hooks = |token: Option<&'static str>| {
        let request = bench.request(Method::GET, "/repos/acme/shop/hooks");
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    assert_eq!(reply(hooks(Some(TOKEN))).await.status, 200);
    assert_eq!(reply(hooks(None)).await.status, 404);
    assert_eq!(reply(hooks(Some("weak"))).await.status, 404);
    let wrong = reply(hooks(Some("wrong"))).await;
    assert_eq!(
        (wrong.status, wrong.json()["message"].clone()),
        (401, json!("Bad credentials"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_says_why_and_is_not_tried_again() {
    let pace = Pace {
        hook_timeout: Duration::from_millis(50),
        ..Pace::default()
    };
    let bench = Bench::with(pace).await;
    let broken = Receiver::answering(StatusCode::SERVICE_UNAVAILABLE, false).await;
    let silent = Receiver::answering(StatusCode::OK, true).await;
    let mut expected = Vec::new();
    for (url, status, code) in [
        (broken.url.clone(), "Invalid HTTP Response: 503", 503),
        (silent.url.clone(), "timed out", 504),
        (
            "http://127.0.0.1:1/".to_owned(),
            "failed to connect to host",
            502,
        ),
        (
            "http://192.0.2.1/".to_owned(),
            "refused: the local GitHub calls loopback addresses only",
            502,
        ),
    ] {
        let made = bench
            .call(Method::POST, "hooks", json!({"config": {"url": url}}))
            .await;
        expected.push((made.json()["id"].as_u64().unwrap(), status, code));
    }
    bench.github.settle().await;
    for (hook, status, code) in expected {
        let deliveries = bench.deliveries(hook).await;
        assert_eq!(deliveries.len(), 1);
        assert_eq!(
            (&deliveries[0]["status"], &deliveries[0]["status_code"]),
            (&json!(status), &json!(code))
        );
        let failures = bench
            .get(&format!("hooks/{hook}/deliveries?status=failure"))
            .await
            .json();
        assert_eq!(failures.as_array().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_come_in_pages_by_cursor() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let id = bench.hook(&receiver).await;
    for _ in 0..4 {
        bench
            .call(Method::POST, &format!("hooks/{id}/pings"), Value::Null)
            .await;
    }
    bench.github.settle().await;
    let mut path = format!(
        "/repositories/{}/hooks/{id}/deliveries?per_page=2",
        bench.id
    );
    let mut sizes = Vec::new();
    let mut ids = Vec::new();
    loop {
        let page = bench.get(&path).await;
        let page_ids: Vec<u64> = page
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["id"].as_u64().unwrap())
            .collect();
        sizes.push(page_ids.len());
        ids.extend(page_ids);
        let link = page.header("link").to_owned();
        let Some(next) = link
            .strip_prefix('<')
            .and_then(|l| l.strip_suffix(">; rel=\"next\""))
        else {
            break;
        };
        path = next.strip_prefix(bench.github.url()).unwrap().to_owned();
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert!(ids.is_sorted_by(|a, b| a > b));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_lose_double_forge_delay_and_reorder_deliveries() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    let faults = bench.github.faults();

    faults.lose(1);
    push(&bench, &clone, 1).await;
    assert_eq!(receiver.take().len(), 0);
    assert_eq!(
        bench.deliveries(hook).await.len(),
        1,
        "only the ping is recorded"
    );

    faults.double(1);
    push(&bench, &clone, 2).await;
    let twice = receiver.take();
    assert_eq!(twice.len(), 2);
    assert_eq!(
        twice[0].header("x-github-delivery"),
        twice[1].header("x-github-delivery")
    );

    let body = json!({"deliveries": {"forge": 1}});
    let set = bench.call(Method::POST, "/local/faults", body).await;
    assert_eq!((set.status, &set.json()["forge"]), (200, &json!(1)));
    push(&bench, &clone, 3).await;
    assert!(!receiver.take()[0].is_signed_with(SECRET));

    faults.reorder(2);
    let one = push(&bench, &clone, 4).await;
    assert_eq!(receiver.take().len(), 0);
    let two = push(&bench, &clone, 5).await;
    let order: Vec<Value> = receiver
        .take()
        .iter()
        .map(|heard| heard.json()["after"].clone())
        .collect();
    assert_eq!(order, [json!(two), json!(one)]);

    // longer than the next push takes
    faults.delay(Duration::from_secs(4), 1);
    let late = clone.commit("n", "6");
    clone.push();
    let soon = push(&bench, &clone, 7).await;
    let order: Vec<Value> = receiver
        .take()
        .iter()
        .map(|heard| heard.json()["after"].clone())
        .collect();
    assert_eq!(order, [json!(soon), json!(late)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_api_are_down_rate_limited_and_lagging() {
    let bench = Bench::new().await;
    let faults = bench.github.faults();
    let clone = bench.clone();
    let first = clone.commit("a", "1");
    clone.push();

    faults.down(true);
    assert_eq!(bench.get("branches/main").await.status, 503);
    let second = clone.commit("a", "2");
    clone.push();
    faults.down(false);

    faults.rate_limited(true);
    let limited = bench.get("branches/main").await;
    assert_eq!(
        (limited.status, limited.header("x-ratelimit-remaining")),
        (403, "0")
    );
    assert!(
        limited.json()["message"]
            .as_str()
            .unwrap()
            .contains("rate limit exceeded")
    );
    faults.reset();

    faults.lag(2);
    assert_eq!(
        bench.get("branches/main").await.json()["commit"]["sha"],
        first.as_str()
    );
    assert_eq!(
        bench.get(&format!("git/commits/{second}")).await.status,
        404
    );
    assert_eq!(
        bench.get("branches/main").await.json()["commit"]["sha"],
        second.as_str()
    );
    assert_eq!(
        bench.get(&format!("git/commits/{second}")).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_deliveries_statuses_and_ids_survive_a_restart() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    let head = push(&bench, &clone, 1).await;
    let status = json!({"state": "success", "context": "dploy/shop"});
    assert_eq!(
        bench
            .call(Method::POST, &format!("statuses/{head}"), status)
            .await
            .status,
        201
    );
    let before = bench.deliveries(hook).await;
    receiver.take();
    let Bench {
        github, dir, id, ..
    } = bench;
    github.stop().await;
    let state = dir.path().join("github/state.json");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&state).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let github = open(dir.path(), Pace::default()).await;
    assert_eq!(
        github
            .create_repository("acme", "shop", "main")
            .await
            .unwrap(),
        id
    );
    let bench = Bench {
        github,
        dir,
        http: client(),
        id,
    };
    assert_eq!(bench.deliveries(hook).await, before);
    let combined = bench.get(&format!("commits/{head}/status")).await.json();
    assert_eq!(
        (&combined["state"], &combined["total_count"]),
        (&json!("success"), &json!(1))
    );
    clone.git(&[
        "remote",
        "set-url",
        "origin",
        &format!("{}/acme/shop.git", bench.github.url()),
    ]);
    push(&bench, &clone, 2).await;
    assert!(receiver.take().remove(0).is_signed_with(SECRET));
    assert_eq!(
        bench
            .call(Method::POST, &format!("hooks/{hook}/tests"), Value::Null)
            .await
            .status,
        204
    );
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 1);
}

//! The pages of the local GitHub, and their buttons.

use reqwest::Method;
use serde_json::json;

use test_kit::github::{Bench, Receiver, Reply, SECRET, TOKEN, reply};

const FAULTS: &str = "/local/faults";

async fn look(bench: &Bench, path: &str) -> Reply {
    let page = bench.request(Method::GET, path);
    reply(page.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")).await
}

/// What a browser sends for a button of a page of this server.
async fn press(bench: &Bench, path: &str, fields: &str) -> Reply {
    press_from(bench, path, fields, bench.github.url()).await
}

async fn press_from(bench: &Bench, path: &str, fields: &str, origin: &str) -> Reply {
    let form = bench
        .request(Method::POST, path)
        .header("accept", "text/html,*/*;q=0.8")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", origin.to_owned());
    reply(form.body(fields.to_owned())).await
}

/// The path of the first form whose action ends so.
fn action<'a>(page: &'a str, end: &str) -> &'a str {
    let mut actions = page.split("action=\"").skip(1);
    let found = actions.find_map(|rest| {
        let (path, _) = rest.split_once('"')?;
        path.ends_with(end).then_some(path)
    });
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_seen_and_switched_by_buttons_of_the_same_route() {
    let bench = Bench::new().await;
    let index = look(&bench, "/").await.text;
    assert!(index.contains("href=\"/local/faults\""));
    let well = look(&bench, FAULTS).await;
    assert!(well.header("content-type").starts_with("text/html"));
    assert!(
        well.header("content-security-policy")
            .contains("form-action 'self'")
    );
    assert!(!well.text.contains("class=\"bad\"") && !well.text.contains("<script"));

    for (fields, field, shown) in [
        ("down=true", "down", "<strong class=\"bad\">Down</strong>"),
        ("slow_ms=1", "slow_ms", "1 ms"),
        (
            "secondary_limited=true",
            "secondary_limited",
            "Secondary rate limit</strong>",
        ),
        ("lag=7", "lag", "7 to come"),
        (
            "deliveries.times=3&deliveries.delay_ms=40",
            "delay_ms",
            "3 to come, 40 ms",
        ),
        ("deliveries.lose=8", "lose", "8 to come"),
        ("deliveries.double=9", "double", "9 to come"),
        ("deliveries.reorder=4", "reorder", "4 to come"),
        ("deliveries.forge=5", "forge", "5 to come"),
        (
            "rate_limited=true",
            "rate_limited",
            "Rate limit used up</strong>",
        ),
    ] {
        let pressed = press(&bench, FAULTS, fields).await;
        // the client follows 303 to the page
        assert_eq!(
            (pressed.status, pressed.text.contains(shown)),
            (200, true),
            "{fields}"
        );
        let set = bench.get(FAULTS).await.json();
        assert!(
            set[field] != json!(false) && set[field] != json!(0),
            "{fields}: {set}"
        );
    }
    press(&bench, FAULTS, "down=false").await;
    assert_eq!(
        bench.get(FAULTS).await.json()["down"],
        false,
        "the other ones stay"
    );
    assert_eq!(bench.get(FAULTS).await.json()["lag"], 7);
    assert!(
        press(&bench, FAULTS, "reset=true")
            .await
            .text
            .contains("off")
    );
    assert!(!look(&bench, FAULTS).await.text.contains("class=\"bad\""));

    for wrong in [
        "dwon=true",
        "deliveries.lose=many",
        "deliveries.lose=-1",
        "lose=1",
    ] {
        let refused = press(&bench, FAULTS, wrong).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert!(refused.text.starts_with("not a fault"), "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_shown_with_request_and_response_and_sent_again_by_a_button() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    let first = receiver.take().remove(0);

    let page = look(&bench, "/acme/shop").await.text;
    for shown in [
        first.header("x-github-delivery"),
        "X-GitHub-Event: push",
        "X-Hub-Signature-256: sha256=",
        "&#34;ref&#34;: &#34;refs/heads/main&#34;",
        "content-type: text/plain",
        "202 OK",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains(SECRET) && !page.contains(TOKEN));

    let button = action(&page, "/redeliver");
    let again = press(&bench, button, "").await;
    assert_eq!(again.status, 200);
    assert!(
        again.text.contains("redelivery"),
        "the page shows how it went"
    );
    let heard = receiver.take();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].body, first.body);
    assert_eq!(
        heard[0].header("x-github-delivery"),
        first.header("x-github-delivery")
    );

    press(&bench, action(&page, "/ping"), "").await;
    bench.github.settle().await;
    assert_eq!(receiver.take()[0].header("x-github-event"), "ping");
    assert_eq!(bench.deliveries(hook).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_of_other_sites_and_of_hooks_elsewhere_do_nothing() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    bench
        .github
        .create_repository("acme", "other", "main")
        .await
        .unwrap();
    let delivery = bench.deliveries(hook).await[0]["id"].clone();
    let redeliver = format!("settings/hooks/{hook}/deliveries/{delivery}/redeliver");
    for (path, fields) in [
        (FAULTS.to_owned(), "down=true"),
        ("/local/repositories".to_owned(), "owner=acme&name=evil"),
        (format!("/acme/shop/{redeliver}"), ""),
        (format!("/acme/shop/settings/hooks/{hook}/ping"), ""),
    ] {
        for origin in ["http://evil.example", "null"] {
            let refused = press_from(&bench, &path, fields, origin).await;
            assert_eq!(refused.status, 403, "{path}");
        }
    }
    for path in [
        format!("/acme/other/{redeliver}"),
        format!("/acme/none/{redeliver}"),
        format!("/acme/other/settings/hooks/{hook}/ping"),
        format!("/acme/shop/settings/hooks/{hook}/deliveries/1/redeliver"),
    ] {
        assert_eq!(press(&bench, &path, "").await.status, 404, "{path}");
    }
    bench.github.settle().await;
    assert!(receiver.take().is_empty());
    assert_eq!(bench.get(FAULTS).await.json()["down"], false);
    assert_eq!(bench.get("/repos/acme/evil").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_by_a_form_and_each_branch_has_a_page() {
    let bench = Bench::new().await;
    let made = press(&bench, "/local/repositories", "owner=ana&name=fresh").await;
    assert_eq!(made.status, 200);
    assert!(made.text.contains("git clone") && made.text.contains("ana/fresh.git"));
    for (fields, why) in [
        ("owner=ana&name=a/b", "no name of a repository"),
        ("owner=repos&name=x", "no name of an owner"),
        ("owner=../..&name=x", "no name of an owner"),
        ("owner=ana", "missing field"),
    ] {
        let refused = press(&bench, "/local/repositories", fields).await;
        assert_eq!(refused.status, 422, "{fields}");
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    clone.git(&["checkout", "--quiet", "-b", "env/<dev>"]);
    clone.git(&["commit", "--quiet", "--allow-empty", "-m", "only here"]);
    clone.push();
    let page = look(&bench, "/acme/shop").await.text;
    assert!(!page.contains("only here"));
    let link = page
        .split("href=\"")
        .find(|rest| rest.contains("env/%3Cdev%3E"));
    let (link, _) = link.unwrap().split_once('"').unwrap();
    assert!(look(&bench, link).await.text.contains("only here"));
    assert_eq!(look(&bench, "/acme/shop/tree/main").await.status, 200);
    assert_eq!(look(&bench, "/acme/shop/commits/none").await.status, 404);
}

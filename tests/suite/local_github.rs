//! A push to the local GitHub is told to its hooks as GitHub tells it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::local_github_support::{Bench, Receiver, SECRET, git};

const ZEROS: &str = "0000000000000000000000000000000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_fires_a_signed_hook_and_the_delivery_is_recorded() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    let head = clone.commit("dploy.app", "app_name: shop\n");
    clone.push();
    bench.github.settle().await;

    let heard = receiver.take();
    assert_eq!(heard.len(), 1);
    let push = &heard[0];
    assert!(push.is_signed_with(SECRET));
    assert!(push.header("x-hub-signature").starts_with("sha1="));
    assert_eq!(push.header("x-github-event"), "push");
    assert_eq!(push.header("x-github-hook-id"), hook.to_string());
    assert_eq!(
        push.header("x-github-hook-installation-target-type"),
        "repository"
    );
    assert_eq!(
        push.header("x-github-hook-installation-target-id"),
        bench.id.to_string()
    );
    assert!(push.header("user-agent").starts_with("GitHub-Hookshot/"));
    assert_eq!(push.header("content-type"), "application/json");
    assert_eq!(push.json()["after"], head.as_str());

    let deliveries = bench.deliveries(hook).await;
    assert_eq!(deliveries.len(), 2, "the ping and the push");
    let last = &deliveries[0];
    assert_eq!(last["event"], "push");
    assert_eq!(
        (&last["status"], &last["status_code"]),
        (&json!("OK"), &json!(202))
    );
    assert_eq!(last["guid"], push.header("x-github-delivery"));
    let whole = bench
        .get(&format!("hooks/{hook}/deliveries/{}", last["id"]))
        .await
        .json();
    assert_eq!(whole["request"]["payload"], push.json());
    assert_eq!(whole["request"]["headers"]["X-GitHub-Event"], "push");
    assert_eq!(whole["response"]["payload"], "Queued as <deploy> #1");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_say_what_happened_to_the_ref() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    let pushed = async |arguments: &[&str]| -> Value {
        clone.git(&[&["push", "--quiet", "origin"], arguments].concat());
        bench.github.settle().await;
        let mut heard = receiver.take();
        assert_eq!(heard.len(), 1, "{arguments:?}");
        heard.remove(0).json()
    };
    let facts = |push: &Value| {
        let of = |name: &str| push[name].as_str().unwrap_or("-").to_owned();
        let is = |name: &str| push[name].as_bool().unwrap();
        (
            of("ref"),
            of("before"),
            of("after"),
            is("created"),
            is("deleted"),
            is("forced"),
        )
    };
    let text = str::to_owned;

    let first = clone.commit("specs/web.json", "{}");
    let new = pushed(&["main"]).await;
    assert_eq!(
        facts(&new),
        (
            text("refs/heads/main"),
            text(ZEROS),
            first.clone(),
            true,
            false,
            false
        )
    );
    assert_eq!(new["commits"][0]["added"], json!(["specs/web.json"]));
    assert_eq!(new["head_commit"]["id"], first.as_str());
    assert_eq!(new["head_commit"]["timestamp"], "2026-11-22T10:00:00+01:00");
    assert_eq!(
        new["head_commit"]["tree_id"],
        clone.git(&["rev-parse", "HEAD^{tree}"])
    );
    assert_eq!(new["repository"]["id"], bench.id);
    assert_eq!(new["repository"]["full_name"], "acme/shop");
    assert!(new["repository"]["pushed_at"].is_i64() && new["repository"]["created_at"].is_i64());
    assert_eq!(new["repository"]["owner"]["name"], "acme");
    assert_eq!(
        (&new["pusher"]["name"], &new["sender"]["login"]),
        (&json!("ana"), &json!("ana"))
    );

    clone.commit("specs/api.json", "{}");
    std::fs::remove_file(clone.path.join("specs/web.json")).unwrap();
    let third = clone.commit("specs/api.json", "[]");
    let update = pushed(&["main"]).await;
    assert_eq!(
        facts(&update),
        (
            text("refs/heads/main"),
            first.clone(),
            third.clone(),
            false,
            false,
            false
        )
    );
    let ids: Vec<&Value> = update["commits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["message"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(update["commits"][1]["modified"], json!(["specs/api.json"]));
    assert_eq!(update["commits"][1]["removed"], json!(["specs/web.json"]));
    assert_eq!(update["commits"][1]["distinct"], true);
    assert!(update["compare"].as_str().unwrap().ends_with(&format!(
        "/compare/{}...{}",
        &first[..12],
        &third[..12]
    )));

    let branch = pushed(&["main:refs/heads/env/dev"]).await;
    assert_eq!(
        facts(&branch),
        (
            text("refs/heads/env/dev"),
            text(ZEROS),
            third.clone(),
            true,
            false,
            false
        )
    );
    assert_eq!(
        (&branch["commits"], &branch["base_ref"]),
        (&json!([]), &json!("refs/heads/main"))
    );

    clone.git(&["tag", "-a", "v1", "-m", "one"]);
    let tag = pushed(&["v1"]).await;
    let tag_object = clone.git(&["rev-parse", "v1"]);
    assert_eq!(
        facts(&tag),
        (
            text("refs/tags/v1"),
            text(ZEROS),
            tag_object,
            true,
            false,
            false
        )
    );
    assert_eq!(
        (&tag["head_commit"]["id"], &tag["commits"]),
        (&json!(third), &json!([]))
    );

    clone.git(&["reset", "--quiet", "--hard", &first]);
    let forced = pushed(&["--force", "main"]).await;
    assert_eq!(
        facts(&forced),
        (
            text("refs/heads/main"),
            third.clone(),
            first,
            false,
            false,
            true
        )
    );
    assert_eq!(forced["commits"], json!([]));

    let deleted = pushed(&["--delete", "env/dev"]).await;
    assert_eq!(
        facts(&deleted),
        (
            text("refs/heads/env/dev"),
            third,
            text(ZEROS),
            false,
            true,
            false
        )
    );
    assert_eq!(
        (&deleted["head_commit"], &deleted["commits"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_three_tags_at_once_are_told_to_nobody() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    for tag in ["v1", "v2", "v3", "v4"] {
        clone.git(&["tag", tag]);
    }
    clone.git(&["push", "--quiet", "origin", "main", "--tags"]);
    bench.github.settle().await;
    let refs: Vec<Value> = receiver
        .take()
        .iter()
        .map(|heard| heard.json()["ref"].clone())
        .collect();
    assert_eq!(refs, ["refs/heads/main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_refused_or_changes_nothing_is_no_event() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    clone.push();
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 1);
    let unknown = format!("{}/acme/other.git", bench.github.url());
    let refused = crate::local_github_support::git_output(&clone.path, &["push", &unknown, "main"]);
    assert!(!refused.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_can_be_cloned_and_a_large_push_arrives_whole() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    // larger than http.postBuffer: sent in chunks; and something gzip is used for
    let noise: String = (0..400_000_u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    for n in 0..40 {
        clone.git(&["commit", "--quiet", "--allow-empty", "-m", &format!("{n}")]);
    }
    let head = clone.commit("noise", &noise);
    clone.push();
    let other = bench.dir.path().join("other");
    let url = format!("{}/acme/shop.git", bench.github.url());
    git(
        bench.dir.path(),
        &["clone", "--quiet", &url, other.to_str().unwrap()],
    );
    assert_eq!(git(&other, &["rev-parse", "HEAD"]), head);
    assert_eq!(std::fs::read_to_string(other.join("noise")).unwrap(), noise);
    let next = clone.commit("b", "b");
    clone.push();
    git(&other, &["pull", "--quiet", "--ff-only"]);
    assert_eq!(git(&other, &["rev-parse", "HEAD"]), next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_has_the_same_guid_and_the_same_bytes() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    let first = receiver.take().remove(0);
    let recorded = bench.deliveries(hook).await[0].clone();
    let path = format!("hooks/{hook}/deliveries/{}/attempts", recorded["id"]);
    let answer = bench.call(Method::POST, &path, Value::Null).await;
    assert_eq!((answer.status, answer.json()), (202, json!({})));
    bench.github.settle().await;
    let again = receiver.take().remove(0);
    assert_eq!(
        again.header("x-github-delivery"),
        first.header("x-github-delivery")
    );
    assert_eq!(again.body, first.body);
    let attempts = bench.deliveries(hook).await;
    assert_eq!(
        (&attempts[0]["redelivery"], &attempts[1]["redelivery"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(attempts[0]["guid"], attempts[1]["guid"]);
    assert_ne!(attempts[0]["id"], attempts[1]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_hooks_hear_of_one_push_under_one_guid() {
    let bench = Bench::new().await;
    let (one, two) = (Receiver::new().await, Receiver::new().await);
    bench.hook(&one).await;
    bench.hook(&two).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    let (one, two) = (one.take().remove(0), two.take().remove(0));
    assert_eq!(
        one.header("x-github-delivery"),
        two.header("x-github-delivery")
    );
}

//! A push to the local GitHub is told to its hooks as GitHub tells it.

use reqwest::Method;
use serde_json::{Value, json};

use test_kit::git::git;
use test_kit::github::{Bench, Clone, Receiver, SECRET};

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

    let events = receiver.take();
    assert_eq!(events.len(), 1);
    let push = &events[0];
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

/// A bench with a hook and a clone: pushes, and what the hook heard of them.
struct Story {
    bench: Bench,
    receiver: Receiver,
    clone: Clone,
}

impl Story {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let receiver = Receiver::new().await;
        bench.hook(&receiver).await;
        let clone = bench.clone();
        Self {
            bench,
            receiver,
            clone,
        }
    }

    /// Pushes, and gives the payload of the one event that comes of it.
    async fn push(&self, arguments: &[&str]) -> Value {
        self.clone
            .git(&[&["push", "--quiet", "origin"], arguments].concat());
        self.bench.github.settle().await;
        let mut events = self.receiver.take();
        assert_eq!(events.len(), 1, "{arguments:?}");
        events.remove(0).json()
    }
}

/// What a payload says of its ref: name, before, after; created, deleted, forced.
fn facts(push: &Value) -> ([&str; 3], [bool; 3]) {
    let text = ["ref", "before", "after"].map(|name| push[name].as_str().unwrap());
    let flags = ["created", "deleted", "forced"].map(|name| push[name].as_bool().unwrap());
    (text, flags)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_branch_is_told_with_its_commits_and_the_repository() {
    let story = Story::new().await;
    let first = story.clone.commit("specs/web.json", "{}");
    let new = story.push(&["main"]).await;
    assert_eq!(
        facts(&new),
        (["refs/heads/main", ZEROS, &first], [true, false, false])
    );
    assert_eq!(new["commits"][0]["added"], json!(["specs/web.json"]));
    let head = &new["head_commit"];
    assert_eq!(head["id"], first.as_str());
    assert_eq!(head["timestamp"], "2026-11-22T10:00:00+01:00");
    assert_eq!(
        head["tree_id"],
        story.clone.git(&["rev-parse", "HEAD^{tree}"])
    );
    let repository = &new["repository"];
    assert_eq!(repository["id"], story.bench.id);
    assert_eq!(repository["full_name"], "acme/shop");
    assert_eq!(repository["owner"]["name"], "acme");
    assert!(repository["pushed_at"].is_i64() && repository["created_at"].is_i64());
    assert_eq!(new["pusher"]["name"], "ana");
    assert_eq!(new["sender"]["login"], "ana");

    let again = story.push(&["main:refs/heads/env/dev"]).await;
    assert_eq!(
        facts(&again),
        (["refs/heads/env/dev", ZEROS, &first], [true, false, false])
    );
    assert_eq!(again["commits"], json!([]), "they were known");
    assert_eq!(again["base_ref"], "refs/heads/main");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_told_with_what_each_commit_changed() {
    let story = Story::new().await;
    let first = story.clone.commit("specs/web.json", "{}");
    story.push(&["main"]).await;
    story.clone.commit("specs/api.json", "{}");
    std::fs::remove_file(story.clone.path.join("specs/web.json")).unwrap();
    let third = story.clone.commit("specs/api.json", "[]");
    let update = story.push(&["main"]).await;
    assert_eq!(
        facts(&update),
        (["refs/heads/main", &first, &third], [false, false, false])
    );
    let commits = update["commits"].as_array().unwrap();
    assert_eq!(commits.len(), 2, "oldest first");
    assert_eq!(commits[0]["added"], json!(["specs/api.json"]));
    assert_eq!(commits[1]["modified"], json!(["specs/api.json"]));
    assert_eq!(commits[1]["removed"], json!(["specs/web.json"]));
    assert_eq!(commits[1]["distinct"], true);
    let compare = format!("/compare/{}...{}", &first[..12], &third[..12]);
    assert!(update["compare"].as_str().unwrap().ends_with(&compare));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_a_forced_push_and_a_deletion_are_told_as_such() {
    let story = Story::new().await;
    let first = story.clone.commit("a", "1");
    story.push(&["main"]).await;
    let second = story.clone.commit("a", "2");
    story.push(&["main:main"]).await;

    story.clone.git(&["tag", "-a", "v1", "-m", "one"]);
    let tag = story.push(&["v1"]).await;
    let tag_object = story.clone.git(&["rev-parse", "v1"]);
    assert_eq!(
        facts(&tag),
        (["refs/tags/v1", ZEROS, &tag_object], [true, false, false])
    );
    assert_eq!(tag["head_commit"]["id"], second.as_str());
    assert_eq!(
        (&tag["commits"], &tag["base_ref"]),
        (&json!([]), &json!("refs/heads/main"))
    );

    story.clone.git(&["reset", "--quiet", "--hard", &first]);
    let forced = story.push(&["--force", "main"]).await;
    assert_eq!(
        facts(&forced),
        (["refs/heads/main", &second, &first], [false, false, true])
    );
    assert_eq!(forced["commits"], json!([]), "back to an ancestor");

    story.push(&["main:refs/heads/side"]).await;
    let deleted = story.push(&["--delete", "side"]).await;
    assert_eq!(
        facts(&deleted),
        (["refs/heads/side", &first, ZEROS], [false, true, false])
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
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    clone.push();
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 1);
    let unknown = format!("{}/acme/other.git", bench.github.url());
    // one that goes nowhere, and one that the server itself refuses: the default branch stays
    for refused in [
        &["push", &unknown, "main"][..],
        &["push", "origin", ":main"],
    ] {
        let output = test_kit::git::git_output(&clone.path, refused);
        assert!(!output.status.success(), "{refused:?}");
        bench.github.settle().await;
        assert_eq!(receiver.take().len(), 0, "{refused:?}");
        assert_eq!(bench.deliveries(hook).await.len(), 2, "the ping and a push");
        let branch = bench.get("branches/main").await.json();
        assert_eq!(branch["commit"]["sha"], clone.head());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_can_be_cloned_and_a_large_push_arrives_whole() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    // larger than http.postBuffer: sent in chunks; and something gzip is used for
    let noise: Vec<String> = (0..150_000_u64)
        .map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string())
        .collect();
    let noise = noise.concat();
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

#[tokio::test(flavor = "multi_thread")]
async fn pushes_at_the_same_time_are_told_one_by_one() {
    let story = Story::new().await;
    story.clone.commit("a", "a");
    story.push(&["main"]).await;
    let url = format!("{}/acme/shop.git", story.bench.github.url());
    let pushes = (0..6).map(|n| {
        let (path, url) = (story.clone.path.clone(), url.clone());
        let branch = format!("HEAD:refs/heads/side-{n}");
        tokio::task::spawn_blocking(move || git(&path, &["push", "--quiet", &url, &branch]))
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap();
    }
    story.bench.github.settle().await;
    let mut refs: Vec<String> = story
        .receiver
        .take()
        .iter()
        .map(|heard| heard.json()["ref"].to_string())
        .collect();
    refs.sort();
    let expected: Vec<String> = (0..6).map(|n| format!("\"refs/heads/side-{n}\"")).collect();
    assert_eq!(refs, expected);
}

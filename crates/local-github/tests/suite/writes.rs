//! Refs, files and commits made by REST calls, which hooks hear of as of any push.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use test_kit::git::git;
use test_kit::github::{Bench, Receiver, Reply, reply};

const ZEROS: &str = "0000000000000000000000000000000000000000";

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

struct Story {
    bench: Bench,
    receiver: Receiver,
    head: String,
}

impl Story {
    /// With one commit on `main`.
    async fn new() -> Self {
        let bench = Bench::new().await;
        let receiver = Receiver::new().await;
        bench.hook(&receiver).await;
        let clone = bench.clone();
        let head = clone.commit("a", "a");
        clone.push();
        bench.github.settle().await;
        receiver.take();
        Self {
            bench,
            receiver,
            head,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        self.bench.call(method, path, body).await
    }

    /// A call that is one push, whose payload this is.
    async fn push(&self, method: Method, path: &str, body: Value) -> (Reply, Value) {
        let reply = self.call(method, path, body).await;
        self.bench.github.settle().await;
        let mut heard = self.receiver.take();
        assert_eq!(heard.len(), 1, "{path}: {} {}", reply.status, reply.text);
        (reply, heard.remove(0).json())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ref_is_made_moved_forward_forced_and_deleted_and_each_is_a_push() {
    let story = Story::new().await;
    let wish = json!({"ref": "refs/heads/env/dev", "sha": story.head});
    let (made, push) = story.push(Method::POST, "git/refs", wish.clone()).await;
    assert_eq!(
        (made.status, &made.json()["object"]["sha"]),
        (201, &json!(story.head))
    );
    assert_eq!(
        (&push["ref"], &push["created"]),
        (&json!("refs/heads/env/dev"), &json!(true))
    );
    assert_eq!(push["sender"]["login"], "ana");

    let file = json!({"message": "b", "content": base64("b"), "branch": "env/dev"});
    let (file, _) = story.push(Method::PUT, "contents/b", file).await;
    let next = file.json()["commit"]["sha"].clone();
    let main = "git/refs/heads/main";
    let (moved, push) = story.push(Method::PATCH, main, json!({"sha": next})).await;
    assert_eq!((moved.status, &push["forced"]), (200, &json!(false)));
    let back = json!({"sha": story.head});
    let refused = story.call(Method::PATCH, main, back).await;
    assert_eq!(refused.json()["message"], "Update is not a fast forward");
    let back = json!({"sha": story.head, "force": true});
    let (_, push) = story.push(Method::PATCH, main, back).await;
    assert_eq!(
        (&push["forced"], &push["commits"]),
        (&json!(true), &json!([]))
    );
    let (gone, push) = story
        .push(Method::DELETE, "git/refs/heads/env/dev", json!(null))
        .await;
    assert_eq!((gone.status, &push["after"]), (204, &json!(ZEROS)));

    for (body, why) in [
        (
            json!({"ref": "refs/heads/main", "sha": story.head}),
            "Reference already exists",
        ),
        (
            json!({"ref": "refs/heads/x", "sha": ZEROS}),
            "Object does not exist",
        ),
        (
            json!({"ref": "refs/heads/main/x", "sha": story.head}),
            "Reference update failed",
        ),
        (
            json!({"ref": "refs/heads/a..b", "sha": story.head}),
            "is not a valid ref name",
        ),
        (
            json!({"ref": "refs/heads/a\nb", "sha": story.head}),
            "is not a valid ref name",
        ),
        (
            json!({"ref": "main", "sha": story.head}),
            "is not a valid ref name",
        ),
        (json!({"ref": "refs/heads/x"}), "exactly 40 characters"),
    ] {
        let refused = story.call(Method::POST, "git/refs", body).await;
        assert_eq!(refused.status, 422, "{why}");
        let said = refused.json()["message"].clone();
        assert!(said.as_str().unwrap().contains(why), "{said}");
    }
    let none = story
        .call(Method::DELETE, "git/refs/heads/none", json!(null))
        .await;
    assert_eq!(none.json()["message"], "Reference does not exist");
    let strange = story
        .bench
        .request(Method::POST, "/repos/acme/shop/git/refs");
    assert_eq!(
        reply(strange.bearer_auth("weak").json(&wish)).await.status,
        404
    );
    story.bench.github.settle().await;
    assert!(story.receiver.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_made_changed_and_deleted_by_who_knows_what_is_there() {
    let story = Story::new().await;
    let path = "contents/specs/%C3%A4%20b.json";
    let wish = json!({"message": "one", "content": base64("{}")});
    let (made, push) = story.push(Method::PUT, path, wish.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(push["commits"][0]["added"], json!(["specs/ä b.json"]));
    assert_eq!(push["head_commit"]["author"]["username"], "ana");
    assert_eq!(push["before"], story.head.as_str());
    let sha = made.json()["content"]["sha"].clone();

    let blind = story.call(Method::PUT, path, wish).await;
    assert_eq!(
        (blind.status, &blind.json()["message"]),
        (422, &json!("Invalid request.\n\n\"sha\" wasn't supplied."))
    );
    let stale = json!({"message": "x", "content": "", "sha": story.head});
    assert_eq!(story.call(Method::PUT, path, stale).await.status, 409);
    let folder = json!({"message": "x", "content": "", "sha": story.head});
    let folder = story.call(Method::PUT, "contents/specs", folder).await;
    assert_eq!(folder.status, 422, "a folder is there");
    let known = json!({"message": "two", "content": base64("{ }"), "sha": sha, "author": {"name": "Bö", "email": "b@x", "date": "2020-01-02T03:04:05Z"}});
    let (changed, push) = story.push(Method::PUT, path, known).await;
    assert_eq!(
        (changed.status, &push["commits"][0]["modified"]),
        (200, &json!(["specs/ä b.json"]))
    );
    assert_eq!(
        changed.json()["commit"]["author"]["date"],
        "2020-01-02T03:04:05Z"
    );
    let sha = changed.json()["content"]["sha"].clone();
    let (deleted, push) = story
        .push(
            Method::DELETE,
            path,
            json!({"message": "three", "sha": sha}),
        )
        .await;
    assert_eq!(
        (deleted.status, &push["commits"][0]["removed"]),
        (200, &json!(["specs/ä b.json"]))
    );

    let large = json!({"message": "large", "content": base64(&"x".repeat(3 << 20))});
    let (made, _) = story.push(Method::PUT, "contents/large", large).await;
    assert_eq!(made.json()["content"]["size"], 3 << 20);
    for (path, body, status) in [
        ("contents/x", json!({"content": ""}), 422),
        ("contents/x", json!({"message": "x"}), 422),
        (
            "contents/x",
            json!({"message": "x", "content": "not base64!"}),
            422,
        ),
        (
            "contents/.git/config",
            json!({"message": "x", "content": ""}),
            422,
        ),
        (
            "contents/x",
            json!({"message": "x", "content": "", "branch": "none"}),
            404,
        ),
        ("contents/a/x", json!({"message": "x", "content": ""}), 422),
        ("contents/x", json!([]), 400),
    ] {
        let refused = story.call(Method::PUT, path, body).await;
        assert_eq!(refused.status, status, "{path} {}", refused.text);
    }
    let bare = story.bench.dir.path().join("github/acme/shop.git");
    git(&bare, &["fsck", "--strict", "--no-dangling"]);
    let left = std::fs::read_dir(bare).unwrap().filter_map(Result::ok);
    let left = left.filter(|file| file.file_name().to_string_lossy().starts_with("index"));
    assert_eq!(left.count(), 0, "no index stays behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_built_of_blobs_and_trees_without_a_push() {
    let story = Story::new().await;
    let blob = json!({"content": base64("x"), "encoding": "base64"});
    let blob = story.call(Method::POST, "git/blobs", blob).await;
    assert_eq!(blob.status, 201);
    let tree = json!({"base_tree": story.head, "tree": [
        {"path": "dir/x", "mode": "100755", "type": "blob", "sha": blob.json()["sha"]},
        {"path": "y", "mode": "100644", "type": "blob", "content": "ä"},
        {"path": "a", "mode": "100644", "type": "blob", "sha": null},
    ]});
    let tree = story.call(Method::POST, "git/trees", tree).await.json();
    let names: Vec<&str> = tree["tree"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["path"].as_str())
        .collect();
    assert_eq!(names, ["dir", "y"]);
    let commit = json!({"message": "built\n\nwell", "tree": tree["sha"], "parents": [story.head]});
    let commit = story.call(Method::POST, "git/commits", commit).await;
    assert_eq!(
        (commit.status, &commit.json()["parents"][0]["sha"]),
        (201, &json!(story.head))
    );
    let tag = json!({"tag": "v1", "message": "one", "object": story.head, "type": "commit"});
    let tag = story.call(Method::POST, "git/tags", tag).await.json();
    let read = story
        .bench
        .get(&format!("git/tags/{}", tag["sha"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(
        (&read["object"]["sha"], &read["tagger"]["name"]),
        (&json!(story.head), &json!("ana"))
    );
    story.bench.github.settle().await;
    assert!(story.receiver.take().is_empty(), "no ref moved");

    let folder = json!({"base_tree": tree["sha"], "tree": [
        {"path": "dir", "mode": "040000", "type": "tree", "sha": story.head},
    ]});
    let replaced = story.call(Method::POST, "git/trees", folder).await.json();
    let path = format!(
        "git/trees/{}?recursive=1",
        replaced["sha"].as_str().unwrap()
    );
    let listed = story.bench.get(&path).await.json();
    let names = listed["tree"].as_array().unwrap().iter();
    let names: Vec<&str> = names.filter_map(|e| e["path"].as_str()).collect();
    assert_eq!(names, ["dir", "dir/a", "y"], "dir/x went with its folder");
    assert_eq!(story.bench.get("contents/a/x").await.status, 404);

    let entry = |path: &str, mode: &str, sha: &str| json!({"tree": [{"path": path, "mode": mode, "sha": sha}]});
    for (call, body) in [
        ("git/trees", entry("../x", "100644", &story.head)),
        ("git/trees", entry("x", "100644", ZEROS)),
        ("git/trees", entry("x", "7", &story.head)),
        ("git/trees", entry("x", "040000", ZEROS)),
        ("git/trees", json!({})),
        ("git/commits", json!({"message": "x", "tree": story.head})),
        (
            "git/commits",
            json!({"message": "x", "tree": tree["sha"], "parents": [tree["sha"]]}),
        ),
        ("git/commits", json!({"message": "x", "tree": "HEAD"})),
        (
            "git/tags",
            json!({"tag": "a b", "message": "x", "object": story.head, "type": "commit"}),
        ),
    ] {
        let refused = story.call(Method::POST, call, body.clone()).await;
        assert_eq!(refused.status, 422, "{call} {body} {}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_repository_may_begin_with_a_readme() {
    let bench = Bench::new().await;
    let wish = json!({"name": "docs", "description": "About", "auto_init": true});
    let made = bench.call(Method::POST, "/user/repos", wish).await;
    assert_eq!(
        (made.status, &made.json()["description"]),
        (201, &json!("About"))
    );
    let readme = bench.get("/repos/ana/docs/readme").await.json();
    assert_eq!(readme["path"], "README.md");
    let text = reply(bench.http.get(readme["download_url"].as_str().unwrap()))
        .await
        .text;
    assert_eq!(text, "# docs\n\nAbout\n");
    let empty = bench
        .call(
            Method::PUT,
            "contents/a",
            json!({"message": "first", "content": ""}),
        )
        .await;
    assert_eq!(
        empty.status, 201,
        "the first commit of an empty one: {}",
        empty.text
    );
}

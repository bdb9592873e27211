//! What the local GitHub says of commits, trees and blobs is what git says.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use test_kit::git::git_output;
use test_kit::github::{Bench, TOKEN, reply};

#[tokio::test(flavor = "multi_thread")]
async fn walking_from_head_to_blob_gives_the_bytes_of_git() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    std::fs::create_dir_all(clone.path.join("specs")).unwrap();
    let long = "ä line of text\n".repeat(40);
    std::fs::write(clone.path.join("specs/web.json"), &long).unwrap();
    std::os::unix::fs::symlink("web.json", clone.path.join("specs/link.json")).unwrap();
    let head = clone.commit("dploy.app", "app_name: shop\n");
    clone.push();

    let found = bench.get("git/ref/heads/main").await.json();
    assert_eq!(
        found["object"],
        json!({"sha": head, "type": "commit", "url": found["object"]["url"]})
    );
    let commit = bench.get(&format!("git/commits/{head}")).await.json();
    assert_eq!(commit["message"], "change dploy.app");
    assert_eq!(commit["committer"]["date"], "2026-11-22T09:00:00Z");
    let tree = bench
        .get(&format!(
            "git/trees/{}",
            commit["tree"]["sha"].as_str().unwrap()
        ))
        .await
        .json();
    let entries = |tree: &Value| -> Vec<String> {
        let all = tree["tree"].as_array().unwrap().iter();
        all.map(|e| {
            format!(
                "{} {} {}",
                e["mode"].as_str().unwrap(),
                e["type"].as_str().unwrap(),
                e["path"].as_str().unwrap()
            )
        })
        .collect()
    };
    assert_eq!(
        entries(&tree),
        ["100644 blob dploy.app", "040000 tree specs"]
    );
    assert_eq!(tree["truncated"], false);
    assert_eq!(tree["tree"][0]["size"], 15);
    let specs = tree["tree"][1]["sha"].as_str().unwrap();
    let specs = bench.get(&format!("git/trees/{specs}")).await.json();
    assert_eq!(
        entries(&specs),
        ["120000 blob link.json", "100644 blob web.json"]
    );
    let all = bench.get("git/trees/main?recursive=1").await.json();
    assert_eq!(all["tree"].as_array().unwrap().len(), 4);

    let blob = format!("git/blobs/{}", specs["tree"][1]["sha"].as_str().unwrap());
    let shown = bench.get(&blob).await.json();
    let base64 = shown["content"].as_str().unwrap();
    assert!(base64.lines().all(|line| line.len() <= 60) && base64.lines().count() > 1);
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(base64.replace('\n', ""))
        .unwrap();
    assert_eq!(bytes, long.as_bytes());
    assert_eq!(
        bytes,
        git_output(&clone.path, &["show", "HEAD:specs/web.json"]).stdout
    );
    let raw = bench.request(Method::GET, &format!("/repos/acme/shop/{blob}"));
    let raw = reply(raw.header("accept", "application/vnd.github.raw+json")).await;
    assert_eq!(raw.text, long);

    let file = bench.get("contents/specs/web.json?ref=main").await.json();
    assert_eq!(
        (&file["type"], &file["path"], &file["content"]),
        (&json!("file"), &json!("specs/web.json"), &shown["content"])
    );
    let listed = bench
        .get(&format!("contents/specs?ref={head}"))
        .await
        .json();
    assert_eq!(
        (&listed[0]["type"], &listed[1]["path"]),
        (&json!("symlink"), &json!("specs/web.json"))
    );
    assert_eq!(
        bench
            .get("contents/")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(bench.get("contents/specs/none.json").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_answers_304_and_costs_nothing() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    let head = clone.commit("a", "a");
    clone.push();
    let asked = |path: &str, accept: &str, tag: &str| {
        let request = bench.request(Method::GET, path).bearer_auth(TOKEN);
        reply(
            request
                .header("accept", accept.to_owned())
                .header("if-none-match", tag.to_owned()),
        )
    };
    let sha = "application/vnd.github.sha";
    let first = asked("/repos/acme/shop/commits/main", sha, "").await;
    assert_eq!(first.text, head);
    assert_eq!(first.header("etag"), format!("\"{head}\""));
    let same = asked("/repos/acme/shop/commits/main", sha, &format!("\"{head}\"")).await;
    assert_eq!((same.status, same.text.as_str()), (304, ""));
    assert_eq!(
        same.header("x-ratelimit-used"),
        first.header("x-ratelimit-used")
    );
    let json = asked(
        "/repos/acme/shop/git/ref/heads/main",
        "application/json",
        "",
    )
    .await;
    let tag = json.header("etag").to_owned();
    assert_eq!(json.header("x-ratelimit-used"), "2");
    assert_eq!(
        asked(
            "/repos/acme/shop/git/ref/heads/main",
            "application/json",
            &tag
        )
        .await
        .status,
        304
    );
    let next = clone.commit("a", "b");
    clone.push();
    let moved = asked(
        "/repos/acme/shop/git/ref/heads/main",
        "application/json",
        &tag,
    )
    .await;
    assert_eq!(
        (moved.status, &moved.json()["object"]["sha"]),
        (200, &json!(next))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_with_slashes_lists_and_comparisons_are_found() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    let first = clone.commit("a", "1");
    clone.push();
    clone.git(&["checkout", "--quiet", "-b", "env/ä-dev"]);
    let side = clone.commit("b", "1");
    clone.push();
    clone.git(&["checkout", "--quiet", "main"]);
    let second = clone.commit("a", "2");
    clone.push();

    for path in ["branches/env%2F%C3%A4-dev", "branches/env/%C3%A4-dev"] {
        assert_eq!(
            bench.get(path).await.json()["commit"]["sha"],
            side.as_str(),
            "{path}"
        );
    }
    assert_eq!(
        bench.get("commits/env%2F%C3%A4-dev").await.json()["sha"],
        side.as_str()
    );
    assert_eq!(
        bench.get(&format!("commits/{}", &side[..7])).await.json()["sha"],
        side.as_str()
    );
    let names: Vec<Value> = bench
        .get("branches")
        .await
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["name"].clone())
        .collect();
    assert_eq!(names, ["env/ä-dev", "main"]);
    let listed = bench.get("commits?sha=main&per_page=1").await;
    assert_eq!(listed.json()[0]["sha"], second.as_str());
    assert!(listed.header("link").contains("rel=\"next\""));
    let older = bench.get("commits?sha=main&per_page=1&page=2").await;
    assert_eq!(older.json()[0]["sha"], first.as_str());
    assert!(!older.header("link").contains("rel=\"next\""));

    for (range, status, ahead, behind) in [
        (format!("{first}...main"), "ahead", 1, 0),
        (format!("main...{first}"), "behind", 0, 1),
        ("main...main".to_owned(), "identical", 0, 0),
        ("main...env%2F%C3%A4-dev".to_owned(), "diverged", 1, 1),
    ] {
        let compared = bench.get(&format!("compare/{range}")).await.json();
        let said = (
            &compared["status"],
            &compared["ahead_by"],
            &compared["behind_by"],
        );
        assert_eq!(
            said,
            (&json!(status), &json!(ahead), &json!(behind)),
            "{range}"
        );
        assert_eq!(compared["commits"].as_array().unwrap().len(), ahead);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_in_githubs_words() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("commits").await.status, 409);
    assert_eq!(
        bench.get("git/trees/main").await.json()["message"],
        "Git Repository is empty."
    );
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    let none = "1".repeat(40);
    let missing = bench.get(&format!("commits/{none}")).await;
    assert_eq!(missing.status, 422);
    assert_eq!(
        missing.json()["message"],
        format!("No commit found for SHA: {none}")
    );
    for path in [
        "branches/none",
        "git/ref/heads/none",
        "git/ref/--all",
        "git/trees/--help",
        &format!("git/blobs/{none}"),
        "commits/..%2Fx",
        "commits/--all",
        "/repos/acme/none",
        "/repositories/1",
        "/nothing",
    ] {
        let reply = bench.get(path).await;
        assert_eq!(
            (reply.status, &reply.json()["status"]),
            (404, &json!("404")),
            "{path}"
        );
        assert!(reply.json()["documentation_url"].is_string());
    }
    let head = clone.head();
    for (name, most) in [("description", 140), ("context", 255), ("target_url", 2048)] {
        let long = json!({"state": "success", name: "ä".repeat(most + 1)});
        let path = format!("statuses/{head}");
        let refused = bench.call(Method::POST, &path, long).await;
        assert_eq!(refused.status, 422, "{name}");
        assert_eq!(
            refused.json()["errors"][0]["message"],
            format!("{name} is too long (maximum is {most} characters)")
        );
    }
    assert_eq!(
        bench
            .call(
                Method::POST,
                &format!("statuses/{none}"),
                json!({"state": "success"})
            )
            .await
            .status,
        422
    );
    assert_eq!(
        bench
            .call(
                Method::POST,
                &format!("statuses/{head}"),
                json!({"state": "done"})
            )
            .await
            .status,
        422
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_answers_by_name_by_id_and_below_api_v3() {
    let bench = Bench::new().await;
    let by_name = bench.get("/repos/ACME/Shop").await.json();
    assert_eq!(
        (&by_name["id"], &by_name["default_branch"]),
        (&json!(bench.id), &json!("main"))
    );
    for path in [
        format!("/repositories/{}", bench.id),
        "/api/v3/repos/acme/shop".to_owned(),
        format!("/api/v3/repositories/{}", bench.id),
    ] {
        let shown = bench.get(&path).await.text;
        let shown = shown.replace("/api/v3/", "/");
        assert_eq!(json!(by_name).to_string(), shown, "{path}");
    }
    assert_eq!(bench.get("/user").await.json()["login"], "ana");
    assert_eq!(bench.get("/rate_limit").await.json()["rate"]["limit"], 5000);
    assert_eq!(bench.get("/api/v3").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let bench = Bench::new().await;
    let ask = async |method: Method, path: &str, name: &'static str, value: &str| {
        let request = bench.request(method, path).header(name, value.to_owned());
        let reply = reply(request).await;
        // without it, a browser shows a foreign page nothing of the answer
        assert_eq!(reply.header("access-control-allow-origin"), "");
        reply.status
    };
    let status = async |path: &str, name: &'static str, value: &str| {
        ask(Method::GET, path, name, value).await
    };
    let own = bench.github.url().to_owned();
    for path in [
        "/",
        "/acme/shop",
        "/acme/shop.git/info/refs?service=git-upload-pack",
        "/local/faults",
    ] {
        assert_eq!(status(path, "host", "evil.example").await, 403, "{path}");
        assert_eq!(status(path, "origin", &own).await, 200, "{path}");
    }
    for path in [
        "/user/repos",
        "/repos/acme/shop/hooks",
        "/acme/shop.git/git-receive-pack",
        "/local/faults",
    ] {
        for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
            let status = ask(Method::POST, path, "origin", origin).await;
            assert_eq!(status, 403, "{path} {origin}");
        }
    }
    assert_eq!(
        status("/", "user-agent", "").await,
        403,
        "GitHub asks for a user agent"
    );
    assert_eq!(status("/", "x-github-api-version", "1999-01-01").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_people_shows_branches_commits_and_deliveries_escaped() {
    let bench = Bench::new().await;
    let receiver = test_kit::github::Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.git(&[
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "<script>alert(1)</script>",
    ]);
    clone.push();
    bench.github.settle().await;
    let page = reply(bench.request(Method::GET, "/acme/shop")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("main") && page.text.contains(&clone.head()[..7]));
    assert!(
        page.text.contains("Recent deliveries")
            && page.text.contains("Queued as &#60;deploy&#62; #1")
    );
    assert!(!page.text.contains("<script") && !page.text.contains(test_kit::github::SECRET));
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commits_of_a_payload_have_pages() {
    let bench = Bench::new().await;
    let receiver = test_kit::github::Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    for content in ["<old>", "<new>"] {
        clone.commit("page", content);
        clone.push();
    }
    bench.github.settle().await;
    for push in receiver.take() {
        let push = push.json();
        for link in [&push["head_commit"]["url"], &push["repository"]["url"]] {
            let page = reply(bench.http.get(link.as_str().unwrap())).await;
            assert_eq!(page.status, 200, "{link}");
            assert!(
                page.header("content-type").starts_with("text/html"),
                "{link}"
            );
            assert!(!page.text.contains("<new>"), "{link}");
        }
    }
    let page =
        reply(bench.request(Method::GET, &format!("/acme/shop/commit/{}", clone.head()))).await;
    assert!(page.text.contains("+&#60;new&#62;") && page.text.contains("-&#60;old&#62;"));
    let index = bench
        .request(Method::GET, "/")
        .header("accept", "text/html,*/*");
    assert!(reply(index).await.text.contains("href=\"/acme/shop\""));
    for none in ["/acme/none", "/acme/shop/commit/none"] {
        assert_eq!(reply(bench.request(Method::GET, none)).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_made_once_and_only_under_a_sound_name() {
    let bench = Bench::new().await;
    let make = async |owner: &str, name: &str, branch: &str| {
        let made = bench.github.create_repository(owner, name, branch).await;
        made.ok()
    };
    assert_eq!(make("acme", "shop", "other").await, Some(bench.id));
    assert!(make("acme", "shop-2.0_x", "dcos").await.is_some());
    for (owner, name, branch) in [
        ("..", "shop", "main"),
        ("acme", "..", "main"),
        ("acme", "a/b", "main"),
        ("acme", "x.git", "main"),
        ("acme", "x", "--bare"),
    ] {
        assert_eq!(
            make(owner, name, branch).await,
            None,
            "{owner}/{name} {branch}"
        );
    }
}

//! What payloads and answers of the local GitHub have in them, beyond what the product reads.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use test_kit::github::{Bench, Receiver, TOKEN, reply};

#[tokio::test(flavor = "multi_thread")]
async fn several_branches_pushed_at_once_are_an_event_each() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    for branch in ["ä/ö", "dev"] {
        clone.git(&["branch", branch]);
    }
    clone.git(&["push", "--quiet", "origin", "main", "ä/ö", "dev"]);
    bench.github.settle().await;
    let heard = receiver.take();
    let mut refs: Vec<String> = heard
        .iter()
        .map(|push| push.json()["ref"].as_str().unwrap().to_owned())
        .collect();
    refs.sort();
    assert_eq!(
        refs,
        ["refs/heads/dev", "refs/heads/main", "refs/heads/ä/ö"]
    );
    let guids: std::collections::BTreeSet<&str> = heard
        .iter()
        .map(|push| push.header("x-github-delivery"))
        .collect();
    assert_eq!(guids.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_is_told_with_the_files_its_first_parent_lacked_and_an_account_by_its_address() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    clone.git(&["checkout", "--quiet", "-b", "side"]);
    clone.commit("b", "b");
    clone.git(&["checkout", "--quiet", "main"]);
    clone.commit("a", "a2");
    let own = bench.get("/user").await.json();
    let address = format!("{}+ana@users.noreply.github.com", own["id"]);
    clone.git(&["config", "user.email", &address]);
    clone.git(&["merge", "--quiet", "--no-ff", "-m", "Merge side", "side"]);
    clone.git(&[
        "commit",
        "--quiet",
        "--amend",
        "--no-edit",
        "--author",
        &format!("Ana <{address}>"),
    ]);
    clone.push();
    bench.github.settle().await;
    let push = receiver.take().pop().unwrap().json();
    assert_eq!(push["commits"].as_array().unwrap().len(), 3);
    let merge = &push["commits"][2];
    assert_eq!(merge["message"], "Merge side");
    assert_eq!(
        (&merge["added"], &merge["modified"]),
        (&json!(["b"]), &json!([]))
    );
    assert_eq!(merge["author"]["username"], "ana");
    assert_eq!(
        merge["committer"].get("username"),
        None,
        "no account has that address"
    );
    let shown = bench.get(&format!("commits/{}", clone.head())).await.json();
    assert_eq!(shown["author"]["login"], "ana");
    assert_eq!(shown["committer"], Value::Null);
    assert_eq!(shown["files"][0]["filename"], "b");
    assert_eq!(
        shown["stats"],
        json!({"total": 1, "additions": 1, "deletions": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_of_24_mb_is_delivered_and_one_of_26_is_not() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    // a payload has the message twice: in `commits` and in `head_commit`
    for (megabytes, heard) in [(12, 1), (13, 0)] {
        let message = clone.path.join("../message");
        std::fs::write(&message, "x".repeat(megabytes << 20)).unwrap();
        clone.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "-F",
            message.to_str().unwrap(),
        ]);
        clone.push();
        bench.github.settle().await;
        let got = receiver.take();
        assert_eq!(got.len(), heard, "{megabytes}");
        assert!(got.iter().all(|push| push.body.len() > 24 << 20));
    }
    assert_eq!(bench.deliveries(hook).await.len(), 2, "a ping and one push");
    let head = bench.get("commits/main").await.json();
    assert_eq!(head["sha"], clone.head(), "the branch moved all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_commits_2048_are_listed_and_of_very_many_files_3000() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    let person = "committer Ana <ana@example.com> 1700000000 +0000";
    let mut stream = String::new();
    for n in 0..2050 {
        let _ = writeln!(
            stream,
            "commit refs/heads/main\n{person}\ndata 1\n{}",
            n % 10
        );
    }
    stream.push_str("blob\nmark :1\ndata 1\nx\n");
    let _ = writeln!(stream, "commit refs/heads/main\n{person}\ndata 4\nlast");
    for n in 0..3001 {
        let _ = writeln!(stream, "M 100644 :1 file-{n}");
    }
    let file = bench.dir.path().join("stream");
    std::fs::write(&file, stream).unwrap();
    let import = test_kit::git::command(&clone.path)
        .args(["fast-import", "--quiet"])
        .stdin(std::fs::File::open(file).unwrap())
        .status();
    assert!(import.unwrap().success());
    clone.push();
    bench.github.settle().await;
    let push = receiver.take().remove(0).json();
    let commits = push["commits"].as_array().unwrap();
    assert_eq!(commits.len(), 2048);
    assert_eq!(commits[2047]["id"], push["after"]);
    assert_eq!(commits[2047]["added"].as_array().unwrap().len(), 3000);
    let listed = bench.get("commits?per_page=100").await;
    assert!(listed.header("link").contains("page=21>; rel=\"last\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_name_the_server_as_its_caller_does() {
    let bench = Bench::new().await;
    let port = bench.github.url().rsplit(':').next().unwrap().to_owned();
    let clone = bench.clone();
    for content in ["1", "2", "3"] {
        clone.commit("a", content);
    }
    clone.push();
    let own = bench.github.url().to_owned();
    for (host, below) in [
        (format!("127.0.0.1:{port}"), ""),
        (format!("localhost:{port}"), "/api/v3"),
        ("api.github.localhost".to_owned(), ""),
    ] {
        let ask = |path: &str| {
            let request = bench.http.get(format!("{own}{below}{path}"));
            request.header("host", host.clone()).bearer_auth(TOKEN)
        };
        let api = format!("http://{host}{below}");
        let shown = reply(ask("/repos/acme/shop")).await.json();
        assert_eq!(shown["url"], format!("{api}/repos/acme/shop"));
        assert_eq!(shown["html_url"], format!("http://{host}/acme/shop"));
        let page = reply(ask("/repos/acme/shop/commits?per_page=1&page=2")).await;
        let link = |rel: &str, n: u8| {
            format!("<{api}/repos/acme/shop/commits?per_page=1&page={n}>; rel=\"{rel}\"")
        };
        let all = [
            link("prev", 1),
            link("next", 3),
            link("last", 3),
            link("first", 1),
        ];
        assert_eq!(page.header("link"), all.join(", "));
        let file = reply(ask("/repos/acme/shop/contents/a")).await.json();
        assert_eq!(
            file["download_url"],
            format!("http://{host}/raw/acme/shop/main/a")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_listed_by_path_and_author_and_compared_file_by_file() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    clone.commit("a", "1\n2\n3\n4\n");
    clone.commit("b", "b");
    clone.git(&["mv", "a", "c*"]);
    let moved = clone.commit("b", "bb");
    clone.push();
    let count = async |query: &str| {
        let list = bench.get(&format!("commits?{query}")).await.json();
        list.as_array().unwrap().len()
    };
    for (query, found) in [
        ("path=b", 2),
        ("path=c*", 1),
        ("path=none", 0),
        ("path=?", 0),
        ("path=%00", 0),
        ("author=Ana", 3),
        ("author=Bob", 0),
        ("until=2020-01-01T00:00:00Z", 0),
        ("per_page=0&page=x", 3),
        ("path=--all", 0),
        ("author=--all", 0),
    ] {
        assert_eq!(count(query).await, found, "{query}");
    }
    let compared = bench.get(&format!("compare/main~2...{moved}")).await;
    assert_eq!(compared.status, 404, "no name of a commit");
    let first = clone.git(&["rev-parse", "main~2"]);
    let range = format!("compare/{first}...acme:main");
    let compared = bench.get(&range).await.json();
    let files = compared["files"].as_array().unwrap();
    let each = files.iter().map(|f| {
        let words = ["filename", "status", "previous_filename"];
        words.map(|name| f[name].as_str().unwrap_or_default())
    });
    let each: Vec<[&str; 3]> = each.collect();
    assert_eq!(each, [["b", "added", ""], ["c*", "renamed", "a"]]);
    let page = bench.get(&format!("{range}?per_page=1&page=2")).await;
    assert_eq!(page.json()["commits"][0]["sha"], moved);
    assert_eq!(page.json()["files"], json!([]), "on the first page only");
    for kind in ["diff", "patch"] {
        let accept = format!("application/vnd.github.{kind}");
        let text = bench.request(Method::GET, &format!("/repos/acme/shop/{range}"));
        let text = reply(text.header("accept", accept)).await;
        let begins = if kind == "diff" {
            "diff --git"
        } else {
            "From "
        };
        assert!(text.text.starts_with(begins), "{}", text.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_headers_are_those_that_clients_look_for() {
    let bench = Bench::new().await;
    let user = bench.get("/user").await;
    assert_eq!(user.header("x-github-api-version-selected"), "2022-11-28");
    let hooks = bench.get("hooks").await;
    assert!(
        hooks
            .header("x-accepted-oauth-scopes")
            .contains("admin:repo_hook")
    );
    let wrong = bench.call(Method::PUT, "/user", Value::Null).await;
    assert_eq!(
        (wrong.status, &wrong.json()["message"]),
        (404, &json!("Not Found"))
    );
    let list = bench.call(Method::POST, "hooks", json!([])).await;
    assert_eq!(
        (list.status, &list.json()["message"]),
        (400, &json!("Body should be a JSON object"))
    );

    let faults = bench
        .call(
            Method::POST,
            "/local/faults",
            json!({"secondary_limited": true}),
        )
        .await;
    assert_eq!(faults.status, 200);
    let quiet = bench.get("/user").await;
    assert_eq!((quiet.status, quiet.header("retry-after")), (403, "60"));
    let why = quiet.json();
    assert!(
        why["message"]
            .as_str()
            .unwrap()
            .contains("secondary rate limit")
    );
    assert!(
        why["documentation_url"]
            .as_str()
            .unwrap()
            .ends_with("secondary-rate-limits")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_each_file_of_a_commit_are_counted_whatever_it_is_called_and_became() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    let file = |name: &str| clone.path.join(name);
    let names = ["a b", "ä \"q\"", "back\\slash", "tab\there", "x b/x"];
    for name in names {
        clone.commit(name, "one\n");
    }
    clone.commit("link", "1\n2\n3\n4\n");
    clone.commit("moved → away", "1\n2\n");
    let before = clone.commit("image", "\0\u{1}");

    for name in names {
        std::fs::write(file(name), "two\n").unwrap();
    }
    std::fs::remove_file(file("link")).unwrap();
    std::os::unix::fs::symlink("a b", file("link")).unwrap();
    clone.git(&["mv", "moved → away", "moved\tto \"here\""]);
    let head = clone.commit("image", "\0\u{2}");
    clone.push();

    let commit = bench.get(&format!("commits/{head}")).await.json();
    let range = format!("compare/{before}...{head}");
    assert_eq!(bench.get(&range).await.json()["files"], commit["files"]);
    let files = commit["files"].as_array().unwrap();
    let counts = |name: &str| {
        let mut all = files.iter();
        let file = all.find(|file| file["filename"] == name).unwrap();
        [&file["additions"], &file["deletions"]].map(|n| n.as_u64().unwrap())
    };
    for name in names {
        assert_eq!(counts(name), [1, 1], "{name}");
    }
    assert_eq!(counts("link"), [1, 4]);
    for name in ["image", "moved\tto \"here\""] {
        assert_eq!(counts(name), [0, 0], "{name}");
    }
    assert_eq!(files.len(), 8);
}

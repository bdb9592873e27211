//! Files of the local GitHub by ref and path, as programs fetch them that know no REST.

use reqwest::Method;
use serde_json::Value;

use test_kit::github::{Bench, Reply, reply};

async fn fetch(bench: &Bench, path: &str) -> Reply {
    reply(bench.request(Method::GET, path)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_found_at_a_branch_with_slashes_a_tag_and_a_commit() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    let first = clone.commit("specs/web.json", "{\"one\": 1}");
    clone.git(&["tag", "v1"]);
    clone.git(&["tag", "-a", "v2", "-m", "two"]);
    clone.git(&["checkout", "--quiet", "-b", "env/dev"]);
    clone.commit("specs/web.json", "{\"two\": 2}");
    clone.git(&["push", "--quiet", "origin", "main", "env/dev", "v1", "v2"]);
    for (name, text) in [
        ("main", "{\"one\": 1}"),
        ("v1", "{\"one\": 1}"),
        ("v2", "{\"one\": 1}"),
        (&first, "{\"one\": 1}"),
        (&first[..7], "{\"one\": 1}"),
        ("env/dev", "{\"two\": 2}"),
        ("refs/heads/env/dev", "{\"two\": 2}"),
        ("refs/tags/v1", "{\"one\": 1}"),
        ("HEAD", "{\"one\": 1}"),
    ] {
        for path in [
            format!("/acme/shop/raw/{name}/specs/web.json"),
            format!("/raw/acme/shop/{name}/specs/web.json"),
        ] {
            let file = fetch(&bench, &path).await;
            assert_eq!((file.status, &*file.text), (200, text), "{path}");
        }
    }
    for none in [
        "/acme/shop/raw/main/specs",
        "/acme/shop/raw/main/none",
        "/acme/shop/raw/none/specs/web.json",
        "/acme/shop/raw/main",
        "/acme/shop/raw/main/a%0Amain:specs/web.json",
        "/acme/shop/raw/--all/x",
        "/acme/shop/raw/main/../../x",
        "/acme/none/raw/main/specs/web.json",
    ] {
        assert_eq!(fetch(&bench, none).await.status, 404, "{none}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_download_url_leads_to_the_bytes_and_no_page_of_a_repository_acts_as_ours() {
    let bench = Bench::new().await;
    let clone = bench.clone();
    clone.commit("dir/ä b#1?.html", "<script>alert(1)</script>");
    std::fs::write(clone.path.join("dir/bytes"), [0_u8, 255, 1]).unwrap();
    std::os::unix::fs::symlink("bytes", clone.path.join("dir/link")).unwrap();
    clone.git(&["add", "-A"]);
    clone.git(&["commit", "--quiet", "-m", "more"]);
    clone.git(&["push", "--quiet", "origin", "main:feature/x"]);
    clone.push();

    for at in ["feature/x", "main", &clone.head()] {
        let listed = bench.get(&format!("contents/dir?ref={at}")).await.json();
        assert_eq!(listed.as_array().unwrap().len(), 3, "{at}");
        for entry in listed.as_array().unwrap() {
            let url = entry["download_url"].as_str().unwrap();
            let got = bench.http.get(url).send().await.unwrap();
            assert_eq!(got.status(), 200, "{url}");
            assert_eq!(got.headers()["x-content-type-options"], "nosniff");
            let policy = got.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.ends_with("sandbox"), "{policy}");
            let kind = got.headers()["content-type"].to_str().unwrap().to_owned();
            let bytes = got.bytes().await.unwrap();
            match entry["name"].as_str().unwrap() {
                "bytes" => {
                    assert_eq!(
                        (&*bytes, &*kind),
                        (&[0, 255, 1][..], "application/octet-stream")
                    );
                }
                "link" => assert_eq!(&*bytes, b"bytes"),
                _ => assert_eq!(
                    (&*bytes, &*kind),
                    (
                        &b"<script>alert(1)</script>"[..],
                        "text/plain; charset=utf-8"
                    )
                ),
            }
            let again = bench.get(strip(&bench, &entry["url"])).await.json();
            assert_eq!(again["sha"], entry["sha"], "{}", entry["url"]);
        }
    }
    let root = bench.get("contents/").await.json();
    assert_eq!(root[0]["download_url"], Value::Null, "a folder has none");

    let first = fetch(&bench, "/acme/shop/raw/main/dir/bytes").await;
    let same = bench
        .request(Method::GET, "/acme/shop/raw/main/dir/bytes")
        .header("if-none-match", first.header("etag"));
    assert_eq!(reply(same).await.status, 304);
}

fn strip<'a>(bench: &Bench, url: &'a Value) -> &'a str {
    url.as_str()
        .unwrap()
        .strip_prefix(bench.github.url())
        .unwrap()
}

/// What a program of the field makes of an archive: the names in it.
fn listed(bytes: &[u8], how: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("archive");
    std::fs::write(&file, bytes).unwrap();
    let mut list = std::process::Command::new("sh");
    list.args(["-c", how]).env("FILE", &file);
    let listed = list.output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_had_as_an_archive_by_branch_tag_and_id() {
    const ZIP: &str = "unzip -Z1 \"$FILE\"";
    const TAR: &str = "tar -tzf \"$FILE\"";
    let bench = Bench::new().await;
    let clone = bench.clone();
    clone.commit("specs/web.json", "{}");
    clone.git(&["tag", "v1.0"]);
    clone.git(&["push", "--quiet", "origin", "main", "main:env/dev", "v1.0"]);
    let short = clone.head()[..7].to_owned();
    let legacy = format!("acme-shop-{short}");
    let id = format!("shop-{}", clone.head());
    for (path, how, folder) in [
        ("/acme/shop/archive/main.zip", ZIP, "shop-main"),
        ("/acme/shop/archive/main.tar.gz", TAR, "shop-main"),
        (
            "/acme/shop/archive/refs/heads/env/dev.zip",
            ZIP,
            "shop-env-dev",
        ),
        ("/acme/shop/archive/refs/tags/v1.0.tar.gz", TAR, "shop-1.0"),
        (
            &format!("/acme/shop/archive/{}.zip", clone.head()),
            ZIP,
            id.as_str(),
        ),
        ("/repos/acme/shop/zipball", ZIP, legacy.as_str()),
        ("/repos/acme/shop/zipball/main", ZIP, legacy.as_str()),
        ("/repos/acme/shop/tarball/env/dev", TAR, legacy.as_str()),
        ("/api/v3/repos/acme/shop/tarball", TAR, legacy.as_str()),
    ] {
        let got = bench.request(Method::GET, path).send().await.unwrap();
        assert_eq!(got.status(), 200, "{path}");
        assert!(
            got.url().path().starts_with("/codeload/acme/shop/"),
            "{}",
            got.url()
        );
        let name = got.headers()["content-disposition"].to_str().unwrap();
        assert!(
            name.starts_with(&format!("attachment; filename={folder}.")),
            "{name}"
        );
        let names = listed(&got.bytes().await.unwrap(), how);
        assert!(
            names.contains(&format!("{folder}/specs/web.json")),
            "{path}: {names:?}"
        );
        assert!(names.iter().all(|n| n.starts_with(folder)), "{names:?}");
    }
    for none in [
        "/acme/shop/archive/none.zip",
        "/acme/shop/archive/main.rar",
        "/acme/shop/archive/main",
        "/acme/none/archive/main.zip",
        "/codeload/acme/shop/zip/--output=x",
        "/codeload/acme/shop/rar/main",
        "/repos/acme/shop/zipball/none",
    ] {
        assert_eq!(fetch(&bench, none).await.status, 404, "{none}");
    }
}

//! The sample repository and the small web server of its services.

use std::collections::BTreeSet;
use std::time::Duration;

use dploy_observer::local::sample::{BRANCH, files, seed};
use dploy_observer::local::serve::{Page, serve};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::program::{Running, observer};
use test_kit::git::{git, git_output};
use test_kit::github::{Bench, Receiver, reply};
use test_kit::http::client;

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_ready_to_edit_and_seeding_it_again_changes_nothing() {
    let bench = Bench::new().await;
    let clone = bench.dir.path().join("hello");
    let marathon = "http://127.0.0.1:8080";
    seed(&bench.github, "you", "hello", &clone, marathon)
        .await
        .unwrap();
    let head = git(&clone, &["rev-parse", "HEAD"]);
    seed(&bench.github, "you", "hello", &clone, marathon)
        .await
        .unwrap();
    let branch = bench
        .get(&format!("/repos/you/hello/branches/{BRANCH}"))
        .await
        .json();
    assert_eq!(branch["commit"]["sha"], head.as_str());
    assert_eq!(
        bench.get("/repos/you/hello").await.json()["default_branch"],
        BRANCH
    );
    assert_eq!(
        git(&clone, &["config", "remote.origin.url"]),
        format!("{}/you/hello.git", bench.github.url())
    );
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");

    // as the README says, with the person's own git and nothing else
    let web = clone.join("specs/web.json");
    let old = std::fs::read_to_string(&web).unwrap();
    let sed = [
        "-i",
        "s/--version 1/--version 2/; s/#2563eb/#db2777/",
        web.to_str().unwrap(),
    ];
    assert!(
        std::process::Command::new("sed")
            .args(sed)
            .status()
            .unwrap()
            .success()
    );
    let new = std::fs::read_to_string(&web).unwrap();
    assert!(old != new && new.contains("--title web --version 2 --colour '#db2777'"));
    git(&clone, &["commit", "--quiet", "-am", "web 2"]);
    assert!(git_output(&clone, &["push"]).status.success());
    let moved = bench
        .get(&format!("/repos/you/hello/branches/{BRANCH}"))
        .await
        .json();
    assert_eq!(moved["commit"]["sha"], git(&clone, &["rev-parse", "HEAD"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_clone_is_made_again_with_the_history() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let clone = bench.dir.path().join("hello");
    seed(
        &bench.github,
        "you",
        "hello",
        &clone,
        "http://127.0.0.1:8080",
    )
    .await
    .unwrap();
    let head = git(&clone, &["rev-parse", "HEAD"]);
    std::fs::remove_dir_all(&clone).unwrap();
    seed(
        &bench.github,
        "you",
        "hello",
        &clone,
        "http://127.0.0.1:8080",
    )
    .await
    .unwrap();
    assert_eq!(git(&clone, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&clone, &["branch", "--show-current"]), BRANCH);
    git(&clone, &["push", "--quiet"]);
    assert_eq!(receiver.take().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_is_left_alone_is_pushed_to_a_new_server() {
    let bench = Bench::new().await;
    let clone = bench.dir.path().join("hello");
    let marathon = "http://127.0.0.1:8080";
    seed(&bench.github, "you", "hello", &clone, marathon)
        .await
        .unwrap();
    let head = git(&clone, &["rev-parse", "HEAD"]);
    let other = Bench::new().await;
    seed(&other.github, "you", "hello", &clone, marathon)
        .await
        .unwrap();
    let branch = other.get("/repos/you/hello/branches/dcos").await.json();
    assert_eq!(branch["commit"]["sha"], head.as_str());
}

#[test]
fn the_sample_has_three_services_that_are_checked_and_depend_on_each_other() {
    let files = files("http://m", "http://g/you/hello.git");
    let descriptor = &files[0];
    assert!(
        descriptor.0 == "dploy.app" && descriptor.1.contains("repo_url: http://g/you/hello.git\n")
    );
    let specs = files.iter().filter(|(path, _)| path.starts_with("specs/"));
    let parsed: Vec<Value> = specs
        .map(|(_, content)| serde_json::from_str(content).unwrap())
        .collect();
    let services: Vec<&Value> = parsed
        .iter()
        .flat_map(|spec| {
            spec["apps"]
                .as_array()
                .map_or(vec![spec], |apps| apps.iter().collect())
        })
        .collect();
    let ids: BTreeSet<&str> = services
        .iter()
        .map(|service| service["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        BTreeSet::from(["/hello/api", "/hello/store/cache", "/hello/web"])
    );
    let colours: BTreeSet<&str> = services
        .iter()
        .map(|s| s["cmd"].as_str().unwrap().rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(colours.len(), 3);
    for service in services {
        assert_eq!(service["healthChecks"][0]["path"], "/health");
        assert_eq!(service["healthChecks"][0]["portIndex"], 0);
        assert!(
            service["cmd"]
                .as_str()
                .unwrap()
                .starts_with("exec serve --port $PORT0 --title ")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_server_shows_its_page_health_and_version() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = Page {
        title: "<web>".into(),
        version: "7".into(),
        status: 500,
        listen_after: Duration::ZERO,
        ..Page::default()
    };
    tokio::spawn(serve(listener, page));
    let get = async |path: &str| reply(client().get(format!("{url}{path}"))).await;
    let shown = get("/").await;
    assert!(
        shown.text.contains("background:#2563eb")
            && shown.text.contains("&#60;web&#62;")
            && shown.text.contains("version 7")
    );
    assert_eq!(get("/health").await.status, 500);
    assert_eq!(
        (get("/version").await.status, get("/version").await.text),
        (200, "7\n".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_server_breaks_on_demand_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let serve = ["local", "serve", "--port=0", "--title=web"];
    let mut command = observer(dir.path(), &serve);
    let err = dir.path().join("stderr");
    command.stderr(std::fs::File::create(&err).unwrap());
    let mut server = Running::start(command, false);
    let url = server.line_with("web 1 listens on ").await;
    let get = async |path: &str| reply(client().get(format!("{url}{path}"))).await.status;
    let post = async |path: &str| reply(client().post(format!("{url}{path}"))).await.status;
    assert_eq!((get("/health").await, get("/").await), (200, 200));
    server.line_with("web 1: GET / 200").await;
    let page = client()
        .post(format!("{url}/status/500"))
        .header("origin", "http://evil.example");
    assert_eq!(reply(page).await.status, 403);
    assert_eq!(
        (post("/status/500").await, get("/health").await),
        (200, 500)
    );
    assert_eq!((post("/status/7").await, get("/health").await), (400, 500));
    assert_eq!(
        (post("/status/200").await, get("/health").await),
        (200, 200)
    );
    let _ = client().post(format!("{url}/exit/3")).send().await;
    assert_eq!(server.ended().await, 3);
    let said = std::fs::read_to_string(err).unwrap();
    assert!(
        said.contains("web 1: GET /health 500") && said.contains("told to exit with 3"),
        "{said}"
    );
}

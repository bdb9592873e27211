//! What the local GitHub keeps in its folder.

use dploy_observer::local::github::{LocalGithub, Options, Pace, ensure_unused};
use tokio::net::TcpListener;

use crate::local_github_support::{Bench, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_for_one_local_github_at_a_time() {
    let bench = Bench::new().await;
    let dir = bench.dir.path().join("github");
    let options = Options {
        dir: dir.clone(),
        tokens: Vec::new(),
        pace: Pace::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = LocalGithub::start(listener, options).await.unwrap_err();
    let sentence = format!(
        "another local GitHub uses {}",
        dir.canonicalize().unwrap().display()
    );
    assert_eq!(format!("{refused:#}"), sentence);
    assert_eq!(ensure_unused(&dir).unwrap_err().to_string(), sentence);
    let first = bench.get("/repos/acme/shop").await;
    assert_eq!(first.status, 200, "it goes on");

    // given back by a stop, and where there was none
    bench.github.stop().await;
    let again = open(bench.dir.path(), Pace::default()).await;
    drop(again);
    let last = open(bench.dir.path(), Pace::default()).await;
    last.stop().await;
    ensure_unused(&dir).unwrap();
}

//! A client made for GitHub by others works with the local one unchanged.

use test_kit::foreign::{drive, is_left_out};
use test_kit::github::{Bench, Receiver, TOKEN};

/// Both addresses that clients are given: the one of github.com, and the one of an enterprise server.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_pygithub_lives_a_repositorys_life() {
    for below in ["", "/api/v3"] {
        let bench = Bench::new().await;
        let receiver = Receiver::new().await;
        let url = format!("{}{below}", bench.github.url());
        drive(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/data/clients/github_client.py"
            ),
            &[&url, TOKEN, &receiver.url],
        )
        .await;
        let heard = receiver.take();
        assert!(heard.iter().all(|h| h.is_signed_with("s3cret")));
        assert!(is_left_out("clients") || !heard.is_empty(), "{below}");
    }
}

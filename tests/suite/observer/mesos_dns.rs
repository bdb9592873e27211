//! What Mesos-DNS knows of Marathon and of observers, and what it does not.

use axum::extract::Request;
use axum::{Json, Router};
use dploy_observer::discovery;
use dploy_observer::settings::Settings;
use serde_json::{Value, json};

use crate::support::town::listener;

const OWN: &str = "/v1/services/_dploy-observer._tcp.marathon.mesos.";

/// A Mesos-DNS that answers this to `path` and nothing to others; its address.
async fn mesos_dns(path: &'static str, answer: Value) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = listener().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move |request: Request| {
        let known = request.uri().path() == path;
        let answer = if known { answer.clone() } else { json!([]) };
        async move { Json(answer) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    format!("http://{}", listener().await.local_addr().unwrap())
}

fn record(host: &str, ip: &str, port: &str) -> Value {
    json!({"service": "_dploy-observer._tcp.marathon.mesos.", "host": host, "ip": ip, "port": port})
}

async fn observers(answer: Value) -> Vec<(String, u16)> {
    let url = mesos_dns(OWN, answer).await;
    discovery::observers(&url).await.unwrap()
}

#[tokio::test]
async fn mesos_dns_without_a_record_knows_no_observer() {
    assert_eq!(observers(json!([])).await, []);
    let nothing = json!([{"service": "", "host": "", "ip": "", "port": ""}]);
    assert_eq!(observers(nothing).await, []);
}

#[tokio::test]
async fn all_observers_that_mesos_dns_knows_are_found_once() {
    let first = record("dploy-observer-a.marathon.mesos.", "10.0.0.1", "8849");
    let one = ("dploy-observer-a.marathon.mesos".to_owned(), 8849);
    assert_eq!(observers(json!([first])).await, std::slice::from_ref(&one));
    let other = record("", "10.0.0.2", "31000");
    let both = [one, ("10.0.0.2".to_owned(), 31000)];
    assert_eq!(observers(json!([first, other, first])).await, both);
}

#[tokio::test]
async fn mesos_dns_that_is_not_there_is_named_with_its_setting() {
    let url = nobody().await;
    for why in [
        discovery::observers(&url).await.unwrap_err(),
        discovery::marathon_in_mesos_dns(&url).await.unwrap_err(),
    ] {
        let why = why.to_string();
        assert!(
            why.contains("DPLOY_MESOS_DNS") && why.contains(&url),
            "{why}"
        );
    }
    let other = mesos_dns(OWN, json!({"error": "no"})).await;
    let why = discovery::observers(&other).await.unwrap_err().to_string();
    assert!(why.contains("DPLOY_MESOS_DNS"), "{why}");
}

#[tokio::test]
async fn marathon_is_where_mesos_dns_says() {
    let hosts = |ip: &str| json!([{"host": "marathon.mesos.", "ip": ip}]);
    let url = mesos_dns("/v1/hosts/marathon.mesos", hosts("10.0.0.7")).await;
    let found = discovery::marathon_in_mesos_dns(&url).await.unwrap();
    assert_eq!(found, "http://10.0.0.7:8080");
    let url = mesos_dns("/v1/hosts/marathon.mesos", hosts("")).await;
    let why = discovery::marathon_in_mesos_dns(&url).await.unwrap_err();
    assert!(why.to_string().contains("DPLOY_MARATHON_URL"), "{why}");
}

#[tokio::test]
async fn the_public_port_is_of_the_only_observer() {
    for (records, port) in [
        (json!([record("a.", "10.0.0.1", "8849")]), 8849),
        (
            json!([record("a.", "10.0.0.1", "1"), record("b.", "10.0.0.2", "2")]),
            8888,
        ),
        (json!([]), 8888),
    ] {
        let dns = format!("--mesos-dns={}", mesos_dns(OWN, records).await);
        let settings = Settings::parse_from(&["--public-node=node", &dns]).unwrap();
        let url = discovery::public_url(&settings, 8888).await.unwrap();
        assert_eq!(url, format!("http://node:{port}"));
    }
}

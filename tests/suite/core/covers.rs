//! Whatever Marathon makes of a spec that it accepts, it is seen to say what the spec says; and each change of it is seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use dploy_observer::spec::{File, deviation, flatten};
use jiff::Timestamp;
use local_marathon::{Cut, Marathon, Pace, Resources, World, router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    with: Map<String, Value>,
    #[serde(default)]
    without: Vec<String>,
    status: u16,
}

/// What a new Marathon shows of an app that it is given, if it accepts it.
async fn shown(body: &Value) -> Option<Value> {
    let resources = Resources {
        cpus: 8.0,
        mem: 16384.0,
        disk: 10000.0,
        ports: [31000..31800, 31800..32000],
    };
    let world = World::new(Pace::default(), resources, 1);
    let clock = || Timestamp::from_second(1_700_000_000).unwrap();
    let (marathon, _effects) = Marathon::driven(world, Box::new(clock));
    let ask = |method: &str, path: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/json")
            .extension(ConnectInfo(Cut::detached(ADDRESS)))
            .body(Body::from(body))
            .unwrap();
        router(Arc::clone(&marathon), ADDRESS).oneshot(request)
    };
    let answer = ask("POST", "/v2/apps", body.to_string()).await.unwrap();
    if answer.status() != 201 {
        return None;
    }
    let answer = ask("GET", "/v2/apps", String::new()).await.unwrap();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
        .await
        .unwrap();
    let all: Value = serde_json::from_slice(&bytes).unwrap();
    Some(all["apps"][0].clone())
}

/// The spec as a service has it: ids and dependencies are absolute.
fn flat(body: &Value) -> Value {
    let file = File {
        path: "specs/val.json".to_owned(),
        bytes: body.to_string().into_bytes(),
    };
    match flatten(&[file]) {
        Ok(services) => services[0].spec.clone(),
        // an id that Marathon takes and we do not
        Err(_) => body.clone(),
    }
}

#[tokio::test]
async fn whatever_marathon_makes_of_a_spec_says_what_the_spec_says() {
    let path = "crates/local-marathon/tests/data/app-validation.jsonl";
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let mut body = json!({"id": "/val", "cmd": "sleep 1000", "cpus": 0.01, "mem": 16});
        for (key, value) in case.with {
            body[key] = value;
        }
        for key in &case.without {
            body.as_object_mut().unwrap().remove(key);
        }
        let Some(shown) = shown(&body).await.filter(|_| case.status == 201) else {
            continue;
        };
        seen += 1;
        // unknown fields inside of known ones are not shown, and cannot be told from what somebody took away
        let unknown = ["/upgradeStrategy/x", "/healthChecks/0/foo"];
        let deviation = deviation(&shown, &flat(&body));
        if let Some(path) = deviation.filter(|p| !unknown.contains(&p.as_str())) {
            wrong.push(format!(
                "{path}: {body}\n   shown {}",
                shown.pointer(&path).unwrap_or(&Value::Null)
            ));
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(
        wrong.is_empty(),
        "{} of {seen}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

//! Whatever comes from outside is read without a panic and in bounded memory: real examples, changed at random. `FUZZ_SECONDS` says how
//! long each; inputs that once failed are kept in `__fuzz__`, and tried first.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use dploy_observer::context::{Context, Timing};
use dploy_observer::descriptor::Descriptor;
use dploy_observer::intake::Configured;
use dploy_observer::marathon::{self, Credentials, Watch};
use dploy_observer::mesos::Mesos;
use dploy_observer::secret::Secret;
use dploy_observer::spec::{self, File};
use dploy_observer::store::Store;
use dploy_observer::transport::{Transport, TransportError, Way};
use dploy_observer::{clock, github, signature};
use hmac::{Hmac, KeyInit as _, Mac as _};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::support::routes::routes_with;

/// Memory that the reading of all of it may take, in KiB of addresses: threads and their stacks are in it.
const MEMORY: u32 = 3 * 1024 * 1024;

/// Seconds for each of them, where nobody says otherwise.
const SECONDS: u64 = 5;

/// Pieces that parsers stumble over.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0000",
    "\u{0}",
    "\u{202e}",
    "null",
    "-1",
    "1e999",
    "99999999999999999999",
    "%00",
    "%ff",
    "&",
    "=",
    ";",
    "../",
    "//",
    "\r\n\r\n",
    "\n\ndata: ",
    "refs/heads/",
];

/// One of the examples, changed as `choices` say.
fn changed(examples: &[&str], choices: &[u8]) -> Vec<u8> {
    let mut choices = choices.iter().copied();
    let mut next = || choices.next().unwrap_or(0);
    let mut bytes = examples[usize::from(next()) % examples.len()]
        .as_bytes()
        .to_vec();
    for _ in 0..=next() % 8 {
        let at = usize::from(u16::from_be_bytes([next(), next()])) % (bytes.len() + 1);
        let piece = PIECES[usize::from(next()) % PIECES.len()].as_bytes();
        let much = usize::from(next());
        match next() % 6 {
            0 => drop(bytes.splice(at..at, piece.iter().copied())),
            1 => drop(bytes.drain(at..(at + much).min(bytes.len()))),
            2 => bytes.truncate(at),
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(much).unwrap_or_default();
                }
            }
            // the same part again and again
            4 => {
                let part = bytes[at..(at + 16).min(bytes.len())].to_vec();
                let many = part.repeat(much.min(200));
                drop(bytes.splice(at..at, many));
            }
            _ => drop(bytes.splice(at..at, piece.repeat(much))),
        }
    }
    bytes
}

fn call(reads: &AssertUnwindSafe<impl Fn(&[u8])>, bytes: &[u8]) {
    reads(bytes);
}

/// Reads changed examples for as long as is wanted.
macro_rules! read {
    ($examples:expr, $reads:expr) => {
        let seconds = std::env::var("FUZZ_SECONDS")
            .ok()
            .and_then(|s| s.parse().ok());
        let examples: Vec<&str> = $examples.to_vec();
        // what failed once is not read again in the same state
        let reads = AssertUnwindSafe($reads);
        bolero::check!()
            .with_test_time(Duration::from_secs(seconds.unwrap_or(SECONDS)))
            .with_iterations(usize::MAX)
            .with_max_len(96)
            .for_each(|choices: &[u8]| {
                let bytes = changed(&examples, choices);
                call(&reads, &bytes);
            });
    };
}

const PUSH: &str = r#"{"ref":"refs/heads/dcos","before":"1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a","after":"2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b","deleted":false,"forced":false,"repository":{"id":442,"full_name":"acme/shop"},"head_commit":{"id":"2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b","message":"fix","author":{"name":"Ana"},"url":"https://github.com/acme/shop/commit/2b"},"pusher":{"name":"ana"},"sender":{"login":"ana"}}"#;
const PING: &str = r#"{"zen":"Keep it logically awesome.","hook_id":9,"hook":{"id":9,"events":["push"],"config":{"url":"http://node/dploy"}},"repository":{"id":442,"full_name":"acme/shop"}}"#;

#[test]
#[ignore = "run by whoever bounds its memory"]
fn descriptors() {
    let examples = [
        "marathon_url: http://m:8080\napp_name: shop\nrepo_url: https://github.com/acme/shop\npublic_node: 10.0.0.1\ntrigger_branch: dcos\nprune: true\ndeadline: 60\n",
        "app_name: &a shop\nrepo_url: *a\n? [x, y]\n: {z: !!int 1}\n",
    ];
    read!(examples, |bytes: &[u8]| drop(Descriptor::parse(bytes)));
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn specs_and_groups() {
    let examples = [
        r#"{"id":"/shop/web","cmd":"x","cpus":0.1,"mem":16,"instances":2,"env":{"A":"1"},"labels":{"a":"b"},"dependencies":["/shop/db"]}"#,
        r#"{"id":"/shop","dependencies":["/x"],"groups":[{"id":"a","apps":[{"id":"web","cmd":"x"},{"id":"db","dependencies":["../b","web"]}]}],"apps":[{"id":"top","args":["a","b"]}]}"#,
        r#"{"id":"web","container":{"type":"DOCKER","docker":{"image":"a/b:1","parameters":[{"key":"env","value":"PASSWORD=x"}]}},"fetch":[{"uri":"http://x"}],"healthChecks":[{"protocol":"HTTP","path":"/"}]}"#,
    ];
    read!(examples, |bytes: &[u8]| {
        let file = |bytes: &[u8]| File {
            path: "specs/x.json".to_owned(),
            bytes: bytes.to_vec(),
        };
        let Ok(services) = spec::flatten(&[file(bytes)]) else {
            return;
        };
        let before = spec::flatten(&[file(examples[0].as_bytes())]).unwrap();
        for service in &services {
            let changes = spec::diff(&before[0].spec, &service.spec);
            assert!(changes.len() < 100_000);
            let _ = spec::diff_of_running(&service.spec, &before[0].spec);
        }
    });
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn signatures_and_times() {
    let examples = [
        "sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "2026-12-31T18:00:00+01:00[Europe/Berlin]",
        "3h 20m",
    ];
    let secrets = [Secret::new("a-secret-of-a-hook")];
    let now = clock::system().now();
    read!(examples, |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        assert!(!signature::verify(&secrets, b"body", &text));
        let _ = signature::has_form(&text);
        drop(clock::moment(&text));
        drop(clock::typed_moment(&text, now, &jiff::tz::TimeZone::UTC));
    });
}

/// A way on which everything is answered with what stands here.
fn answering(answer: &Arc<std::sync::Mutex<Vec<u8>>>) -> Transport {
    let answer = Arc::clone(answer);
    BoxCloneSyncService::new(tower::service_fn(move |_: reqwest::Request| {
        let bytes = answer.lock().unwrap().clone();
        let answer = axum::http::Response::builder()
            .header("content-type", "application/json")
            .header("x-ratelimit-limit", "5000")
            .body(bytes);
        async move { Ok::<_, TransportError>(reqwest::Response::from(answer.unwrap())) }
    }))
}

fn way(answer: &Arc<std::sync::Mutex<Vec<u8>>>) -> Way {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Way::by(reqwest::Client::new(), answering(answer))
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn what_github_answers() {
    let examples = [
        r#"{"id":7,"full_name":"acme/shop","private":false,"default_branch":"main","visibility":"public"}"#,
        r#"{"sha":"1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a","tree":[{"path":"specs","mode":"040000","type":"tree","sha":"2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b"},{"path":"dploy.app","mode":"100644","type":"blob","sha":"3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c","size":20}],"truncated":false}"#,
        r#"{"sha":"1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a","commit":{"message":"m","author":{"name":"a"},"tree":{"sha":"2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b"}},"html_url":"https://github.com/x"}"#,
        r#"{"sha":"3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c","encoding":"base64","content":"YXBwX25hbWU6IHNob3AK\n"}"#,
        r#"[{"id":9,"active":true,"events":["push"],"config":{"url":"http://node/dploy","content_type":"json","insecure_ssl":"0","secret":"********"}}]"#,
    ];
    let runtime = Runtime::new().unwrap();
    let answer = Arc::default();
    let client = github::Client::through(way(&answer), "http://github", None, clock::system());
    let (name, id) = (
        "acme/shop".parse().unwrap(),
        "3c".repeat(20).parse().unwrap(),
    );
    let commit = "1a".repeat(20).parse().unwrap();
    read!(examples, |bytes: &[u8]| {
        *answer.lock().unwrap() = bytes.to_vec();
        runtime.block_on(async {
            drop(client.repository(&name).await);
            drop(client.tree(7, "2b").await);
            drop(client.commit(7, &commit).await);
            drop(client.blob(7, &id).await);
            drop(client.hooks(7).await);
            drop(client.hook(7, 9).await);
            drop(client.head(7, &"dcos".parse().unwrap(), None).await);
            drop(client.expand(7, "1a1a").await);
        });
    });
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn what_marathon_answers() {
    let examples = [
        r#"{"app":{"id":"/shop/web","instances":2,"version":"2026-11-22T10:00:00.000Z","labels":{"DPLOY":"shop"},"tasks":[{"id":"shop_web.instance-1._app.1","state":"TASK_RUNNING","host":"10.0.0.1","ports":[31000],"version":"2026-11-22T10:00:00.000Z","healthCheckResults":[{"alive":true}]}],"deployments":[{"id":"5ed4"}],"lastTaskFailure":{"message":"exit 1","version":"2026-11-22T10:00:00.000Z","timestamp":"2026-11-22T10:00:00.000Z"}}}"#,
        r#"{"apps":[{"id":"/shop/web","instances":1,"tasks":[]}]}"#,
        r#"[{"id":"5ed4","version":"2026-11-22T10:00:00.000Z","affectedApps":["/shop/web"],"steps":[{"actions":[{"action":"StartApplication","app":"/shop/web"}]}],"currentStep":1,"totalSteps":2}]"#,
        r#"{"queue":[{"app":{"id":"/shop/web"},"count":1,"delay":{"timeLeftSeconds":3,"overdue":false},"processedOffersSummary":{"processedOffersCount":9,"rejectSummaryLastOffers":[{"reason":"InsufficientCpus","declined":3,"processed":9}]}}]}"#,
    ];
    let runtime = Runtime::new().unwrap();
    let answer = Arc::default();
    let client = marathon::Client::through(
        way(&answer),
        "http://marathon:8080",
        Credentials::None,
        clock::system(),
    );
    let (client, id) = (client.unwrap(), "/shop/web".parse().unwrap());
    read!(examples, |bytes: &[u8]| {
        *answer.lock().unwrap() = bytes.to_vec();
        runtime.block_on(async {
            drop(client.app(&id).await);
            drop(client.apps_with_tasks("DPLOY").await);
            drop(client.deployments().await);
            drop(client.queue().await);
            drop(client.info().await);
            drop(client.put_apps("[]", &[], false).await);
        });
    });
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn what_marathon_says_of_itself() {
    let examples = [
        r#"{"eventType":"instance_changed_event","instanceId":"shop_web.marathon-1","condition":"Provisioned","runSpecId":"/shop/web","runSpecVersion":"1","host":"h"}"#,
        r#"{"eventType":"status_update_event","appId":"/shop/web","taskStatus":"TASK_RUNNING","taskId":"a","version":"1"}"#,
    ];
    read!(examples, |bytes: &[u8]| {
        let (watch, ear) = Watch::through_ear();
        if let Ok(event) = serde_json::from_slice(bytes) {
            ear.hear(&event);
        }
        let _ = watch.watched().never_launched("/shop/web");
    });
}

/// The routes of an observer whose log is in memory, and the secret of its one webhook.
async fn observer() -> (axum::Router, Secret) {
    let clock = clock::system();
    let store = Store::in_memory(clock.clone());
    let secret = store.make_hook_secret(442).await.unwrap();
    let hash = Secret::new("a-token-of-an-operator").sha256();
    store.put_settings_token("mh", &hash).await.unwrap();
    let nothing: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let (watch, _ear) = Watch::through_ear();
    let marathon = marathon::Client::through(
        way(&nothing),
        "http://marathon:8080",
        Credentials::None,
        clock.clone(),
    );
    let marathon = marathon.unwrap();
    let timing = Timing::default();
    let picture = marathon.picture(&watch, clock.clone(), "DPLOY", timing.picture());
    let shop = "shop".parse().unwrap();
    let source = crate::support::data_folder::register(&shop, 1);
    store
        .log()
        .command(&shop, "observer", None, source)
        .await
        .unwrap();
    let context = Context {
        github: github::Client::through(way(&nothing), "http://github", None, clock.clone()),
        store,
        mesos: Mesos::new(marathon.clone(), None),
        marathon,
        picture,
        watch,
        turns: marathon::Turns::default(),
        clock: clock.clone(),
        timing,
        allow_ids: Vec::new(),
        own_id: None,
        hook: github::HookTarget {
            url: "http://node/dploy".to_owned(),
            unchecked: false,
        },
    };
    let configured = Configured::new("acme", "shop", "dcos");
    let routes = routes_with(&context, configured).await.unwrap();
    (routes, secret)
}

/// Asks; an answer is never an error of the observer's own.
async fn ask(routes: &axum::Router, request: Result<Request<Body>, axum::http::Error>) {
    let Ok(mut request) = request else {
        return;
    };
    let from = SocketAddr::from(([127, 0, 0, 1], 9));
    request.extensions_mut().insert(ConnectInfo(from));
    let of = format!("{} {}", request.method(), request.uri());
    let answer = routes.clone().oneshot(request).await.unwrap();
    assert_ne!(answer.status(), 500, "{of}");
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn deliveries() {
    let form = format!("payload={PUSH}");
    let examples = [PUSH, PING, form.as_str()];
    let runtime = Runtime::new().unwrap();
    let (routes, secret) = runtime.block_on(observer());
    read!(examples, |bytes: &[u8]| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.expose().as_bytes()).unwrap();
        mac.update(bytes);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        for (event, kind) in [
            ("push", "application/json"),
            ("ping", "application/json"),
            ("push", "application/x-www-form-urlencoded"),
        ] {
            let request = Request::post("/dploy")
                .header("x-github-event", event)
                .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
                .header("x-github-hook-installation-target-id", "442")
                .header("content-type", kind)
                .header("x-hub-signature-256", &signature)
                .body(Body::from(bytes.to_vec()));
            runtime.block_on(ask(&routes, request));
        }
    });
}

#[test]
#[ignore = "run by whoever bounds its memory"]
fn requests() {
    let examples = [
        r##"{"to":"#1","reason":"x","resume":"manual","scale":"keep","plan":"0","dry_run":true}"##,
        r#"{"service":"/shop/web","instances":3,"override_lock":true}"#,
        r#"{"services":["/shop/web"],"from":"old","until":"2026-12-31","deploy":40}"#,
        r#"{"name":"ana","role":"viewer","apps":["shop"],"expires":"2099-01-01"}"#,
        "reason=x&to=%231&dry_run=on&instances=3",
        "app=shop&kind=push_received&actor=x&since=1&before=9",
        "dploy_session_80=0123456789abcdef; other=1",
        "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8",
    ];
    let runtime = Runtime::new().unwrap();
    let (routes, _) = runtime.block_on(observer());
    let bearer = "Bearer a-token-of-an-operator";
    read!(examples, |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let all = percent_encoding::NON_ALPHANUMERIC;
        let encoded = percent_encoding::percent_encode(bytes, all).to_string();
        runtime.block_on(async {
            for action in ["rollback", "deploy", "lock", "scale", "adopt", "cancel"] {
                let request = Request::post(format!("/apps/shop/{action}"));
                let request = request.header("authorization", bearer);
                ask(&routes, request.body(Body::from(bytes.to_vec()))).await;
            }
            for (path, kind) in [
                ("/apps/shop/lock", "application/x-www-form-urlencoded"),
                ("/tokens", "application/json"),
                ("/login", "application/x-www-form-urlencoded"),
                ("/apps", "application/json"),
            ] {
                let request = Request::post(path).header("content-type", kind);
                let request = request.header("authorization", bearer);
                ask(&routes, request.body(Body::from(bytes.to_vec()))).await;
            }
            for path in [
                "/events",
                "/apps/shop",
                "/apps/shop/deploy",
                "/login",
                "/apps/shop/scale",
            ] {
                for query in [text.as_ref(), encoded.as_str()] {
                    let request = Request::get(format!("{path}?{query}"));
                    ask(
                        &routes,
                        request.header("authorization", bearer).body(Body::empty()),
                    )
                    .await;
                }
            }
            for path in [
                format!("/apps/{encoded}"),
                format!("/apps/shop/deploys/{encoded}"),
                format!("/why/{encoded}"),
                format!("/apps/{encoded}/rollback"),
            ] {
                ask(
                    &routes,
                    Request::get(&path)
                        .header("authorization", bearer)
                        .body(Body::empty()),
                )
                .await;
            }
            for header in [
                "cookie",
                "accept",
                "authorization",
                "origin",
                "x-forwarded-for",
                "idempotency-key",
            ] {
                ask(
                    &routes,
                    Request::get("/").header(header, bytes).body(Body::empty()),
                )
                .await;
            }
        });
    });
}

#[test]
fn what_comes_from_outside_is_read_without_a_panic_and_in_bounded_memory() {
    let own = std::env::current_exe().unwrap();
    let tested = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -v {MEMORY}; exec \"$0\" fuzz:: --ignored --test-threads=2"
        ))
        .arg(own)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout) + String::from_utf8_lossy(&tested.stderr);
    assert!(tested.status.success(), "{said}");
    assert!(said.contains("8 passed"), "{said}");
}

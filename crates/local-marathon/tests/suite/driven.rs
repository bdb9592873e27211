//! A Marathon without processes, sockets and a clock of its own: whoever drives it says what time it is and what becomes of tasks.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use jiff::Timestamp;
use local_marathon::{Condition, Cut, Effect, Marathon, Pace, Resources, World, router};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt as _;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A Marathon, and what drives it.
pub struct Driven {
    pub marathon: Arc<Marathon>,
    effects: UnboundedReceiver<Effect>,
    seconds: Arc<AtomicI64>,
    /// Effects that ask for health checks, for as long as anybody wants.
    checks: Vec<Effect>,
    /// What was done, and what Marathon told of it.
    pub trace: String,
}

impl Driven {
    pub fn new(seed: u64) -> Self {
        let (pace, resources) = (Pace::default(), Resources::default());
        let seconds = Arc::new(AtomicI64::new(1_700_000_000));
        let hand = Arc::clone(&seconds);
        let clock = move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap();
        let world = World::new(pace, resources, seed);
        let (marathon, effects) = Marathon::driven(world, Box::new(clock));
        Self {
            marathon,
            effects,
            seconds,
            checks: Vec::new(),
            trace: String::new(),
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/json")
            .extension(ConnectInfo(Cut::detached(ADDRESS)));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.body(Body::from(body)).unwrap();
        let answer = router(Arc::clone(&self.marathon), ADDRESS);
        let answer = answer.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// A second passes: offers are made, what Marathon wants to be done is done, and checks are made.
    pub fn second(&mut self) {
        self.seconds.fetch_add(1, Ordering::SeqCst);
        self.marathon.make_offers();
        self.act();
        for check in &self.checks {
            let Effect::Watch(app) = check else { continue };
            let well = app.body["cmd"] != "sick";
            for (index, check) in app.health_checks().iter().enumerate() {
                self.marathon.with(|world| {
                    let targets = world.targets(&app.id, app.version, check);
                    for target in targets.into_iter().flatten() {
                        let result = if well {
                            Ok(())
                        } else {
                            Err("it is sick".to_owned())
                        };
                        world.health_result(&target.task, index, result);
                    }
                });
            }
        }
    }

    /// What Marathon wants to be done is done.
    pub fn act(&mut self) {
        while let Ok(effect) = self.effects.try_recv() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => self.marathon.with(|world| {
                writeln!(self.trace, "{} begins at {:?}", launch.task, launch.ports).unwrap();
                world.task_is(&launch.task, Condition::Starting);
                world.task_is(&launch.task, Condition::Running);
                if let Some(code) = launch.app.body["cmd"]
                    .as_str()
                    .unwrap()
                    .strip_prefix("exit ")
                {
                    writeln!(self.trace, "exit {code}").unwrap();
                    let message = format!("Command exited with status {code}");
                    world.task_ended(&launch.task, false, &message);
                }
            }),
            Effect::Kill { task, .. } => self.marathon.with(|world| {
                writeln!(self.trace, "{task} is killed").unwrap();
                world.task_ended(&task, true, "Command terminated with signal Terminated");
            }),
            Effect::Watch(app) => {
                // it is asked for again and again, and is to be made once
                let known = self.checks.iter().any(|check| {
                    matches!(check, Effect::Watch(known) if (&known.id, known.version) == (&app.id, app.version))
                });
                if !known {
                    self.checks.push(Effect::Watch(app));
                }
            }
            Effect::Ready(launch) => {
                writeln!(self.trace, "{} is asked whether it is ready", launch.task).unwrap();
            }
        }
    }

    pub fn seconds(&mut self, count: u32) {
        (0..count).for_each(|_| self.second());
    }

    pub async fn app(&self) -> Value {
        self.call("GET", "/v2/apps/web", Value::Null).await.1["app"].clone()
    }
}

fn web(cmd: &str) -> Value {
    json!({
        "id": "/web", "cmd": cmd, "instances": 2, "cpus": 0.1, "mem": 16,
        "healthChecks": [{"protocol": "HTTP", "path": "/", "gracePeriodSeconds": 5, "intervalSeconds": 1, "maxConsecutiveFailures": 3}],
    })
}

/// A bad version replaces a bad version, and both crash: each backs off for itself.
#[tokio::test]
async fn two_versions_that_crash_do_not_reset_each_others_delay() {
    let mut driven = Driven::new(1);
    let crashing = |cmd: &str| json!({"id": "/web", "cmd": cmd, "cpus": 0.1, "mem": 16, "backoffSeconds": 1, "backoffFactor": 2});
    driven.call("PUT", "/v2/apps/web", crashing("exit 3")).await;
    driven.seconds(1);
    let path = "/v2/apps/web?force=true";
    driven.call("PUT", path, crashing("exit 4")).await;
    driven.seconds(120);
    for code in ["exit 3", "exit 4"] {
        let crashes = driven.trace.matches(code).count();
        assert!(
            (4..=9).contains(&crashes),
            "{code}: {crashes} in two minutes, doubling from 1 s"
        );
    }
}

/// An app, a sick version of it, and the way back; everything that Marathon told meanwhile.
async fn story(seed: u64) -> String {
    let mut driven = Driven::new(seed);
    let mut events = driven.marathon.with(|world| world.bus.subscribe());
    let (status, _) = driven.call("PUT", "/v2/apps/web", web("well")).await;
    assert_eq!(status, StatusCode::CREATED);
    let before = driven.app().await;
    assert_eq!(before["tasksRunning"], 0, "nothing moves by itself");
    driven.seconds(5);
    let first = driven.app().await;
    assert_eq!(
        (&first["tasksHealthy"], &first["deployments"]),
        (&json!(2), &json!([]))
    );

    let (status, accepted) = driven.call("PUT", "/v2/apps/web", web("sick")).await;
    assert_eq!(status, StatusCode::OK);
    driven.seconds(30);
    let sick = driven.app().await;
    assert_eq!(sick["tasksHealthy"], 2, "the old ones serve");
    assert!(
        driven.trace.contains("is killed"),
        "sick tasks are killed: {}",
        driven.trace
    );
    let rollout = accepted["deploymentId"].as_str().unwrap();
    assert_eq!(sick["deployments"][0]["id"], rollout);

    let path = format!("/v2/deployments/{rollout}?force=true");
    assert_eq!(
        driven.call("DELETE", &path, Value::Null).await.0,
        StatusCode::ACCEPTED
    );
    driven.seconds(30);
    let back = driven.app().await;
    assert_eq!(back["cmd"], "sick", "a forced cancel puts nothing back");
    assert_ne!(back["tasksHealthy"], 2, "and loses healthy ones");
    let mut trace = driven.trace;
    while let Ok(event) = events.try_recv() {
        trace += &event.data;
        trace.push('\n');
    }
    assert!(trace.contains("deployment_failed"), "{trace}");
    trace
}

#[tokio::test]
async fn a_seed_tells_the_same_story_twice_and_another_seed_another_one() {
    let told = story(7).await;
    assert_eq!(told, story(7).await);
    assert_ne!(told, story(8).await);
}

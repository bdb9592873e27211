//! The event stream: what comes, in which order, and to whom.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use test_kit::marathon::{GOOD, Marathon, SICK, checked, is_healthy, quick, tasks};
use test_kit::wait::ended;

/// A client of `/v2/events`.
struct Listener {
    stream: TcpStream,
    text: String,
    head: String,
}

impl Listener {
    async fn open(marathon: &Marathon, query: &str) -> Self {
        let mut stream = TcpStream::connect(&marathon.address).await.unwrap();
        let request = format!(
            "GET /v2/events{query} HTTP/1.0\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
            marathon.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut listener = Self {
            stream,
            text: String::new(),
            head: String::new(),
        };
        while !listener.text.contains("\r\n\r\n") {
            assert!(listener.read().await, "no head: {}", listener.text);
        }
        let (head, rest) = listener.text.split_once("\r\n\r\n").unwrap();
        (listener.head, listener.text) = (head.to_owned(), rest.to_owned());
        listener
    }

    /// Reads on; `false` at the end of the stream.
    async fn read(&mut self) -> bool {
        let mut buffer = [0; 4 * 1024];
        let read = self.stream.read(&mut buffer);
        let read = ended(read).await;
        let read = read.unwrap_or_else(|| panic!("nothing came after {}", self.text));
        let count = read.unwrap();
        self.text
            .push_str(&String::from_utf8_lossy(&buffer[..count]));
        count > 0
    }

    /// All events so far.
    fn events(&self) -> Vec<(String, Value)> {
        let frames = self.text.split("\r\n\r\n");
        let event = |frame: &str| {
            let mut lines = frame.trim_start_matches("\r\n").split("\r\n");
            let kind = lines.next()?.strip_prefix("event: ")?;
            let data = serde_json::from_str(lines.next()?.strip_prefix("data: ")?).ok()?;
            Some((kind.to_owned(), data))
        };
        frames.filter_map(event).collect()
    }

    /// Waits for an event of this kind, and forgets what came up to it.
    async fn until(&mut self, kind: &str) -> Vec<(String, Value)> {
        // signs of life come all the time
        let told = ended(self.told(kind)).await;
        told.unwrap_or_else(|| panic!("no {kind} in {}", self.text))
    }

    async fn told(&mut self, kind: &str) -> Vec<(String, Value)> {
        loop {
            let marker = format!("event: {kind}\r\n");
            let frame = self.text.find(&marker);
            let end = frame.and_then(|at| Some(at + self.text[at..].find("\r\n\r\n")? + 4));
            if let Some(end) = end {
                let rest = self.text.split_off(end);
                let events = self.events();
                self.text = rest;
                return events;
            }
            assert!(self.read().await, "no {kind} in {}", self.text);
        }
    }
}

/// The story of the events: what happens to deployments, and to instances by a letter in the order of their appearance.
fn story(events: &[(String, Value)]) -> Vec<String> {
    let mut instances: Vec<String> = Vec::new();
    let mut name = |data: &Value| {
        let task = data["instanceId"].as_str().or(data["taskId"].as_str());
        let instance = task.unwrap().split("._app").next().unwrap().to_owned();
        let known = instances.iter().position(|known| *known == instance);
        let index = known.unwrap_or_else(|| {
            instances.push(instance);
            instances.len() - 1
        });
        char::from(b'a' + u8::try_from(index).unwrap())
    };
    let steps = |data: &Value| {
        let actions = data["currentStep"]["actions"].as_array().unwrap();
        let texts = actions
            .iter()
            .map(|a| a["action"].as_str().unwrap().replace("Application", ""));
        texts.collect::<Vec<_>>().join("+")
    };
    let line = |(kind, data): &(String, Value)| match kind.as_str() {
        "instance_changed_event" => Some(format!("{} {}", name(data), data["condition"].as_str()?)),
        "unhealthy_instance_kill_event" => Some(format!("{} sick", name(data))),
        "instance_health_changed_event" => {
            Some(format!("{} healthy {}", name(data), data["healthy"]))
        }
        "unknown_instance_terminated_event" => Some(format!("{} wiped", name(data))),
        "deployment_info" => Some(format!("begin {}", steps(data))),
        "deployment_step_success" => Some(format!("end {}", steps(data))),
        "deployment_success" => Some("success".to_owned()),
        "deployment_failed" => Some(format!(
            "failed: {}",
            data["reason"].as_str()?.split('.').next()?
        )),
        "group_change_success" => Some("changed".to_owned()),
        "group_change_failed" => Some("refused".to_owned()),
        "api_post_event" => Some("posted".to_owned()),
        "app_terminated_event" => Some("gone".to_owned()),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

/// The part of a story that is about the deployment and the change.
fn of_the_deployment(story: &[String]) -> Vec<&str> {
    let instance = |line: &str| line.as_bytes()[1] == b' ';
    story
        .iter()
        .map(String::as_str)
        .filter(|line| !instance(line))
        .collect()
}

/// The part that is about one instance.
fn of(story: &[String], letter: char) -> Vec<&str> {
    let lines = story
        .iter()
        .filter_map(|line| line.strip_prefix(letter)?.strip_prefix(' '));
    lines.collect()
}

const UP: [&str; 5] = [
    "Scheduled",
    "Provisioned",
    "Starting",
    "Running",
    "healthy true",
];

#[tokio::test]
async fn creating_upgrading_scaling_and_deleting_are_told_step_by_step() {
    let marathon = Marathon::start().await;
    let mut listener = Listener::open(&marathon, "?plan-format=light").await;
    marathon
        .ok("POST", "/v2/apps", checked("/a", GOOD, 1, (1.0, 1.0)))
        .await;
    let created = story(&listener.until("deployment_success").await);
    let begun = [
        "begin Start",
        "end Start",
        "begin Scale",
        "changed",
        "posted",
    ];
    assert_eq!(
        of_the_deployment(&created),
        [&begun[..], &["end Scale", "success"]].concat()
    );
    assert_eq!(of(&created, 'a'), UP);

    marathon
        .ok("PUT", "/v2/apps/a", json!({"env": {"A": "1"}}))
        .await;
    let upgraded = story(&listener.until("deployment_success").await);
    let begun = [
        "begin Restart",
        "changed",
        "posted",
        "end Restart",
        "success",
    ];
    assert_eq!(of_the_deployment(&upgraded), begun);
    assert_eq!(of(&upgraded, 'a'), UP);
    // the old one is told twice: when it is given up, and when it is dead
    assert_eq!(of(&upgraded, 'b'), ["Running", "Killed"]);
    assert!(
        upgraded.iter().position(|l| l == "a healthy true")
            < upgraded.iter().position(|l| l == "b Running")
    );

    for (instances, trace) in [(2, &UP[..]), (1, &["Running", "Killed"])] {
        marathon
            .ok("PUT", "/v2/apps/a", json!({"instances": instances}))
            .await;
        let scaled = story(&listener.until("deployment_success").await);
        let begun = ["begin Scale", "changed", "posted", "end Scale", "success"];
        assert_eq!(of_the_deployment(&scaled), begun);
        assert_eq!(of(&scaled, 'a'), trace);
    }

    // an equal change is a deployment that changes nothing, and is over before it is answered
    marathon
        .ok("PUT", "/v2/apps/a", json!({"instances": 1}))
        .await;
    let equal = story(&listener.until("api_post_event").await);
    assert_eq!(equal, ["success", "changed", "posted"]);

    marathon.ok("POST", "/v2/apps/a/restart", Value::Null).await;
    let restarted = story(&listener.until("deployment_success").await);
    assert_eq!(
        of_the_deployment(&restarted),
        ["begin Restart", "changed", "end Restart", "success"]
    );

    marathon.ok("DELETE", "/v2/apps/a", Value::Null).await;
    let deleted = story(&listener.until("deployment_success").await);
    assert_eq!(
        of_the_deployment(&deleted),
        ["begin Stop", "changed", "gone", "end Stop", "success"]
    );
    assert_eq!(of(&deleted, 'a'), ["Running", "Killed"]);
    marathon.stop().await;
}

#[tokio::test]
async fn locks_force_cancelling_and_wiping_are_told() {
    let marathon = Marathon::start().await;
    marathon.deployed(checked("/a", GOOD, 1, (1.0, 1.0))).await;
    let mut listener = Listener::open(&marathon, "").await;
    let sick = json!({"cmd": SICK});
    marathon.ok("PUT", "/v2/apps/a", sick.clone()).await;
    listener.until("api_post_event").await;
    let refused = marathon
        .call("PUT", "/v2/apps/a", json!({"cmd": "true # other"}))
        .await;
    assert_eq!(refused.status, 409);
    let locked = story(&listener.until("group_change_failed").await);
    let lock = "failed: App is locked by one or more deployments";
    assert_eq!(of_the_deployment(&locked), [lock, "refused"]);

    let put = marathon
        .ok("PUT", "/v2/apps/a?force=true", json!({"cmd": "sleep 999"}))
        .await;
    let forced = story(&listener.until("api_post_event").await);
    let cancelled = "failed: The upgrade has been cancelled";
    assert_eq!(
        of_the_deployment(&forced),
        [cancelled, "begin Restart", "changed", "posted"]
    );

    let started = |app: &Value| tasks(app).len() > 1;
    let app = marathon.until("started", "/v2/apps/a", started).await;
    // the sick ones; nothing of the new definition is ever healthy
    let sick = tasks(&app).into_iter().filter(|task| !is_healthy(task));
    let ids: Vec<&Value> = sick.map(|task| &task["id"]).collect();
    assert!(!ids.is_empty(), "{app:#}");
    marathon
        .ok("POST", "/v2/tasks/delete?wipe=true", json!({"ids": ids}))
        .await;
    listener.until("unknown_instance_terminated_event").await;
    let id = put["deploymentId"].as_str().unwrap();
    marathon
        .ok(
            "DELETE",
            &format!("/v2/deployments/{id}?force=true"),
            Value::Null,
        )
        .await;
    let ended = story(&listener.until("deployment_failed").await);
    assert_eq!(ended.last().unwrap(), cancelled);
    marathon.stop().await;
}

#[tokio::test]
async fn a_failing_task_and_an_unhealthy_one_are_told() {
    let marathon = Marathon::start().await;
    let mut listener = Listener::open(&marathon, "").await;
    let app = json!({"id": "/f", "cmd": "exit 3", "cpus": 0.1, "backoffSeconds": 1000});
    marathon.ok("POST", "/v2/apps", app).await;
    // to Marathon the deployment is over as soon as the task has run
    let mut failed = listener.until("deployment_success").await;
    while !story(&failed).contains(&"a Failed".to_owned()) {
        failed.extend(listener.until("instance_changed_event").await);
    }
    let trace = ["Scheduled", "Provisioned", "Starting", "Running", "Failed"];
    assert_eq!(of(&story(&failed), 'a'), trace);
    let statuses: Vec<&str> = failed
        .iter()
        .filter(|(kind, _)| kind == "status_update_event")
        .map(|(_, data)| data["taskStatus"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]);
    marathon.ok("DELETE", "/v2/apps/f", Value::Null).await;
    listener.until("app_terminated_event").await;

    let mut sick = checked("/sick", SICK, 1, (1.0, 1.0));
    sick["healthChecks"][0]["gracePeriodSeconds"] = json!(0);
    sick["healthChecks"][0]["maxConsecutiveFailures"] = json!(1);
    marathon.ok("POST", "/v2/apps", sick).await;
    let mut told = listener.until("unhealthy_instance_kill_event").await;
    while story(&told)
        .iter()
        .filter(|l| *l == "a Provisioned")
        .count()
        < 2
    {
        told.extend(listener.until("instance_changed_event").await);
    }
    let told = story(&told);
    // there is no back-off after such a kill
    let trace = [
        "Scheduled",
        "Provisioned",
        "Starting",
        "Running",
        "healthy false",
        "sick",
        "Killed",
        "Provisioned",
    ];
    assert_eq!(of(&told, 'a'), trace);
    marathon.stop().await;
}

#[tokio::test]
async fn listeners_hear_only_what_they_ask_for_and_a_sign_of_life() {
    let pace = local_marathon::Pace {
        heartbeat: Duration::from_millis(20),
        ..quick()
    };
    let marathon = Marathon::start_in(tempfile::tempdir().unwrap(), pace).await;
    let query = "?event_type=deployment_success&event_type=app_terminated_event";
    let mut chosen = Listener::open(&marathon, query).await;
    // a list with commas is one unknown kind, as with Marathon
    let mut none = Listener::open(&marathon, "?event_type=deployment_success,api_post_event").await;
    let mut all = Listener::open(&marathon, "").await;
    assert!(
        all.head
            .to_lowercase()
            .contains("content-type: text/event-stream;charset=utf-8"),
        "{}",
        all.head
    );
    // what happens right after the answer to the connection is heard
    marathon
        .ok(
            "POST",
            "/v2/apps",
            json!({"id": "/e", "cmd": "sleep 1000", "instances": 0}),
        )
        .await;
    let heard = all.until("api_post_event").await;
    let done = heard.iter().any(|(kind, _)| kind == "deployment_success");
    assert!(done, "{heard:?}");
    marathon.ok("DELETE", "/v2/apps/e", Value::Null).await;
    let heard = chosen.until("app_terminated_event").await;
    let kinds: Vec<&str> = heard.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["deployment_success", "app_terminated_event"]);
    let signs = |text: &str| text.matches("\r\n").count();
    while signs(&none.text) < 3 {
        assert!(none.read().await);
    }
    assert_eq!(none.events(), []);
    // whoever abdicates lets everybody go
    let said = marathon.ok("DELETE", "/v2/leader", Value::Null).await;
    assert_eq!(said["message"], "Leadership abdicated");
    while none.read().await {}
    marathon.stop().await;
}

#[tokio::test]
async fn many_listeners_hear_every_event_of_a_burst_in_order() {
    let marathon = Marathon::start().await;
    let mut listeners = Vec::new();
    for _ in 0..20 {
        listeners.push(Listener::open(&marathon, "?event_type=api_post_event").await);
    }
    let apps: Vec<String> = (0..30).map(|number| format!("/burst/s{number}")).collect();
    for id in &apps {
        marathon
            .ok(
                "POST",
                "/v2/apps",
                json!({"id": id, "cmd": "sleep 1000", "instances": 0}),
            )
            .await;
    }
    for listener in &mut listeners {
        let mut heard = Vec::new();
        while heard.len() < apps.len() {
            let events = listener.until("api_post_event").await;
            heard.extend(
                events
                    .into_iter()
                    .map(|(_, data)| data["appDefinition"]["id"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(heard, apps);
    }
    marathon.stop().await;
}

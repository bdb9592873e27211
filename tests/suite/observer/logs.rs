//! What tasks write, read from the agents that a real client of Mesos would ask.

use std::time::Duration;

use dploy_observer::clock;
use dploy_observer::marathon::{Client, Credentials};
use dploy_observer::mesos::{self, LogError, Mesos, TaskAt};
use dploy_observer::secret::Secret;
use local_marathon::LocalMarathon;
use serde_json::{Value, json};
use test_kit::ports::Ports;
use test_kit::wait::{ended, until};

use crate::support::proxies::Gate;
use crate::support::town::{TOKEN, Town, listener, quick_pace, service};

fn talker(version: u32, command: &str) -> Value {
    let mut web = service("/shop/web", version, "");
    web["cmd"] = json!(command);
    web["healthChecks"] = json!([]);
    web["env"] = json!({"API_KEY": "s3cr3t-of-the-shop", "V": version.to_string()});
    web
}

async fn log(town: &Town, query: &str) -> (u16, Value) {
    let call = town
        .http
        .get(format!("{}/apps/shop/logs?{query}", town.url()));
    let answer = call.bearer_auth(TOKEN).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// The log once it holds this line.
async fn until_line(town: &Town, query: &str, line: &str) -> Value {
    until(line, async || {
        let (_, log) = log(town, query).await;
        let lines = log["lines"].as_array().cloned().unwrap_or_default();
        if lines.iter().any(|l| l == line) {
            Ok(log)
        } else {
            Err(log.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_writes_is_read_from_its_agent_with_its_secrets_hidden() {
    let command = "for i in $(seq 1 300); do echo line $i; done; echo key=$API_KEY; echo caf\\\\303; echo oops >&2; exec sleep 1000";
    let town = Town::with(&[("web", talker(1, &format!("printf '' ; {command}")))]).await;
    town.ended(1).await;
    let all = until_line(&town, "tail=1000", "key=••••").await;
    assert_eq!(all["lines"][0], "line 1");
    let (_, tail) = log(&town, "tail=3").await;
    assert_eq!(tail["lines"].as_array().unwrap().len(), 3, "{tail}");
    assert_eq!(tail["lines"][0], "line 300");
    assert_eq!(
        until_line(&town, "stream=stderr", "oops").await["stream"],
        "stderr"
    );
    // from where one was there is nothing new
    let offset = all["offset"].as_u64().unwrap();
    let (_, rest) = log(&town, &format!("offset={offset}")).await;
    assert_eq!(
        (&rest["lines"], &rest["offset"]),
        (&json!([]), &json!(offset))
    );
    // a file that is shorter than that was cut off
    let (_, anew) = log(&town, &format!("offset={}", offset + 1000)).await;
    assert_eq!(
        (&anew["anew"], &anew["lines"][0]),
        (&json!(true), &json!("line 1"))
    );
    for (query, status, said) in [
        ("task=another", 404, "Marathon does not name that task"),
        ("service=/shop/none", 404, "no service"),
        ("stream=secret", 422, "neither stdout nor stderr"),
        ("stream=../../state.json", 422, "neither stdout nor stderr"),
    ] {
        let (is, answer) = log(&town, query).await;
        assert_eq!(is, status, "{answer}");
        assert!(
            answer["detail"].as_str().unwrap().contains(said),
            "{answer}"
        );
    }
    for (fault, said) in [
        ("files_gone", "is not there"),
        ("files_forbidden", "does not let us read"),
        ("agent_away", "Mesos at http"),
    ] {
        town.marathon_send("POST", "/local/faults", &json!({fault: true}))
            .await;
        let (status, answer) = log(&town, "").await;
        assert!(status == 404 || status == 502, "{answer}");
        assert!(
            answer["detail"].as_str().unwrap().contains(said),
            "{answer}"
        );
        town.marathon_send("POST", "/local/faults", &json!({fault: false}))
            .await;
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_reads_each_line_once_until_the_task_ends() {
    let command = "echo begin; while [ ! -e go ]; do sleep 0.1; done; for i in $(seq 1 20000); do echo number $i; done; echo the end; exec sleep 1000";
    let town = Town::with(&[("web", talker(1, command))]).await;
    town.ended(1).await;
    until_line(&town, "", "begin").await;
    let call = town
        .http
        .get(format!("{}/apps/shop/logs?follow=1", town.url()));
    let call = call.bearer_auth(TOKEN).header("accept", "text/plain");
    let mut answer = call.send().await.unwrap();
    let sandboxes = town.dir.path().join("marathon/sandboxes");
    for sandbox in std::fs::read_dir(sandboxes).unwrap() {
        std::fs::write(sandbox.unwrap().path().join("go"), "").unwrap();
    }
    let mut text = String::new();
    while !text.ends_with("the end\n") {
        let chunk = ended(answer.chunk()).await.expect("it goes on").unwrap();
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 20_002);
    assert_eq!(
        (lines[0], lines[1], lines[20_000]),
        ("begin", "number 1", "number 20000")
    );
    let whole = town
        .http
        .get(format!("{}/apps/shop/logs?download=1", town.url()));
    let whole = whole
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(whole, text);
    // who is sent away reads no further
    let made = json!({"name": "ana", "role": "operator"});
    let (_, made) = town.post("/tokens", &made).await;
    let call = town
        .http
        .get(format!("{}/apps/shop/logs?follow=1&tail=1", town.url()));
    let mut answer = call
        .bearer_auth(made["token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    let revoke = town.http.delete(format!("{}/tokens/ana", town.url()));
    assert_eq!(
        revoke.bearer_auth(TOKEN).send().await.unwrap().status(),
        200
    );
    while ended(answer.chunk())
        .await
        .expect("it ends")
        .unwrap()
        .is_some()
    {}
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_fails_keeps_what_its_task_wrote_last_for_operators() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    town.spec(
        "web",
        &talker(2, "echo no database with $API_KEY >&2; exit 3"),
    );
    town.push("broken");
    let failed = town.ended(2).await;
    assert_eq!(failed["failure"]["code"], "CRASHING", "{failed}");
    assert_eq!(
        failed["failure"]["log"],
        json!(null),
        "strangers are not shown logs"
    );
    let words = until("the last words are there", async || {
        let call = town
            .http
            .get(format!("{}/apps/shop/deploys/2.json", town.url()));
        let deploy: Value = call
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        match &deploy["failure"]["log"] {
            Value::Null => Err(deploy.to_string()),
            words => Ok(words.clone()),
        }
    })
    .await;
    assert_eq!(
        (&words["service"], &words["stream"], &words["lines"]),
        (
            &json!("/shop/web"),
            &json!("stderr"),
            &json!(["no database with ••••"])
        )
    );
    town.end().await;
}

/// The only task of a service, once it runs.
async fn task_of(marathon: &Client, service: &str) -> TaskAt {
    let id = service.parse().unwrap();
    until("a task runs", async || {
        let app = marathon.app(&id).await.map_err(|e| e.to_string())?;
        let app = app.ok_or("no app")?;
        let task = app.tasks.iter().find(|t| t.state == "TASK_RUNNING");
        let task = task.ok_or("no task")?;
        Ok(TaskAt {
            task: task.id.clone(),
            agent: task.agent.clone().ok_or("no agent")?,
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_dcos_the_agents_are_asked_through_the_cluster_with_its_token() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let mesos = town.marathon.as_ref().unwrap().mesos_url().unwrap();
    let gate = Gate::dcos_with_agents(&town.marathon_url, mesos, "ana", "pw-of-ana");
    let password = Secret::new("pw-of-ana");
    let credentials = Credentials::given(&gate.url(), Some("ana"), Some(&password), None).unwrap();
    let clock = clock::system();
    let marathon = Client::new(&gate.url(), credentials, clock, Duration::from_secs(5)).unwrap();
    let at = task_of(&marathon, "/shop/web").await;
    let sandbox = Mesos::new(marathon, None).sandbox(&at).await.unwrap();
    let tail = sandbox.tail("stdout", 5).await.unwrap();
    let text = String::from_utf8(tail.bytes).unwrap();
    assert!(text.contains("listens on"), "{text}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_basic_authentication_of_its_own_mesos_is_shown_what_is_set() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let ports = Ports::take();
    let options = local_marathon::Options {
        dir: dir.path().join("marathon"),
        tools: None,
        pace: quick_pace(),
        resources: ports.resources(),
        credentials: None,
    };
    let mesos = local_marathon::Mesos {
        listener: listener().await,
        credentials: Some(local_marathon::Credentials::new("reader:s3cret")),
    };
    let local = LocalMarathon::start_with_mesos(listener().await, mesos, options).await;
    let local = local.unwrap();
    let url = local.url().to_owned();
    let marathon = Client::new(
        &url,
        Credentials::None,
        clock::system(),
        Duration::from_secs(5),
    );
    let marathon = marathon.unwrap();
    let app = json!({"id": "/a", "cmd": "echo hello; exec sleep 1000", "cpus": 0.1, "mem": 16, "instances": 1});
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = http.post(format!("{url}/v2/apps")).json(&app).send().await;
    assert_eq!(made.unwrap().status(), 201);
    let at = task_of(&marathon, "/a").await;
    let refused = Mesos::new(marathon.clone(), None).sandbox(&at).await.err();
    assert!(
        matches!(refused, Some(LogError::Forbidden(_, 401))),
        "{refused:?}"
    );
    let known = mesos::Credentials {
        user: "reader".to_owned(),
        password: Secret::new("s3cret"),
    };
    let sandbox = Mesos::new(marathon.clone(), Some(known))
        .sandbox(&at)
        .await
        .unwrap();
    until("it says hello", async || {
        let tail = sandbox.tail("stdout", 5).await.map_err(|e| e.to_string())?;
        match tail.bytes.as_slice() {
            b"hello\n" => Ok(()),
            other => Err(String::from_utf8_lossy(other).into_owned()),
        }
    })
    .await;
    let none = TaskAt {
        agent: "gone-S9".to_owned(),
        ..at
    };
    let known = mesos::Credentials {
        user: "reader".to_owned(),
        password: Secret::new("s3cret"),
    };
    let gone = Mesos::new(marathon, Some(known)).sandbox(&none).await.err();
    assert_eq!(gone, Some(LogError::NoAgent("gone-S9".to_owned())));
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_lost_the_label_shows_nothing_of_what_it_is_now() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let theirs = json!({"labels": {"DPLOY": "theirs"}});
    let (status, _) = town
        .marathon_send("PUT", "/v2/apps/shop/web?force=true", &theirs)
        .await;
    assert_eq!(status, 200);
    until("it is said, and nothing else is shown", async || {
        let app = town.app().await;
        let web = &app["services"][0];
        let sentence = web["sentence"].as_str().unwrap_or_default();
        let hides = web["endpoints"] == json!([]) && web["command"].is_null();
        if sentence.contains("does not carry the label of shop") && hides {
            Ok(())
        } else {
            Err(web.to_string())
        }
    })
    .await;
    let (status, answer) = log(&town, "service=/shop/web").await;
    assert_eq!(status, 404, "{answer}");
    town.end().await;
}

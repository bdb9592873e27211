//! The local Marathon behaves as Marathon does, seen through its HTTP interface.

use std::time::{Duration, Instant};

use local_marathon::{FaultChange, LocalMarathon, Options};
use serde_json::{Value, json};
use test_kit::marathon::{GOOD, Marathon, SICK, checked, healthy, processes_of, quick, tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_new_app_is_created_started_and_shown_with_all_defaults() {
    let marathon = Marathon::start().await;
    let reply = marathon
        .call(
            "POST",
            "/v2/apps",
            json!({ "id": "web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 16 }),
        )
        .await;
    assert_eq!(reply.status, 201);
    assert!(
        reply
            .head
            .contains(&format!("location: {}/web", marathon.url())),
        "{}",
        reply.head
    );
    let deployment = reply.body["deployments"][0]["id"].as_str().unwrap();
    assert!(
        reply
            .head
            .contains(&format!("marathon-deployment-id: {deployment}"))
    );
    marathon.idle().await;
    let app = marathon.get("/v2/apps//web/").await["app"].clone();
    assert_eq!(app["tasksRunning"], 1);
    assert_eq!(
        app["portDefinitions"],
        json!([{ "port": 10000, "name": "default", "protocol": "tcp" }])
    );
    assert_eq!(app["tasks"][0]["state"], "TASK_RUNNING");
    let again = marathon
        .call(
            "POST",
            "/marathon/v2/apps",
            json!({ "id": "/web", "cmd": "sleep 1" }),
        )
        .await;
    assert_eq!(
        (again.status, again.body),
        (
            409,
            json!({ "message": "An app with id [/web] already exists." })
        )
    );
    marathon.stop().await;
}

#[tokio::test]
async fn an_upgrade_keeps_to_its_strategy_while_the_new_version_is_not_healthy() {
    let marathon = Marathon::start().await;
    // strategy, then how many old and new tasks are there when nothing moves any more
    let cases = [
        ((1.0, 1.0), 4, 4),
        ((0.5, 0.0), 2, 2),
        ((1.0, 0.0), 4, 1),
        ((0.0, 0.0), 0, 4),
        ((0.6, 0.3), 3, 2),
    ];
    for (number, (strategy, old, new)) in cases.into_iter().enumerate() {
        let (id, path) = (format!("/s{number}"), format!("/v2/apps/s{number}"));
        marathon.deployed(checked(&id, GOOD, 4, strategy)).await;
        let first = marathon.get(&path).await["app"]["version"].clone();
        marathon.ok("PUT", &path, json!({ "cmd": SICK })).await;
        let counts = |app: &Value| {
            let of = |old: bool| {
                tasks(app)
                    .iter()
                    .filter(|t| (t["version"] == first) == old && t["state"] == "TASK_RUNNING")
                    .count()
            };
            (of(true), of(false))
        };
        marathon
            .until(
                &format!("{old} old and {new} new with {strategy:?}"),
                &path,
                |app| counts(app) == (old, new),
            )
            .await;
        marathon
            .ok("PUT", &format!("{path}?force=true"), json!({ "cmd": GOOD }))
            .await;
        marathon.idle().await;
        let done = marathon.get(&path).await;
        assert_eq!((tasks(&done).len(), healthy(&done)), (4, 4));
    }
    marathon.stop().await;
}

#[tokio::test]
async fn a_locked_app_answers_409_and_force_takes_over() {
    let marathon = Marathon::start().await;
    marathon.deployed(checked("/a", GOOD, 1, (1.0, 1.0))).await;
    let running = marathon
        .ok("PUT", "/v2/apps/a", json!({ "cmd": SICK }))
        .await["deploymentId"]
        .clone();
    let refused = marathon
        .call("PUT", "/v2/apps/a", json!({ "instances": 2 }))
        .await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.body["deployments"], json!([{ "id": running }]));
    marathon
        .ok(
            "PUT",
            "/v2/apps/a?force=True",
            json!({ "cmd": GOOD, "env": { "A": "1" } }),
        )
        .await;
    marathon.idle().await;
    assert_eq!(healthy(&marathon.get("/v2/apps/a").await), 1);
    marathon.stop().await;
}

#[tokio::test]
async fn deleting_a_deployment_puts_back_what_was() {
    let marathon = Marathon::start().await;
    marathon.deployed(checked("/a", GOOD, 1, (1.0, 1.0))).await;
    let id = marathon
        .ok("PUT", "/v2/apps/a", json!({ "cmd": SICK }))
        .await["deploymentId"]
        .clone();
    marathon
        .ok(
            "DELETE",
            &format!("/v2/deployments/{}", id.as_str().unwrap()),
            Value::Null,
        )
        .await;
    marathon.idle().await;
    assert_eq!(marathon.get("/v2/apps/a").await["app"]["cmd"], GOOD);
    let id = marathon
        .ok("PUT", "/v2/apps/new", checked("/new", SICK, 1, (1.0, 1.0)))
        .await["deploymentId"]
        .clone();
    marathon
        .ok(
            "DELETE",
            &format!("/v2/deployments/{}", id.as_str().unwrap()),
            Value::Null,
        )
        .await;
    marathon.idle().await;
    assert_eq!(
        marathon
            .call("GET", "/v2/apps/new", Value::Null)
            .await
            .status,
        404
    );
    marathon.stop().await;
}

#[tokio::test]
async fn what_no_agent_can_offer_waits_in_the_queue_with_reasons() {
    let marathon = Marathon::start().await;
    marathon
        .ok(
            "POST",
            "/v2/apps",
            json!({ "id": "/big", "cmd": "sleep 1000", "cpus": 1000 }),
        )
        .await;
    let nowhere = json!([["hostname", "CLUSTER", "nowhere"]]);
    marathon
        .ok(
            "POST",
            "/v2/apps",
            json!({ "id": "/picky", "cmd": "sleep 1000", "constraints": nowhere }),
        )
        .await;
    for (id, reason) in [
        ("/big", "InsufficientCpus"),
        ("/picky", "UnfulfilledConstraint"),
    ] {
        marathon
            .until(&format!("{reason} for {id}"), "/v2/queue", |queue| {
                let entry = queue["queue"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|e| e["app"]["id"] == id);
                let offers = entry
                    .map(|e| e["processedOffersSummary"].clone())
                    .unwrap_or_default();
                let reasons = offers["rejectSummaryLastOffers"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let declined = reasons
                    .iter()
                    .find(|r| r["reason"] == reason)
                    .is_some_and(|r| r["declined"] == 2);
                reasons.len() == 10 && declined && offers["unusedOffersCount"].as_u64() > Some(4)
            })
            .await;
    }
    marathon.stop().await;
}

#[tokio::test]
async fn a_crash_loop_backs_off_and_names_the_reason() {
    let marathon = Marathon::start().await;
    let app = json!({ "id": "/crash", "cmd": "python4 --version", "cpus": 0.1, "mem": 16, "backoffSeconds": 10 });
    marathon.ok("POST", "/v2/apps", app).await;
    let failed = marathon
        .until("failed", "/v2/apps/crash", |app| {
            app["app"]["lastTaskFailure"].is_object()
        })
        .await;
    let failure = &failed["app"]["lastTaskFailure"];
    assert_eq!(failure["state"], "TASK_FAILED");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.starts_with("Command exited with status 127: /bin/sh: ")
            && message.ends_with("not found"),
        "{message}"
    );
    assert_eq!(failed["app"]["tasks"][0]["state"], "TASK_FAILED");
    let queue = marathon.get("/v2/queue").await;
    assert_eq!(queue["queue"][0]["delay"]["overdue"], false);
    let task = failed["app"]["tasks"][0]["id"].as_str().unwrap().to_owned();
    let log = marathon.get(&format!("/local/tasks/{task}/stderr")).await;
    assert!(log.as_str().unwrap().contains("python4"), "{log}");
    assert_eq!(
        marathon
            .call("DELETE", "/v2/queue/crash/delay", Value::Null)
            .await
            .status,
        204
    );
    let second = task.replace("._app.1", "._app.2");
    marathon
        .until("the next attempt", "/v2/apps/crash", |app| {
            app["app"]["tasks"][0]["id"] == second
        })
        .await;
    marathon.stop().await;
}

#[tokio::test]
async fn a_task_that_stays_sick_is_killed_and_replaced_at_once() {
    let marathon = Marathon::start().await;
    let mut app = checked("/sick", SICK, 1, (1.0, 1.0));
    app["healthChecks"][0]["gracePeriodSeconds"] = json!(0);
    app["healthChecks"][0]["maxConsecutiveFailures"] = json!(2);
    marathon.ok("POST", "/v2/apps", app).await;
    let app = marathon
        .until("killed", "/v2/apps/sick", |app| {
            app["app"]["lastTaskFailure"].is_object()
        })
        .await;
    let failure = &app["app"]["lastTaskFailure"];
    assert_eq!(failure["state"], "TASK_KILLED");
    assert_eq!(
        failure["message"],
        "Task was killed since health check failed. Reason: Command exited with status 1"
    );
    marathon
        .until("replaced", "/v2/apps/sick", |app| {
            app["app"]["tasks"][0]["id"]
                .as_str()
                .is_some_and(|id| !id.ends_with(".1"))
        })
        .await;
    marathon.stop().await;
}

#[tokio::test]
async fn the_events_of_a_creation_come_in_marathons_order() {
    let marathon = Marathon::start().await;
    let mut stream = TcpStream::connect(&marathon.address).await.unwrap();
    let request = format!(
        "GET /v2/events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
        marathon.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut read_until = async |what: &str| {
        let mut buffer = [0; 4096];
        while !seen.contains(what) {
            let read = test_kit::wait::ended(stream.read(&mut buffer)).await;
            let count = read
                .unwrap_or_else(|| panic!("no {what} in {seen}"))
                .unwrap();
            assert!(count > 0, "the stream ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        seen.clone()
    };
    read_until("event: event_stream_attached\r\n").await;
    marathon
        .ok(
            "POST",
            "/v2/apps",
            json!({ "id": "/e", "cmd": "sleep 1000" }),
        )
        .await;
    let all = read_until("event: deployment_success\r\n").await;
    let kinds: Vec<&str> = all
        .lines()
        .filter_map(|l| l.strip_prefix("event: "))
        .collect();
    let of = |wanted: &[&str]| -> Vec<&str> {
        kinds
            .iter()
            .copied()
            .filter(|k| wanted.contains(k))
            .collect()
    };
    assert_eq!(
        of(&[
            "deployment_info",
            "deployment_step_success",
            "deployment_success"
        ]),
        [
            "deployment_info",
            "deployment_step_success",
            "deployment_info",
            "deployment_step_success",
            "deployment_success"
        ]
    );
    assert_eq!(
        of(&["group_change_success", "api_post_event"]),
        ["group_change_success", "api_post_event"]
    );
    let conditions: Vec<&str> = all
        .split("\"condition\":\"")
        .skip(1)
        .filter_map(|t| t.split('"').next())
        .collect();
    assert_eq!(
        conditions,
        ["Scheduled", "Provisioned", "Starting", "Running"]
    );
    let refused = marathon
        .call_with(
            "GET",
            "/v2/events",
            "Accept: text/event-stream, */*\r\n",
            &Value::Null,
        )
        .await
        .unwrap();
    assert_eq!(refused.status, 405);
    marathon.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_server_keeps_definitions_versions_and_deployments() {
    let marathon = Marathon::start().await;
    marathon
        .deployed(checked("/calm", GOOD, 2, (1.0, 1.0)))
        .await;
    let calm = marathon.get("/v2/apps/calm").await;
    marathon
        .deployed(checked("/keep/me", GOOD, 2, (1.0, 1.0)))
        .await;
    let version = marathon.get("/v2/apps/keep/me").await["app"]["version"].clone();
    let rolling = marathon
        .ok("PUT", "/v2/apps/keep/me", json!({ "cmd": SICK }))
        .await["deploymentId"]
        .clone();
    let marathon = marathon.restart().await;
    assert_eq!(marathon.get("/v2/deployments").await[0]["id"], rolling);
    let versions = marathon.get("/v2/apps/keep/me/versions").await;
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    let again = marathon
        .until("two calm ones again", "/v2/apps/calm", |app| {
            healthy(app) == 2
        })
        .await;
    assert_eq!(again["app"]["version"], calm["app"]["version"]);
    for (before, after) in tasks(&calm).iter().zip(tasks(&again)) {
        let second = before["id"].as_str().unwrap().replace("._app.1", "._app.2");
        assert_eq!(after["id"], second);
    }
    marathon
        .ok(
            "PUT",
            "/v2/apps/keep/me?force=true",
            json!({ "version": version }),
        )
        .await;
    marathon.idle().await;
    assert_eq!(marathon.get("/v2/apps/keep/me").await["app"]["cmd"], GOOD);
    marathon.stop().await;
}

#[tokio::test]
async fn nothing_is_left_running_after_a_stop() {
    let mut marathon = Marathon::start().await;
    let stubborn = "trap '' TERM; sleep 1000 & while :; do sleep 1000; done";
    marathon
        .deployed(json!({ "id": "/stubborn", "cmd": stubborn, "instances": 2 }))
        .await;
    marathon
        .deployed(json!({ "id": "/plain", "args": ["sleep", "1000"] }))
        .await;
    assert!(processes_of(marathon.dir.path()).len() >= 3);
    marathon.server.take().unwrap().stop().await;
    assert_eq!(processes_of(marathon.dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_killed_server_left_running_is_killed_at_the_next_start() {
    use std::os::unix::process::CommandExt as _;
    let dir = tempfile::tempdir().unwrap();
    let task = "left.instance-6d0f0a86-0000-4000-8000-000000000001._app.1";
    let sandbox = dir
        .path()
        .canonicalize()
        .unwrap()
        .join("sandboxes")
        .join(task);
    std::fs::create_dir_all(&sandbox).unwrap();
    let mut left = std::process::Command::new("sleep");
    left.arg("1000")
        .env("MESOS_TASK_ID", task)
        .env("MESOS_SANDBOX", &sandbox)
        .process_group(0);
    let mut left = left.spawn().unwrap();
    let marathon = Marathon::start_in(dir, quick()).await;
    assert!(!left.wait().unwrap().success());
    marathon.stop().await;
}

#[tokio::test]
async fn web_pages_and_foreign_names_are_kept_out() {
    let marathon = Marathon::start().await;
    let port = marathon.address.rsplit_once(':').unwrap().1.to_owned();
    let foreign = "Origin: http://example.com\r\n".to_owned();
    let same = format!("Origin: http://127.0.0.1:{port}\r\n");
    for (method, headers, status) in [
        ("GET", "Host: example.com\r\n".to_owned(), 403),
        ("GET", format!("Host: example.com:{port}\r\n"), 403),
        ("GET", format!("Host: localhost:{port}\r\n"), 200),
        ("GET", foreign.clone(), 200),
        ("GET", same.clone(), 200),
        ("POST", foreign.clone(), 403),
        ("PUT", foreign.clone(), 403),
        ("DELETE", foreign, 403),
        ("PUT", same, 200),
    ] {
        let reply = marathon
            .call_with(method, "/v2/apps", &headers, &json!([]))
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{method} {headers}");
        // without it, a browser shows a foreign page nothing of the answer
        let head = reply.head.to_lowercase();
        assert!(!head.contains("access-control-allow-origin"), "{head}");
    }
    marathon.stop().await;
}

#[tokio::test]
async fn faults_can_be_switched_on_and_off() {
    let marathon = Marathon::start().await;
    let server = marathon.server.as_ref().unwrap();
    let fault = |change: Value| {
        server
            .faults()
            .apply(serde_json::from_value::<FaultChange>(change).unwrap());
    };
    fault(json!({ "down": true }));
    assert!(
        marathon
            .call_with("GET", "/v2/apps", "", &Value::Null)
            .await
            .is_none()
    );
    marathon
        .ok(
            "POST",
            "/local/faults",
            json!({ "down": false, "locked": true }),
        )
        .await;
    let app = json!({ "id": "/f", "cmd": "sleep 1000" });
    assert_eq!(
        marathon.call("POST", "/v2/apps", app.clone()).await.status,
        409
    );
    fault(json!({ "reset": true, "refuse": { "status": 422, "message": "no" } }));
    let refused = marathon.call("POST", "/v2/apps", app.clone()).await;
    assert_eq!(
        (refused.status, refused.body),
        (422, json!({ "message": "no" }))
    );
    fault(json!({ "lose_replies": 1, "no_offers": true }));
    assert!(
        marathon
            .call_with("POST", "/v2/apps", "", &app)
            .await
            .is_none()
    );
    assert_eq!(marathon.get("/v2/apps/f").await["app"]["id"], "/f");
    assert_eq!(marathon.get("/v2/queue").await["queue"][0]["count"], 1);
    server.faults().reset();
    marathon.idle().await;
    marathon.stop().await;
}

#[tokio::test]
async fn two_hundred_services_are_listed_quickly() {
    let marathon = Marathon::start().await;
    marathon
        .server
        .as_ref()
        .unwrap()
        .faults()
        .apply(FaultChange {
            no_offers: Some(true),
            ..FaultChange::default()
        });
    let apps: Vec<Value> = (0..200)
        .map(|n| json!({ "id": format!("/many/s{n}"), "cmd": "sleep 1", "instances": 3 }))
        .collect();
    marathon.ok("PUT", "/v2/apps", json!(apps)).await;
    let begin = Instant::now();
    let list = marathon.get("/v2/apps?embed=apps.tasks").await;
    assert_eq!(list["apps"].as_array().unwrap().len(), 200);
    // generous: without optimisation, beside other tests
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    marathon.stop().await;
}

#[tokio::test]
async fn http_and_tcp_checks_look_at_the_port_the_task_was_given() {
    let marathon = Marathon::start().await;
    let check = |protocol: &str| json!({ "protocol": protocol, "path": "/", "portIndex": 0, "gracePeriodSeconds": 100_000, "intervalSeconds": 1 });
    let app = json!({
        "id": "/http", "cmd": "exec python3 -m http.server --bind 127.0.0.1 $PORT0", "cpus": 0.01, "mem": 1,
        "portDefinitions": [{ "port": 0, "name": "web" }], "healthChecks": [check("HTTP"), check("TCP")],
    });
    marathon.deployed(app).await;
    let app = marathon.get("/v2/apps/http").await;
    assert_eq!(
        (healthy(&app), app["app"]["tasksHealthy"].as_u64()),
        (1, Some(1))
    );
    let results = tasks(&app)[0]["healthCheckResults"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    marathon.stop().await;
}

#[tokio::test]
async fn a_group_is_deployed_in_the_order_of_its_dependencies() {
    let marathon = Marathon::start().await;
    let app = |id: &str| json!({ "id": id, "cmd": "exec sleep 1000", "cpus": 0.01, "mem": 1 });
    let mut web = app("web");
    web["dependencies"] = json!(["api"]);
    let group = json!({ "groups": [
        { "id": "db", "apps": [app("pg")] },
        { "id": "svc", "dependencies": ["/g/db"], "apps": [app("api"), web] },
    ] });
    let rehearsed = marathon
        .ok("PUT", "/v2/groups/g?dryRun=true", group.clone())
        .await;
    let action =
        |verb: &str, app: &str| json!({ "action": format!("{verb}Application"), "app": app });
    let step = |actions: Vec<Value>| json!({ "actions": actions });
    let starts = ["/g/db/pg", "/g/svc/api", "/g/svc/web"].map(|app| action("Start", app));
    let scales =
        ["/g/db/pg", "/g/svc/api", "/g/svc/web"].map(|app| step(vec![action("Scale", app)]));
    let steps: Vec<Value> = std::iter::once(step(starts.to_vec()))
        .chain(scales)
        .collect();
    assert_eq!(rehearsed, json!({ "steps": steps }));
    assert_eq!(
        marathon
            .call("GET", "/v2/groups/g", Value::Null)
            .await
            .status,
        404
    );
    marathon.ok("PUT", "/v2/groups/g", group).await;
    marathon.idle().await;
    marathon
        .ok("PUT", "/v2/groups/g", json!({ "groups": [{ "id": "db" }] }))
        .await;
    marathon.idle().await;
    let left = marathon.get("/v2/apps/g/*").await;
    let left: Vec<&str> = left["*"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["id"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["/g/db/pg"]);
    marathon.stop().await;
}

#[tokio::test]
async fn a_task_sees_its_own_environment_and_nothing_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = test_kit::ports::Ports::take();
    let options = Options {
        dir: dir.path().join("state"),
        tools: Some(tools.clone()),
        pace: quick(),
        resources: ports.resources(),
        credentials: None,
    };
    let server = LocalMarathon::start(listener, options).await.unwrap();
    let marathon = Marathon::of(server, dir, ports);
    let app = json!({
        "id": "/env", "cmd": "env; exec sleep 1000", "env": { "MINE": "yes" }, "labels": { "my.label": "v" },
        "portDefinitions": [{ "port": 0, "name": "http" }],
    });
    marathon.deployed(app).await;
    let app = marathon.get("/v2/apps/env").await;
    let (id, port) = (
        tasks(&app)[0]["id"].as_str().unwrap(),
        &tasks(&app)[0]["ports"][0],
    );
    let log = format!("/local/tasks/{id}/stdout");
    let log = marathon
        .until("printed", &log, |log| {
            log.as_str().is_some_and(|l| l.contains("MINE=yes"))
        })
        .await;
    let lines: Vec<&str> = log.as_str().unwrap().lines().collect();
    let wanted = [
        format!("PORT0={port}"),
        format!("PORT_HTTP={port}"),
        format!("PORT_10000={port}"),
        format!("MESOS_TASK_ID={id}"),
        "MARATHON_APP_LABEL_MY_LABEL=v".to_owned(),
        "MARATHON_APP_RESOURCE_MEM=128.0".to_owned(),
    ];
    for line in wanted {
        assert!(lines.contains(&line.as_str()), "{line} in {lines:?}");
    }
    assert!(
        lines
            .iter()
            .any(|l| l.starts_with(&format!("PATH={}:", tools.display())))
    );
    assert!(!lines.iter().any(|l| l.starts_with("CARGO")), "{lines:?}");
    marathon.stop().await;
}

#[tokio::test]
async fn it_tells_that_it_runs_processes_and_its_volumes_outlive_it() {
    let marathon = Marathon::start().await;
    let info = marathon.get("/local/info").await;
    assert_eq!(info["runs"], "processes");
    let volumes = marathon.dir.path().canonicalize().unwrap().join("volumes");
    assert_eq!(info["volumes"], volumes.to_str().unwrap());
    std::fs::write(volumes.join("kept"), "yes").unwrap();
    let marathon = marathon.restart().await;
    assert_eq!(marathon.get("/local/info").await, info);
    assert!(volumes.join("kept").exists());
    marathon.stop().await;
}

#[tokio::test]
async fn a_persistent_volume_makes_an_app_resident_and_a_resident_app_takes_no_resources_of_a_role()
{
    let marathon = Marathon::start().await;
    let volume = json!({"containerPath": "x", "mode": "RW", "persistent": {"size": 10}});
    let app = json!({
        "id": "/val", "cmd": "sleep 1", "cpus": 0.1, "mem": 16,
        "container": {"type": "MESOS", "volumes": [volume]},
    });
    let made = marathon.call("POST", "/v2/apps", app.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    // as Marathon 1.8.244 answered the same body
    let wanted = json!({
        "container": {"type": "MESOS", "volumes": [{
            "containerPath": "x", "mode": "RW", "persistent": {"type": "root", "size": 10, "constraints": []},
        }]},
        "residency": {"relaunchEscalationTimeoutSeconds": 3600, "taskLostBehavior": "WAIT_FOREVER"},
        "upgradeStrategy": {"maximumOverCapacity": 0, "minimumHealthCapacity": 0.5},
        "unreachableStrategy": "disabled",
    });
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(made.body[key], *value, "{key}");
    }
    for (roles, status) in [(json!(["*"]), 200), (json!(["slave_public"]), 422)] {
        let mut app = app.clone();
        app["acceptedResourceRoles"] = roles;
        let answer = marathon.call("PUT", "/v2/apps/val?force=true", app).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 422 {
            assert_eq!(answer.body["details"][0]["path"], "/acceptedResourceRoles");
        }
    }
    marathon.stop().await;
}

#[tokio::test]
async fn what_is_reserved_for_public_services_runs_on_the_public_agent() {
    let marathon = Marathon::start().await;
    let app = json!({"id": "/public", "cmd": "exec sleep 1000", "cpus": 0.1, "mem": 16, "instances": 3, "acceptedResourceRoles": ["slave_public"]});
    marathon.ok("POST", "/v2/apps", app).await;
    let runs = |app: &Value| app["app"]["tasksRunning"] == 3;
    let app = marathon.until("three run", "/v2/apps/public", runs).await;
    for task in app["app"]["tasks"].as_array().unwrap() {
        assert_eq!(task["host"], "localhost");
    }
    let app = json!({"id": "/prod", "cmd": "exec sleep 1000", "cpus": 0.1, "mem": 16, "acceptedResourceRoles": ["prod"]});
    marathon.ok("POST", "/v2/apps", app).await;
    let declined = |queue: &Value| {
        let reasons = &queue["queue"][0]["processedOffersSummary"]["rejectSummaryLastOffers"];
        reasons[0] == json!({"reason": "UnfulfilledRole", "declined": 2, "processed": 2})
    };
    let path = "/v2/queue?embed=lastUnusedOffers";
    let queue = marathon
        .until("both agents were declined", path, declined)
        .await;
    let mut roles: Vec<&str> = Vec::new();
    for unused in queue["queue"][0]["lastUnusedOffers"].as_array().unwrap() {
        let resources = unused["offer"]["resources"].as_array().unwrap();
        roles.extend(resources.iter().map(|r| r["role"].as_str().unwrap()));
    }
    roles.sort_unstable();
    roles.dedup();
    assert_eq!(roles, ["*", "slave_public"]);
    marathon.stop().await;
}

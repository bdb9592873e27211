//! Master and agents: the tasks that they know, the ways to them, and who is let in.

use local_marathon::Credentials;
use serde_json::{Value, json};
use test_kit::marathon::{Marathon, tasks};

use super::{Bench, VIRTUAL};

#[tokio::test]
async fn the_same_files_by_every_name_of_a_sandbox_while_a_task_runs_and_after_it_has_ended() {
    let bench = Bench::start().await;
    let found = bench.run("/web", "echo up; exec sleep 1000").await;
    bench.until_size(&found, "stdout", 3).await;
    let state = bench.agent_state(&found).await;
    let framework = &state["frameworks"][0];
    let executor = &framework["executors"][0];
    assert_eq!(state["completed_frameworks"], json!([]));
    assert_eq!(executor["id"], json!(found.task));
    assert_eq!(executor["tasks"][0]["state"], "TASK_RUNNING");
    assert_eq!(executor["tasks"][0]["name"], "web");
    let directory = executor["directory"].as_str().unwrap().to_owned();
    let (runs, container) = directory.rsplit_once('/').unwrap();
    assert_eq!(executor["container"], container);
    let end = format!("slaves/{}{VIRTUAL}/{}/runs", found.slave, found.task);
    assert!(runs.ends_with(&end), "{runs}");
    let names = [
        directory.clone(),
        format!("{runs}/latest"),
        found.path.clone(),
    ];
    let all_read = async || {
        for name in &names {
            let url = format!("{}/files/read?path={name}/stdout&offset=0", found.agent);
            assert_eq!(bench.get(&url).await.page().0, b"up\n", "{name}");
        }
    };
    all_read().await;
    let debug = bench
        .get(&format!("{}/files/debug", found.agent))
        .await
        .json();
    let listed: Vec<&String> = debug.as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| listed.contains(&name)), "{debug}");

    bench.scaled("/web", 0).await;
    all_read().await;
    let state = bench.agent_state(&found).await;
    assert_eq!(state["frameworks"], json!([]), "it is idle here");
    let executor = &state["completed_frameworks"][0]["completed_executors"][0];
    assert_eq!(executor["directory"], json!(directory));
    assert_eq!(executor["completed_tasks"][0]["state"], "TASK_KILLED");
    let master = bench
        .get(&format!("{}/master/state", bench.master()))
        .await
        .json();
    let framework = &master["frameworks"][0];
    assert_eq!(framework["tasks"], json!([]));
    assert_eq!(framework["completed_tasks"][0]["id"], json!(found.task));

    // another one, on the other agent or the same
    bench.scaled("/web", 2).await;
    let state = bench.agent_state(&found).await;
    assert_eq!(state["completed_frameworks"], json!([]), "it is back");
    std::fs::remove_dir_all(
        bench
            .marathon
            .dir
            .path()
            .join("sandboxes")
            .join(&found.task),
    )
    .unwrap();
    let gone = bench.get(&found.read("stdout", "")).await;
    assert_eq!((gone.status, gone.text()), (404, String::new()));
    let debug = bench
        .get(&format!("{}/files/debug", found.agent))
        .await
        .text();
    assert!(!debug.contains(&found.task));
    bench.marathon.stop().await;
}

#[tokio::test]
async fn what_tasks_wrote_is_there_after_a_restart() {
    let bench = Bench::start().await;
    let ended = bench.run("/ended", "echo bye; exec sleep 1000").await;
    bench.until_size(&ended, "stdout", 4).await;
    bench
        .marathon
        .ok("DELETE", "/v2/apps/ended", Value::Null)
        .await;
    bench.marathon.idle().await;
    let running = bench.run("/running", "echo up; exec sleep 1000").await;
    bench.until_size(&running, "stdout", 3).await;
    let bench = bench.restart().await;
    for (before, said) in [(&ended, "bye\n"), (&running, "up\n")] {
        // the agents have other ports now
        let task = json!({"id": before.task, "slaveId": before.slave});
        let found = bench.find(&task).await;
        let log = bench.get(&found.read("stdout", "&offset=0")).await;
        assert_eq!(log.page().0, said.as_bytes());
        let state = bench
            .get(&format!("{}/master/state", bench.master()))
            .await
            .json();
        let completed = state["frameworks"][0]["completed_tasks"]
            .as_array()
            .unwrap();
        let task = completed
            .iter()
            .find(|task| task["id"] == json!(before.task));
        assert_eq!(task.unwrap()["state"], "TASK_KILLED");
    }
    bench.marathon.idle().await;
    let again = |app: &Value| {
        tasks(app)
            .iter()
            .any(|task| task["state"] == "TASK_RUNNING")
    };
    let app = bench
        .marathon
        .until("runs again", "/v2/apps/running", again)
        .await;
    let found = bench.find(tasks(&app)[0]).await;
    assert_ne!(found.task, running.task);
    bench.until_size(&found, "stdout", 3).await;
    bench.marathon.stop().await;
}

#[tokio::test]
async fn master_and_dcos_lead_to_the_agents() {
    let bench = Bench::start().await;
    let found = bench.run("/a/b", "echo up; exec sleep 1000").await;
    bench.until_size(&found, "stdout", 3).await;
    let master = bench.master();
    let at = async |path: &str| bench.get(&format!("{master}{path}")).await;
    for path in [
        "/slaves",
        "/master/slaves",
        "/mesos/slaves",
        "/mesos/master/slaves",
    ] {
        let slaves = at(path).await.json();
        let slaves = slaves["slaves"].as_array().unwrap().clone();
        let hosts: Vec<_> = slaves
            .iter()
            .map(|s| s["hostname"].as_str().unwrap())
            .collect();
        assert_eq!(hosts, ["127.0.0.1", "localhost"]);
        assert!(slaves.iter().all(|s| {
            s["pid"]
                .as_str()
                .unwrap()
                .starts_with("slave(1)@127.0.0.1:")
        }));
        assert_ne!(slaves[0]["pid"], slaves[1]["pid"]);
    }
    assert_eq!(at("/slaves?slave_id=x").await.json()["slaves"], json!([]));
    for path in [
        "/state",
        "/state.json",
        "/master/state",
        "/master/state.json",
        "/mesos/master/state.json",
    ] {
        let state = at(path).await.json();
        let framework = &state["frameworks"][0];
        assert_eq!(framework["tasks"][0]["id"], json!(found.task), "{path}");
        assert_eq!(framework["tasks"][0]["name"], "b.a");
        assert_eq!(framework["active"], true);
        assert_eq!(
            (
                &framework["completed_tasks"],
                &state["completed_frameworks"]
            ),
            (&json!([]), &json!([]))
        );
        assert!(state["slaves"].is_array());
    }
    let frameworks = at("/master/frameworks").await.json();
    assert_eq!(frameworks["frameworks"][0]["name"], "marathon");
    assert_eq!(at("/version").await.json()["version"], "1.7.3");
    let straight = local_kit::http::client().unwrap().build().unwrap();
    let to = straight.get(format!("{master}/redirect"));
    let to = bench.send(to).await;
    let address = master.strip_prefix("http:").unwrap();
    assert_eq!((to.status, to.header("location")), (307, address));
    let capabilities = at("/capabilities").await;
    let kind = "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1";
    assert_eq!(capabilities.header("content-type"), kind);
    assert_eq!(at("/metadata").await.status, 404);
    for face in ["agent", "slave"] {
        let below = format!("/{face}/{}", found.slave);
        for path in [
            "/state",
            "/state.json",
            "/slave(1)/state",
            "/slave%281%29/state.json",
        ] {
            let state = at(&format!("{below}{path}")).await.json();
            assert_eq!(state["id"], json!(found.slave), "{path}");
        }
        let read = format!(
            "{below}/files/read.json?path={}/stdout&offset=0",
            found.path
        );
        assert_eq!(at(&read).await.page().0, b"up\n");
        let unknown = at(&format!("/{face}/x/state")).await;
        let text = "404 Not Found: agent `x` unknown.".to_owned();
        assert_eq!((unknown.status, unknown.text()), (404, text));
    }
    for path in ["/state", "/slave(1)/state", "/slave%281%29/state"] {
        let state = bench.get(&format!("{}{path}", found.agent)).await.json();
        assert_eq!(state["id"], json!(found.slave), "{path}");
    }
    // the sandboxes of one agent are not on the other
    let slaves = at("/slaves").await.json();
    let other = slaves["slaves"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["id"] != json!(found.slave));
    let other = format!("/agent/{}", other.unwrap()["id"].as_str().unwrap());
    let read = format!("{other}/files/read?path={}/stdout", found.path);
    assert_eq!(at(&read).await.status, 404);
    bench.marathon.stop().await;
}

#[tokio::test]
async fn a_hundred_tasks_are_listed_unless_all_are_asked_for() {
    let bench = Bench::start().await;
    let found = bench.run("/one", "exec sleep 1000").await;
    bench.run("/two", "exec sleep 1000").await;
    let master = bench.master();
    let ids = async |query: &str| {
        let tasks = bench.get(&format!("{master}/tasks?{query}")).await.json();
        let tasks = tasks["tasks"].as_array().unwrap().clone();
        let id = |t: &Value| {
            t["id"]
                .as_str()
                .unwrap()
                .split('.')
                .next()
                .unwrap()
                .to_owned()
        };
        tasks.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["two", "one"]);
    assert_eq!(ids("order=asc&limit=-1").await, ["one", "two"]);
    assert_eq!(ids("limit=1").await, ["two"]);
    assert_eq!(ids("limit=1&offset=1").await, ["one"]);
    assert_eq!(ids(&format!("task_id={}", found.task)).await, ["one"]);
    assert!(ids("framework_id=x").await.is_empty());
    let tasks = bench.get(&format!("{master}/master/tasks")).await.json();
    assert_eq!(tasks["tasks"][0]["executor_id"], "");
    assert_eq!(tasks["tasks"][1]["slave_id"], json!(found.slave));
    assert_eq!(
        bench.get(&format!("{master}/tasks?limit=x")).await.status,
        400
    );
    bench.marathon.stop().await;
}

#[tokio::test]
async fn who_has_no_credentials_reads_nothing() {
    let bench = Bench::with(Some(Credentials::new("reader:secret"))).await;
    let master = bench.master();
    let open = bench.get(&format!("{master}/version")).await;
    assert_eq!(open.status, 200);
    let refused = bench.get(&format!("{master}/slaves")).await;
    assert_eq!(
        (refused.status, refused.text()),
        (401, "401 Unauthorized.".to_owned())
    );
    let realm = "Basic realm=\"mesos-master-readonly\"";
    assert_eq!(refused.header("www-authenticate"), realm);
    let known = |url: &str| bench.http.get(url).basic_auth("reader", Some("secret"));
    let slaves = bench.send(known(&format!("{master}/slaves"))).await.json();
    let pid = slaves["slaves"][0]["pid"].as_str().unwrap();
    let agent = format!("http://{}", pid.split_once('@').unwrap().1);
    for path in ["/state", "/files/debug", "/files/read?path=x"] {
        let refused = bench.get(&format!("{agent}{path}")).await;
        assert_eq!(refused.status, 401, "{path}");
        let realm = "Basic realm=\"mesos-agent-readonly\"";
        assert_eq!(refused.header("www-authenticate"), realm);
        let wrong = bench
            .http
            .get(format!("{agent}{path}"))
            .basic_auth("reader", Some("x"));
        assert_eq!(bench.send(wrong).await.status, 401, "{path}");
    }
    let state = bench.send(known(&format!("{agent}/state"))).await;
    assert_eq!(state.status, 200);
    let missing = bench
        .send(known(&format!("{agent}/files/read?path=x")))
        .await;
    assert_eq!(missing.status, 404);
    bench.marathon.stop().await;
}

#[tokio::test]
async fn only_programs_on_this_machine_are_answered() {
    let bench = Bench::start().await;
    let master = bench.master();
    let slaves = bench.get(&format!("{master}/slaves")).await.json();
    let agent = slaves["slaves"][1]["pid"]
        .as_str()
        .unwrap()
        .split_once('@')
        .unwrap()
        .1
        .to_owned();
    for url in [format!("{master}/slaves"), format!("http://{agent}/state")] {
        let foreign = bench.http.get(&url).header("host", "example.com");
        assert_eq!(bench.send(foreign).await.status, 403, "{url}");
        let page = bench.http.post(&url).header("origin", "http://example.com");
        assert_eq!(bench.send(page).await.status, 403, "{url}");
    }
    bench.marathon.stop().await;
}

#[tokio::test]
async fn a_marathon_without_mesos_leads_nowhere() {
    let marathon = Marathon::start().await;
    let info = marathon.get("/v2/info").await;
    assert_eq!(info["marathon_config"]["mesos_leader_ui_url"], Value::Null);
    assert_eq!(marathon.server.as_ref().unwrap().mesos_url(), None);
    marathon.stop().await;
}

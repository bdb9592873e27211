//! What goes wrong with `dploy`: each error names what to do, the exit code says what kind it is, and what ran runs on.

use std::time::Duration;

use local_marathon::FaultChange;
use serde_json::{Value, json};

use crate::support::program::DPLOY;
use crate::support::proxies::Trap;
use crate::support::shell::{Shell, clone_of, line, shell_service};
use crate::support::town::{Town, quick, service};
use test_kit::marathon::Marathon;
use test_kit::wait::until;

/// A workspace with one service, for this Marathon.
fn workspace(marathon: &str) -> Shell {
    let shell = Shell::new();
    shell.write(
        "dploy.app",
        &format!("app_name: hello\nmarathon_url: {marathon}\n"),
    );
    shell.spec("web", &shell_service("/hello/web", 1));
    shell
}

/// A workspace whose one service runs.
async fn running() -> (Marathon, Shell) {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    shell.ok(&["run"]).await;
    (marathon, shell)
}

async fn fails(shell: &Shell, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let (ended, out, err) = shell.run(arguments).await;
    assert_eq!(ended, code, "{arguments:?}: {out}{err}");
    for word in words {
        assert!(
            err.contains(word),
            "{arguments:?}: no {word:?} in {err:?} {out:?}"
        );
    }
    err
}

fn faults(marathon: &Marathon, change: FaultChange) {
    marathon.server.as_ref().unwrap().faults().apply(change);
}

async fn tasks(marathon: &Marathon, service: &str) -> Vec<Value> {
    let app = marathon.get(&format!("/v2/apps{service}")).await;
    app["app"]["tasks"].as_array().cloned().unwrap_or_default()
}

async fn task_ids(marathon: &Marathon, service: &str) -> Vec<String> {
    let mut ids: Vec<String> = tasks(marathon, service)
        .await
        .iter()
        .map(|t| t["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// How many tasks are healthy, old and new ones.
async fn healthy(marathon: &Marathon, service: &str) -> usize {
    let alive = |t: &Value| t["healthCheckResults"][0]["alive"] == true;
    tasks(marathon, service)
        .await
        .iter()
        .filter(|t| alive(t))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_descriptor_is_told_the_command_that_makes_one() {
    let shell = Shell::new();
    for command in [
        &["dryrun"][..],
        &["run"],
        &["ls"],
        &["ps"],
        &["destroy", "-yes"],
        &["status"],
        &["why", "HEAD"],
    ] {
        fails(
            &shell,
            command,
            1,
            &["there is no dploy.app in", "dploy init", "-workspace"],
        )
        .await;
    }
    fails(
        &shell,
        &["ls", "-workspace=/nowhere/at/all"],
        1,
        &["/nowhere/at/all"],
    )
    .await;
    let (code, out, _) = shell.run(&["doctor"]).await;
    assert_eq!((code, out.contains("dploy init")), (1, true), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_file_is_named_with_line_and_column() {
    let shell = workspace("http://127.0.0.1:9");
    let good = std::fs::read_to_string(shell.dir.join("dploy.app")).unwrap();
    for (text, place) in [
        ("app_name: hello\nmarathon_url: [\n", "dploy.app:3:"),
        ("app_name: hello\nprune: maybe\n", "dploy.app:2:8"),
        (
            "app_name: hello\ntriger_branch: x\n",
            "dploy.app:2:1: unknown key \"triger_branch\"; did you mean \"trigger_branch\"?",
        ),
        ("app_name: hello\napp_name: other\n", "dploy.app:"),
        ("app_name: UP/per\n", "dploy.app:1:11: app_name \"UP/per\""),
        ("", "app_name"),
    ] {
        shell.write("dploy.app", text);
        for command in ["ls", "dryrun", "run"] {
            fails(&shell, &[command], 1, &[place]).await;
        }
    }
    shell.write("dploy.app", &good);
    for (text, place) in [
        (
            "{\"id\": \"/hello/web\",\n  \"cmd\": }\n",
            "specs/web.json:2:",
        ),
        (
            "{\"id\": \"/hello/web\", \"cmd\": \"a\",\n \"cmd\": \"b\"}",
            "specs/web.json:2:",
        ),
        ("[]", "specs/web.json:1:1"),
        ("", "specs/web.json:1:"),
    ] {
        shell.write("specs/web.json", text);
        // nobody is asked before the files are right
        for command in ["ls", "run"] {
            let err = fails(&shell, &[command], 1, &[place]).await;
            assert!(!err.contains("127.0.0.1:9"), "{err}");
        }
    }
    std::fs::remove_file(shell.dir.join("specs/web.json")).unwrap();
    fails(&shell, &["ls"], 1, &["specs/ has no *.json file"]).await;
    std::fs::remove_dir(shell.dir.join("specs")).unwrap();
    fails(
        &shell,
        &["ls"],
        1,
        &["specs cannot be read", "put the Marathon specs"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_overwrites_nothing() {
    let shell = Shell::new();
    shell.write(".gitignore", "target\n.pat");
    shell.ok(&["init"]).await;
    let read = |name: &str| std::fs::read_to_string(shell.dir.join(name)).unwrap();
    assert_eq!(read(".gitignore"), "target\n.pat\n.dploy-token\n");
    shell.write("dploy.app", "app_name: mine\n");
    shell.write("specs/hello.json", "mine");
    let words = [
        "for app_name it says \"mine\", not what -name says",
        "nothing was written",
    ];
    fails(&shell, &["init", "-name=other"], 1, &words).await;
    let words = ["for repo_url it says nothing, not what -repo-url says"];
    let repo = "-repo-url=https://github.com/you/this";
    fails(&shell, &["init", repo], 1, &words).await;
    let out = shell.ok(&["init", "-name=mine"]).await;
    assert_eq!(
        out,
        "The app mine is here already; everything stays as it is.\n"
    );
    assert_eq!(
        (read("dploy.app"), read("specs/hello.json")),
        ("app_name: mine\n".to_owned(), "mine".to_owned())
    );
    std::fs::remove_dir_all(shell.dir.join("specs")).unwrap();
    let out = shell.ok(&["init"]).await;
    let made = "The app mine is here already, dploy.app stays as it is; made what was missing: specs/hello.json\n";
    assert_eq!(out, made);
    assert!(read("specs/hello.json").contains("/mine/hello"));
    shell.write("specs/hello.json", "mine");
    std::fs::remove_file(shell.dir.join("dploy.app")).unwrap();
    shell.ok(&["init", "-name=again"]).await;
    assert_eq!(read("specs/hello.json"), "mine");
    shell.write("dploy.app", "app_name: [\n");
    fails(&shell, &["init"], 1, &["dploy.app:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_only_what_dploy_reads_again() {
    for (flag, value) in [
        ("-repo-url", "https://github.com/a/b # c"),
        ("-repo-url", "nonsense"),
        ("-public-node", "a: b"),
        ("-public-node", "node\nprune: true"),
        ("-trigger-branch", "[x"),
        ("-name", "No Name"),
        ("-marathon-url", "nonsense"),
    ] {
        let shell = Shell::new();
        let (code, out, err) = shell.run(&["init", flag, value]).await;
        assert_eq!(code, 1, "{flag} {value}: {out}{err}");
        assert_eq!(
            std::fs::read_dir(&shell.dir).unwrap().count(),
            0,
            "{flag} {value}: something was written"
        );
    }
    let shell = Shell::new();
    shell
        .ok(&[
            "init",
            "-repo-url=https://github.com/a/b",
            "-public-node=10.0.0.1",
            "-trigger-branch=main",
        ])
        .await;
    shell.ok(&["ls"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_is_down_is_named_with_the_setting() {
    let shell = workspace("http://127.0.0.1:9");
    for command in [
        &["dryrun"][..],
        &["run"],
        &["ps"],
        &["scale", "-pid=web", "-instances=1"],
        &["destroy", "-yes"],
        &["status"],
    ] {
        fails(
            &shell,
            command,
            1,
            &["http://127.0.0.1:9 cannot be reached", "marathon_url"],
        )
        .await;
    }
    shell.write("dploy.app", "app_name: hello\n");
    fails(
        &shell,
        &["ps"],
        1,
        &["where is Marathon?", "marathon_url", "-marathon-url"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_never_answers_is_given_up_after_the_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let shell = workspace(&url);
    let words = [url.as_str(), "does not answer in time"];
    for command in [&["dryrun"][..], &["run"], &["ps"], &["destroy", "-yes"]] {
        let all = [command, &["-timeout", "1"]].concat();
        let asked = tokio::time::timeout(Duration::from_secs(8), fails(&shell, &all, 1, &words));
        asked.await.expect("a second is a second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_no_marathon_is_not_taken_for_an_empty_one() {
    let page = |_: &str, _: &str| Some(json!("<html><body>Welcome to nginx!</body></html>"));
    let other = |_: &str, _: &str| Some(json!({"service": "something else"}));
    for trap in [Trap::answering(page), Trap::answering(other), Trap::new()] {
        let shell = workspace(&trap.url());
        for command in [
            &["dryrun"][..],
            &["run"],
            &["ps"],
            &["ps", "-all"],
            &["scale", "-pid=web", "-instances=1"],
            &["destroy", "-yes"],
            &["status"],
        ] {
            let no = format!("{} is no Marathon", trap.url());
            fails(&shell, command, 1, &[&no, "marathon_url"]).await;
        }
        let (code, out, _) = shell.run(&["doctor"]).await;
        assert_eq!((code, out.contains("is no Marathon")), (1, true), "{out}");
        assert!(trap.seen().iter().all(|s| s.method == "GET"));
    }
}

/// Somebody else deploys the service, and it will not end.
async fn held_by_somebody_else() -> (Marathon, Shell) {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    let mut theirs = shell_service("/hello/web", 0);
    theirs["healthChecks"][0]["command"]["value"] = "false".into();
    theirs["healthChecks"][0]["gracePeriodSeconds"] = 100_000.into();
    theirs["labels"] = json!({"DPLOY": "hello"});
    marathon.ok("POST", "/v2/apps", theirs).await;
    (marathon, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_deployment_is_waited_for_and_named() {
    let (marathon, shell) = held_by_somebody_else().await;
    let before = task_ids(&marathon, "/hello/web").await;
    let words = [
        "/hello/web is being deployed by somebody else (deployment ",
        "nothing was changed",
        "dploy run -force",
    ];
    fails(&shell, &["run", "-deadline", "1"], 4, &words).await;
    assert!(task_ids(&marathon, "/hello/web").await.starts_with(&before));
    let (code, answer) = shell.json(&["run", "-deadline", "1"]).await;
    assert_eq!((code, &answer["code"]), (4, &json!("LOCKED")), "{answer}");
    assert_eq!(answer["result"], "held");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn force_takes_a_deployment_over() {
    let (marathon, shell) = held_by_somebody_else().await;
    let (code, out, err) = shell.run(&["run", "-force"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let app = marathon.get("/v2/apps/hello/web").await;
    assert!(
        app["app"]["cmd"].as_str().unwrap().contains("version 1"),
        "{app}"
    );
    assert_eq!(marathon.get("/v2/deployments").await, json!([]));
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_only_the_answer_tells_is_waited_for_too() {
    let (marathon, shell) = running().await;
    shell.spec("web", &shell_service("/hello/web", 2));
    faults(
        &marathon,
        FaultChange {
            locked: Some(true),
            ..FaultChange::default()
        },
    );
    fails(
        &shell,
        &["run", "-deadline=1"],
        4,
        &["another Marathon deployment", "-force"],
    )
    .await;
    fails(
        &shell,
        &["scale", "-pid=web", "-instances=2"],
        1,
        &["/hello/web", "try again"],
    )
    .await;
    faults(
        &marathon,
        FaultChange {
            reset: true,
            ..FaultChange::default()
        },
    );
    shell.ok(&["run"]).await;
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_marathon_refuses_is_a_deploy_that_failed() {
    let (marathon, shell) = running().await;
    let before = task_ids(&marathon, "/hello/web").await;
    let mut wrong = shell_service("/hello/web", 2);
    wrong["upgradeStrategy"]["minimumHealthCapacity"] = 7.into();
    shell.spec("web", &wrong);
    let words = [
        "Marathon refused /hello/web",
        "upgradeStrategy.minimumHealthCapacity",
        "HTTP 422",
        "nothing was changed",
    ];
    fails(&shell, &["run"], 3, &words).await;
    let (code, answer) = shell.json(&["run"]).await;
    assert_eq!((code, &answer["code"]), (3, &json!("REJECTED")), "{answer}");
    assert_eq!(task_ids(&marathon, "/hello/web").await, before);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_another_app_or_of_nobody_is_left_alone_until_it_is_adopted() {
    for (labels, whose, adopts, not) in [
        (
            json!({}),
            "was not made by dploy",
            "-adopt",
            "-adopt-from=theirs",
        ),
        (
            json!({"DPLOY": "theirs"}),
            "belongs to the app theirs",
            "-adopt-from=theirs",
            "-adopt",
        ),
    ] {
        let marathon = Marathon::start().await;
        let shell = workspace(&marathon.url());
        let mut theirs = shell_service("/hello/web", 0);
        theirs["labels"] = labels.clone();
        marathon.ok("POST", "/v2/apps", theirs).await;
        until("it runs", async || {
            let healthy = healthy(&marathon, "/hello/web").await;
            if healthy == 1 {
                Ok(())
            } else {
                Err(healthy.to_string())
            }
        })
        .await;
        for command in ["dryrun", "run"] {
            fails(
                &shell,
                &[command],
                1,
                &[
                    "/hello/web exists in Marathon",
                    whose,
                    adopts,
                    "change its id",
                ],
            )
            .await;
        }
        let app = marathon.get("/v2/apps/hello/web").await;
        assert_eq!(app["app"]["labels"], labels);
        fails(&shell, &["run", not], 1, &[whose, adopts]).await;
        let (code, _, err) = shell.run(&["dryrun", adopts, "-detailed-exitcode"]).await;
        assert_eq!(code, 2, "{err}");
        shell.ok(&["run", adopts]).await;
        let app = marathon.get("/v2/apps/hello/web").await;
        assert_eq!(app["app"]["labels"]["DPLOY"], "hello");
        shell.ok(&["dryrun", "-detailed-exitcode"]).await;
        marathon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_crashes_is_named_with_its_exit_code_and_the_old_one_runs_on() {
    let (marathon, shell) = running().await;
    let before = task_ids(&marathon, "/hello/web").await;
    let mut crashes = shell_service("/hello/web", 2);
    crashes["cmd"] = "exit 7".into();
    shell.spec("web", &crashes);
    let err = fails(
        &shell,
        &["run"],
        3,
        &[
            "CRASHING",
            "/hello/web crashed",
            "exit 7",
            "1 old and 0 new",
            "dploy run",
        ],
    )
    .await;
    assert!(!err.contains("left running"), "{err}");
    assert_eq!(healthy(&marathon, "/hello/web").await, 1);
    assert_eq!(
        task_ids(&marathon, "/hello/web").await,
        before,
        "the very same task"
    );
    assert_eq!(marathon.get("/v2/deployments").await, json!([]));
    // the way back is the spec of before
    shell.spec("web", &shell_service("/hello/web", 1));
    let (code, out, err) = shell.run(&["run"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(healthy(&marathon, "/hello/web").await, 1);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_version_that_crashes_fails_too() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    shell.spec(
        "web",
        &json!({"id": "/hello/web", "cmd": "exit 7", "cpus": 0.1, "mem": 16}),
    );
    fails(&shell, &["run"], 3, &["CRASHING", "exit 7"]).await;
    let (code, answer) = shell.json(&["run"]).await;
    assert_eq!(code, 3, "{answer}");
    assert_eq!(
        (&answer["result"], &answer["code"]),
        (&json!("failed"), &json!("CRASHING"))
    );
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_healthy_never_costs_a_healthy_instance() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    let with = |version: u32, check: &str| {
        let mut spec = shell_service("/hello/web", version);
        spec["instances"] = 3.into();
        spec["healthChecks"][0]["command"]["value"] = check.into();
        spec
    };
    shell.spec("web", &with(1, "test -f up"));
    shell.ok(&["run"]).await;
    let before = task_ids(&marathon, "/hello/web").await;
    shell.spec("web", &with(2, "false"));
    let mut running = shell.command(DPLOY);
    let mut running = running.args(["run", "-deadline", "3"]).spawn().unwrap();
    let mut fewest = 3;
    let status = loop {
        fewest = fewest.min(healthy(&marathon, "/hello/web").await);
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
    };
    assert_eq!((status.code(), fewest), (Some(3), 3));
    assert_eq!(
        task_ids(&marathon, "/hello/web").await,
        before,
        "the very same tasks"
    );
    fails(
        &shell,
        &["run", "-deadline", "2"],
        3,
        &["UNHEALTHY", "/hello/web", "3 old and 0 new"],
    )
    .await;
    assert_eq!(healthy(&marathon, "/hello/web").await, 3);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_nobody_has_room_for_is_said_to_wait_for_resources() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    let mut huge = shell_service("/hello/web", 1);
    huge["cpus"] = 1000.into();
    shell.spec("web", &huge);
    fails(
        &shell,
        &["run", "-deadline", "3"],
        3,
        &["NO_OFFERS", "/hello/web waits for resources", "lacked CPUs"],
    )
    .await;
    let out = shell.ok(&["ps"]).await;
    assert!(out.contains("0/1"), "{out}");
    shell.spec("web", &shell_service("/hello/web", 1));
    shell.ok(&["run"]).await;
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_no_secret_however_deep_it_is() {
    let (marathon, shell) = running().await;
    let mut next = shell_service("/hello/web", 1);
    next["env"] = json!({"DB_PASSWORD": "sentinel-1", "URL": "http://u:sentinel-2@a/b", "PLAIN": "to be seen",
        "API_TOKEN": "sentinel-3"});
    next["labels"] = json!({"secrets": "{\"password\": \"sentinel-4\"}"});
    next["fetch"] = json!([{"uri": "http://u:sentinel-5@a/b.tgz"}]);
    shell.spec("web", &next);
    // the file is on another machine, which the local Marathon does not ask: the task fails, and says why
    for (arguments, wanted) in [
        (&["dryrun"][..], 0),
        (&["dryrun", "-json"], 0),
        (&["run"], 3),
    ] {
        let (code, out, err) = shell.run(arguments).await;
        assert_eq!(code, wanted, "{out}{err}");
        assert!(
            !out.contains("sentinel") && !err.contains("sentinel"),
            "{arguments:?}: {out}{err}"
        );
        assert!(out.contains("to be seen"), "{arguments:?}: {out}");
    }
    next.as_object_mut().unwrap().remove("env");
    shell.spec("web", &next);
    let out = shell.ok(&["dryrun"]).await;
    assert!(!out.contains("sentinel"), "{out}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_by_hand_is_put_right() {
    let (marathon, shell) = running().await;
    marathon
        .ok("PUT", "/v2/apps/hello/web?force=true", json!({"mem": 64}))
        .await;
    let (code, out, _) = shell.run(&["dryrun", "-detailed-exitcode"]).await;
    assert_eq!(code, 2, "{out}");
    assert!(
        out.contains("drifted") && out.contains("mem: 64 -> 16"),
        "{out}"
    );
    until("their deployment ends", async || {
        let open = marathon.get("/v2/deployments").await;
        if open == json!([]) {
            Ok(())
        } else {
            Err(open.to_string())
        }
    })
    .await;
    shell.ok(&["run"]).await;
    assert_eq!(
        marathon.get("/v2/apps/hello/web").await["app"]["mem"].as_f64(),
        Some(16.0)
    );
    shell.ok(&["dryrun", "-detailed-exitcode"]).await;
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_spec_is_listed_and_removed_with_prune() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    shell.spec("old", &shell_service("/hello/old", 1));
    shell.ok(&["run"]).await;
    std::fs::remove_file(shell.dir.join("specs/old.json")).unwrap();
    let out = shell.ok(&["run"]).await;
    assert!(
        out.contains("left") && out.contains("/hello/old") && out.contains("prune: true"),
        "{out}"
    );
    assert_eq!(task_ids(&marathon, "/hello/old").await.len(), 1);
    let descriptor = std::fs::read_to_string(shell.dir.join("dploy.app")).unwrap();
    shell.write("dploy.app", &format!("{descriptor}prune: true\n"));
    let (code, out, _) = shell.run(&["dryrun", "-detailed-exitcode"]).await;
    assert_eq!(code, 2, "{out}");
    assert!(
        out.contains("remove") && out.contains("/hello/old"),
        "{out}"
    );
    shell.ok(&["run"]).await;
    let gone = marathon
        .call("GET", "/v2/apps/hello/old", Value::Null)
        .await;
    assert_eq!(gone.status, 404);
    assert_eq!(healthy(&marathon, "/hello/web").await, 1);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_rollout_left_is_restarted() {
    let (marathon, shell) = running().await;
    let go = shell.home.path().join("go");
    let mut next = shell_service("/hello/web", 2);
    next["healthChecks"][0]["command"]["value"] = format!("test -f '{}'", go.display()).into();
    shell.spec("web", &next);
    let before = task_ids(&marathon, "/hello/web").await;
    fails(&shell, &["run", "-deadline", "2"], 3, &["1 old and 0 new"]).await;
    assert_eq!(task_ids(&marathon, "/hello/web").await, before);
    std::fs::write(&go, "").unwrap();
    let out = shell.ok(&["dryrun"]).await;
    assert!(out.contains("restart"), "{out}");
    let out = shell.ok(&["run"]).await;
    assert!(
        out.contains("restart") && out.contains("all healthy"),
        "{out}"
    );
    let after = task_ids(&marathon, "/hello/web").await;
    assert!(after.len() == 1 && after != before, "{after:?}");
    shell.ok(&["dryrun", "-detailed-exitcode"]).await;
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pid_that_names_no_service_or_two_is_refused() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    fails(
        &shell,
        &["scale", "-pid=web", "-instances=2"],
        1,
        &["no running service web", "none"],
    )
    .await;
    shell.spec("web", &shell_service("/hello/a/web", 1));
    shell.spec("other", &shell_service("/hello/b/web", 1));
    shell.ok(&["run"]).await;
    fails(
        &shell,
        &["scale", "-pid=web", "-instances=2"],
        1,
        &["/hello/a/web, /hello/b/web", "write more"],
    )
    .await;
    fails(
        &shell,
        &["scale", "-pid=eb", "-instances=2"],
        1,
        &["no running service eb", "/hello/a/web"],
    )
    .await;
    fails(
        &shell,
        &["scale", "-pid=", "-instances=2"],
        1,
        &["/hello/a/web"],
    )
    .await;
    shell.ok(&["scale", "-pid=a/web", "-instances=2"]).await;
    shell
        .ok(&["scale", "-pid=/hello/b/web", "-instances=0"])
        .await;
    assert_eq!(task_ids(&marathon, "/hello/a/web").await.len(), 2);
    assert_eq!(task_ids(&marathon, "/hello/b/web").await.len(), 0);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_goes_down_meanwhile_is_waited_for_until_the_deadline() {
    let (marathon, shell) = running().await;
    let mut next = shell_service("/hello/web", 2);
    next["healthChecks"][0]["command"]["value"] = "false".into();
    shell.spec("web", &next);
    let mut command = shell.command(DPLOY);
    let run = command.args(["run", "-deadline=4"]).output();
    let run = tokio::spawn(crate::support::program::ended(run_of(run), "run"));
    until("the rollout has begun", async || {
        let tasks = task_ids(&marathon, "/hello/web").await;
        if tasks.len() == 2 {
            Ok(())
        } else {
            Err(format!("{tasks:?}"))
        }
    })
    .await;
    faults(
        &marathon,
        FaultChange {
            down: Some(true),
            ..FaultChange::default()
        },
    );
    let (code, out, err) = run.await.unwrap();
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        err.contains(&marathon.url()) && err.contains("dploy run"),
        "{err}"
    );
    faults(
        &marathon,
        FaultChange {
            reset: true,
            ..FaultChange::default()
        },
    );
    marathon.stop().await;
}

async fn run_of<T>(output: impl Future<Output = T>) -> T {
    output.await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_dploys_command_line_is_usage() {
    let shell = workspace("http://127.0.0.1:9");
    let cases: [(&[&str], &str); 9] = [
        (&["run", "-nonsense"], "--nonsense"),
        (&["depoly"], "depoly"),
        (&["scale", "-pid=web"], "instances"),
        (&["scale", "-pid=web", "-instances=many"], "many"),
        (&["scale", "-pid=web", "-instances=-1"], "-1"),
        (&["ps", "-timeout=0"], "timeout"),
        (&["run", "-deadline=soon"], "soon"),
        (&["lock"], "message"),
        (&["completions", "tcsh"], "bash"),
    ];
    for (arguments, word) in cases {
        let (code, out, err) = shell.run(arguments).await;
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: no {word}: {err}");
    }
    let (code, out, err) = shell.run(&[]).await;
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("dryrun"), "{err}");
    for help in [
        &["-h"][..],
        &["-help"],
        &["help"],
        &["run", "-help"],
        &["-version"],
    ] {
        let (code, out, err) = shell.run(help).await;
        assert_eq!(
            (code, out.is_empty(), err.as_str()),
            (0, false, ""),
            "{help:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    let marathon = Marathon::start().await;
    let shell = workspace(&marathon.url());
    let commands: [&[&str]; 8] = [
        &["dryrun"],
        &["run"],
        &["ls"],
        &["ps"],
        &["doctor"],
        &["scale", "-pid=web", "-instances=2"],
        &["-help"],
        &["ps", "-nonsense"],
    ];
    for command in commands {
        let (_, out, err) = shell.run(command).await;
        assert!(
            !out.contains('\u{1b}') && !err.contains('\u{1b}'),
            "{command:?}: {out:?} {err:?}"
        );
    }
    let (_, said) = shell.typed(&["doctor"], "", 100).await;
    assert!(said.contains("\u{1b}[32m"), "{said:?}");
    shell.spec("web", &shell_service("/hello/web", 2));
    let (code, said) = shell.typed(&["run"], "", 60).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("\u{1b}[1A") && said.contains("\u{1b}[2K"),
        "lines are drawn again: {said:?}"
    );
    let shell = shell.env("NO_COLOR", "1");
    for command in commands {
        let (_, said) = shell.typed(command, "", 100).await;
        assert!(!said.contains('\u{1b}'), "{command:?}: {said:?}");
    }
    // without escapes nothing can be drawn again, so a line comes when it changed
    let mut crashes = shell_service("/hello/web", 3);
    crashes["cmd"] = "exit 7".into();
    shell.spec("web", &crashes);
    let (code, said) = shell.typed(&["run"], "", 300).await;
    assert_eq!((code, said.contains('\u{1b}')), (3, false), "{said}");
    let lines = said.lines().filter(|l| l.contains("  crashing "));
    assert_eq!(lines.count(), 1, "{said}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_narrow_terminal_is_wider_than_it() {
    let (marathon, shell) = running().await;
    for (command, width) in [("ls", 56), ("ps", 50)] {
        let (code, said) = shell.typed(&[command], "", width).await;
        assert_eq!(code, 0, "{said}");
        let table = said.lines().take_while(|l| !l.contains('\u{1b}'));
        for line in table {
            assert!(
                line.trim_end().chars().count() <= usize::from(width),
                "{command:?}: {line:?}"
            );
        }
    }
    // what is to be copied stays whole, also where there is more to show
    for (width, whole) in [
        (40, &["SERVICE  /hello/web", "127.0.0.1:"][..]),
        (120, &["/hello/web  1/1  "]),
    ] {
        let (_, said) = shell.typed(&["-all", "ps"], "", width).await;
        for part in whole {
            assert!(said.contains(part), "{part:?} at {width}: {said}");
        }
    }
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_a_terminal_gets_whole_lines() {
    let shell = workspace("http://127.0.0.1:9");
    let piped = format!("{} 2>/dev/tty | cat", line(&["ls", "-all"]));
    let (code, said) = shell.converses(&piped, &[], 40).await;
    assert_eq!(code, 0, "{said}");
    let whole = "touch up; : version 1; while sleep 1; do :; done";
    assert!(said.contains(whole), "{said}");
}

/// A workspace whose next version does not get healthy.
async fn stuck() -> (Marathon, Shell) {
    let (marathon, shell) = running().await;
    let mut next = shell_service("/hello/web", 2);
    next["healthChecks"][0]["command"]["value"] = "false".into();
    next["healthChecks"][0]["gracePeriodSeconds"] = 100_000.into();
    shell.spec("web", &next);
    (marathon, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_asks_whether_the_rollout_is_cancelled() {
    let (marathon, shell) = stuck().await;
    let before = task_ids(&marathon, "/hello/web").await;
    let dialogue = [
        ("starting", "\u{3}"),
        ("Cancel the rollout? [y/N]", "n\n"),
        ("Go on looking? [y/N]", "y\n"),
        ("starting", "\u{3}"),
        ("Cancel the rollout? [y/N]", "y\n"),
    ];
    let run = format!("exec {}", line(&["run"]));
    let (code, said) = shell.converses(&run, &dialogue, 100).await;
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("CANCELLED") && said.contains("1 old and 0 new"),
        "{said}"
    );
    assert_eq!(task_ids(&marathon, "/hello/web").await, before);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_twice_looks_away_and_leaves_the_rollout_as_it_is() {
    let (marathon, shell) = stuck().await;
    let dialogue = [
        ("starting", "\u{3}"),
        ("Cancel the rollout? [y/N]", "\u{3}"),
    ];
    let run = format!("exec {}", line(&["run"]));
    let (code, said) = shell.converses(&run, &dialogue, 100).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Marathon goes on with it"), "{said}");
    assert_eq!(
        marathon
            .get("/v2/deployments")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // it is this user's own: the repaired spec takes it over without force
    shell.spec("web", &shell_service("/hello/web", 3));
    let (code, out, err) = shell.run(&["run"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(!err.contains("somebody else"), "{err}");
    assert_eq!(healthy(&marathon, "/hello/web").await, 1);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_standard_output_is_one_document() {
    let marathon = Marathon::start().await;
    let shell = Shell::new().env("DPLOY_MARATHON_URL", &marathon.url());
    let (code, made) = shell.json(&["init"]).await;
    assert_eq!((code, &made["app"]), (0, &json!("hello")), "{made}");
    let (_, ls) = shell.json(&["ls"]).await;
    assert_eq!(ls["services"][0]["id"], "/hello/hello");
    let (code, dry) = shell.json(&["dryrun", "-detailed-exitcode"]).await;
    assert_eq!((code, &dry["changes"]), (2, &json!(true)), "{dry}");
    let (code, ran) = shell.json(&["run"]).await;
    assert_eq!((code, &ran["result"]), (0, &json!("succeeded")), "{ran}");
    let (code, ran) = shell.json(&["run"]).await;
    assert_eq!((code, &ran["result"]), (0, &json!("unchanged")), "{ran}");
    let (code, ps) = shell.json(&["ps"]).await;
    assert_eq!(
        (code, &ps["services"][0]["healthy"]),
        (0, &json!(1)),
        "{ps}"
    );
    let (code, scaled) = shell.json(&["scale", "-pid=hello", "-instances=2"]).await;
    assert_eq!((code, &scaled["instances"]), (0, &json!(2)), "{scaled}");
    let (code, doctor) = shell.json(&["doctor"]).await;
    assert_eq!((code, &doctor["healthy"]), (0, &json!(true)), "{doctor}");
    let (code, gone) = shell.json(&["destroy", "-yes"]).await;
    assert_eq!((code, &gone["left"]), (0, &json!([])), "{gone}");
    marathon.stop().await;
}

/// A workspace that is the clone of a town, of somebody who has no token.
fn clone_of_a_stranger(town: &Town) -> Shell {
    let mut shell = Shell::new()
        .env("DPLOY_MARATHON_URL", &town.marathon_url)
        .env("DPLOY_OBSERVER_URL", town.url());
    shell.dir.clone_from(&town.clone);
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_what_the_observer_knows_is_one_document() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    let cases: [(&[&str], i32, &str, Value); 13] = [
        (&["status"], 0, "/app", json!("shop")),
        (&["status", "-all"], 0, "/apps/0/app", json!("shop")),
        (&["history"], 0, "/0/deploy", json!(1)),
        (&["why", "HEAD"], 0, "/lines/0/app", json!("shop")),
        (&["lock", "-m", "fair"], 0, "/result", json!("done")),
        (&["status"], 4, "/state", json!("locked")),
        // what is live already needs no deploy, so no lock is in its way
        (&["run"], 0, "/state", json!("succeeded")),
        (&["unlock"], 0, "/result", json!("done")),
        (&["deploy"], 0, "/state", json!("unchanged")),
        (&["run"], 0, "/state", json!("unchanged")),
        (
            &["scale", "-pid=web", "-instances=2"],
            0,
            "/instances",
            json!(2),
        ),
        (&["dryrun"], 0, "/app", json!("shop")),
        (&["ps"], 0, "/services/0/healthy", json!(2)),
    ];
    for (arguments, code, pointer, value) in cases {
        let (ended, answer) = shell.json(arguments).await;
        assert_eq!(
            (ended, answer.pointer(pointer)),
            (code, Some(&value)),
            "{arguments:?}: {answer:#}"
        );
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_deployed_once_more_and_services_are_taken_over_by_the_observer() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    let drifted = json!({"mem": 24});
    let (status, _) = town
        .marathon_send("PUT", "/v2/apps/shop/web", &drifted)
        .await;
    assert_eq!(status, 200);
    town.event_until("drift_seen").await;
    // somebody is asked, sees what it comes to, and a no is one
    let (code, said) = shell.typed(&["redeploy"], "n\n", 100).await;
    assert_eq!(code, 1, "{said}");
    for word in ["mem: 24 -> 16", "redeploy shop by", "nothing was changed"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let (code, said) = shell
        .typed(&["redeploy", "-service", "shop/web"], "y\n", 100)
        .await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("#2 of"), "{said}");
    let app = town.marathon("/v2/apps/shop/web").await;
    assert_eq!(app["app"]["mem"], 16);
    let (status, _) = town
        .marathon_send("POST", "/v2/apps", &service("/shop/old", 1, ""))
        .await;
    assert_eq!(status, 201);
    town.spec("old", &service("/shop/old", 2, ""));
    town.push("theirs");
    assert_eq!(town.ended(3).await["failure"]["code"], "NOT_OURS");
    fails(&shell, &["adopt", "shop/none"], 1, &["/shop/none"]).await;
    let said = shell.ok(&["adopt", "shop/old"]).await;
    assert!(said.contains("#4 of"), "{said}");
    assert_eq!(town.version("/shop/old").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_without_a_target_goes_to_the_last_deploy_that_worked() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    town.ended(1).await;
    fails(&shell, &["rollback", "-y"], 1, &["no other commit"]).await;
    for version in [2, 3] {
        town.spec("web", &service("/shop/web", version, ""));
        town.push("another");
        town.ended(version).await;
    }
    let (code, said) = shell
        .typed(&["rollback", "-m", "3 is bad"], "y\n", 100)
        .await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("(#3) back to") && said.contains("(#2)"),
        "{said}"
    );
    assert_eq!(town.version("/shop/web").await, "2");
    // after one that failed on the way, what was live is meant
    shell.ok(&["resume", "-y"]).await;
    let mut bad = service("/shop/web", 4, "");
    bad["cmd"] = json!("exit 3");
    town.spec("web", &bad);
    town.push("broken");
    let failed = until("it failed", async || {
        let deploys = town.app().await["deploys"].clone();
        match &deploys[0]["state"] {
            state if state == "failed" => Ok(deploys[0]["deploy"].clone()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let said = shell.ok(&["rollback", "-y"]).await;
    let live = failed.as_u64().unwrap() - 1;
    assert!(said.contains(&format!("(#{live})")), "{said}");
    assert_eq!(town.version("/shop/web").await, "3");
    let said = shell.ok(&["open"]).await;
    assert!(said.trim().ends_with("/apps/shop"), "{said}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tasks_write_is_read_with_the_instance_in_front_and_followed() {
    let mut web = service("/shop/web", 1, "");
    web["instances"] = json!(2);
    let town = Town::with(&[("web", web)]).await;
    let shell = clone_of(&town);
    let said = shell.ok(&["logs"]).await;
    let listens: Vec<&str> = said.lines().filter(|l| l.contains("listens on")).collect();
    assert_eq!(listens.len(), 2, "{said}");
    assert!(listens.iter().all(|l| l.starts_with("web.")), "{said}");
    let said = shell.ok(&["logs", "web", "-n", "1", "-json"]).await;
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["service"], "/shop/web", "{line}");
    }
    fails(&shell, &["logs", "none"], 1, &["has no service none"]).await;
    let mut follows = shell.command(DPLOY);
    follows.args(["logs", "-f", "-n", "0", "-observer", town.url()]);
    follows
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut follows = follows.spawn().unwrap();
    let out = follows.stdout.take().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(out));
    // another version takes over, and what it writes is followed too
    let mut web = service("/shop/web", 2, "");
    web["instances"] = json!(2);
    town.spec("web", &web);
    town.push("second");
    loop {
        let line = test_kit::wait::ended(lines.next_line())
            .await
            .expect("it goes on");
        if line.unwrap().unwrap().contains("x 2 listens on") {
            break;
        }
    }
    follows.kill().await.unwrap();
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_shows_nothing_to_strangers_is_read_with_the_token() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::founded(&specs, &["--private=true"], quick()).await;
    let (shell, stranger) = (clone_of(&town), clone_of_a_stranger(&town));
    until("the first deploy ends", async || {
        let (_, out, err) = shell.run(&["history"]).await;
        if out.contains("succeeded") {
            Ok(())
        } else {
            Err(err)
        }
    })
    .await;
    for arguments in [
        &["status"][..],
        &["run"],
        &["history"],
        &["scale", "-pid=web", "-instances=2"],
        &["why", "HEAD"],
    ] {
        let (code, out, err) = stranger.run(arguments).await;
        assert_eq!(code, 1, "{arguments:?} by a stranger: {out}{err}");
        assert!(
            err.contains("needs its operator token") && !out.contains("succeeded"),
            "{arguments:?} by a stranger: {out}{err}"
        );
        let (code, out, err) = shell.run(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    }
    town.end().await;
}

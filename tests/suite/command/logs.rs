//! What tasks wrote, where no observer reads it for us.

use local_marathon::LocalMarathon;
use serde_json::{Value, json};
use test_kit::ports::Ports;
use test_kit::wait::until;

use crate::support::desk::Desk;
use crate::support::program::{DPLOY, Running};
use crate::support::shell::{Shell, shell_service};
use crate::support::town::{listener, quick_pace};

/// A service that says its secrets, and numbered lines for as long as it runs.
fn talks(version: u32) -> Value {
    let mut web = shell_service("/hello/web", version);
    web["cmd"] = json!(format!(
        "touch up; echo \"token $API_TOKEN of version {version}\"; echo complaint >&2; n=0; while sleep 0.2; do n=$((n+1)); echo tick $n; done"
    ));
    web["env"] = json!({"API_TOKEN": "a-secret-of-the-spec"});
    web["instances"] = json!(2);
    web
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_observer_logs_come_straight_from_the_agents() {
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
        credentials: Some(local_marathon::Credentials::new("reader:s3cret-of-mesos")),
    };
    let marathon = LocalMarathon::start_with_mesos(listener().await, mesos, options);
    let marathon = marathon.await.unwrap();
    let stranger = Shell::new().env("DPLOY_MARATHON_URL", marathon.url());
    stranger.write("dploy.app", "app_name: hello\n");
    stranger.spec("web", &talks(1));
    stranger.ok(&["run"]).await;
    // Mesos wants to know who reads
    let (code, out, err) = stranger.run(&["logs", "-n", "1"]).await;
    assert!(
        code == 1 && out.is_empty() && err.contains("-mesos-user"),
        "{code} {out}{err}"
    );
    let mut shell = Shell::new()
        .env("DPLOY_MARATHON_URL", marathon.url())
        .env("DPLOY_MESOS_USER", "reader")
        .env("DPLOY_MESOS_PASSWORD", "s3cret-of-mesos");
    shell.dir.clone_from(&stranger.dir);
    let said = until("both instances wrote", async || {
        let said = shell.ok(&["logs", "-n", "100"]).await;
        match said.matches("tick 1\n").count() {
            2 => Ok(said),
            _ => Err(said),
        }
    })
    .await;
    assert!(said.lines().all(|line| line.starts_with("web.")), "{said}");
    assert!(
        said.contains("of version 1") && !said.contains("secret"),
        "{said}"
    );
    let said = shell.ok(&["logs", "web", "-stderr"]).await;
    assert!(said.contains("complaint"), "{said}");
    let said = shell.ok(&["logs", "-n", "1", "-json"]).await;
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["service"], &line["stream"]),
            (&json!("/hello/web"), &json!("stdout"))
        );
    }
    let said = shell.refused(&["logs", "none"]).await;
    assert!(
        said["detail"]
            .as_str()
            .unwrap()
            .contains("hello has no service none"),
        "{said}"
    );
    // another version takes over, and is read from its beginning
    let mut command = shell.command(DPLOY);
    command.args(["logs", "-f", "-n", "0"]);
    let mut follows = Running::start(command, false);
    follows.line_with("tick").await;
    shell.spec("web", &talks(2));
    shell.ok(&["run"]).await;
    follows.line_with("of version 2").await;
    let (_, said) = follows.signal("-KILL").await;
    assert!(!said.contains("secret"), "{said}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_observer_is_dead_logs_come_from_the_agents() {
    let (desk, shop) = Desk::launched().await;
    desk.deployed("shop", 1).await;
    let said = desk.run(&shop, &["logs"]).await.code(0);
    assert!(
        said.out.contains("listens on") && said.err.is_empty(),
        "{said:?}"
    );
    desk.kill_for_good().await;
    let said = desk.run(&shop, &["logs"]).await.code(0);
    assert!(said.out.contains("listens on"), "{said:?}");
    assert!(
        said.err
            .contains("no task of the observer /dploy-observer runs: read from the agents"),
        "{said:?}"
    );
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_launched_with_the_login_of_mesos() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let login = |arguments: &[&str]| {
        let mut command = desk.dploy(&shop.path, arguments);
        command
            .env("DPLOY_MESOS_USER", "reader")
            .env("DPLOY_MESOS_PASSWORD", "s3cret-of-mesos");
        command
    };
    // it goes nowhere that nobody confirmed it for
    let refused = crate::support::program::ended(login(&["run"]).output(), "run").await;
    assert_eq!(refused.0, 1, "{refused:?}");
    assert!(
        refused.2.contains("your credentials for Mesos") && refused.2.contains("nothing was sent"),
        "{refused:?}"
    );
    let told = crate::support::program::ended(login(&["dryrun"]).output(), "dryrun").await;
    assert!(
        told.0 == 1
            && told
                .1
                .contains("your credentials for Mesos may go to Marathon"),
        "{told:?}"
    );
    let named = format!("-marathon-url={}", desk.town.marathon_url);
    let launched = crate::support::program::ended(login(&["run", &named]).output(), "run").await;
    assert_eq!(launched.0, 0, "{launched:?}");
    let env = desk.observer().await["env"].clone();
    assert_eq!(
        (&env["DPLOY_MESOS_USER"], &env["DPLOY_MESOS_PASSWORD"]),
        (&json!("reader"), &json!("s3cret-of-mesos"))
    );
    assert!(!format!("{launched:?}").contains("s3cret"), "{launched:?}");
    desk.run(&shop, &["destroy", "-yes"]).await.code(0);
    desk.end().await;
}

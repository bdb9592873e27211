//! `observer local` as somebody who tries it: the welcome's commands work as printed, and nothing is left running.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::program::{Running, nothing_runs_in, observer, run};
use test_kit::http::client;
use test_kit::wait::until;

async fn get(url: &str) -> Result<Value, String> {
    let answer = client().get(url).header("accept", "application/json");
    let answer = answer.send().await.map_err(|e| e.to_string())?;
    let text = answer.text().await.map_err(|e| e.to_string())?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn deploy_is_live(url: &str, number: u32) -> Value {
    until("the deploy succeeds", async || {
        let deploy = get(&format!("{url}/apps/hello/deploys/{number}.json")).await?;
        if deploy["state"] == "succeeded" {
            Ok(deploy)
        } else {
            Err(deploy.to_string())
        }
    })
    .await
}

async fn version_of(marathon: &str, service: &str) -> String {
    let app = get(&format!("{marathon}/v2/apps{service}")).await.unwrap();
    let port = app["app"]["tasks"][0]["ports"][0].as_u64().unwrap();
    let version = get(&format!("http://127.0.0.1:{port}/version"))
        .await
        .unwrap();
    version.to_string().trim_matches('"').replace("\\n", "")
}

const FREE: [&str; 4] = [
    "-observer-port=0",
    "-marathon-port=0",
    "-github-port=0",
    "-poll=1",
];

async fn start(here: &Path, dir: &str) -> (Running, Value) {
    let arguments = [&["local", "-dir", dir], &FREE[..]].concat();
    let mut world = Running::start(observer(here, &arguments), false);
    world.line_with("Ctrl-C stops everything").await;
    let file = here.join(dir).join("local.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds tokens");
    let local = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    (world, local)
}

/// The commands of a first push, as the welcome prints them.
fn commands(welcome: &str) -> Vec<String> {
    let (_, rest) = welcome.split_once("A first push").unwrap();
    let lines = rest.lines().filter_map(|l| l.strip_prefix("  "));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_world_is_pushed_to_with_the_commands_it_prints_and_leaves_nothing_running() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path().canonicalize().unwrap();
    // a folder as people have them
    let dir = "my world";
    let (world, local) = start(&here, dir).await;
    let url = local["observer"]["url"].as_str().unwrap().to_owned();
    let marathon = local["marathon"]["url"].as_str().unwrap().to_owned();
    // a task finds this very program on its PATH
    let lent = std::process::Command::new(here.join(dir).join("tools/observer"))
        .arg("--version")
        .output()
        .unwrap();
    let version = format!("observer {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(lent.stdout).unwrap(), version);
    deploy_is_live(&url, 1).await;
    let anonymous = get(&format!("{url}/apps/hello.json")).await.unwrap();
    assert_eq!(anonymous["settings"], json!({}), "they are the operators'");
    let operator = local["observer"]["token"].as_str().unwrap();
    let app = client()
        .get(format!("{url}/apps/hello.json"))
        .bearer_auth(operator);
    let app: Value = app.send().await.unwrap().json().await.unwrap();
    let (deadline, asked) = (
        &app["settings"]["deadline"],
        &app["settings"]["marathon-url"],
    );
    assert_eq!(
        (&deadline["value"], &deadline["from"], &asked["value"]),
        (
            &"60".into(),
            &"local world".into(),
            &local["marathon"]["url"]
        ),
        "settings are shown as they are"
    );
    let commands = commands(&world.said);
    assert_eq!(commands.len(), 3, "{}", world.said);
    for command in &commands {
        let output = std::process::Command::new("sh")
            .args(["-c", command])
            .current_dir(&here)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &here)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let deploy = deploy_is_live(&url, 2).await;
    let service = deploy["services"][0]["id"].as_str().unwrap();
    assert_eq!(version_of(&marathon, service).await, "2");
    let second = [&["local", "-dir", dir], &FREE[..]].concat();
    let (code, _, err) = run(&here, &second).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("a local world runs in") && err.contains("-dir"),
        "{err}"
    );
    let events = get(&format!("{url}/events.json?kind=deploy_succeeded"))
        .await
        .unwrap();
    let (code, said) = world.signal("-INT").await;
    assert_eq!(
        (code, said.contains("nothing is left running")),
        (0, true),
        "{said}"
    );
    nothing_runs_in(&here).await;
    let (world, local) = start(&here, dir).await;
    let url = local["observer"]["url"].as_str().unwrap();
    let again = get(&format!("{url}/events.json?kind=deploy_succeeded"))
        .await
        .unwrap();
    assert_eq!(again, events, "history is as it was");
    let marathon = local["marathon"]["url"].as_str().unwrap();
    until("the service runs again", async || {
        let app = get(&format!("{marathon}/v2/apps{service}")).await?;
        if app["app"]["tasksHealthy"].as_u64() > Some(0) {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(version_of(marathon, service).await, "2");
    assert_eq!(world.signal("-TERM").await.0, 0);
    nothing_runs_in(&here).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_the_local_world_runs_alone_and_ends_with_a_signal() {
    let here = tempfile::tempdir().unwrap();
    let parts = [
        ("marathon", "local Marathon: ", "/v2/info", "-TERM"),
        ("github", "local GitHub: ", "/", "-INT"),
    ];
    for (part, says, path, signal) in parts {
        let arguments = ["local", part, "-port=0", "-dir=world"];
        let mut running = Running::start(observer(here.path(), &arguments), false);
        let url = running.line_with(says).await;
        let answer = get(&format!("{url}{path}")).await.unwrap();
        assert!(!answer.is_null(), "{part}");
        let port = url.rsplit(':').next().unwrap();
        let taken = ["local", part, "-port", port, "-dir=other"];
        let (code, _, err) = run(here.path(), &taken).await;
        assert_eq!(code, 1, "{err}");
        assert!(
            err.contains(&format!("port {port}")) && err.contains(" -port"),
            "{part}: {err}"
        );
        assert_eq!(running.signal(signal).await.0, 0, "{part}");
    }
    nothing_runs_in(here.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_the_local_world_that_is_taken_is_named_with_its_flag() {
    let here = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    for flag in ["-observer-port", "-marathon-port", "-github-port"] {
        let mut arguments = vec!["local".to_owned(), "-dir=world".to_owned()];
        for free in FREE {
            let name = free.split('=').next().unwrap();
            let port = if name == flag { port } else { 0 };
            if name != "-poll" {
                arguments.push(format!("{name}={port}"));
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, _, err) = run(here.path(), &arguments).await;
        assert_eq!(code, 1, "{err}");
        assert!(
            err.contains(&port.to_string()) && err.contains(flag),
            "{flag}: {err}"
        );
    }
    nothing_runs_in(here.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_shows_only_the_flags_that_it_uses_and_takes_the_others() {
    let here = tempfile::tempdir().unwrap();
    let (code, help, _) = run(here.path(), &["local", "marathon", "--help"]).await;
    assert_eq!(code, 0);
    for flag in [
        "--dir",
        "--port",
        "--http-credentials",
        "--scale-apps-interval",
        "--loglevel",
        "Examples:",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    assert!(
        !help.contains("--pat") && !help.contains("--marathon-url"),
        "{help}"
    );
    // a wrong value is a secret all the same
    let wrong = ["local", "marathon", "-poll=5", "-http-credentials=s3cret"];
    let (code, _, err) = run(here.path(), &wrong).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("user:password") && !err.contains("s3cret"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_under_a_part_that_runs() {
    let here = tempfile::tempdir().unwrap();
    let arguments = ["local", "marathon", "-port=0", "-dir=world"];
    let mut running = Running::start(observer(here.path(), &arguments), false);
    let url = running.line_with("local Marathon: ").await;
    let fresh = [
        "local",
        "-fresh",
        "-dir=world",
        "-observer-port=0",
        "-marathon-port=0",
        "-github-port=0",
    ];
    let (code, _, err) = run(here.path(), &fresh).await;
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("another local Marathon uses"), "{err}");
    assert!(here.path().join("world/marathon/sandboxes").exists());
    assert!(get(&format!("{url}/v2/info")).await.is_ok());
    let (code, _, err) = run(here.path(), &["local", "-fresh", "marathon", "-port=0"]).await;
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("a part has -port"), "{err}");
    assert_eq!(running.signal("-TERM").await.0, 0);
}

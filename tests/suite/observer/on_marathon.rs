//! The observer as an app of a Marathon: its templates are taken, it runs as a task, and its history outlives its tasks;
//! and the program runs on nothing but what its image has.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use dploy_observer::store::database;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::program::{OBSERVER, Running};
use crate::support::town::{PAT, TOKEN, Town, quick, service};
use test_kit::foreign::is_left_out;
use test_kit::http::client;
use test_kit::wait::until;

const ID: &str = "/dploy-observer";

/// A template with what stands in angle brackets filled in; nothing may be left.
fn filled(template: &str, values: &[(&str, &str)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(template);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (name, value) in values {
        let placeholder = format!("<{name}>");
        assert!(text.contains(&placeholder), "{template}: {name}");
        text = text.replace(&placeholder, value);
    }
    assert!(!text.contains('<'), "{text}");
    serde_json::from_str(&text).unwrap()
}

const COMMON: [(&str, &str); 4] = [
    ("DPLOY_PUBLIC_NODE", "127.0.0.1"),
    ("DPLOY_OBSERVER_GITHUB_PAT", PAT),
    ("DPLOY_OBSERVER_GITHUB_OWNER", "acme"),
    ("DPLOY_OBSERVER_GITHUB_REPO", "shop"),
];

#[tokio::test(flavor = "multi_thread")]
async fn marathon_takes_the_template_and_the_local_one_says_that_it_runs_no_images() {
    let town = Town::unobserved(&[], &[], quick()).await;
    let image = ("DPLOY_OBSERVER_IMAGE", "example/dploy-observer:1");
    let mut app = filled("observer.json", &[&COMMON[..], &[image]].concat());
    let (status, made) = town.marathon_send("POST", "/v2/apps", &app).await;
    assert_eq!(status, 201, "{made}");
    for (key, value) in app.as_object().unwrap() {
        let kept = &made[key];
        let same = value.is_array() || value.is_object() || kept == value;
        assert!(same && !kept.is_null(), "{key}: {kept}");
    }
    assert_eq!(made["container"]["volumes"], app["container"]["volumes"]);
    assert_eq!(made["upgradeStrategy"], app["upgradeStrategy"]);
    // nobody offers resources of the public node here
    app["acceptedResourceRoles"] = json!(["*"]);
    let path = format!("/v2/apps/{ID}?force=true");
    let (status, answer) = town.marathon_send("PUT", &path, &app).await;
    assert_eq!(status, 200, "{answer}");
    until("the task fails", async || {
        let app = town.marathon(&format!("/v2/apps{ID}")).await;
        let message = app["app"]["lastTaskFailure"]["message"].as_str();
        match message {
            Some(said) if said.contains("Docker is not run by the local Marathon") => Ok(()),
            _ => Err(app.to_string()),
        }
    })
    .await;
    end(town).await;
}

/// Stops everything; the folder is left.
async fn end(mut town: Town) -> tempfile::TempDir {
    town.github.stop().await;
    if let Some(marathon) = town.marathon.take() {
        marathon.stop().await;
    }
    town.dir
}

/// A town whose observer is a task of its Marathon.
struct Housed {
    town: Town,
    data: String,
}

impl Housed {
    async fn new() -> Self {
        let town = Town::unobserved(&[("web", service("/shop/web", 1, ""))], &[], quick()).await;
        let info = town.marathon("/local/info").await;
        assert_eq!(info["runs"], "processes");
        let data = format!("{}/dploy-observer", info["volumes"].as_str().unwrap());
        let values = [&COMMON[..], &[("DPLOY_OBSERVER_DATA", data.as_str())]].concat();
        let mut app = filled("src/dploy/observer-process.json", &values);
        let hash = hex::encode(Sha256::digest(TOKEN));
        for (name, value) in [
            ("DPLOY_MARATHON_URL", town.marathon_url.as_str()),
            ("DPLOY_OBSERVER_GITHUB_API", town.github.url()),
            ("DPLOY_OBSERVER_TARGETBRANCH", "dcos"),
            ("DPLOY_OBSERVER_TOKEN_SHA256", &hash),
        ] {
            app["env"][name] = value.into();
        }
        let (status, made) = town.marathon_send("POST", "/v2/apps", &app).await;
        assert_eq!(status, 201, "{made}");
        Self { town, data }
    }

    /// Task and port of the observer, once Marathon says that it is healthy and that it is another task than `before`.
    async fn healthy(&self, before: &str) -> (String, u64) {
        until("a healthy observer", async || {
            let app = self.town.marathon(&format!("/v2/apps{ID}")).await;
            let task = &app["app"]["tasks"][0];
            let id = task["id"].as_str().unwrap_or_default().to_owned();
            let healthy = app["app"]["tasksHealthy"] == 1 && app["app"]["tasksRunning"] == 1;
            match task["ports"][0].as_u64() {
                Some(port) if healthy && id != before => Ok((id, port)),
                _ => Err(app.to_string()),
            }
        })
        .await
    }

    /// Waits until the one hook of the repository calls this port.
    async fn hooked(&self, port: u64) {
        let town = &self.town;
        until("the hook calls the observer", async || {
            let hooks = town
                .http
                .get(format!("{}/repos/acme/shop/hooks", town.github.url()))
                .bearer_auth(PAT)
                .header("user-agent", "test");
            let hooks = hooks.send().await.map_err(|e| e.to_string())?;
            let hooks: Value = hooks.json().await.map_err(|e| e.to_string())?;
            let one = hooks.as_array().is_some_and(|all| all.len() == 1);
            if one && hooks[0]["config"]["url"] == format!("http://127.0.0.1:{port}/dploy") {
                Ok(())
            } else {
                Err(hooks.to_string())
            }
        })
        .await;
    }

    /// Waits until the deploy has succeeded.
    async fn deployed(&self, port: u64, number: u32) {
        until("the deploy succeeds", async || {
            let path = format!("/apps/shop/deploys/{number}.json");
            let deploy = self.get(port, &path).await?;
            let deploy: Value = serde_json::from_str(&deploy).map_err(|e| e.to_string())?;
            if deploy["state"] == "succeeded" {
                Ok(())
            } else {
                Err(deploy.to_string())
            }
        })
        .await;
    }

    async fn get(&self, port: u64, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:{port}{path}");
        let request = self.town.http.get(url).header("accept", "application/json");
        let answer = request.send().await.map_err(|e| e.to_string())?;
        answer.text().await.map_err(|e| e.to_string())
    }

    async fn history(&self, port: u64) -> String {
        let history = self.get(port, "/events.jsonl").await.unwrap();
        assert!(history.lines().count() > 3, "{history}");
        history
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_observer_as_a_task_keeps_its_history_over_a_restart_and_a_kill_and_follows_its_port() {
    let housed = Housed::new().await;
    let (first, port) = housed.healthy("").await;
    housed.hooked(port).await;
    housed.deployed(port, 1).await;
    assert_eq!(housed.town.version("/shop/web").await, "1");
    let wrong = housed
        .town
        .http
        .post(format!("http://127.0.0.1:{port}/apps/shop/lock"));
    let wrong = wrong.bearer_auth("wrong").json(&json!({})).send().await;
    assert_eq!(wrong.unwrap().status(), 401);
    let lock = housed
        .town
        .http
        .post(format!("http://127.0.0.1:{port}/apps/shop/lock"));
    let lock = lock.bearer_auth(TOKEN).json(&json!({"reason": "x"}));
    assert!(lock.send().await.unwrap().status().is_success());
    let before = housed.history(port).await;

    let restart = format!("/v2/apps/{ID}/restart");
    let (status, answer) = housed
        .town
        .marathon_send("POST", &restart, &json!({}))
        .await;
    assert_eq!(status, 200, "{answer}");
    let (second, other) = housed.healthy(&first).await;
    assert_ne!(port, other, "Marathon chose another port");
    let after = housed.history(other).await;
    assert!(after.starts_with(&before), "{before}\n{after}");
    housed.hooked(other).await;

    let before = housed.history(other).await;
    let process = test_kit::marathon::process_of(&second);
    let killed = Command::new("kill").args(["-KILL", &process]).status();
    assert!(killed.unwrap().success());
    let (_, third) = housed.healthy(&second).await;
    let after = housed.history(third).await;
    assert!(after.starts_with(&before), "{before}\n{after}");
    housed.hooked(third).await;

    let _dir = end(housed.town).await;
    let data = Path::new(&housed.data);
    let report = dploy_observer::store::verify(data).await.unwrap();
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
}

/// The files that the loader needs beside the program.
fn libraries(program: &Path) -> Vec<String> {
    let said = Command::new("ldd").arg(program).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let files: Vec<String> = said
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect();
    assert!(files.iter().any(|f| f.contains("/ld-")), "{said}");
    for file in &files {
        // what debian:bookworm-slim has, whatever is installed here
        let had = ["/ld-", "/libc.so.", "/libm.so.", "/libgcc_s.so."];
        assert!(had.iter().any(|name| file.contains(name)), "{file}");
    }
    files
}

/// A folder that has what the image has.
fn image(root: &Path) {
    let program = Path::new(OBSERVER);
    let copy = |from: &str, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    copy(program.to_str().unwrap(), "/usr/local/bin/observer");
    for library in libraries(program) {
        copy(&library, &library);
    }
    let certificates = "/etc/ssl/certs/ca-certificates.crt";
    if Path::new(certificates).exists() {
        copy(certificates, certificates);
    }
    let data = root.join("data");
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(10001), Some(10001)).unwrap();
    for (folder, mode) in [(data.as_path(), 0o700), (root, 0o755)] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Whether this process may leave its root directory, or why not.
fn may_chroot() -> Result<(), String> {
    let tried = Command::new("chroot").args(["/", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("chroot is missing: {error}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_runs_on_what_its_image_has_and_as_the_images_user() {
    if is_left_out("chroot") {
        return;
    }
    may_chroot().unwrap_or_else(|why| panic!("DPLOY_TEST_SKIP=chroot leaves this out: {why}"));
    let root = tempfile::tempdir().unwrap();
    image(root.path());
    let mut command = tokio::process::Command::new("chroot");
    command
        .arg("--userspec=10001:10001")
        .arg(root.path())
        .args(["/usr/local/bin/observer", "-listen", "127.0.0.1:0"])
        .args(["-owner", "acme", "-repo", "shop", "-pat", PAT])
        .args(["-github-api", "http://127.0.0.1:9"])
        .args(["-marathon-url", "http://127.0.0.1:9"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("DPLOY_OBSERVER_DATA", "/data")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut running = Running::start(command, true);
    let said = running.line_with("this is dploy observer").await;
    let url = said.split("url=").nth(1).and_then(|s| s.split(' ').next());
    let url = url.unwrap_or_else(|| panic!("{said}")).to_owned();
    let http = client();
    until("it answers", async || {
        let answer = http.get(format!("{url}/healthz")).send().await;
        let answer = answer.map_err(|e| e.to_string())?;
        if answer.status() == 200 {
            Ok(())
        } else {
            Err(answer.status().to_string())
        }
    })
    .await;
    assert!(database(&root.path().join("data")).exists());
    let (code, said) = running.signal("-TERM").await;
    assert_eq!(code, 0, "{said}");
}

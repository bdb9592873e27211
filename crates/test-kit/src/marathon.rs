//! A local Marathon with a pace for tests, asked over raw HTTP.

use std::path::Path;
use std::time::Duration;

use local_marathon::{Credentials, LocalMarathon, Options, Pace};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::ports::Ports;
use crate::wait::until;

/// A local Marathon with a pace for tests: a second of an app definition takes 40 ms.
pub struct Marathon {
    pub server: Option<LocalMarathon>,
    pub dir: tempfile::TempDir,
    pub address: String,
    _ports: Ports,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

pub fn quick() -> Pace {
    Pace {
        offers: Duration::from_millis(10),
        starting: Duration::from_millis(5),
        running: Duration::from_millis(10),
        first_scale_check: Duration::from_mins(5),
        scale_check: Duration::from_mins(5),
        kill_grace: Duration::from_millis(300),
        second: Duration::from_millis(40),
        stop_grace: Duration::from_millis(300),
        ..Pace::default()
    }
}

impl Marathon {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), quick()).await
    }

    pub async fn start_in(dir: tempfile::TempDir, pace: Pace) -> Self {
        Self::start_with(dir, pace, None).await
    }

    /// One that wants to know who asks.
    pub async fn start_with(
        dir: tempfile::TempDir,
        pace: Pace,
        credentials: Option<Credentials>,
    ) -> Self {
        let ports = Ports::take();
        let options = Options {
            dir: dir.path().to_owned(),
            tools: None,
            pace,
            resources: ports.resources(),
            credentials,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = LocalMarathon::start(listener, options).await.unwrap();
        Self::of(server, dir, ports)
    }

    pub fn of(server: LocalMarathon, dir: tempfile::TempDir, ports: Ports) -> Self {
        let address = server.url().strip_prefix("http://").unwrap().to_owned();
        Self {
            server: Some(server),
            dir,
            address,
            _ports: ports,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it and starts another one on the same folder.
    pub async fn restart(mut self) -> Self {
        self.server.take().unwrap().stop().await;
        Self::start_in(self.dir, quick()).await
    }

    pub async fn stop(mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub async fn send(&self, text: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    pub async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &Value,
    ) -> Option<Reply> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let host = if headers.to_lowercase().contains("host:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.send(&text).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Reply {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head: head.to_lowercase(),
            body: serde_json::from_str(body).unwrap_or_else(|_| json!(body)),
        })
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call_with(method, path, "", &body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await.body
    }

    /// Sends a change that must be accepted.
    pub async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.call(method, path, body).await;
        assert!(reply.status < 300, "{method} {path}: {reply:?}");
        reply.body
    }

    /// Asks again and again until it is so.
    pub async fn until(&self, what: &str, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, async || {
            let seen = self.get(path).await;
            if is_so(&seen) {
                Ok(seen)
            } else {
                // a log has megabytes, and the server waits meanwhile
                Err(seen.as_str().map_or_else(
                    || format!("{seen:#}"),
                    |text| text.chars().take(2000).collect(),
                ))
            }
        })
        .await
    }

    pub async fn idle(&self) {
        self.until("idle", "/v2/deployments", |d| *d == json!([]))
            .await;
    }

    /// Deploys an app and waits until that is done.
    pub async fn deployed(&self, app: Value) {
        let id = app["id"].as_str().unwrap().to_owned();
        self.ok("PUT", &format!("/v2/apps{id}"), app).await;
        self.idle().await;
    }
}

/// An app whose tasks are healthy if their command makes the file `ok`.
pub fn checked(id: &str, cmd: &str, instances: usize, strategy: (f64, f64)) -> Value {
    json!({
        "id": id, "cmd": cmd, "instances": instances, "cpus": 0.01, "mem": 1,
        "upgradeStrategy": { "minimumHealthCapacity": strategy.0, "maximumOverCapacity": strategy.1 },
        "healthChecks": [{
            "protocol": "COMMAND", "command": { "value": "test -e ok" }, "gracePeriodSeconds": 100_000, "intervalSeconds": 1,
            "timeoutSeconds": 50, "delaySeconds": 0, "maxConsecutiveFailures": 0,
        }],
    })
}

pub const GOOD: &str = "touch ok; exec sleep 1000";
pub const SICK: &str = "exec sleep 1000";

pub fn tasks(app: &Value) -> Vec<&Value> {
    app["app"]["tasks"]
        .as_array()
        .into_iter()
        .flatten()
        .collect()
}

pub fn is_healthy(task: &Value) -> bool {
    let results = task["healthCheckResults"].as_array().unwrap();
    task["state"] == "TASK_RUNNING"
        && !results.is_empty()
        && results.iter().all(|r| r["alive"] == true)
}

pub fn healthy(app: &Value) -> usize {
    tasks(app).into_iter().filter(|t| is_healthy(t)).count()
}

/// Processes whose environment names a sandbox below `dir`.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let sandbox = format!("MESOS_SANDBOX={}", dir.canonicalize().unwrap().display());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let ours = |pid: &String| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|e| String::from_utf8_lossy(&e).contains(&sandbox))
    };
    pids.filter(ours).collect()
}

/// The process that has become the task.
pub fn process_of(task: &str) -> String {
    let variable = format!("MESOS_TASK_ID={task}");
    let mut found = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environment
                .split(|b| *b == 0)
                .any(|v| v == variable.as_bytes())
        });
    let process = found.next().unwrap();
    assert!(found.next().is_none(), "every shell was replaced");
    process.file_name().into_string().unwrap()
}

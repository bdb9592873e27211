//! One look at a task: HTTP, TCP or a command.

use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONNECTION;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::environment::environment;
use super::group::Group;
use crate::definition::app::{HealthCheck, Port};
use crate::world::Launch;

/// A body that is longer is cut.
const LONGEST_BODY: usize = 64 * 1024;

/// Where a task runs, and how it is asked.
pub struct Place<'a> {
    /// For checks over HTTP.
    pub http: &'a Client,
    /// Its sandbox.
    pub sandbox: &'a Path,
    /// The folder that comes first on its `PATH`.
    pub tools: Option<&'a Path>,
}

/// Makes a health check of a task; nothing comes of it if `end` is over first. A check leaves no process of its own.
pub async fn look(
    check: &HealthCheck,
    target: &Launch,
    place: &Place<'_>,
    timeout: Duration,
    end: impl Future<Output = ()>,
) -> Option<Result<(), String>> {
    if check.protocol == "COMMAND" {
        return command(check, target, place, timeout, end).await;
    }
    tokio::select! {
        result = over_network(check, target, place.http, timeout) => Some(result),
        () = end => None,
    }
}

async fn over_network(
    check: &HealthCheck,
    target: &Launch,
    http: &Client,
    timeout: Duration,
) -> Result<(), String> {
    let port = match check.port {
        Port::Fixed(port) => Some(port),
        Port::Index(index) => target.ports.get(index).copied(),
        Port::None => None,
    };
    let Some(port) = port else {
        return Err("UnsupportedOperationException: Health check failed: unable to get the task's effectivePort".to_owned());
    };
    let refused = || refused(target.host, port);
    let too_late = |_| format!("Health check timed out after {} ms", timeout.as_millis());
    match check
        .protocol
        .trim_start_matches("MESOS_")
        .trim_start_matches("MARATHON_")
    {
        "TCP" => {
            let connected =
                tokio::time::timeout(timeout, TcpStream::connect(("127.0.0.1", port))).await;
            connected
                .map_err(too_late)?
                .map(drop)
                .map_err(|_| refused())
        }
        protocol => {
            let answer = match protocol {
                "HTTPS" => get(&UNCHECKING, "https", target.host, port, &check.path),
                _ => get(http, "http", target.host, port, &check.path),
            };
            let answer = tokio::time::timeout(timeout, answer).await;
            let answer = answer.map_err(too_late)?;
            let status = answer.map_err(|_| refused())?.status();
            match status.as_u16() {
                200..400 => Ok(()),
                _ => Err(status.to_string()),
            }
        }
    }
}

fn refused(host: &str, port: u16) -> String {
    format!(
        "Tcp command [Connect({host}/<unresolved>:{port},None,List(),Some(10 seconds),true)] failed because of \
         java.net.ConnectException: Connection refused"
    )
}

/// Marathon checks no certificate in its health checks (Marathon docs, "Health Checks": "HTTPS health checks do not verify the SSL
/// certificate").
pub static UNCHECKING: LazyLock<Client> = LazyLock::new(|| {
    let client = local_kit::http::unchecking_client();
    // without TLS the check fails as if nobody answered
    let client = client.and_then(|client| Ok(client.build()?));
    client.unwrap_or_default()
});

/// A plain GET; the answer counts from its head on, whether or not the connection is closed behind it.
pub async fn get(
    http: &Client,
    scheme: &str,
    host: &str,
    port: u16,
    path: &str,
) -> reqwest::Result<reqwest::Response> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let request = http.get(format!("{scheme}://{host}:{port}{slash}{path}"));
    request.header(CONNECTION, "close").send().await
}

/// The beginning of a body.
pub async fn body(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_BODY {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk),
            // a server that just drops the connection has answered all the same
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn command(
    check: &HealthCheck,
    target: &Launch,
    place: &Place<'_>,
    timeout: Duration,
    end: impl Future<Output = ()>,
) -> Option<Result<(), String>> {
    let mut group = match Group::spawn(shell(check, target, place)) {
        Ok(group) => group,
        Err(error) => return Some(Err(format!("Failed to launch the command: {error}"))),
    };
    let result = tokio::select! {
        status = group.leader_exit() => Some(match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("Command exited with status {}", status.code().unwrap_or(-1))),
            Err(error) => Err(error.to_string()),
        }),
        () = tokio::time::sleep(timeout) => {
            Some(Err(format!("Command timed out after {} ms", timeout.as_millis())))
        }
        () = end => None,
    };
    // also what the command left running; a leader that is dead already is not waited for again
    group.kill();
    let _ = group.leader_exit().await;
    result
}

fn shell(check: &HealthCheck, target: &Launch, place: &Place<'_>) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(&check.command)
        .current_dir(place.sandbox);
    command
        .env_clear()
        .envs(environment(target, place.sandbox, place.tools));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

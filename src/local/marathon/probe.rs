//! One look at a task: HTTP, TCP or a command.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::app::{HealthCheck, Port};
use super::process::{Group, environment};
use super::world::Launch;

/// An answer longer than this is cut.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where a task runs.
pub struct Place<'a> {
    /// Its sandbox.
    pub sandbox: &'a Path,
    /// The folder that comes first on its `PATH`.
    pub tools: Option<&'a Path>,
}

/// Makes a health check of a task.
pub async fn look(
    check: &HealthCheck,
    target: &Launch,
    place: &Place<'_>,
    timeout: Duration,
) -> Result<(), String> {
    if check.protocol == "COMMAND" {
        return command(check, target, place, timeout).await;
    }
    let port = match check.port {
        Port::Fixed(port) => Some(port),
        Port::Index(index) => target.ports.get(index).copied(),
        Port::None => None,
    };
    let Some(port) = port else {
        return Err("UnsupportedOperationException: Health check failed: unable to get the task's effectivePort".to_owned());
    };
    let refused = |_| refused(target.host, port);
    let too_late = |_| format!("Health check timed out after {} ms", timeout.as_millis());
    match check
        .protocol
        .trim_start_matches("MESOS_")
        .trim_start_matches("MARATHON_")
    {
        "TCP" => {
            let connected =
                tokio::time::timeout(timeout, TcpStream::connect(("127.0.0.1", port))).await;
            connected.map_err(too_late)?.map(drop).map_err(refused)
        }
        "HTTPS" => {
            Err("The local Marathon does not speak TLS: use an HTTP health check".to_owned())
        }
        _ => {
            let answer = tokio::time::timeout(timeout, get(target.host, port, &check.path)).await;
            let answer = answer.map_err(too_late)?.map_err(refused)?;
            match answer.status {
                200..400 => Ok(()),
                status => Err(format!("{status} {}", answer.reason)),
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

/// An HTTP answer.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Body.
    pub body: String,
}

/// A plain GET.
pub async fn get(host: &str, port: u16, path: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path: String = path
        .chars()
        .filter(|c| !c.is_ascii_control() && *c != ' ')
        .collect();
    let request = format!(
        "GET {slash}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: marathon\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_ANSWER {
        let read = stream.read_buf(&mut bytes).await;
        // a server that just drops the connection after its answer has answered all the same
        if !matches!(read, Ok(count) if count > 0) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let bad = || std::io::Error::new(std::io::ErrorKind::InvalidData, "no HTTP answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut status = head.lines().next().ok_or_else(bad)?.splitn(3, ' ');
    let code = status.nth(1).and_then(|s| s.parse().ok()).ok_or_else(bad)?;
    Ok(Answer {
        status: code,
        reason: status.next().unwrap_or_default().to_owned(),
        body: body.to_owned(),
    })
}

async fn command(
    check: &HealthCheck,
    target: &Launch,
    place: &Place<'_>,
    timeout: Duration,
) -> Result<(), String> {
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
    let group = Group::spawn(command);
    let mut group = group.map_err(|error| format!("Failed to launch the command: {error}"))?;
    let status = tokio::time::timeout(timeout, group.leader_exit()).await;
    // also what the command left running
    group.kill();
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!(
            "Command exited with status {}",
            status.code().unwrap_or(-1)
        )),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            // reap the leader that was just killed
            let _ = group.leader_exit().await;
            Err(format!(
                "Command timed out after {} ms",
                timeout.as_millis()
            ))
        }
    }
}

//! The programs as somebody starts them: with nothing of this machine's environment, read to their end or while they go on.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::town::until;

/// The program in a folder of its own, with nothing of this machine's environment.
pub fn observer(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_observer"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    ended(observer(dir, arguments).output(), &arguments.join(" ")).await
}

pub async fn ended(
    output: impl Future<Output = std::io::Result<Output>>,
    of: &str,
) -> (i32, String, String) {
    let output = tokio::time::timeout(Duration::from_secs(30), output)
        .await
        .unwrap_or_else(|_| panic!("{of} does not end"))
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(
        !err.contains("panicked") && !out.contains("panicked"),
        "{of}: {err}"
    );
    (output.status.code().unwrap_or(-1), out, err)
}

/// A program that goes on, and what it says.
pub struct Running {
    child: Child,
    lines: tokio::io::Lines<BufReader<Box<dyn tokio::io::AsyncRead + Unpin + Send>>>,
    /// What was read so far.
    pub said: String,
}

impl Running {
    /// Starts it, and reads its standard output, or its log.
    pub fn start(mut command: Command, log: bool) -> Self {
        let mut child = command.spawn().unwrap();
        let stream: Box<dyn tokio::io::AsyncRead + Unpin + Send> = if log {
            Box::new(child.stderr.take().unwrap())
        } else {
            Box::new(child.stdout.take().unwrap())
        };
        Self {
            child,
            lines: BufReader::new(stream).lines(),
            said: String::new(),
        }
    }

    /// The rest of the line that holds `marker`.
    pub async fn line_with(&mut self, marker: &str) -> String {
        let look = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push_str(&line);
                self.said.push('\n');
                if let Some((_, rest)) = line.split_once(marker) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        if let Ok(Some(rest)) = tokio::time::timeout(Duration::from_secs(30), look).await {
            return rest;
        }
        let mut err = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = self.child.start_kill();
            stderr.read_to_string(&mut err).await.unwrap();
        }
        panic!("no {marker:?} in {:?}; {err}", self.said)
    }

    /// Sends a signal and waits for the end: the exit code, and what it said until then.
    pub async fn signal(mut self, name: &str) -> (i32, String) {
        let pid = self.child.id().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(kill.unwrap().success());
        let rest = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push_str(&line);
                self.said.push('\n');
            }
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(Duration::from_secs(20), rest)
            .await
            .unwrap();
        assert!(!self.said.contains("panicked"), "{}", self.said);
        (status.code().unwrap_or(-1), self.said)
    }
}

/// No process has this folder in its command line or its environment.
pub async fn nothing_runs_in(dir: &Path) {
    let marker = dir.to_str().unwrap().to_owned();
    until("every process has ended", async || {
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let own = entry.file_name().to_str() == Some(&std::process::id().to_string());
            for file in ["cmdline", "environ"] {
                let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                if !own && text.contains(&marker) {
                    left.push(format!("{}: {text}", entry.path().join(file).display()));
                }
            }
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("\n"))
        }
    })
    .await;
}

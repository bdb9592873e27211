//! The programs as somebody starts them: with nothing of this machine's environment, read to their end or while they go on.

use std::path::Path;
use std::process::{Output, Stdio};

use test_kit::wait::{self, until};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The path of the program `observer`.
pub const OBSERVER: &str = env!("CARGO_BIN_EXE_observer");
/// The path of the program `dploy`.
pub const DPLOY: &str = env!("CARGO_BIN_EXE_dploy");

/// Exit code, standard output, standard error.
pub type Ran = (i32, String, String);

/// A program in a folder and with a home, with nothing of this machine's environment but where programs are, with a dead proxy, and
/// nobody to ask.
pub fn alone(program: &str, dir: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        // a proxy that answers nobody: what is on this machine is not asked through it
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// `observer`, which is at home in its folder.
pub fn observer(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = alone(OBSERVER, dir, dir);
    command.args(arguments);
    command
}

/// Runs `observer` to its end.
pub async fn run(dir: &Path, arguments: &[&str]) -> Ran {
    ended(observer(dir, arguments).output(), &arguments.join(" ")).await
}

/// What a program came to; it may not panic.
pub async fn ended(output: impl Future<Output = std::io::Result<Output>>, of: &str) -> Ran {
    let output = wait::ended(output).await;
    let output = output.unwrap_or_else(|| panic!("{of} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{of} cannot be started: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(
        !err.contains("panicked") && !out.contains("panicked"),
        "{of}: {out}{err}"
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

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
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
        if let Some(Some(rest)) = wait::ended(look).await {
            return rest;
        }
        let mut err = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = self.child.start_kill();
            stderr.read_to_string(&mut err).await.unwrap();
        }
        panic!("no {marker:?} in {:?}; {err}", self.said)
    }

    /// Waits until it ends by itself; its exit code.
    pub async fn ended(mut self) -> i32 {
        let status = wait::ended(self.child.wait()).await.unwrap();
        status.unwrap().code().unwrap_or(-1)
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
        let status = wait::ended(rest).await.unwrap();
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

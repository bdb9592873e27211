//! Tasks as real processes: own process group, own sandbox, bounded logs, the environment Mesos gives.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::environment::environment;
use super::fetch;
use super::group::Group;
use super::leftover;
use super::log::Log;
use super::unpack::LIMITS;
use crate::definition::app::App;
use crate::world::Launch;

/// From the first look at what is left of a process group to the next; then longer.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long logs are drained after the process is gone.
const DRAIN: Duration = Duration::from_millis(500);

/// What a task writes goes into these files of its sandbox.
const LOGS: [&str; 2] = ["stdout", "stderr"];

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// It did not end with status 0.
    pub failed: bool,
    /// What Mesos says about it.
    pub message: String,
}

impl Ending {
    fn failed(message: impl Into<String>) -> Self {
        Self {
            failed: true,
            message: message.into(),
        }
    }
}

/// Whether nobody on this machine listens on the port.
pub fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// A process and what its logs said last.
pub struct Process {
    group: Group,
    logs: JoinSet<()>,
    last_error: LastLine,
}

type LastLine = Arc<Mutex<VecDeque<u8>>>;

/// Makes the sandbox of a task, with all that it fetches.
pub async fn prepare(launch: &Launch, sandbox: &Path) -> Result<(), Ending> {
    let container = launch.app.body.get("container");
    if container.is_some_and(|c| c["docker"].is_object()) {
        return Err(Ending::failed(
            "Docker is not run by the local Marathon: give the service a cmd without a container image",
        ));
    }
    tokio::fs::create_dir_all(sandbox)
        .await
        .map_err(|error| trouble(&error))?;
    for log in LOGS {
        // dropped: they are there before the task is, as under Mesos
        Log::create(sandbox.join(log)).await;
    }
    let fetched = fetch::all(launch.app.list("fetch"), sandbox, &LIMITS).await;
    fetched.map_err(Ending::failed)
}

fn trouble(error: &std::io::Error) -> Ending {
    Ending::failed(format!("Failed to launch the task: {error}"))
}

impl Process {
    /// Starts the command of a task in its sandbox.
    pub async fn start(
        launch: &Launch,
        sandbox: &Path,
        tools: Option<&Path>,
    ) -> Result<Self, Ending> {
        let mut command = command(&launch.app);
        command
            .env_clear()
            .envs(environment(launch, sandbox, tools))
            .current_dir(sandbox);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // there before the command: it may do with them what it likes
        let [out, error] = LOGS.map(|name| sandbox.join(name));
        let (out, error) = (Log::create(out).await, Log::create(error).await);
        let mut group = Group::spawn(command).map_err(|error| trouble(&error))?;
        let (mut logs, last_error) = (JoinSet::new(), LastLine::default());
        if let Some(stdout) = group.stdout() {
            logs.spawn(copy(stdout, out, None));
        }
        if let Some(stderr) = group.stderr() {
            logs.spawn(copy(stderr, error, Some(Arc::clone(&last_error))));
        }
        Ok(Self {
            group,
            logs,
            last_error,
        })
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        self.group.kill();
    }

    /// Waits for its end. When `kill` says so, the group gets SIGTERM and, after that grace, SIGKILL.
    pub async fn run(mut self, mut kill: watch::Receiver<Option<Duration>>) -> Ending {
        let mut order = kill.clone();
        let ordered = async move { order.wait_for(Option::is_some).await.is_ok() };
        let status = tokio::select! {
            status = self.group.leader_exit() => status,
            _ = ordered => self.terminate(&mut kill).await,
        };
        // what the leader left behind in its group goes with it, as under Mesos
        self.group.kill();
        let _ = tokio::time::timeout(DRAIN, async {
            while self.logs.join_next().await.is_some() {}
        })
        .await;
        self.logs.abort_all();
        match status {
            Ok(status) => self.ending(status),
            Err(error) => Ending::failed(format!("The task got lost: {error}")),
        }
    }

    /// The process group, which is the number of its leader.
    pub fn group(&self) -> Option<u32> {
        self.group.id()
    }

    async fn terminate(
        &mut self,
        kill: &mut watch::Receiver<Option<Duration>>,
    ) -> std::io::Result<ExitStatus> {
        let group = self.group();
        self.group.terminate();
        let over = grace_over(kill);
        tokio::pin!(over);
        let status = tokio::select! {
            status = self.group.leader_exit() => status,
            () = &mut over => {
                self.group.kill();
                return self.group.leader_exit().await;
            }
        };
        // a shell dies at once; the command that it ran may still be finishing its work
        if let Some(group) = group {
            tokio::select! {
                () = gone(group) => {}
                () = over => {}
            }
        }
        status
    }

    fn ending(&self, status: ExitStatus) -> Ending {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            return Ending::failed(format!(
                "Command terminated with signal {}",
                signal_name(signal)
            ));
        }
        let code = status.code().unwrap_or_default();
        let message = format!("Command exited with status {code}");
        match self.last_line() {
            Some(line) if code != 0 => Ending::failed(format!("{message}: {line}")),
            _ => Ending {
                failed: code != 0,
                message,
            },
        }
    }

    fn last_line(&self) -> Option<String> {
        let mut tail = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(tail.make_contiguous()).into_owned();
        text.lines()
            .rfind(|line| !line.trim().is_empty())
            .map(|line| line.trim().chars().take(300).collect())
    }
}

/// Returns when the grace that an order gives is over. A later order may be in more of a hurry.
async fn grace_over(kill: &mut watch::Receiver<Option<Duration>>) {
    let begun = Instant::now();
    loop {
        let grace = kill.borrow_and_update().unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep_until(begun + grace) => return,
            changed = kill.changed() => if changed.is_err() { return },
        }
    }
}

/// Returns when nothing of a process group runs any more.
async fn gone(group: u32) {
    let mut pause = LOOK_AGAIN;
    while leftover::lives(group).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN * 16);
    }
}

fn command(app: &App) -> Command {
    let args: Vec<&str> = app.list("args").iter().filter_map(Value::as_str).collect();
    match (app.text("cmd"), args.split_first()) {
        (None, Some((program, rest))) => {
            let mut command = Command::new(program);
            command.args(rest);
            command
        }
        (cmd, _) => {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(cmd.unwrap_or("true"));
            command
        }
    }
}

/// Copies a stream into a log; `tail` keeps the last 4 KiB.
async fn copy(mut from: impl AsyncRead + Unpin, mut log: Log, tail: Option<LastLine>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|b| !b.is_empty()) else {
            break;
        };
        if let Some(tail) = &tail {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(bytes);
            let surplus = tail.len().saturating_sub(4096);
            tail.drain(..surplus);
        }
        log.write(bytes).await;
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "Hangup",
        2 => "Interrupt",
        6 => "Aborted",
        8 => "Floating point exception",
        9 => "Killed",
        11 => "Segmentation fault",
        13 => "Broken pipe",
        15 => "Terminated",
        other => return other.to_string(),
    };
    name.to_owned()
}

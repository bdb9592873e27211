//! Processes that tasks left behind, or a local Marathon that was killed: found by their environment, and killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// A process that belongs to a task.
pub struct TaskProcess {
    /// Id of the task.
    pub task: String,
    /// Its process group.
    pub group: u32,
}

/// Kills the process groups of all tasks whose sandbox lies in `dir`. Each process is identified by the
/// `MESOS_TASK_ID` and `MESOS_SANDBOX` of its own environment, never by a remembered number alone.
pub async fn kill_leftovers(dir: &Path) {
    // a group may need more than one look: processes fork while they are looked for
    for _ in 0..3 {
        let groups: BTreeSet<u32> = processes(dir).into_iter().map(|p| p.group).collect();
        if groups.is_empty() {
            return;
        }
        for group in groups {
            tracing::info!(group, "killing a task left behind by an earlier run");
            kill_group(group).await;
        }
    }
}

/// SIGKILL to a process group; it may have ended meanwhile.
pub async fn kill_group(group: u32) {
    let order = format!("kill -s KILL -- -{group}");
    let _ = Command::new("/bin/sh")
        .args(["-c", &order])
        .stderr(Stdio::null())
        .status()
        .await;
}

/// All processes of tasks whose sandbox lies in `dir`.
pub fn processes(dir: &Path) -> Vec<TaskProcess> {
    let sandboxes = dir.join("sandboxes");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.filter_map(|pid| {
        Some(TaskProcess {
            task: task_of(pid, &sandboxes)?,
            group: group_of(pid).filter(|group| *group > 1)?,
        })
    });
    found.collect()
}

fn task_of(pid: u32, sandboxes: &Path) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |key: &str| {
        let mut variables = environment
            .split(|byte| *byte == 0)
            .filter_map(|v| std::str::from_utf8(v).ok());
        variables.find_map(|v| v.strip_prefix(key)?.strip_prefix('='))
    };
    let (task, sandbox) = (value("MESOS_TASK_ID")?, value("MESOS_SANDBOX")?);
    (Path::new(sandbox) == sandboxes.join(task)).then(|| task.to_owned())
}

/// The process group: the third field after the name in `/proc/<pid>/stat`.
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

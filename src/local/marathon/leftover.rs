//! Processes left behind by a local Marathon that was killed: found by their environment, and killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Kills the process groups of all tasks whose sandbox lies in `dir`. Each process is identified by the
/// `MESOS_TASK_ID` and `MESOS_SANDBOX` of its own environment, never by a remembered number alone.
pub async fn kill_leftovers(dir: &Path) {
    // a group may need more than one look: processes fork while they are looked for
    for _ in 0..3 {
        let groups = leftover_groups(dir);
        if groups.is_empty() {
            return;
        }
        for group in groups {
            tracing::info!(group, "killing a task left behind by an earlier run");
            // only at the start, and the group may have ended meanwhile
            let order = format!("kill -s KILL -- -{group}");
            let _ = Command::new("/bin/sh")
                .args(["-c", &order])
                .stderr(Stdio::null())
                .status()
                .await;
        }
    }
}

fn leftover_groups(dir: &Path) -> BTreeSet<u32> {
    let sandboxes = dir.join("sandboxes");
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_ours(*pid, &sandboxes))
        .filter_map(group_of)
        .filter(|group| *group > 1)
        .collect()
}

fn is_ours(pid: u32, sandboxes: &Path) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let value = |key: &str| {
        let mut variables = environment
            .split(|byte| *byte == 0)
            .filter_map(|v| std::str::from_utf8(v).ok());
        variables.find_map(|v| v.strip_prefix(key)?.strip_prefix('='))
    };
    match (value("MESOS_TASK_ID"), value("MESOS_SANDBOX")) {
        (Some(task), Some(sandbox)) => Path::new(sandbox) == sandboxes.join(task),
        _ => false,
    }
}

/// The process group: the third field after the name in `/proc/<pid>/stat`.
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

//! Processes of tasks that outlive what started them, found in `/proc`, and killed.
//!
//! Two things tell whose a process is: its environment, which children inherit, and a record of the process group of
//! every task that is running. A process that leaves its group and empties its environment is not found.
//!
//! Looking through `/proc` takes as long as the machine has processes: whoever asks waits while a thread that may block
//! looks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A process as `/proc` shows it.
#[derive(Clone, Copy, Debug)]
struct Process {
    state: char,
    group: u32,
    /// In clock ticks since the machine was started.
    begun: u64,
}

/// Does something that blocks on a thread that may.
async fn aside<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // it fails only where the runtime ends
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

/// All processes of this machine.
fn processes() -> BTreeMap<u32, Process> {
    #[cfg(test)]
    tests::LOOKS.with(|looks| looks.set(looks.get() + 1));
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

/// The fields of `/proc/<pid>/stat` behind the name: state, parent, group, and as the twentieth the beginning.
fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some(Process {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        begun: fields.get(19)?.parse().ok()?,
    })
}

/// Whether something of a process group still runs; what is dead and only not yet reaped does not count.
pub async fn lives(group: u32) -> bool {
    let known = pid(group).is_some_and(|group| killpg(group, None).is_ok());
    let alive = move |process: &Process| process.group == group && process.state != 'Z';
    known && aside(move || processes().values().any(alive)).await
}

/// SIGKILL to a process group; it may have ended meanwhile.
fn kill_group(group: u32) {
    if let Some(group) = pid(group) {
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// No number that would mean something else to the system.
fn pid(group: u32) -> Option<Pid> {
    let group = i32::try_from(group).ok().filter(|group| *group > 1)?;
    Some(Pid::from_raw(group))
}

/// Kills whatever is left of tasks whose sandbox lies in `dir`.
pub async fn kill_leftovers(dir: &Path) {
    let dir = dir.to_owned();
    aside(move || kill_all_leftovers(&dir)).await;
}

fn kill_all_leftovers(dir: &Path) {
    // a group may need more than one look: processes fork while they are looked for
    for _ in 0..3 {
        let all = processes();
        let by_environment = by_environment(dir, &all, |_| true);
        let mut groups: BTreeSet<u32> = by_environment.into_iter().map(|(_, g)| g).collect();
        groups.extend(recorded(dir, &all));
        if groups.is_empty() {
            break;
        }
        for group in groups {
            tracing::info!(group, "killing what a task left behind");
            kill_group(group);
        }
    }
    // there may be none
    let _ = std::fs::remove_dir_all(records(dir));
}

/// Kills what tasks left behind that are not among those that run. `running` is asked after the processes were listed,
/// so that a task that is just begun does not pass for one that ended.
pub async fn kill_strays(
    dir: PathBuf,
    running: impl FnOnce() -> BTreeMap<String, Option<u32>> + Send + 'static,
) {
    let look = move || {
        let before = processes();
        let running = running();
        let groups: BTreeSet<u32> = running.values().copied().flatten().collect();
        let strange = |process: &Process| !groups.contains(&process.group);
        for (task, group) in by_environment(&dir, &before, strange) {
            if !running.contains_key(&task) {
                tracing::debug!(task, group, "killing what a task left behind");
                kill_group(group);
            }
        }
    };
    aside(look).await;
}

/// The wanted processes that have the environment of a task: the task, and the process group.
fn by_environment(
    dir: &Path,
    all: &BTreeMap<u32, Process>,
    wanted: impl Fn(&Process) -> bool,
) -> BTreeSet<(String, u32)> {
    let sandboxes = dir.join("sandboxes");
    let alive = all
        .iter()
        .filter(|(_, process)| process.state != 'Z' && wanted(process));
    let found =
        alive.filter_map(|(pid, process)| Some((task_of(*pid, &sandboxes)?, process.group)));
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

fn records(dir: &Path) -> PathBuf {
    dir.join("running")
}

/// Which start of the machine this is: numbers of processes mean nothing after another one.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.unwrap_or_default().trim().to_owned()
}

/// Writes down the process group of a task. Without a record, the environment is what is left to find it by.
pub async fn record(dir: &Path, task: &str, group: u32) {
    let (folder, task) = (records(dir), task.to_owned());
    let write = move || {
        let begun = process(group).map_or(0, |process| process.begun);
        let _ = std::fs::create_dir_all(&folder);
        let _ = std::fs::write(folder.join(task), format!("{group} {begun} {}", boot()));
    };
    aside(write).await;
}

/// The task has ended.
pub async fn unrecord(dir: &Path, task: &str) {
    // there is none where the task was never started
    let _ = tokio::fs::remove_file(records(dir).join(task)).await;
}

/// Groups on record that still live, and are not others that got the same number since.
fn recorded(dir: &Path, all: &BTreeMap<u32, Process>) -> BTreeSet<u32> {
    let files = std::fs::read_dir(records(dir))
        .into_iter()
        .flatten()
        .flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let boot = boot();
    let same = |text: String| {
        let mut words = text.split(' ');
        let group: u32 = words.next()?.parse().ok()?;
        let begun: u64 = words.next()?.parse().ok()?;
        let leader = all.get(&group).map(|leader| leader.begun);
        let ours = words.next() == Some(boot.as_str()) && leader.is_none_or(|b| b == begun);
        let member = |p: &Process| p.group == group && p.state != 'Z' && p.begun >= begun;
        (ours && all.values().any(member)).then_some(group)
    };
    texts.filter_map(same).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;
    use tokio::net::TcpListener;

    use crate::definition::id::Id;
    use crate::definition::submit;
    use crate::world::instance::Condition;
    use crate::{LocalMarathon, Options, Pace, Resources};

    thread_local! {
        /// How often this thread has looked through all processes.
        pub static LOOKS: Cell<u32> = const { Cell::new(0) };
    }

    #[tokio::test]
    async fn no_thread_that_serves_looks_through_all_processes() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            tools: None,
            pace: Pace::default(),
            resources: Resources::default(),
            credentials: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let marathon = LocalMarathon::start(listener, options).await.unwrap();
        // the shell dies of SIGTERM at once, what it runs does not
        let cmd = "(trap '' TERM; sleep 1000) & exec sleep 1000";
        let body = json!({"id": "/a", "cmd": cmd});
        let engine = &marathon.engine;
        let made = engine.marathon.with(|world| {
            world.change(&Id::root(), false, &[], |tree, version| {
                tree.put(submit::app(&body, &Id::root(), version)?);
                Ok(())
            })
        });
        assert!(made.is_ok(), "{made:?}");
        let runs = || {
            engine
                .marathon
                .look(|w| w.all().any(|i| i.condition == Condition::Running))
        };
        while !runs() {
            tokio::task::yield_now().await;
        }
        marathon.stop().await;
        assert_eq!(LOOKS.get(), 0);
    }
}

//! Archives that a task fetches, unpacked within bounds: a small archive may hold more than there is room for.
//!
//! Programs of the machine do the work. What lies in the sandbox is measured while they do, and no file of theirs can
//! become longer than all may be together, so that a hole in a file counts as well as what is written.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio::time::MissedTickBehavior;

use super::group::Group;

/// How much a task may fetch in all, unpacked things included.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in the sandbox, by the length of the files or by what they take of the disk, whichever is more.
    pub bytes: u64,
    /// Files and folders in the sandbox.
    pub files: usize,
    /// How long it may take.
    pub time: Duration,
}

/// What the local Marathon allows.
pub const LIMITS: Limits = Limits {
    bytes: 2 << 30,
    files: 100_000,
    time: Duration::from_mins(10),
};

/// How often the sandbox is measured.
const LOOK: Duration = Duration::from_millis(50);
/// What a program says is kept up to here.
const LONGEST_WORDS: u64 = 16 * 1024;
/// How archives are unpacked, by the end of their name.
const ARCHIVES: [(&str, &[&str]); 9] = [
    (".tar.gz", &["tar", "-xzf"]),
    (".tgz", &["tar", "-xzf"]),
    (".tar.bz2", &["tar", "-xjf"]),
    (".tbz2", &["tar", "-xjf"]),
    (".tar.xz", &["tar", "-xJf"]),
    (".txz", &["tar", "-xJf"]),
    (".tar", &["tar", "-xf"]),
    (".gz", &["gzip", "-dkf"]),
    (".zip", &["unzip", "-oq"]),
];

/// Unpacks a file in the sandbox if its name says that it is an archive. What is there when it fails is left to the
/// caller; no process is.
///
/// # Errors
/// A sentence with the reason.
pub async fn unpack(file: &Path, sandbox: &Path, limits: &Limits) -> Result<(), String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let Some((_, words)) = ARCHIVES.iter().find(|(end, _)| name.ends_with(end)) else {
        return Ok(());
    };
    let mut command = bounded(limits);
    command.args(*words).arg(file).current_dir(sandbox);
    let (ended, said) = run(command, sandbox, limits).await?;
    if ended.signal() == Some(Signal::SIGXFSZ as i32) {
        return Err(too_large(limits));
    }
    // it may be quicker than the eye
    measure(sandbox, limits).await?;
    if ended.success() {
        return Ok(());
    }
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or("it failed");
    let own = format!("{}: ", words.first().unwrap_or(&""));
    Err(format!("{own}{}", line.strip_prefix(&own).unwrap_or(line)))
}

/// A command, still without its words, that cannot write a file longer than the limit.
fn bounded(limits: &Limits) -> Command {
    let mut command = Command::new("/bin/sh");
    let blocks = limits.bytes / 512;
    command.arg("-c");
    command.arg("ulimit -c 0; ulimit -f \"$0\"; exec \"$@\"");
    command.arg(blocks.to_string());
    command
}

/// Runs a command to its end, or to a limit, and gives back how it ended and what it complained about.
async fn run(
    mut command: Command,
    sandbox: &Path,
    limits: &Limits,
) -> Result<(ExitStatus, String), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    let mut group = Group::spawn(command).map_err(|error| error.to_string())?;
    let stderr = group.stderr();
    let work = async {
        let status = watch(&mut group, sandbox, limits).await;
        // also what the leader left behind, which would keep its complaints open
        group.kill();
        let _ = group.leader_exit().await;
        status
    };
    let (status, said) = tokio::join!(work, beginning(stderr));
    Ok((status?, said))
}

async fn watch(group: &mut Group, sandbox: &Path, limits: &Limits) -> Result<ExitStatus, String> {
    let mut timer = tokio::time::interval(LOOK);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            status = group.leader_exit() => return status.map_err(|error| error.to_string()),
            _ = timer.tick() => measure(sandbox, limits).await?,
        }
    }
}

/// The beginning of what a program says. The rest is thrown away, so that it need not wait for us.
async fn beginning(from: Option<ChildStderr>) -> String {
    let mut said = Vec::new();
    if let Some(mut from) = from {
        // what cannot be read is not said
        let _ = (&mut from).take(LONGEST_WORDS).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Looks whether a sandbox is within the limits.
///
/// # Errors
/// A sentence that names the limit.
pub async fn measure(sandbox: &Path, limits: &Limits) -> Result<(), String> {
    let (sandbox, limits) = (sandbox.to_owned(), *limits);
    let measured = tokio::task::spawn_blocking(move || measure_now(&sandbox, &limits));
    measured.await.map_err(|error| error.to_string())?
}

fn measure_now(sandbox: &Path, limits: &Limits) -> Result<(), String> {
    let (mut bytes, mut files, mut open) = (0_u64, 0_usize, vec![sandbox.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            // what is hidden may be of any size
            Err(error) => return Err(format!("what it holds cannot be measured: {error}")),
        };
        // without following links; what is gone meanwhile does not count
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            files += 1;
            if found.is_dir() {
                open.push(entry.path());
            } else {
                bytes = bytes.saturating_add(found.len().max(found.blocks() * 512));
            }
            if bytes > limits.bytes {
                return Err(too_large(limits));
            }
            if files > limits.files {
                return Err(format!(
                    "it makes the sandbox larger than {} files, which is the limit of the local Marathon",
                    limits.files
                ));
            }
        }
    }
    Ok(())
}

fn too_large(limits: &Limits) -> String {
    let most = limits.bytes >> 20;
    format!("it makes the sandbox larger than {most} MiB, which is the limit of the local Marathon")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::run::leftover;

    const SMALL: Limits = Limits {
        bytes: 1 << 20,
        files: 20,
        time: Duration::from_mins(1),
    };

    /// Makes something with a shell in a folder of its own, and gives the folder.
    fn made(script: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-ec", script]).current_dir(dir.path());
        assert!(shell.status().unwrap().success(), "{script}");
        dir
    }

    #[tokio::test]
    async fn an_archive_that_becomes_too_much_is_stopped() {
        let zero = "head -c 9000000 /dev/zero > a";
        let parts = "for n in 1 2 3 4 5; do head -c 300000 /dev/zero > a$n; done";
        let many = "mkdir d; for n in $(seq 30); do touch d/$n; done";
        for (script, name, why) in [
            (format!("{zero}; gzip a"), "a.gz", "1 MiB"),
            (format!("{zero}; tar -czf a.tgz a"), "a.tgz", "1 MiB"),
            (
                format!("{zero}; python3 -m zipfile -c a.zip a"),
                "a.zip",
                "1 MiB",
            ),
            (
                format!("{parts}; tar -cJf a.tar.xz a?"),
                "a.tar.xz",
                "1 MiB",
            ),
            (
                "truncate -s 1G a; tar -cSf a.tar a".to_owned(),
                "a.tar",
                "1 MiB",
            ),
            (format!("{many}; tar -cf a.tar d"), "a.tar", "20 files"),
        ] {
            let made = made(&script);
            let sandbox = tempfile::tempdir().unwrap();
            let file: PathBuf = sandbox.path().join(name);
            fs::copy(made.path().join(name), &file).unwrap();
            let error = unpack(&file, sandbox.path(), &SMALL).await.unwrap_err();
            let wanted = format!("it makes the sandbox larger than {why}, ");
            assert!(error.starts_with(&wanted), "{script}: {error}");
        }
    }

    #[tokio::test]
    async fn who_gives_up_on_an_archive_leaves_no_process() {
        let sandbox = tempfile::tempdir().unwrap();
        let mut command = bounded(&SMALL);
        let script = "sleep 1000 & echo $$ > next; mv next group; sleep 1000";
        command
            .args(["sh", "-c", script])
            .current_dir(sandbox.path());
        let begun = async {
            loop {
                if let Ok(group) = tokio::fs::read_to_string(sandbox.path().join("group")).await {
                    return group.trim().parse::<u32>().unwrap();
                }
            }
        };
        let group = tokio::select! {
            ended = run(command, sandbox.path(), &SMALL) => panic!("{ended:?}"),
            group = begun => group,
        };
        while leftover::lives(group).await {}
    }
}

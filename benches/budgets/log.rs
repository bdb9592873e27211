//! A long log: checked, and its tables made anew, beside a plain walk of the chain in Python.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::fleet;
use super::process::{Program, memory_of};
use super::say;

/// Apps and deploys of each: a million events where `DPLOY_BENCH_EVENTS` says so.
const APPS: usize = 1_000;

/// Events that a deploy of the fleet comes to.
const OF_A_DEPLOY: usize = 5;

const WALK: &str = "
import hashlib, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute('select seq, at, app, kind, version, actor, deploy, dedup, payload, prev_hash, hash from event order by seq')
before, count = '0' * 64, 0
for row in rows:
    assert row[9] == before
    hashlib.sha256('\\n'.join(str(field) for field in row[:10]).encode()).hexdigest()
    before, count = row[10], count + 1
print(count)
";

/// Runs a command; answers how long it took and the most memory that it held, in MiB.
fn timed(command: &mut Command) -> (Duration, f64, String) {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut most: f64 = 0.0;
    let took = loop {
        most = most.max(memory_of(child.id()).1);
        if let Some(status) = child.try_wait().expect("it runs") {
            assert!(status.success(), "{status}");
            break began.elapsed();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().expect("its words"), &mut said)
        .expect("words");
    (took, most, said)
}

pub async fn run() {
    let events: usize = std::env::var("DPLOY_BENCH_EVENTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let store = fleet::opened(&data).await;
    let deploys = u32::try_from((events / (APPS * OF_A_DEPLOY)).max(1)).expect("a number");
    fleet::settled(&store, APPS, deploys).await;
    store.close().await;
    let file = dploy_observer::store::database(&data);
    let (walked, _, count) = timed(Command::new("python3").args(["-c", WALK]).arg(&file));
    let count: usize = count.trim().parse().expect("a count");
    let plain = say::rate(count, walked);
    say::line(
        &format!("a plain walk of {count} events in Python"),
        &format!("{plain:.0}/s"),
        "the yardstick",
    );
    for what in ["verify", "rebuild"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_observer"));
        let (took, most, _) = timed(
            command
                .arg(what)
                .arg(format!("--data-folder={}", data.display()))
                .env_clear(),
        );
        let rate = say::rate(count, took);
        say::line(
            &format!("observer {what}"),
            &format!("{rate:.0}/s"),
            &format!(
                "{:.1} of it (≥ 3); at most {most:.0} MiB (≤ 96)",
                rate / plain
            ),
        );
    }
    started(&data, count).await;
}

/// How soon it is ready behind such a log.
async fn started(data: &Path, count: usize) {
    let empty = tempfile::tempdir().expect("a folder");
    let bare = Program::start(empty.path(), &[]).await;
    let full = Program::start(data, &["--poll=86400".to_owned()]).await;
    say::line(
        "ready after a start with no event",
        &say::ms(bare.ready_after),
        "the yardstick",
    );
    say::line(
        &format!("ready after a start with {count} events"),
        &say::ms(full.ready_after),
        "≤ 1 s",
    );
}

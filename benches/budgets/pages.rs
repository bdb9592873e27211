//! Pages and lists of a thousand apps, beside the same of one app; and what a thousand apps cost while nothing happens.

use std::time::{Duration, Instant};

use super::fleet;
use super::process::{Program, TOKEN, client};
use super::say;

const APPS: usize = 1_000;

/// So often each is asked for.
const TIMES: usize = 60;

/// So long nothing happens.
const QUIET: Duration = Duration::from_secs(30);

/// What is asked for, with what it may cost.
const PATHS: [(&str, &str); 8] = [
    ("/", "≤ 50 ms, ≤ 150 kB"),
    ("/?show=attention", "≤ 50 ms, ≤ 150 kB"),
    ("/apps.json", "≤ 50 ms, ≤ 150 kB"),
    ("/apps/{app}", "≤ 2 × one app"),
    ("/apps/{app}/deploys/1", "≤ 2 × one app"),
    ("/why/{commit}", "≤ 2 × one app"),
    ("/events", "≤ 2 × one app"),
    ("/events?actor=operator:mh", "≤ 2 × one app"),
];

/// Median time and bytes on the wire of a path, asked for in turn; each time it is made anew.
async fn asked(program: &Program, path: &str) -> (Duration, usize) {
    let (app, commit) = (fleet::app(3), fleet::commit(3, 1));
    let path = path
        .replace("{app}", app.as_str())
        .replace("{commit}", commit.as_str());
    let http = client();
    let (mut times, mut bytes) = (Vec::new(), 0);
    for n in 0..TIMES {
        let parted = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{parted}n={n}", program.url);
        let began = Instant::now();
        let call = http
            .get(url)
            .bearer_auth(TOKEN)
            .header("accept", "text/html")
            .header("accept-encoding", "gzip");
        let answer = call.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        bytes = answer.bytes().await.expect("a body").len();
        times.push(began.elapsed());
    }
    (say::percentiles(times).0, bytes)
}

async fn observed(apps: usize) -> (tempfile::TempDir, Program) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let store = fleet::opened(&data).await;
    fleet::settled(&store, apps, 5).await;
    store.close().await;
    let program = Program::start(&data, &["--poll=86400".to_owned()]).await;
    (folder, program)
}

pub async fn run() {
    let (_one, small) = observed(4).await;
    let (_many, large) = observed(APPS).await;
    for (path, goal) in PATHS {
        let (before, _) = asked(&small, path).await;
        let (time, bytes) = asked(&large, path).await;
        let ratio = time.as_secs_f64() / before.as_secs_f64();
        let size = say::kilobytes(bytes);
        say::line(
            path,
            &say::ms(time),
            &format!("{size:>7}; {ratio:.1} × four apps ({goal})"),
        );
    }
}

pub async fn idle() {
    let (_many, program) = observed(APPS).await;
    // as it is by default: a branch a minute, and nobody answers
    drop(program);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let store = fleet::opened(&data).await;
    fleet::settled(&store, APPS, 1).await;
    store.close().await;
    let program = Program::start(&data, &[]).await;
    tokio::time::sleep(QUIET / 3).await;
    let before = program.processor();
    tokio::time::sleep(QUIET).await;
    let used = (program.processor() - before) / QUIET.as_secs_f64() * 100.0;
    let (now, most) = program.memory();
    say::line(
        "1,000 apps, GitHub and Marathon away, of a core",
        &format!("{used:.1} %"),
        "≤ 2 %",
    );
    say::line(
        "memory",
        &format!("{now:.0} MiB"),
        &format!("at most {most:.0} MiB (≤ 96)"),
    );
}

//! The real program, with a data folder.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const TOKEN: &str = "an-operator-token-of-benchmarks";

/// An observer that runs.
pub struct Program {
    child: Child,
    pub url: String,
    /// How long it took until it was ready.
    pub ready_after: Duration,
}

impl Program {
    /// Starts it; nothing listens where it looks for Marathon and GitHub, unless that is said.
    pub async fn start(data: &Path, flags: &[String]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0");
        let port = port.and_then(|l| l.local_addr()).expect("a port").port();
        let url = format!("http://127.0.0.1:{port}");
        let began = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_observer"));
        command
            .env_clear()
            .args([
                format!("--data={}", data.display()),
                format!("--listen=127.0.0.1:{port}"),
                format!("--token={TOKEN}"),
                "--pat=a-github-token-of-benchmarks".to_owned(),
                "--connections-of-peer=1000".to_owned(),
                "--requests-of-peer=0".to_owned(),
                "--loglevel=error".to_owned(),
            ])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for (name, value) in [
            ("--marathon-url", "http://127.0.0.1:9"),
            ("--github-api", "http://127.0.0.1:9"),
            ("--public-url", url.as_str()),
        ] {
            if !flags.iter().any(|f| f.starts_with(name)) {
                command.arg(format!("{name}={value}"));
            }
        }
        let child = command.spawn().expect("the observer starts");
        let http = client();
        loop {
            let answer = http.get(format!("{url}/healthz")).send().await;
            if answer.is_ok_and(|a| a.status() == 200) {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_mins(2),
                "it does not start"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self {
            child,
            url,
            ready_after: began.elapsed(),
        }
    }

    /// Seconds of a processor that it used so far.
    pub fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it runs");
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .expect("a name")
            .1
            .split_whitespace()
            .collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Memory that it holds, and the most that it held, in MiB.
    pub fn memory(&self) -> (f64, f64) {
        memory_of(self.child.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn memory_of(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let number = line.and_then(|l| l.split_whitespace().next());
        number.and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
}

//! A client made for GitHub by others works with the local one unchanged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::local_github_support::{Bench, Receiver, TOKEN};

const PACKAGES: [&str; 1] = ["PyGithub==2.10.0"];

/// A Python with the client, made once and kept in `target`; the reason where that is not possible.
fn python() -> &'static Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/github-clients-venv");
        let python = venv.join("bin/python");
        let done = venv.join("installed");
        if std::fs::read_to_string(&done).is_ok_and(|list| list == PACKAGES.join("\n")) {
            return Ok(python);
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        run(&mut make, "python3 with venv")?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        run(pip.args(PACKAGES), "pip (or the network)")?;
        std::fs::write(done, PACKAGES.join("\n")).map_err(|error| error.to_string())?;
        Ok(python)
    })
}

fn run(command: &mut Command, what: &str) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{what} is missing: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what} does not work: {said}"))
}

/// Both addresses that clients are given: the one of github.com, and the one of an enterprise server.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_pygithub_lives_a_repositorys_life() {
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let python = match python {
        Ok(python) => python,
        Err(why) if std::env::var_os("DPLOY_TEST_NO_SKIP").is_some() => panic!("{why}"),
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clients/github_client.py");
    for below in ["", "/api/v3"] {
        let bench = Bench::new().await;
        let receiver = Receiver::new().await;
        let mut tour = Command::new(python);
        tour.arg(&script)
            .arg(format!("{}{below}", bench.github.url()))
            .args([TOKEN, &receiver.url]);
        let done = tokio::task::spawn_blocking(move || tour.output().unwrap());
        let done = done.await.unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{below}: {said}");
        let heard = receiver.take();
        assert!(!heard.is_empty() && heard.iter().all(|h| h.is_signed_with("s3cret")));
    }
}

//! Clients that others wrote, in a Python of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const CLIENTS: &[&str] = &[
    "marathon==0.13.0",
    "shpkpr==4.1.2",
    "markupsafe<2.1",
    "PyGithub==2.10.0",
];

/// What asks an API for everything that its OpenAPI document describes.
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];

/// A Python with the clients, made once and kept in `target`; the reason where that is not possible.
fn python() -> &'static Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| made("clients-venv", CLIENTS))
}

fn made(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let lock = std::fs::File::create(target.join(format!("{name}.lock")));
    // until the Python is made, or found
    let lock = lock.and_then(|lock| lock.lock().map(|()| lock));
    let _lock = lock.map_err(|error| error.to_string())?;
    let venv = target.join(name);
    let python = venv.join("bin/python");
    let done = venv.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|list| list == packages.join("\n")) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    run(&mut make, "python3 with venv")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.arg("--disable-pip-version-check").args(packages);
    run(&mut pip, "pip (or the network)")?;
    std::fs::write(done, packages.join("\n")).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs schemathesis in this folder, where it leaves what it remembers; answers what it said, and whether it found nothing. `None` where `DPLOY_TEST_SKIP` names `clients`.
///
/// # Panics
/// Where it cannot be installed.
pub async fn schemathesis(folder: PathBuf, arguments: Vec<String>) -> Option<(bool, String)> {
    if is_left_out("clients") {
        return None;
    }
    let run = move || {
        let python = made("schemathesis-venv", SCHEMATHESIS).unwrap_or_else(|why| panic!("{why}"));
        let mut command = Command::new(python.with_file_name("schemathesis"));
        command.args(arguments).env("NO_COLOR", "1");
        let output = command.current_dir(folder).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        (output.status.success(), said.concat())
    };
    Some(tokio::task::spawn_blocking(run).await.unwrap())
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

/// Whether `DPLOY_TEST_SKIP`, a list of words, names what this machine has not. Nothing else lets a test pass that did not run.
pub fn is_left_out(what: &str) -> bool {
    let list = std::env::var("DPLOY_TEST_SKIP").unwrap_or_default();
    let named = list.split([',', ' ']).any(|word| word == what);
    if named {
        eprintln!("left out by DPLOY_TEST_SKIP: {what}");
    }
    named
}

/// Runs a script of a client, by its whole path; it must succeed. Without Python or network it fails, unless `DPLOY_TEST_SKIP` names
/// `clients`.
///
/// # Panics
/// When the script fails.
pub async fn drive<A: AsRef<OsStr>>(script: &str, arguments: &[A]) {
    if is_left_out("clients") {
        return;
    }
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let python = python.as_ref().unwrap_or_else(|why| panic!("{why}"));
    let mut tour = Command::new(python);
    tour.arg(script).args(arguments);
    let done = tokio::task::spawn_blocking(move || tour.output().unwrap());
    let done = done.await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}: {said}");
}

//! Clients made for Marathon by others work with the local one unchanged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::local_marathon::Marathon;

const PACKAGES: [&str; 3] = ["marathon==0.13.0", "shpkpr==4.1.2", "markupsafe<2.1"];

/// A Python with the clients, made once and kept in `target`; the reason where that is not possible.
fn python() -> &'static Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients-venv");
        let python = venv.join("bin/python");
        let done = venv.join("installed");
        if std::fs::read_to_string(&done).is_ok_and(|list| list == PACKAGES.join("\n")) {
            return Ok(python);
        }
        run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
            "python3 with venv",
        )?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(PACKAGES);
        run(&mut pip, "pip (or the network)")?;
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
    Err(format!(
        "{what} does not work: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

async fn drive(script: &'static str) {
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let python = match python {
        Ok(python) => python,
        Err(why) if std::env::var_os("DPLOY_TEST_NO_SKIP").is_some() => panic!("{why}"),
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    let marathon = Marathon::start().await;
    let url = marathon.url();
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/clients")
        .join(script);
    let done = tokio::task::spawn_blocking(move || {
        Command::new(python).arg(script).arg(url).output().unwrap()
    });
    let done = done.await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    marathon.stop().await;
}

#[tokio::test]
async fn the_marathon_client_from_pypi_lives_a_services_life() {
    drive("marathon_client.py").await;
}

#[tokio::test]
async fn the_shpkpr_command_line_from_pypi_deploys() {
    drive("shpkpr_client.py").await;
}

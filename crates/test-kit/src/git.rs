//! A git without anybody's settings.

use std::path::Path;
use std::process::{Command, Output};

/// Runs git in a folder; what it printed.
///
/// # Panics
/// When git does not succeed.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = git_output(dir, arguments);
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// The same, however it ends.
///
/// # Panics
/// When there is no git.
pub fn git_output(dir: &Path, arguments: &[&str]) -> Output {
    let output = command(dir).args(arguments).output();
    output.unwrap_or_else(|error| panic!("git is missing: {error}"))
}

/// Git in a folder, not started yet.
pub fn command(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    for (name, value) in [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_AUTHOR_NAME", "Ana"),
        ("GIT_AUTHOR_EMAIL", "ana@example.com"),
        ("GIT_COMMITTER_NAME", "Ana"),
        ("GIT_COMMITTER_EMAIL", "ana@example.com"),
        ("GIT_COMMITTER_DATE", "2026-11-22T10:00:00+0100"),
    ] {
        git.env(name, value);
    }
    git.current_dir(dir);
    git
}

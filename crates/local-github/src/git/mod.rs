//! The git command line, isolated from the settings of whoever runs it.

pub mod diff;
pub mod object;
pub mod refs;
pub mod write;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The object id that stands for "none".
pub const ZEROS: &str = "0000000000000000000000000000000000000000";

/// A bare repository.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
}

/// A `git` whose environment holds nothing but what is said here: no system or user settings, hooks or helpers.
pub fn command(home: &Path) -> Command {
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .kill_on_drop(true);
    git
}

/// Finds out whether the git we need is installed.
///
/// # Errors
/// With a sentence that says what is missing.
pub async fn ready() -> anyhow::Result<()> {
    let asked = command(Path::new("/")).arg("--exec-path").output().await;
    let asked = asked.context("the local GitHub needs git: install it")?;
    let programs = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let backend = Path::new(&programs).join("git-http-backend");
    if !backend.exists() {
        bail!(
            "the local GitHub needs {}: install the whole of git (Alpine: git-daemon)",
            backend.display()
        );
    }
    Ok(())
}

impl Git {
    /// The bare repository in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Makes the bare repository, with `branch` as its `HEAD`.
    ///
    /// # Errors
    /// When git cannot.
    pub async fn init(dir: PathBuf, branch: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let git = Self { dir };
        // GIT_DIR is set, so that nothing is taken from a repository around us
        git.run(
            &[
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch",
                branch,
            ],
            b"",
        )
        .await?;
        for (key, value) in [
            ("http.receivepack", "true"),
            ("receive.autogc", "false"),
            ("gc.auto", "0"),
            ("uploadpack.allowFilter", "true"),
            ("uploadpack.allowReachableSHA1InWant", "true"),
        ] {
            git.run(&["config", key, value], b"").await?;
        }
        Ok(git)
    }

    /// Runs git here with `input`, and gives what it printed.
    ///
    /// # Errors
    /// When git does not start or does not end with 0; its words are in the error.
    pub async fn run(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
        let output = self.output(arguments, input).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "git {}: {}: {}",
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(output.stdout)
    }

    /// Runs a git command that answers by its exit code.
    ///
    /// # Errors
    /// When it does not start, or ends with neither 0 nor 1.
    pub async fn asks(&self, arguments: &[&str]) -> anyhow::Result<bool> {
        let output = self.output(arguments, b"").await?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!(
                "git {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        }
    }

    async fn output(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        feed(self.here().args(arguments), input).await
    }

    /// A git for this repository.
    fn here(&self) -> Command {
        let mut git = command(&self.dir);
        git.env("GIT_DIR", &self.dir).current_dir(&self.dir);
        git
    }
}

/// Runs a git to its end.
async fn feed(git: &mut Command, input: &[u8]) -> anyhow::Result<Output> {
    let mut child = git
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting git (is it installed?)")?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // a git that ends early says why on stderr
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    output.context("waiting for git")
}

/// Whether this is a whole object id.
pub fn is_sha(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

/// Whether this is the beginning of an object id, long enough for GitHub.
pub fn is_short_sha(text: &str) -> bool {
    (4..=40).contains(&text.len()) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether git would accept this as the name of a branch or tag (`git check-ref-format`): nothing that reads as an option,
/// a revision operator or a second line gets past.
pub fn is_ref_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//")
        && !name.contains("@{")
        && name != "@"
        && !name.contains(forbidden)
        && name.split('/').all(|part| {
            let lock = Path::new(part).extension().is_some_and(|e| e == "lock");
            !part.starts_with('.') && !lock
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_to_git_are_refused() {
        for good in [
            "main",
            "env/dev",
            "ä",
            "v1.0",
            "a@b",
            "-".repeat(0).as_str(),
            "x-y",
        ] {
            assert_eq!(is_ref_name(good), !good.is_empty(), "{good}");
        }
        for bad in [
            "-x", "a..b", "a b", "a^", "a~1", "a:b", "a\nb", "a.lock", ".a", "a/.b", "@{u}", "@",
            "a/", "/a", "a//b",
        ] {
            assert!(!is_ref_name(bad), "{bad}");
        }
    }
}

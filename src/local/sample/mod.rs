//! The sample repository: three services that show what a push does, and a clone of it that is ready to edit.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use local_github::LocalGithub;

/// The branch that is deployed: the sample's default branch.
pub const BRANCH: &str = "dcos";

/// The files of the first commit, as path and content.
#[must_use]
pub fn files(marathon_url: &str, repo_url: &str) -> Vec<(String, String)> {
    let descriptor = format!(
        "marathon_url: {marathon_url}\napp_name: hello\nrepo_url: {repo_url}\ntrigger_branch: {BRANCH}\n"
    );
    let files = [
        ("dploy.app", descriptor.as_str()),
        ("README.md", include_str!("README.md")),
        ("specs/web.json", include_str!("web.json")),
        ("specs/api.json", include_str!("api.json")),
        ("specs/store.json", include_str!("store.json")),
    ];
    files
        .map(|(path, content)| (path.to_owned(), content.to_owned()))
        .into()
}

/// Makes the repository with a first commit on [`BRANCH`], and leaves a clone in `clone` from which `git push` just works.
///
/// What is there stays: a repository with commits gets none, and an old clone is only told where the server is now. If the
/// server lost everything and the clone is left, the clone is pushed.
///
/// # Errors
/// When git fails or `clone` is something else.
pub async fn seed(
    github: &LocalGithub,
    owner: &str,
    repo: &str,
    clone: &Path,
    marathon_url: &str,
) -> anyhow::Result<()> {
    github.create_repository(owner, repo, BRANCH).await?;
    let url = format!("{}/{owner}/{repo}.git", github.url());
    if clone.join(".git").exists() {
        git(clone, &["remote", "set-url", "origin", &url]).await?;
    } else {
        std::fs::create_dir_all(clone).with_context(|| format!("making {}", clone.display()))?;
        let arguments = [
            "clone",
            "--quiet",
            "-c",
            "user.name=You",
            "-c",
            "user.email=you@example.com",
        ];
        git(clone, &[&arguments[..], &[&url, "."]].concat()).await?;
    }
    // each step asks whether it was done: the last start may have been cut short
    if git(clone, &["rev-parse", "--quiet", "--verify", "HEAD"])
        .await
        .is_err()
    {
        commit(clone, &files(marathon_url, &url)).await?;
    }
    let there = [
        "ls-remote",
        "--quiet",
        "--exit-code",
        "--heads",
        "origin",
        BRANCH,
    ];
    if git(clone, &there).await.is_err() {
        git(
            clone,
            &["push", "--quiet", "--set-upstream", "origin", BRANCH],
        )
        .await?;
    }
    Ok(())
}

async fn commit(clone: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    // an old git clones an empty repository onto a branch of its own liking
    git(
        clone,
        &["symbolic-ref", "HEAD", &format!("refs/heads/{BRANCH}")],
    )
    .await?;
    for (path, content) in files {
        let path = clone.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    git(clone, &["add", "--all"]).await?;
    git(
        clone,
        &["commit", "--quiet", "-m", "Three services, version 1"],
    )
    .await
}

/// Runs git in the clone, without the settings and hooks of whoever runs it.
async fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .current_dir(dir)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .context("starting git (is it installed?)")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

//! The operator token: made here, kept in a file of this user's alone; the observer gets no more than its hash.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::access::{NAME, is_name, name_like};
use crate::dploy::session::TOKEN_FILE;
use crate::dploy::terminal::Terminal;
use crate::dploy::workspace::{
    Workspace, git_takes, ignoring, not_brought_along, secret_in, write_private,
};
use crate::secret::Secret;

/// The operator token of a file that is this user's alone; where there is none, one is made.
///
/// # Errors
/// When the token came with a clone and is known to others, or cannot be written.
pub(super) fn token_in(file: &Path, terminal: Terminal) -> anyhow::Result<Secret> {
    let about = std::fs::symlink_metadata(file);
    // what stands there may be a link, which leads elsewhere
    let private = about
        .as_ref()
        .is_ok_and(|a| a.is_file() && a.permissions().mode().trailing_zeros() >= 6);
    not_brought_along(file)?;
    keep_out_of_git(file, TOKEN_FILE, terminal)?;
    if private && let Some(kept) = secret_in(file)? {
        return Ok(Secret::new(kept));
    }
    if about.is_ok() {
        terminal.note(format!(
            "{TOKEN_FILE} is empty, or others may read it: another token is made"
        ));
    }
    let token = Secret::random()?;
    write_private(file, &format!("{}\n", token.expose()))?;
    Ok(token)
}

/// Whose the token is, in the observer's log: as it is typed, as it was before, or as git calls who launches.
///
/// # Errors
/// When what is typed is no name.
pub(super) fn name(
    workspace: &Workspace,
    typed: Option<&str>,
    before: Option<&str>,
    terminal: Terminal,
) -> anyhow::Result<String> {
    let checked = |name: &str| {
        if is_name(name) {
            return Ok(name.to_owned());
        }
        bail!("-name: {name:?} is no name in the log: {NAME}")
    };
    if let Some(name) = typed {
        return checked(name);
    }
    if let Some(name) = before.filter(|name| is_name(name)) {
        return Ok(name.to_owned());
    }
    let called = workspace.git_name().and_then(|name| name_like(&name));
    let usual = called.unwrap_or_else(|| "operator".to_owned());
    if !terminal.can_ask() || terminal.json {
        return Ok(usual);
    }
    match terminal.ask(&format!("Your name in the observer's log [{usual}]:")) {
        Some(name) if !name.is_empty() => checked(&name),
        _ => Ok(usual),
    }
}

/// Who may read the repository must not find the token there: git is told not to take its file.
pub(super) fn keep_out_of_git(file: &Path, name: &str, terminal: Terminal) -> anyhow::Result<()> {
    let Some(folder) = file.parent().filter(|_| file.ends_with(name)) else {
        return Ok(());
    };
    // the GitHub token beside it is as much a secret
    let here = |file: &&str| *file == name || folder.join(file).exists();
    let taken = [name, ".pat"].into_iter().filter(here);
    let taken: Vec<&str> = taken.filter(|file| git_takes(folder, file)).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let list = folder.join(".gitignore");
    // a link may lead to a file that is no list
    if !list.is_symlink()
        && let Some(text) = ignoring(folder, &taken)
    {
        std::fs::write(&list, text).context("writing .gitignore")?;
        terminal.note(format!(
            "{} was put into .gitignore; commit that",
            taken.join(" and ")
        ));
    }
    if git_takes(folder, name) {
        bail!(
            "git would take {name} into the repository, and no secret is written there: let .gitignore name it, in a line after all that bring it back"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_github_token_beside_it_is_kept_out_of_git_too() {
        let dir = tempfile::tempdir().unwrap();
        let git = Command::new("git")
            .args(["init", "-q"])
            .current_dir(dir.path())
            .status();
        assert!(git.unwrap().success());
        std::fs::write(dir.path().join(".pat"), "a-github-token").unwrap();
        token_in(&dir.path().join(TOKEN_FILE), Terminal::new(true)).unwrap();
        let list = std::fs::read_to_string(dir.path().join(".gitignore")).unwrap();
        assert_eq!(list, ".dploy-token\n.pat\n");
    }

    #[test]
    fn a_token_is_kept_out_of_git_or_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(TOKEN_FILE);
        let list = dir.path().join(".gitignore");
        let terminal = Terminal::new(true);
        token_in(&file, terminal).unwrap();
        assert!(!list.exists(), "there is no repository");
        let git = Command::new("git")
            .args(["init", "-q"])
            .current_dir(dir.path())
            .status();
        assert!(git.unwrap().success());
        std::fs::write(&list, "target").unwrap();
        let token = token_in(&file, terminal).unwrap();
        assert_eq!(
            std::fs::read_to_string(&list).unwrap(),
            "target\n.dploy-token\n"
        );
        assert_eq!(token_in(&file, terminal).unwrap().expose(), token.expose());
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&list, ".dploy-token\n!.dploy-token\n").unwrap();
        let error = token_in(&file, terminal).unwrap_err().to_string();
        assert!(error.contains("git would take .dploy-token"), "{error}");
        assert!(!file.exists());
    }
}

//! The operator token: made here, kept in a file of this user's alone; the observer gets no more than its hash.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::dploy::session::TOKEN_FILE;
use crate::dploy::terminal::Terminal;
use crate::dploy::workspace::{secret_in, write_private};
use crate::secret::Secret;

/// The operator token of a file that is this user's alone; where there is none, one is made. What came with a clone
/// is known to others, and may lead elsewhere.
pub(super) fn token_in(file: &Path, terminal: Terminal) -> anyhow::Result<Secret> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let tracked = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "ls-files", "--error-unmatch"])
        .args(["--", TOKEN_FILE])
        .current_dir(folder)
        .output();
    if tracked.is_ok_and(|o| o.status.success()) {
        bail!(
            "{TOKEN_FILE} is in the repository, so others know it; `git rm --cached {TOKEN_FILE}`, delete it, then `dploy run` makes another"
        );
    }
    let about = std::fs::symlink_metadata(file);
    let private = about
        .as_ref()
        .is_ok_and(|a| a.is_file() && a.permissions().mode().trailing_zeros() >= 6);
    let kept = if private { secret_in(file)? } else { None };
    if let Some(kept) = kept {
        return Ok(Secret::new(kept));
    }
    if about.is_ok() {
        terminal.note(format!(
            "{TOKEN_FILE} is empty, or others may read it: another token is made"
        ));
    }
    let token = Secret::random()?;
    let new = file.with_extension("new");
    // written aside: what stands there may be a link
    let _ = std::fs::remove_file(&new);
    write_private(&new, &format!("{}\n", token.expose()))?;
    std::fs::rename(&new, file).with_context(|| format!("writing {}", file.display()))?;
    Ok(token)
}

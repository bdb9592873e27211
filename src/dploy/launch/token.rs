//! The operator token: made here, kept in a file of this user's alone; the observer gets no more than its hash.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::dploy::session::TOKEN_FILE;
use crate::dploy::terminal::Terminal;
use crate::dploy::workspace::{not_brought_along, secret_in, write_private};
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

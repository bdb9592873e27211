//! The Marathon deployments that this user began without an observer: a `dploy run` that was interrupted goes on in Marathon,
//! and the next one knows it for its own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::trust::user_folder;
use super::workspace::write_private;
use crate::id::AppId;

/// So many are remembered.
const MOST: usize = 50;

/// What one user began of an app in a Marathon.
pub(super) struct Begun {
    file: Option<PathBuf>,
    /// What a line begins with.
    of: String,
}

impl Begun {
    /// Those of this user: a file beside the one of the confirmed hosts.
    pub fn of_user(marathon: &str, app: &AppId) -> Self {
        Self {
            file: user_folder().map(|f| f.join("begun")),
            of: format!("{marathon} {app} "),
        }
    }

    fn lines(&self) -> Vec<String> {
        let text = self.file.as_ref().map(std::fs::read_to_string);
        let text = text.and_then(Result::ok).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The ids of those that are remembered.
    pub fn ids(&self) -> BTreeSet<String> {
        let lines = self.lines();
        let ids = lines.iter().filter_map(|l| l.strip_prefix(&self.of));
        ids.map(str::to_owned).collect()
    }

    /// Remembers one. Where that cannot be written, the next run calls it somebody else's, as any other would.
    pub fn add(&self, deployment: &str) {
        let Some(file) = &self.file else { return };
        let mut lines = self.lines();
        lines.push(format!("{}{deployment}", self.of));
        let older = lines.len().saturating_sub(MOST);
        let text = lines.split_off(older).join("\n") + "\n";
        let folder = file.parent().map(std::fs::create_dir_all);
        if folder.is_some_and(|made| made.is_ok()) {
            let _ = write_private(file, &text);
        }
    }
}

//! The stories that are told first, for ever: those that failed once and hold now, and those that fail today.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::judge::Check;
use super::story::Story;

/// A story that is kept.
#[derive(Serialize, Deserialize)]
pub struct Known {
    /// What goes wrong, in a sentence.
    pub says: String,
    /// By which check it is seen.
    pub check: Check,
    /// It fails today; whoever mends it turns this over.
    pub fails_today: bool,
    /// What is told.
    pub story: Story,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/simulation/known")
}

/// All of them, by name.
pub fn all() -> Vec<(String, Known)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let known =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            found.push((name, known));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The checks by which stories are known to fail today: what else fails by them is no news.
pub fn failing_today() -> Vec<Check> {
    let mut checks: Vec<Check> = all()
        .into_iter()
        .filter(|(_, k)| k.fails_today)
        .map(|(_, k)| k.check)
        .collect();
    checks.sort();
    checks.dedup();
    checks
}

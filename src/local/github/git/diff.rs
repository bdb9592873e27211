//! What lies between two commits, file by file, as the REST API shows it.

use super::Git;
use super::object::{Commit, fields};

/// The tree without entries: what a first commit is compared with. Git knows it without having it.
pub const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// More of a file's patch than this is left out, in bytes.
const PATCH: usize = 256 << 10;

/// How one file differs.
#[derive(Debug)]
pub struct FileChange {
    /// The blob's id, of the old one where the file is gone.
    pub id: String,
    pub path: String,
    /// Where a renamed file was before.
    pub old_path: Option<String>,
    /// `added`, `removed`, `modified` or `renamed`.
    pub status: &'static str,
    pub additions: u64,
    pub deletions: u64,
    /// Without its head; none for binary and very large files.
    pub patch: Option<String>,
}

impl Commit {
    /// What the commit is compared with to see what it changed: its first parent.
    pub fn base(&self) -> &str {
        self.parents.first().map_or(EMPTY_TREE, String::as_str)
    }
}

impl Git {
    /// The files that differ, at most `limit`.
    ///
    /// # Errors
    /// When git fails.
    pub async fn files(
        &self,
        base: &str,
        head: &str,
        limit: usize,
    ) -> anyhow::Result<Vec<FileChange>> {
        let diff = ["diff-tree", "-r", "-M", "--no-color", "--full-index"];
        let listed = [&diff[..], &["-z", "--raw", base, head]].concat();
        let counted = [&diff[..], &["-z", "--numstat", base, head]].concat();
        let patched = [&diff[..], &["-p", base, head]].concat();
        let listed = self.run(&listed, b"").await?;
        let mut files = raw(&listed);
        let counted = self.run(&counted, b"").await?;
        for (file, counts) in files.iter_mut().zip(numbers(&counted)) {
            (file.additions, file.deletions) = counts;
        }
        let patched = self.run(&patched, b"").await?;
        for (file, patch) in files.iter_mut().zip(patches(&patched)) {
            file.patch = patch;
        }
        files.truncate(limit);
        Ok(files)
    }

    /// The difference as text: `diff`, or `patch` with a mail for each commit.
    ///
    /// # Errors
    /// When git fails.
    pub async fn text(&self, base: &str, head: &str, kind: &str) -> anyhow::Result<Vec<u8>> {
        if kind == "diff" || base == EMPTY_TREE {
            return self.run(&["diff", base, head, "--"], b"").await;
        }
        let range = format!("{base}..{head}");
        self.run(&["format-patch", "--stdout", &range, "--"], b"")
            .await
    }
}

/// `:<mode> <mode> <id> <id> <letter>` and one path, or two where the file was renamed.
fn raw(printed: &[u8]) -> Vec<FileChange> {
    let mut found = Vec::new();
    let mut words = fields(printed);
    while let (Some(facts), Some(path)) = (words.next(), words.next()) {
        let facts: Vec<&str> = facts.split(' ').collect();
        let [_, _, old, new, letter] = facts[..] else {
            break;
        };
        let (status, id) = match letter.as_bytes().first() {
            Some(b'A') => ("added", new),
            Some(b'D') => ("removed", old),
            Some(b'R') => ("renamed", new),
            _ => ("modified", new),
        };
        let (path, old_path) = match status {
            "renamed" => (words.next().unwrap_or_default(), Some(path)),
            _ => (path, None),
        };
        found.push(FileChange {
            id: id.to_owned(),
            path,
            old_path,
            status,
            additions: 0,
            deletions: 0,
            patch: None,
        });
    }
    found
}

/// `<added>\t<deleted>\t<path>`; a renamed file has an empty path, and its two names follow.
fn numbers(printed: &[u8]) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut words = fields(printed);
    while let Some(line) = words.next() {
        let mut columns = line.splitn(3, '\t').map(str::to_owned);
        let mut count = || columns.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        found.push((count(), count()));
        if columns.next().is_none_or(|path| path.is_empty()) {
            words.next();
            words.next();
        }
    }
    found
}

/// One patch per file, from its first hunk. A line of a file never begins with `diff`: it has a sign before it.
fn patches(printed: &[u8]) -> Vec<Option<String>> {
    let text = String::from_utf8_lossy(printed);
    let files = format!("\n{text}");
    let each = files.split("\ndiff --git ").skip(1).map(|file| {
        let hunks = file.split_once("\n@@")?.1;
        (hunks.len() <= PATCH).then(|| format!("@@{}", hunks.trim_end_matches('\n')))
    });
    each.collect()
}

//! What lies between two commits, file by file, as the REST API shows it: without the patch of a file, which at GitHub large
//! and binary files have none of either. A person sees patches on the page of a commit.

use std::collections::{HashMap, VecDeque};

use super::Git;
use super::object::{Commit, fields};

/// The tree without entries: what a first commit is compared with. Git knows it without having it.
pub const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

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
        let diff = ["diff-tree", "-r", "-M", "-z", "--full-index"];
        let listed = [&diff[..], &["--raw", base, head]].concat();
        let counted = [&diff[..], &["--numstat", base, head]].concat();
        let mut files = raw(&self.run(&listed, b"").await?);
        let mut counts = numbers(&self.run(&counted, b"").await?);
        for file in &mut files {
            let counts = counts.get_mut(&file.path).and_then(VecDeque::pop_front);
            (file.additions, file.deletions) = counts.unwrap_or_default();
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
        });
    }
    found
}

/// Added and deleted lines by path; of one path (two that are no UTF-8 may look the same) in git's order.
type Counts = HashMap<String, VecDeque<(u64, u64)>>;

/// `<added>\t<deleted>\t<path>`; a renamed file has an empty path, and its two names follow. By the new path.
fn numbers(printed: &[u8]) -> Counts {
    let mut found = Counts::new();
    let mut words = fields(printed);
    while let Some(line) = words.next() {
        let mut columns = line.splitn(3, '\t');
        let mut count = || columns.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let counts = (count(), count());
        let path = match columns.next().filter(|path| !path.is_empty()) {
            Some(path) => path.to_owned(),
            None => words.nth(1).unwrap_or_default(),
        };
        found.entry(path).or_default().push_back(counts);
    }
    found
}

//! What lies between two commits, file by file, as the REST API shows it.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

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
    /// A file that became a link, or something like it: git shows it as removed and added.
    retyped: bool,
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
        // with this setting names are quoted as `quoted` does it
        let diff = ["-c", "core.quotePath=false", "diff-tree", "-r", "-M"];
        let diff = [&diff[..], &["--no-color", "--full-index"]].concat();
        let listed = [&diff[..], &["-z", "--raw", base, head]].concat();
        let counted = [&diff[..], &["-z", "--numstat", base, head]].concat();
        let patched = [&diff[..], &["-p", base, head]].concat();
        let mut files = raw(&self.run(&listed, b"").await?);
        let mut counts = numbers(&self.run(&counted, b"").await?);
        let mut hunks = sections(&self.run(&patched, b"").await?);
        for file in &mut files {
            let counts = counts.get_mut(&file.path).and_then(VecDeque::pop_front);
            (file.additions, file.deletions) = counts.unwrap_or_default();
            let own = hunks.get_mut(&file.header());
            file.patch = own.and_then(|own| patch(own, if file.retyped { 2 } else { 1 }));
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
            retyped: letter == "T",
            additions: 0,
            deletions: 0,
            patch: None,
        });
    }
    found
}

impl FileChange {
    /// How git begins the file's part of a patch.
    fn header(&self) -> String {
        let old = self.old_path.as_ref().unwrap_or(&self.path);
        format!("{} {}", quoted("a", old), quoted("b", &self.path))
    }
}

/// What there is by the name it is about; of one name (two that are no UTF-8 may look the same) in git's order.
type Named<T> = HashMap<String, VecDeque<T>>;

/// `<added>\t<deleted>\t<path>`; a renamed file has an empty path, and its two names follow. By the new path.
fn numbers(printed: &[u8]) -> Named<(u64, u64)> {
    let mut found = Named::new();
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

/// The hunks of each part of a patch, by the part's header. A line of a file never begins with `diff`: it has a sign before it.
fn sections(printed: &[u8]) -> Named<String> {
    let mut found = Named::new();
    let text = String::from_utf8_lossy(printed);
    let text = text.strip_prefix("diff --git ").unwrap_or_default();
    for section in text.split("\ndiff --git ") {
        let (header, _) = section.split_once('\n').unwrap_or((section, ""));
        let hunks = section.split_once("\n@@").map(|(_, hunks)| hunks);
        let hunks = hunks.map(|hunks| format!("@@{}", hunks.trim_end_matches('\n')));
        let own = found.entry(header.to_owned()).or_default();
        own.push_back(hunks.unwrap_or_default());
    }
    found
}

/// The next parts as one patch; none where there is nothing to show, or too much.
fn patch(own: &mut VecDeque<String>, parts: usize) -> Option<String> {
    let parts = own.drain(..parts.min(own.len()));
    let hunks: Vec<String> = parts.filter(|hunks| !hunks.is_empty()).collect();
    let patch = hunks.join("\n");
    (1..=PATCH).contains(&patch.len()).then_some(patch)
}

/// A name as git writes it in a patch: in quotes and with escapes where it has something in it that needs them.
fn quoted(side: &str, path: &str) -> String {
    let special = |c: char| c.is_ascii_control() || matches!(c, '"' | '\\');
    if !path.contains(special) {
        return format!("{side}/{path}");
    }
    let mut text = format!("\"{side}/");
    for c in path.chars() {
        let letter = match c {
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '"' | '\\' => c,
            c if c.is_ascii_control() => {
                // writing to a string does not fail
                let _ = write!(text, "\\{:03o}", u32::from(c));
                continue;
            }
            c => {
                text.push(c);
                continue;
            }
        };
        text.extend(['\\', letter]);
    }
    text.push('"');
    text
}

//! Reading commits, trees and blobs with `git cat-file` and `git ls-tree`; names go in by stdin, so that none is an option.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::tz::Offset;

use super::Git;

/// An object as git stores it.
#[derive(Debug)]
pub struct Object {
    pub id: String,
    pub kind: String,
    pub data: Vec<u8>,
}

/// Author or committer of a commit.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: String,
    pub email: String,
    pub at: Timestamp,
    offset: Offset,
}

impl Person {
    /// The time with the offset it was written with, as push payloads show it.
    pub fn local_time(&self) -> String {
        let time = self.offset.to_datetime(self.at);
        let seconds = self.offset.seconds();
        if seconds == 0 {
            return format!("{time}Z");
        }
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.unsigned_abs() / 60;
        format!("{time}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// A commit, parsed.
#[derive(Debug, Clone)]
pub struct Commit {
    pub id: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Person,
    pub committer: Person,
    pub message: String,
}

/// One line of a tree.
#[derive(Debug, Clone)]
pub struct Entry {
    pub mode: String,
    pub kind: String,
    pub id: String,
    /// Of blobs only.
    pub size: Option<u64>,
    pub path: String,
}

/// The files a commit changed against its first parent, by git's letter (`A`, `M`, `D`, `T`).
#[derive(Debug, Default, Clone)]
pub struct Changes(pub Vec<(char, String)>);

impl Git {
    /// Finds objects by name (`refs/heads/x^{commit}`, an id): id, kind and size of each, none where there is no such object.
    ///
    /// # Errors
    /// When git fails.
    pub async fn find(
        &self,
        names: &[String],
    ) -> anyhow::Result<Vec<Option<(String, String, u64)>>> {
        let printed = self
            .run(&["cat-file", "--batch-check"], names.join("\n").as_bytes())
            .await?;
        let found = String::from_utf8_lossy(&printed)
            .lines()
            .map(header)
            .collect::<Vec<_>>();
        if found.len() != names.len() {
            bail!(
                "git cat-file answered {} names of {}",
                found.len(),
                names.len()
            );
        }
        Ok(found)
    }

    /// Reads objects by name; those that do not exist are left out.
    ///
    /// # Errors
    /// When git fails.
    pub async fn objects(&self, names: &[String]) -> anyhow::Result<Vec<Object>> {
        let printed = self
            .run(&["cat-file", "--batch"], names.join("\n").as_bytes())
            .await?;
        let mut rest = printed.as_slice();
        let mut found = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            if let Some((id, kind, size)) = header(&line) {
                let size = usize::try_from(size)?;
                let data = rest
                    .get(..size)
                    .context("git cat-file ended early")?
                    .to_vec();
                rest = rest.get(size + 1..).unwrap_or_default();
                found.push(Object { id, kind, data });
            }
        }
        Ok(found)
    }

    /// Reads commits by id or name; what is no commit is left out.
    ///
    /// # Errors
    /// When git fails.
    pub async fn commits(&self, names: &[String]) -> anyhow::Result<Vec<Commit>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let objects = self.objects(names).await?;
        Ok(objects.iter().filter_map(commit).collect())
    }

    /// The first of these names that is a commit.
    ///
    /// # Errors
    /// When git fails.
    pub async fn first_commit(&self, names: &[String]) -> anyhow::Result<Option<Commit>> {
        Ok(self.commits(names).await?.into_iter().next())
    }

    /// Lists a tree by its id.
    ///
    /// # Errors
    /// When git fails.
    pub async fn tree(&self, id: &str, recursive: bool) -> anyhow::Result<Vec<Entry>> {
        let mut arguments = vec!["ls-tree", "-z", "--long", "--full-tree"];
        if recursive {
            arguments.extend(["-r", "-t"]);
        }
        arguments.extend(["--end-of-options", id]);
        let printed = self.run(&arguments, b"").await?;
        Ok(fields(&printed).filter_map(|line| entry(&line)).collect())
    }

    /// What each of these commits changed.
    ///
    /// # Errors
    /// When git fails.
    pub async fn changes(&self, commits: &[String]) -> anyhow::Result<Vec<Changes>> {
        let arguments = [
            "diff-tree",
            "--stdin",
            "-r",
            "-z",
            "--root",
            "--name-status",
            "--no-renames",
            // a merge changed what its first parent lacked
            "--diff-merges=first-parent",
        ];
        let printed = self
            .run(&arguments, (commits.join("\n") + "\n").as_bytes())
            .await?;
        let mut found = vec![Changes::default(); commits.len()];
        let mut at = None;
        let mut words = fields(&printed);
        while let Some(word) = words.next() {
            // with -z the id of a commit ends in a newline and not in NUL
            let (id, word) = word
                .split_once('\n')
                .map_or((None, word.as_str()), |(id, rest)| (Some(id), rest));
            if let Some(id) = id.or(super::is_sha(word).then_some(word)) {
                at = commits.iter().position(|c| c == id);
            }
            if let (Some(at), [letter]) = (at, word.as_bytes()) {
                found[at]
                    .0
                    .push((char::from(*letter), words.next().unwrap_or_default()));
            }
        }
        Ok(found)
    }
}

/// `<id> <kind> <size>`, or none for `<name> missing`.
fn header(line: &str) -> Option<(String, String, u64)> {
    let mut words = line.split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    let known = super::is_sha(id) && words.next().is_none();
    known.then_some(())?;
    Some((id.to_owned(), kind.to_owned(), size.parse().ok()?))
}

/// NUL-terminated fields.
pub(super) fn fields(printed: &[u8]) -> impl Iterator<Item = String> {
    let fields = printed.split(|b| *b == 0).filter(|f| !f.is_empty());
    fields.map(|f| String::from_utf8_lossy(f).into_owned())
}

fn entry(line: &str) -> Option<Entry> {
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split_ascii_whitespace();
    Some(Entry {
        mode: facts.next()?.to_owned(),
        kind: facts.next()?.to_owned(),
        id: facts.next()?.to_owned(),
        size: facts.next()?.parse().ok(),
        path: path.to_owned(),
    })
}

fn commit(object: &Object) -> Option<Commit> {
    if object.kind != "commit" {
        return None;
    }
    let text = String::from_utf8_lossy(&object.data);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let values = |key: &'static str| {
        let lines = head.lines();
        lines.filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '))
    };
    Some(Commit {
        id: object.id.clone(),
        tree: values("tree").next()?.to_owned(),
        parents: values("parent").map(str::to_owned).collect(),
        author: person(values("author").next()?)?,
        committer: person(values("committer").next()?)?,
        message: message.trim_end_matches('\n').to_owned(),
    })
}

/// `Name <email> 1234567890 +0100`
pub fn person(line: &str) -> Option<Person> {
    let (name, rest) = line.split_once('<')?;
    let (email, rest) = rest.rsplit_once('>')?;
    let mut words = rest.split_ascii_whitespace();
    let seconds = words.next().unwrap_or("0").parse().unwrap_or(0);
    let zone: i32 = words.next().unwrap_or("+0000").parse().unwrap_or(0);
    Some(Person {
        name: name.trim().to_owned(),
        email: email.to_owned(),
        at: Timestamp::from_second(seconds).unwrap_or_default(),
        offset: Offset::from_seconds((zone / 100 * 60 + zone % 100) * 60).unwrap_or(Offset::UTC),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_with_its_signature_left_aside() {
        let data =
            b"tree 1b13fc88733f95cc8cb16170f6990ef30d78acf4\nauthor A B <a@b> 1557933565 -0530\n\
            committer C <c@d> 1557933565 +0000\ngpgsig -----BEGIN\n tree fake\n\nOne\n\nTwo\n";
        let object = Object {
            id: String::new(),
            kind: "commit".into(),
            data: data.to_vec(),
        };
        let commit = commit(&object).unwrap();
        assert_eq!(commit.tree, "1b13fc88733f95cc8cb16170f6990ef30d78acf4");
        assert_eq!(commit.message, "One\n\nTwo");
        assert_eq!(commit.author.local_time(), "2019-05-15T09:49:25-05:30");
        assert_eq!(commit.committer.local_time(), "2019-05-15T15:19:25Z");
        assert!(commit.parents.is_empty());
    }
}

//! Branches and tags, and how two commits lie to each other.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Git, is_ref_name, is_sha, is_short_sha};

/// Ref (`refs/heads/x`) to the object id it holds.
pub type Refs = BTreeMap<String, String>;

/// Which commits of a history are wanted; what is absent does not narrow it.
#[derive(Debug, Default, Deserialize)]
pub struct Which {
    /// Those that changed this file or folder.
    path: Option<String>,
    /// By name or e-mail address.
    author: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

impl Git {
    /// Ids of the commits a commit can reach, newest first, and how many there are.
    ///
    /// # Errors
    /// When git fails.
    pub async fn history(
        &self,
        of: &str,
        which: &Which,
        limit: usize,
        skip: usize,
    ) -> anyhow::Result<(Vec<String>, usize)> {
        let pick = [format!("--max-count={limit}"), format!("--skip={skip}")];
        let picked = self.rev_list(&pick, of, which).await?;
        let count = self.rev_list(&["--count".to_owned()], of, which).await?;
        let count = count.trim().parse().unwrap_or_default();
        Ok((picked.lines().map(str::to_owned).collect(), count))
    }

    async fn rev_list(
        &self,
        options: &[String],
        of: &str,
        which: &Which,
    ) -> anyhow::Result<String> {
        let values = [&which.path, &which.author, &which.since, &which.until];
        if values
            .into_iter()
            .flatten()
            .any(|value| value.contains('\0'))
        {
            // nothing is called so, and no program can be told of it
            return Ok(String::new());
        }
        let mut arguments = vec!["rev-list".to_owned(), "--fixed-strings".to_owned()];
        arguments.extend_from_slice(options);
        for (option, value) in [
            ("author", &which.author),
            ("since", &which.since),
            ("until", &which.until),
        ] {
            arguments.extend(value.iter().map(|value| format!("--{option}={value}")));
        }
        arguments.extend([of.to_owned(), "--".to_owned()]);
        // a path is one, and no pattern
        let path = which.path.iter().filter(|path| !path.is_empty());
        arguments.extend(path.map(|path| format!(":(top,literal){path}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let printed = self.run(&arguments, b"").await?;
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// All branches and tags.
    ///
    /// # Errors
    /// When git fails.
    pub async fn refs(&self) -> anyhow::Result<Refs> {
        let format = "--format=%(objectname) %(refname)";
        let printed = self
            .run(&["for-each-ref", format, "refs/heads/", "refs/tags/"], b"")
            .await?;
        let text = String::from_utf8_lossy(&printed);
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs
            .map(|(id, name)| (name.to_owned(), id.to_owned()))
            .collect())
    }

    /// Ids of the commits that `of` can reach and none of `not` can, newest first, at most `limit`.
    ///
    /// # Errors
    /// When git fails.
    pub async fn reachable(
        &self,
        of: &str,
        not: &[String],
        limit: usize,
        skip: usize,
    ) -> anyhow::Result<Vec<String>> {
        let count = format!("--max-count={limit}");
        let skip = format!("--skip={skip}");
        let mut input = format!("{of}\n");
        for id in not {
            input.push('^');
            input.push_str(id);
            input.push('\n');
        }
        let arguments = [
            "rev-list",
            "--topo-order",
            &count,
            &skip,
            "--ignore-missing",
            "--stdin",
        ];
        let printed = self.run(&arguments, input.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&printed)
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Whether `old` is an ancestor of `new` (or the same commit).
    ///
    /// # Errors
    /// When git fails.
    pub async fn is_ancestor(&self, old: &str, new: &str) -> anyhow::Result<bool> {
        self.asks(&["merge-base", "--is-ancestor", old, new]).await
    }

    /// The commit where two histories part, if they have one in common.
    ///
    /// # Errors
    /// When git fails.
    pub async fn merge_base(&self, one: &str, other: &str) -> anyhow::Result<Option<String>> {
        if !self.asks(&["merge-base", one, other]).await? {
            return Ok(None);
        }
        let printed = self.run(&["merge-base", one, other], b"").await?;
        Ok(String::from_utf8_lossy(&printed)
            .lines()
            .next()
            .map(str::to_owned))
    }

    /// How many commits the first lacks of the second, and the second of the first.
    ///
    /// # Errors
    /// When git fails.
    pub async fn distance(&self, base: &str, head: &str) -> anyhow::Result<(usize, usize)> {
        let range = format!("{base}...{head}");
        let printed = self
            .run(&["rev-list", "--left-right", "--count", &range], b"")
            .await?;
        let text = String::from_utf8_lossy(&printed);
        let mut counts = text
            .split_ascii_whitespace()
            .map(|n| n.parse().unwrap_or(0));
        let behind = counts.next().unwrap_or(0);
        Ok((counts.next().unwrap_or(0), behind))
    }
}

/// What git may know a commit by that a person calls `name`: a branch, a tag, an id or its beginning; none when it is no name at all.
pub fn candidates(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    if is_sha(name) {
        found.push(format!("{name}^{{commit}}"));
    } else if is_ref_name(name) {
        let full = name.strip_prefix("refs/").unwrap_or(name);
        if full.starts_with("heads/") || full.starts_with("tags/") {
            found.push(format!("refs/{full}^{{commit}}"));
        }
        found.push(format!("refs/heads/{name}^{{commit}}"));
        found.push(format!("refs/tags/{name}^{{commit}}"));
        if name == "HEAD" {
            found.push("HEAD^{commit}".to_owned());
        }
        if is_short_sha(name) {
            found.push(format!("{name}^{{commit}}"));
        }
    }
    found
}

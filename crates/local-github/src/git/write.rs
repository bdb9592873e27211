//! Writing objects and refs, for the calls that make commits without a clone.

use std::path::PathBuf;

use super::{Git, ZEROS, feed};

/// An entry that a new tree has, or with no id: no longer has.
#[derive(Debug)]
pub struct Placed {
    pub mode: String,
    pub id: Option<String>,
    pub path: String,
}

/// What is asked of git makes no sense to it; its words.
#[derive(Debug)]
pub struct Rejected(pub String);

impl Git {
    /// Stores an object; git refuses one that is not well formed.
    ///
    /// # Errors
    /// When git fails.
    pub async fn store(&self, kind: &str, data: &[u8]) -> anyhow::Result<String> {
        let printed = self
            .run(&["hash-object", "-t", kind, "-w", "--stdin"], data)
            .await?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// Makes a tree of another one (or of nothing) with some entries placed in it.
    ///
    /// # Errors
    /// When git fails; inside, when it refuses a path or an entry.
    pub async fn store_tree(
        &self,
        base: Option<&str>,
        entries: &[Placed],
    ) -> anyhow::Result<Result<String, Rejected>> {
        let index = Index(self.dir.join(format!("index-{}", uuid::Uuid::new_v4())));
        match base {
            Some(base) => index.run(self, &["read-tree", base], b"").await?,
            None => index.run(self, &["read-tree", "--empty"], b"").await?,
        }
        .map_err(|said| anyhow::anyhow!("git read-tree: {}", said.0))?;
        let mut input = Vec::new();
        for entry in entries {
            // git would pass over it without a word
            if !is_path(&entry.path) {
                let said = format!("malformed path {:?}", entry.path);
                return Ok(Err(Rejected(said)));
            }
            let id = entry.id.as_deref().unwrap_or(ZEROS);
            let mode = if entry.id.is_some() { &entry.mode } else { "0" };
            input.extend_from_slice(format!("{mode} {id}\t{}\0", entry.path).as_bytes());
        }
        let placed = index
            .run(self, &["update-index", "-z", "--index-info"], &input)
            .await?;
        if let Err(said) = placed {
            return Ok(Err(said));
        }
        let written = index.run(self, &["write-tree"], b"").await?;
        Ok(written.map(|id| id.trim().to_owned()))
    }

    /// Sets a ref, if it still is what it was; `None` is a ref that is not there. Says whether it did.
    ///
    /// # Errors
    /// When git cannot be started.
    pub async fn set_ref(
        &self,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> anyhow::Result<bool> {
        let line = format!(
            "update {name}\0{}\0{}\0",
            after.unwrap_or(ZEROS),
            before.unwrap_or(ZEROS)
        );
        let done = self
            .output(&["update-ref", "-z", "--stdin"], line.as_bytes())
            .await?;
        Ok(done.status.success())
    }
}

/// An index of its own, gone with this value.
struct Index(PathBuf);

impl Index {
    async fn run(
        &self,
        git: &Git,
        arguments: &[&str],
        input: &[u8],
    ) -> anyhow::Result<Result<String, Rejected>> {
        let mut command = git.here();
        command.env("GIT_INDEX_FILE", &self.0).args(arguments);
        let output = feed(&mut command, input).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(Rejected(text(&output.stderr)))
        })
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether a file of a tree may have this path.
fn is_path(path: &str) -> bool {
    let sound = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    !path.contains('\0') && path.split('/').all(sound)
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn a_path_leads_into_the_tree_and_nowhere_else() {
        for good in ["a", "a/b", ".github/x", "ä b#"] {
            assert!(is_path(good), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/./b",
            ".git/config",
            "a/.GIT",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
    }
}

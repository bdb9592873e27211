//! The workspace: a folder with a descriptor `dploy.app` and Marathon specs in `specs/`, and what git says of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::descriptor::Descriptor;
use crate::id::{AppId, CommitId};
use crate::spec::{File, Service, flatten};

/// The file beside `.pat` that holds the operator token.
pub(super) const TOKEN_FILE: &str = ".dploy-token";

/// The certificate that was made for the observer.
pub(super) const CERT_FILE: &str = ".dploy-cert.pem";

/// Its key.
pub(super) const KEY_FILE: &str = ".dploy-key.pem";

/// Larger files are no specs.
const LARGEST: u64 = 1024 * 1024;

/// More specs than this are not one app.
const MOST_SPECS: usize = 500;

/// A workspace whose descriptor was read.
pub(super) struct Workspace {
    pub folder: PathBuf,
    pub descriptor: Descriptor,
    pub app: AppId,
}

/// What git says of the workspace, compared with the head that an observer knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Descriptor and specs are those of this commit.
    Equal,
    /// They are committed and pushed; the observer has not heard of it yet.
    Pushed(CommitId),
    /// They differ, and nobody pushed them; the sentence says how.
    Unpushed(String),
}

impl Workspace {
    /// Reads the descriptor of a folder.
    ///
    /// # Errors
    /// With file, line and column, or the command that makes one.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("dploy.app");
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "there is no dploy.app in {}; `dploy init` makes one, -workspace names another folder",
                folder.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let descriptor = Descriptor::parse(&bytes)?;
        let app = descriptor
            .app_name
            .parse()
            .map_err(|e| anyhow::anyhow!("dploy.app: app_name: {e}"))?;
        Ok(Self {
            folder: folder.to_owned(),
            descriptor,
            app,
        })
    }

    /// The services of `specs/`.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and column.
    pub fn services(&self) -> anyhow::Result<Vec<Service>> {
        let folder = self.folder.join("specs");
        let listed = std::fs::read_dir(&folder).map_err(|error| {
            anyhow::anyhow!(
                "{} cannot be read ({error}); put the Marathon specs of the app there",
                folder.display()
            )
        })?;
        let mut names: Vec<String> = Vec::new();
        for entry in listed {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.to_ascii_lowercase().ends_with(".json") {
                names.push(name);
            }
        }
        names.sort();
        match names.len() {
            0 => bail!("specs/ has no *.json file; put at least one Marathon spec there"),
            n if n > MOST_SPECS => {
                bail!("specs/ has {n} files, more than {MOST_SPECS}; split the app")
            }
            _ => {}
        }
        let files: Vec<File> = names
            .iter()
            .map(|name| spec_file(&folder, name))
            .collect::<anyhow::Result<_>>()?;
        let services = flatten(&files)?;
        if services.is_empty() {
            bail!("the specs name no app at all");
        }
        Ok(services)
    }

    /// The trigger branch.
    pub fn branch(&self) -> &str {
        self.descriptor.trigger_branch.as_deref().unwrap_or("dcos")
    }

    /// How the workspace compares with a commit that an observer takes for the head of `branch`.
    pub fn compared(&self, head: Option<&CommitId>, branch: &str) -> Compared {
        let is = |rev: &str| {
            let quiet = ["diff", "--quiet", "--no-ext-diff", "--no-textconv", rev];
            self.git(&[&quiet[..], &["--", "dploy.app", "specs"]].concat())
        };
        let untracked = self.git(&["ls-files", "--others", "--exclude-standard", "--", "specs"]);
        let Ok(untracked) = untracked else {
            return Compared::Unpushed(
                "the workspace is no git repository, so it cannot be compared with the branch"
                    .to_owned(),
            );
        };
        if !untracked.is_empty() {
            let first = untracked.lines().next().unwrap_or_default().to_owned();
            return Compared::Unpushed(format!("{first} is not committed"));
        }
        if head.is_some_and(|head| is(head.as_str()).is_ok()) {
            return Compared::Equal;
        }
        if is("HEAD").is_err() {
            return Compared::Unpushed(
                "dploy.app or specs/ has changes that are not committed".to_owned(),
            );
        }
        let tracked = format!("refs/remotes/origin/{branch}");
        let commit = |rev: &str| {
            let text = self.git(&["rev-parse", "--verify", "--quiet", rev]).ok()?;
            text.parse::<CommitId>().ok()
        };
        match (commit("HEAD"), commit(&tracked)) {
            (Some(here), Some(there)) if here == there && head != Some(&here) => {
                Compared::Pushed(here)
            }
            (_, Some(there)) if head == Some(&there) => {
                Compared::Unpushed(format!("commits are not pushed to {branch}"))
            }
            (_, Some(_)) => Compared::Unpushed(format!("it is not what {branch} has now")),
            (_, None) => Compared::Unpushed(format!("{branch} was never pushed from here")),
        }
    }

    /// A commit by four digits of it or more, or by a name that git knows.
    pub fn commit_called(&self, name: &str) -> Option<String> {
        let digits = name.to_ascii_lowercase();
        if digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some(digits);
        }
        let rev = format!("{name}^{{commit}}");
        self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &rev])
            .ok()
            .map(|text| text.lines().last().unwrap_or_default().to_owned())
    }

    /// What git calls who works here.
    pub fn git_name(&self) -> Option<String> {
        let name = self.git(&["config", "user.name"]).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        git(&self.folder, arguments)
    }
}

/// Runs git in a folder. Programs that its configuration names for diffs and for watching files are not run; filters are,
/// as by every `git status`.
fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "--no-optional-locks"])
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("GIT_EXTERNAL_DIFF", "")
        .env_remove("GIT_EXTERNAL_DIFF")
        .output()
        .context("starting git (is it installed?)")?;
    if !output.status.success() {
        bail!(
            "git {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn spec_file(folder: &Path, name: &str) -> anyhow::Result<File> {
    let path = format!("specs/{name}");
    let file = folder.join(name);
    let about = std::fs::symlink_metadata(&file).with_context(|| format!("reading {path}"))?;
    if about.is_symlink() {
        bail!("{path}:1:1: is a symbolic link; put the file itself there");
    }
    if !about.is_file() {
        bail!("{path}:1:1: is not a plain file");
    }
    if about.len() > LARGEST {
        bail!("{path}:1:1: is larger than 1 MiB");
    }
    let bytes = std::fs::read(&file).with_context(|| format!("reading {path}"))?;
    Ok(File { path, bytes })
}

/// Refuses a token, a certificate or a key that a repository brings along: an observer launched with it would obey whoever wrote it.
///
/// # Errors
/// When git tracks it.
pub(super) fn not_brought_along(file: &Path) -> anyhow::Result<()> {
    let ours = [
        (TOKEN_FILE, "others have that token too"),
        (CERT_FILE, "whoever wrote it could pass for the observer"),
        (KEY_FILE, "others have that key too"),
    ];
    let Some((name, why)) = ours.into_iter().find(|(name, _)| file.ends_with(name)) else {
        return Ok(());
    };
    if let Some(folder) = file.parent()
        && is_in_git(folder, name)
    {
        bail!(
            "{name} is in the repository, so {why}: `git rm --cached {name}`, and give the observer a new one"
        );
    }
    Ok(())
}

/// Whether a file of this folder is in its repository.
pub(super) fn is_in_git(folder: &Path, name: &str) -> bool {
    git(folder, &["ls-files", "--error-unmatch", "--", name]).is_ok()
}

/// Whether git would take a file of this folder into its repository, if it has not already; not where there is none.
pub(super) fn git_takes(folder: &Path, file: &str) -> bool {
    let inside = git(folder, &["rev-parse", "--is-inside-work-tree"]).is_ok();
    inside && git(folder, &["check-ignore", "--quiet", "--", file]).is_err()
}

/// What `.gitignore` says, with these files in it; `None` where it has them already.
pub(super) fn ignoring(folder: &Path, files: &[&str]) -> Option<String> {
    let mut text = std::fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
    let has = |file: &&&str| text.lines().any(|l| l.trim() == **file);
    let missing: Vec<&str> = files.iter().filter(|f| !has(f)).copied().collect();
    if missing.is_empty() {
        return None;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&(missing.join("\n") + "\n"));
    Some(text)
}

/// The first line of a file that holds a secret; `None` where there is no such file or nothing in it.
///
/// # Errors
/// When it is there and cannot be read, or came with the repository.
pub(super) fn secret_in(file: &Path) -> anyhow::Result<Option<String>> {
    not_brought_along(file)?;
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text
            .lines()
            .map(str::trim)
            .find(|l| !l.is_empty())
            .map(str::to_owned)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// Writes a file that only its owner may read, also where there was one that others could. Where a link stands in its
/// place, which a repository can bring along, the link is replaced and not followed.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let write = || {
        // aside and in one step: nobody reads half of it
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".new-{}", std::process::id()));
        let aside = file.with_file_name(name);
        let mut open = std::fs::OpenOptions::new();
        let written = open.write(true).create_new(true).mode(0o600).open(&aside);
        written?.write_all(text.as_bytes())?;
        std::fs::rename(&aside, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_private_file_is_private_whatever_stood_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("token"), dir.path().join("other"));
        let mode = || file.metadata().unwrap().permissions().mode() & 0o777;
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, "one").unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::remove_file(&file).unwrap();
        symlink(&other, &file).unwrap();
        write_private(&file, "two").unwrap();
        assert_eq!((mode(), other.exists()), (0o600, false));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

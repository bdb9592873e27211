//! A cloned `dploy.app` is not trusted: credentials go only to hosts that a flag, the environment, a local world of
//! one's own or an earlier confirmation names. Confirmed hosts are remembered in the user's configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use reqwest::Url;

use super::terminal::Terminal;

/// Who names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A flag or the environment.
    Flag,
    /// `local.json` of a local world that belongs to this user.
    Local,
    /// `dploy.app`, or somebody that it led to.
    Descriptor,
}

/// The hosts that were confirmed.
pub(super) struct Hosts {
    file: Option<PathBuf>,
}

/// What is remembered: scheme and host, whatever the port, since tasks move from port to port. `localhost` and `127.0.0.1`
/// are one host.
fn key(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = match url.host_str()?.to_ascii_lowercase() {
        name if name == "localhost" => "127.0.0.1".to_owned(),
        other => other,
    };
    Some(format!("{}://{host}", url.scheme()))
}

/// Where things of this user are remembered: `$XDG_CONFIG_HOME/dploy`, else `~/.config/dploy`.
pub(super) fn user_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        // a relative one would be in the workspace, where a repository could confirm itself; XDG ignores it too
        .filter(|f| f.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    folder.map(|f| f.join("dploy"))
}

impl Hosts {
    /// Those of this user: `$XDG_CONFIG_HOME/dploy/hosts`, else `~/.config/dploy/hosts`.
    pub fn of_user() -> Self {
        Self {
            file: user_folder().map(|f| f.join("hosts")),
        }
    }

    fn confirmed(&self) -> BTreeSet<String> {
        let text = self
            .file
            .as_ref()
            .and_then(|f| std::fs::read_to_string(f).ok());
        let text = text.unwrap_or_default();
        // as they were written by earlier releases, too
        text.lines().filter_map(|l| key(l.trim())).collect()
    }

    /// Whether somebody confirmed the host of this address.
    pub fn knows(&self, url: &str) -> bool {
        key(url).is_some_and(|key| self.confirmed().contains(&key))
    }

    /// Remembers the host of an address.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&self, url: &str) -> anyhow::Result<()> {
        let (Some(key), Some(file)) = (key(url), &self.file) else {
            return Ok(());
        };
        let mut hosts = self.confirmed();
        if !hosts.insert(key) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        let lines: Vec<String> = hosts.into_iter().collect();
        super::workspace::write_private(file, &(lines.join("\n") + "\n"))
    }

    /// Lets credentials go to `url`, or says why not. `who` is what stands there, `what` is what would be sent, `flag` what
    /// names the address otherwise.
    ///
    /// # Errors
    /// When nobody confirmed it and nobody can be asked, or the answer was no.
    pub fn confirm(
        &self,
        terminal: Terminal,
        named: Named,
        url: &str,
        who: &str,
        what: &str,
        flag: &str,
    ) -> anyhow::Result<()> {
        if named != Named::Descriptor || self.knows(url) {
            return Ok(());
        }
        let ways = format!("name it yourself with {flag}");
        if !terminal.can_ask() {
            bail!(
                "dploy.app leads to {who} at {url}, and nobody confirmed that {what} may go there: nothing was sent; \
                 {ways}, or run this in a terminal and confirm"
            );
        }
        terminal.note(format!("dploy.app leads to {who} at {url}."));
        terminal.note(format!("It would be sent {what}."));
        if url.starts_with("http://") {
            terminal.note("This is plain HTTP: anybody on the way could read it.");
        }
        if !terminal.agrees("Send it there, now and from now on?") {
            bail!("nothing was sent to {url}; {ways} if you want it");
        }
        self.remember(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_remembered_with_its_scheme_and_without_its_port() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts {
            file: Some(dir.path().join("dploy/hosts")),
        };
        assert!(!hosts.knows("https://a.example:1/service/marathon"));
        hosts
            .remember("https://A.example:1/service/marathon")
            .unwrap();
        assert!(hosts.knows("https://a.example:2"));
        assert!(
            !hosts.knows("http://a.example:1"),
            "plain HTTP is another matter"
        );
        assert!(!hosts.knows("https://a.example.evil"));
        assert!(!hosts.knows("https://a.example@evil.example"));
        assert!(!hosts.knows("http://localhost:8080"));
        hosts.remember("http://localhost:8080").unwrap();
        for url in ["http://127.0.0.1:8080", "http://LOCALHOST"] {
            assert!(hosts.knows(url), "{url}");
        }
        assert!(!hosts.knows("http://127.0.0.1.example"));
        std::fs::write(hosts.file.as_ref().unwrap(), "http://localhost\n").unwrap();
        assert!(
            hosts.knows("http://127.0.0.1:1"),
            "an earlier release wrote it so"
        );
    }
}

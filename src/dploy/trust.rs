//! A cloned `dploy.app` is not trusted: credentials go only to hosts that a flag, the environment, a local world of
//! one's own or an earlier confirmation names. What was confirmed, for which credential and which host and port, is remembered in the user's
//! configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use reqwest::Url;

use super::failure::{Failure, Word};
use super::terminal::Terminal;
use crate::id::ServiceId;

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

/// What would be sent. Each is confirmed for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// The credentials for Marathon.
    MarathonLogin,
    /// The credentials for Mesos, to the one that this Marathon names, and in the environment of the observer's app.
    MesosLogin,
    /// The GitHub token, to GitHub's API.
    GithubToken,
    /// The GitHub token, in the environment of the observer's app.
    GithubTokenInMarathon,
    /// The operator token, to the observer that is this app of this Marathon. Its task moves from port to port: that Marathon says
    /// which one it is.
    OperatorToken {
        /// The app.
        id: Option<&'a ServiceId>,
        /// The Marathon.
        marathon: &'a str,
    },
}

/// `localhost` and `127.0.0.1` are one host.
fn host(url: &Url) -> Option<String> {
    Some(match url.host_str()?.to_ascii_lowercase() {
        name if name == "localhost" => "127.0.0.1".to_owned(),
        other => other,
    })
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let port = url.port_or_known_default()?;
    Some(format!("{}://{}:{port}", url.scheme(), host(&url)?))
}

impl What<'_> {
    /// A confirmation, as it is remembered.
    fn line(self, url: &str) -> Option<String> {
        let place = origin(url)?;
        Some(match self {
            Self::MarathonLogin => format!("marathon-login {place}"),
            Self::MesosLogin => format!("mesos-login {place}"),
            Self::GithubToken => format!("github-token {place}"),
            Self::GithubTokenInMarathon => format!("github-token-in-marathon {place}"),
            Self::OperatorToken {
                id: Some(id),
                marathon,
            } => {
                let url = Url::parse(url).ok()?;
                let (scheme, host) = (url.scheme(), host(&url)?);
                format!(
                    "operator-token {scheme}://{host} {id} of {}",
                    origin(marathon)?
                )
            }
            Self::OperatorToken { id: None, .. } => format!("operator-token {place}"),
        })
    }

    /// In a sentence.
    fn word(self) -> &'static str {
        match self {
            Self::MarathonLogin => "your credentials for Marathon",
            Self::MesosLogin => "your credentials for Mesos, to the Mesos that it names",
            Self::GithubToken => "your GitHub token",
            Self::GithubTokenInMarathon => {
                "your GitHub token, in the environment of the observer's app"
            }
            Self::OperatorToken { .. } => "the operator token",
        }
    }

    /// Who gets it.
    fn who(self) -> &'static str {
        match self {
            Self::MarathonLogin | Self::MesosLogin | Self::GithubTokenInMarathon => "Marathon",
            Self::GithubToken => "GitHub's API",
            Self::OperatorToken { .. } => "an observer",
        }
    }

    /// What names the address otherwise.
    fn flag(self) -> &'static str {
        match self {
            Self::MarathonLogin | Self::MesosLogin | Self::GithubTokenInMarathon => {
                "-marathon-url or DPLOY_MARATHON_URL"
            }
            Self::GithubToken => "-github-api or DPLOY_OBSERVER_GITHUB_API",
            Self::OperatorToken { .. } => "-observer or DPLOY_OBSERVER_URL",
        }
    }
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

fn of_certificate(fingerprint: &str) -> String {
    format!("observer-certificate {fingerprint}")
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
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Whether somebody confirmed that this may go there.
    pub fn knows(&self, what: What<'_>, url: &str) -> bool {
        let line = what.line(url);
        line.is_some_and(|line| self.confirmed().contains(&line))
    }

    /// Whether this user made the certificate with this fingerprint, or launched an observer with it: a file of the workspace alone
    /// may have come with a repository.
    pub fn knows_certificate(&self, fingerprint: &str) -> bool {
        self.confirmed().contains(&of_certificate(fingerprint))
    }

    /// Remembers a certificate that was made here.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_certificate(&self, fingerprint: &str) -> anyhow::Result<()> {
        self.write_line(of_certificate(fingerprint))
    }

    /// Remembers that this may go there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&self, what: What<'_>, url: &str) -> anyhow::Result<()> {
        match what.line(url) {
            Some(line) => self.write_line(line),
            None => Ok(()),
        }
    }

    fn write_line(&self, line: String) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut lines = self.confirmed();
        if !lines.insert(line) {
            return Ok(());
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        let lines: Vec<String> = lines.into_iter().collect();
        super::workspace::write_private(file, &(lines.join("\n") + "\n"))
    }

    /// Lets credentials go to `url`, or says why not.
    ///
    /// # Errors
    /// When nobody confirmed it and nobody can be asked, or the answer was no.
    pub fn confirm(
        &self,
        terminal: Terminal,
        named: Named,
        url: &str,
        sent: What<'_>,
    ) -> anyhow::Result<()> {
        if named != Named::Descriptor || self.knows(sent, url) {
            return Ok(());
        }
        let (who, what, flag) = (sent.who(), sent.word(), sent.flag());
        let ways = format!("name it yourself with {flag}");
        if !terminal.can_ask() {
            let why = format!(
                "dploy.app leads to {who} at {url}, and nobody confirmed that {what} may go there: nothing was sent; \
                 {ways}, or run this in a terminal and confirm"
            );
            return Err(Failure::of(Word::Unasked, why).into());
        }
        terminal.note(format!("dploy.app leads to {who} at {url}."));
        terminal.note(format!("It would be sent {what}."));
        if url.starts_with("http://") {
            terminal.note("This is plain HTTP: anybody on the way could read it.");
        }
        if !terminal.agrees("Send it there, now and from now on?") {
            let why = format!("nothing was sent to {url}; {ways} if you want it");
            return Err(Failure::of(Word::Declined, why).into());
        }
        self.remember(sent, url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confirmed_is_remembered_for_one_credential_and_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts {
            file: Some(dir.path().join("dploy/hosts")),
        };
        let login = What::MarathonLogin;
        assert!(!hosts.knows(login, "https://a.example:1/service/marathon"));
        hosts
            .remember(login, "https://A.example:1/service/marathon")
            .unwrap();
        assert!(hosts.knows(login, "https://a.example:1"));
        for other in [
            "https://a.example:2",
            "https://a.example",
            // plain HTTP is another matter
            "http://a.example:1",
            "https://a.example.evil:1",
            "https://a.example:1@evil.example",
        ] {
            assert!(!hosts.knows(login, other), "{other}");
        }
        assert!(!hosts.knows(What::GithubTokenInMarathon, "https://a.example:1"));
        hosts.remember(login, "http://localhost:8080").unwrap();
        for url in ["http://127.0.0.1:8080", "http://LOCALHOST:8080/"] {
            assert!(hosts.knows(login, url), "{url}");
        }
        assert!(!hosts.knows(login, "http://127.0.0.1.example:8080"));
        // an earlier release remembered hosts, for whatever might be sent there
        std::fs::write(hosts.file.as_ref().unwrap(), "http://localhost\n").unwrap();
        assert!(!hosts.knows(login, "http://127.0.0.1:8080"));
    }

    #[test]
    fn an_observer_is_known_by_its_id_its_marathon_and_its_host() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts {
            file: Some(dir.path().join("hosts")),
        };
        let (own, other) = ("/dploy-observer", "/their-observer");
        let (own, other): (ServiceId, ServiceId) = (own.parse().unwrap(), other.parse().unwrap());
        let of = |id, marathon| What::OperatorToken {
            id: Some(id),
            marathon,
        };
        let marathon = "http://m.example:8080";
        hosts
            .remember(of(&own, marathon), "http://node.example:31001")
            .unwrap();
        // its task moved
        assert!(hosts.knows(of(&own, marathon), "http://node.example:31002"));
        assert!(!hosts.knows(of(&other, marathon), "http://node.example:31001"));
        assert!(!hosts.knows(
            of(&own, "http://n.example:8080"),
            "http://node.example:31001"
        ));
        assert!(!hosts.knows(of(&own, marathon), "http://evil.example:31001"));
        assert!(!hosts.knows(of(&own, marathon), "https://node.example:31001"));
        let unknown = What::OperatorToken { id: None, marathon };
        assert!(!hosts.knows(unknown, "http://node.example:31001"));
    }
}

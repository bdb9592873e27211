//! What one call of `dploy` works with: the workspace, and where Marathon, the observer and GitHub are.

mod observer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::observer::{LABEL, Observer, launched_for};
use super::args::{Global, USUAL_MESOS_DNS};
use super::failure::{Failure, Word};
use super::terminal::Terminal;
use super::trust::{Hosts, Named, What};
pub(super) use super::workspace::TOKEN_FILE;
use super::workspace::{Workspace, secret_in};
use crate::clock;
use crate::discovery;
use crate::github;
use crate::id::RepositoryName;
use crate::marathon::{self, Credentials, MarathonError};
use crate::mesos::{self, Mesos};
use crate::secret::Secret;
pub(super) use crate::transport::is_loopback;

/// One call of `dploy`.
pub(super) struct Session {
    pub global: Global,
    pub terminal: Terminal,
    pub hosts: Hosts,
    pub folder: PathBuf,
    local: Option<LocalWorld>,
}

/// `local.json`: a local world of this user that the workspace lies in.
#[derive(Deserialize)]
struct LocalWorld {
    observer: LocalObserver,
    marathon: LocalPart,
    github: LocalGithub,
}

#[derive(Deserialize)]
struct LocalObserver {
    url: String,
    token: String,
}

#[derive(Deserialize)]
struct LocalPart {
    url: String,
}

#[derive(Deserialize)]
struct LocalGithub {
    url: String,
    token: String,
}

/// Where Marathon is, and who says so.
pub(super) struct Marathon {
    pub client: marathon::Client,
    pub url: String,
    pub named: Named,
}

impl Marathon {
    /// Where nobody is asked, because the observer is named.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn unasked(session: &Session) -> anyhow::Result<Self> {
        let url = String::new();
        let client =
            marathon::Client::new(&url, Credentials::None, clock::system(), session.timeout())?;
        let named = Named::Descriptor;
        Ok(Self { client, url, named })
    }
}

/// The repository at GitHub.
pub(super) struct Github {
    pub client: github::Client,
    pub api: String,
    pub name: RepositoryName,
    pub token: Option<Secret>,
}

/// What a Marathon says of itself, as far as it is one.
///
/// # Errors
/// With the address and where it is set.
pub(super) fn heard(url: &str, info: Result<Value, MarathonError>) -> anyhow::Result<Value> {
    let way = "its address is marathon_url in dploy.app, or -marathon-url";
    match info {
        Ok(info) if info["version"].is_string() => Ok(info),
        Ok(_) | Err(MarathonError::Missing(_)) => {
            let why = format!("what answers at {url} is no Marathon; {way}");
            Err(Failure::of(Word::NotMarathon, why).into())
        }
        Err(error @ MarathonError::Unreachable(_)) => {
            let why = format!("{error}; {way}");
            Err(Failure::of(Word::MarathonUnreachable, why).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Only a file of this user that nobody else can read is believed, and none that is in a repository: it may have brought it along.
fn local_world(folder: &Path) -> Option<LocalWorld> {
    use std::os::unix::fs::MetadataExt as _;
    let me = std::fs::metadata("/proc/self").ok()?.uid();
    folder.ancestors().find_map(|above| {
        let file = above.join("local.json");
        let about = std::fs::symlink_metadata(&file).ok()?;
        let mine = about.is_file() && about.uid() == me && about.mode().trailing_zeros() >= 6;
        let world: LocalWorld = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        let brought = super::workspace::is_in_git(above, "local.json");
        let mine = mine && !brought;
        let parts = [&world.observer.url, &world.marathon.url, &world.github.url];
        (mine && parts.into_iter().all(|u| is_loopback(u))).then_some(world)
    })
}

impl Session {
    /// A call with these arguments.
    pub fn new(global: Global) -> Self {
        let folder = global
            .workspace
            .canonicalize()
            .unwrap_or_else(|_| global.workspace.clone());
        Self {
            terminal: Terminal::new(global.json),
            hosts: Hosts::of_user(),
            local: local_world(&folder),
            folder,
            global,
        }
    }

    /// The workspace.
    ///
    /// # Errors
    /// When it has no descriptor, or a wrong one.
    pub fn workspace(&self) -> anyhow::Result<Workspace> {
        Workspace::open(&self.folder)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.global.timeout)
    }

    /// The address of Marathon, and who names it.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn marathon_url(
        &self,
        workspace: Option<&Workspace>,
    ) -> anyhow::Result<(String, Named)> {
        if let Some(url) = given(self.global.marathon_url.as_ref()) {
            return Ok((discovery::address(url, "DPLOY_MARATHON_URL")?, Named::Flag));
        }
        let written = workspace.and_then(|w| given(w.descriptor.marathon_url.as_ref()));
        if let Some(local) = &self.local
            && written.is_none_or(|url| is_loopback(url))
        {
            return Ok((local.marathon.url.clone(), Named::Local));
        }
        if let Some(url) = written {
            return Ok((
                discovery::address(url, "marathon_url in dploy.app")?,
                Named::Descriptor,
            ));
        }
        // who did not name that server did not name what it names either
        let named = if self.global.mesos_dns == USUAL_MESOS_DNS {
            Named::Descriptor
        } else {
            Named::Flag
        };
        let found = discovery::marathon_in_mesos_dns(&self.global.mesos_dns).await;
        found.map(|url| (url, named)).map_err(|error| {
            anyhow::anyhow!("where is Marathon? Write marathon_url into dploy.app, or set -marathon-url ({error:#})")
        })
    }

    /// Marathon, with credentials where its host may have them. Something that answers there and is no Marathon would
    /// seem to run nothing, and `destroy` would say that nothing is left.
    ///
    /// # Errors
    /// When it is not known where it is, credentials may not go there, or no Marathon answers.
    pub async fn marathon(&self, workspace: Option<&Workspace>) -> anyhow::Result<Marathon> {
        let marathon = self.unheard_marathon(workspace).await?;
        match marathon.client.info().await {
            // who may see services need not see the settings
            Err(MarathonError::Unauthorized(_)) => {}
            info => drop(heard(&marathon.url, info)?),
        }
        Ok(marathon)
    }

    /// The same, whoever answers there, if anybody does.
    ///
    /// # Errors
    /// When it is not known where it is, or credentials may not go there.
    pub async fn unheard_marathon(
        &self,
        workspace: Option<&Workspace>,
    ) -> anyhow::Result<Marathon> {
        let (url, named) = self.marathon_url(workspace).await?;
        let set = &self.global;
        let credentials = Credentials::given(
            &url,
            set.marathon_user.as_deref(),
            set.marathon_password.as_ref(),
            set.marathon_token.as_ref(),
        )?;
        if !matches!(credentials, Credentials::None) {
            self.hosts
                .confirm(self.terminal, named, &url, What::MarathonLogin)?;
        }
        Ok(Marathon {
            client: marathon::Client::new(&url, credentials, clock::system(), self.timeout())?,
            url,
            named,
        })
    }

    /// What tasks wrote, at the agents of a Marathon: its Mesos is named by it.
    ///
    /// # Errors
    /// When the credentials for Mesos may not go there.
    pub fn mesos(&self, marathon: &Marathon) -> anyhow::Result<Mesos> {
        let user = given(self.global.mesos_user.as_ref());
        if user.is_some() {
            let (named, url) = (marathon.named, &marathon.url);
            self.hosts
                .confirm(self.terminal, named, url, What::MesosLogin)?;
        }
        let password = given_secret(self.global.mesos_password.as_ref());
        let credentials = user.map(|user| mesos::Credentials {
            user: user.clone(),
            password: password.unwrap_or_else(|| Secret::new("")),
        });
        Ok(Mesos::new(marathon.client.clone(), credentials))
    }

    /// The GitHub token.
    ///
    /// # Errors
    /// When `.pat` is there and cannot be read.
    pub fn pat(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(pat) = given_secret(self.global.pat.as_ref()) {
            return Ok(Some(pat));
        }
        Ok(secret_in(&self.folder.join(".pat"))?.map(Secret::new))
    }

    /// The repository at GitHub, where the descriptor names one. `what` is what it is asked for.
    ///
    /// # Errors
    /// When `repo_url` is none, or the token may not go to where it leads.
    pub fn github(&self, workspace: &Workspace) -> anyhow::Result<Option<Github>> {
        let Some(url) = given(workspace.descriptor.repo_url.as_ref()) else {
            return Ok(None);
        };
        let (host, name) = repository(url)?;
        let (api, named) = match (given(self.global.github_api.as_ref()), &self.local) {
            (Some(api), _) => (
                discovery::address(api, "DPLOY_OBSERVER_GITHUB_API")?,
                Named::Flag,
            ),
            (None, Some(local)) if is_loopback(&host) => (local.github.url.clone(), Named::Local),
            // where GitHub tokens belong
            (None, _) if host == "https://github.com" => {
                ("https://api.github.com".to_owned(), Named::Flag)
            }
            (None, _) if is_loopback(&host) => (host, Named::Descriptor),
            (None, _) => (format!("{host}/api/v3"), Named::Descriptor),
        };
        let mut token = self.pat()?;
        if let Some(local) = self.local.as_ref().filter(|_| named == Named::Local) {
            token = token.or_else(|| Some(Secret::new(local.github.token.clone())));
        }
        if token.is_some() {
            self.hosts
                .confirm(self.terminal, named, &api, What::GithubToken)?;
        }
        let client = github::Client::new(&api, token.clone(), clock::system(), self.timeout())?;
        Ok(Some(Github {
            client,
            api,
            name,
            token,
        }))
    }
}

/// A setting that is not empty.
fn given(value: Option<&String>) -> Option<&String> {
    value.filter(|v| !v.trim().is_empty())
}

fn given_secret(value: Option<&Secret>) -> Option<Secret> {
    let value = value.map(|v| v.expose().trim());
    value.filter(|v| !v.is_empty()).map(Secret::new)
}

/// Origin and `owner/name` of a repository's address, also as git writes it for SSH.
pub(super) fn repository(url: &str) -> anyhow::Result<(String, RepositoryName)> {
    let wrong = || {
        anyhow::anyhow!(
            "repo_url in dploy.app: {url:?} is no repository; write it as https://github.com/owner/name"
        )
    };
    let web = match url
        .strip_prefix("git@")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((host, path)) => format!("https://{host}/{path}"),
        None => url.to_owned(),
    };
    let parsed = Url::parse(&web).map_err(|_| wrong())?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.password().is_some() {
        return Err(wrong());
    }
    let path = parsed.path().trim_matches('/').trim_end_matches(".git");
    let name = path.parse().map_err(|_| wrong())?;
    Ok((parsed.origin().ascii_serialization(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_however_it_is_written() {
        for url in [
            "https://github.com/mhausenblas/s4d",
            "https://github.com/mhausenblas/s4d.git",
            "https://github.com/mhausenblas/s4d/",
            "git@github.com:mhausenblas/s4d.git",
        ] {
            let (host, name) = repository(url).unwrap();
            assert_eq!(
                (host.as_str(), name.to_string().as_str()),
                ("https://github.com", "mhausenblas/s4d")
            );
        }
        assert_eq!(
            repository("http://127.0.0.1:3000/you/hello.git").unwrap().0,
            "http://127.0.0.1:3000"
        );
        for bad in [
            "mhausenblas/s4d",
            "https://github.com/s4d",
            "ftp://a/b/c",
            "https://u:p@github.com/a/b",
        ] {
            assert!(repository(bad).is_err(), "{bad}");
        }
    }
}

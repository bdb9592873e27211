//! The settings of the observer: flag, environment, default. The table in docs/settings.md is compared with this file by a test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, parser::ValueSource};

use crate::secret::Secret;

/// A setting as it is shown: its value as text, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The value; `••••` for a secret.
    pub value: String,
    /// `flag`, `environment`, `default` or `local world`.
    pub from: &'static str,
}

/// The settings. The seed's names are kept; ours follow its pattern.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The GitHub owner, for example 'mhausenblas' or 'mesosphere'
    #[arg(long, env = "DPLOY_OBSERVER_GITHUB_OWNER", value_name = "string")]
    pub owner: Option<String>,
    /// The GitHub repo, for example 'dploy' or 'marathon'
    #[arg(long, env = "DPLOY_OBSERVER_GITHUB_REPO", value_name = "string")]
    pub repo: Option<String>,
    /// The branch whose pushes are deployed
    #[arg(
        long,
        env = "DPLOY_OBSERVER_TARGETBRANCH",
        value_name = "string",
        default_value = "dcos"
    )]
    pub branch: String,
    /// The personal access token, via <https://github.com/settings/tokens>
    #[arg(
        long,
        env = "DPLOY_OBSERVER_GITHUB_PAT",
        value_name = "string",
        hide_env_values = true
    )]
    pub pat: Option<Secret>,
    /// A file with the personal access token; without it, .pat in the working directory
    #[arg(long, env = "DPLOY_OBSERVER_GITHUB_PAT_FILE", value_name = "file")]
    pub pat_file: Option<PathBuf>,
    /// IP address or FQDN of the public node
    #[arg(long, env = "DPLOY_PUBLIC_NODE", value_name = "host")]
    pub public_node: Option<String>,
    /// Seconds to wait before the webhook is registered
    #[arg(
        long,
        env = "DPLOY_OBSERVER_DELAY_REGISTRATION",
        value_name = "seconds",
        default_value_t = 0
    )]
    pub delay_registration: u64,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(
        long,
        env = "DPLOY_LOGLEVEL",
        value_name = "level",
        default_value = "info"
    )]
    pub loglevel: String,
    /// How it is logged: text or json
    #[arg(long, env = "DPLOY_OBSERVER_LOG_FORMAT", value_name = "format", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,
    /// Where to listen
    #[arg(
        long,
        env = "DPLOY_OBSERVER_LISTEN",
        value_name = "address",
        default_value = "0.0.0.0:8888"
    )]
    pub listen: String,
    /// The data folder, which holds the log
    #[arg(
        long,
        env = "DPLOY_OBSERVER_DATA",
        value_name = "folder",
        default_value = "./data"
    )]
    pub data: PathBuf,
    /// The operator token; made at the first start if neither this nor its hash is given
    #[arg(
        long,
        env = "DPLOY_OBSERVER_TOKEN",
        value_name = "string",
        hide_env_values = true
    )]
    pub token: Option<Secret>,
    /// SHA-256 of the operator token, in hexadecimal
    #[arg(long, env = "DPLOY_OBSERVER_TOKEN_SHA256", value_name = "hex")]
    pub token_sha256: Option<String>,
    /// Whose that token is: the name in the log
    #[arg(
        long,
        env = "DPLOY_OBSERVER_TOKEN_NAME",
        value_name = "name",
        default_value = "operator"
    )]
    pub token_name: String,
    /// GitHub's API
    #[arg(
        long,
        env = "DPLOY_OBSERVER_GITHUB_API",
        value_name = "url",
        default_value = "https://api.github.com"
    )]
    pub github_api: String,
    /// Marathon; without it, it is looked up in Mesos-DNS
    #[arg(long, env = "DPLOY_MARATHON_URL", value_name = "url")]
    pub marathon_url: Option<String>,
    /// Mesos-DNS
    #[arg(
        long,
        env = "DPLOY_MESOS_DNS",
        value_name = "url",
        default_value = "http://leader.mesos:8123"
    )]
    pub mesos_dns: String,
    /// User for Marathon: basic authentication, or a DC/OS login where the address has a path
    #[arg(long, env = "DPLOY_MARATHON_USER", value_name = "string")]
    pub marathon_user: Option<String>,
    /// Password of that user
    #[arg(
        long,
        env = "DPLOY_MARATHON_PASSWORD",
        value_name = "string",
        hide_env_values = true
    )]
    pub marathon_password: Option<Secret>,
    /// DC/OS authentication token for Marathon
    #[arg(
        long,
        env = "DPLOY_MARATHON_TOKEN",
        value_name = "string",
        hide_env_values = true
    )]
    pub marathon_token: Option<Secret>,
    /// User of Mesos' own basic authentication, to read what tasks wrote from its agents
    #[arg(long, env = "DPLOY_MESOS_USER", value_name = "string")]
    pub mesos_user: Option<String>,
    /// Password of that user
    #[arg(
        long,
        env = "DPLOY_MESOS_PASSWORD",
        value_name = "string",
        hide_env_values = true
    )]
    pub mesos_password: Option<Secret>,
    /// Seconds after which a call to Marathon counts as unanswered; it may still arrive until then
    #[arg(
        long,
        env = "DPLOY_OBSERVER_MARATHON_TIMEOUT",
        value_name = "seconds",
        default_value_t = 30
    )]
    pub marathon_timeout: u64,
    /// The address under which GitHub and browsers reach this observer
    #[arg(long, env = "DPLOY_OBSERVER_PUBLIC_URL", value_name = "url")]
    pub public_url: Option<String>,
    /// Seconds between two looks at a branch
    #[arg(
        long,
        env = "DPLOY_OBSERVER_POLL",
        value_name = "seconds",
        default_value_t = 60
    )]
    pub poll: u64,
    /// Seconds without progress after which a rollout has failed
    #[arg(
        long,
        env = "DPLOY_OBSERVER_DEADLINE",
        value_name = "seconds",
        default_value_t = 600
    )]
    pub deadline: u64,
    /// Seconds that tasks must run that have no health checks, or failed before
    #[arg(
        long,
        env = "DPLOY_OBSERVER_SETTLE",
        value_name = "seconds",
        default_value_t = 10
    )]
    pub settle: u64,
    /// Prefixes of Marathon ids that may be touched, separated by commas; none: all
    #[arg(
        long,
        env = "DPLOY_OBSERVER_ALLOW_IDS",
        value_name = "prefixes",
        value_delimiter = ','
    )]
    pub allow_ids: Vec<String>,
    /// The observer's certificate and those that vouch for it, in PEM: a file, or the text itself. It then speaks TLS only
    #[arg(long, env = "DPLOY_OBSERVER_TLS_CERT", value_name = "file")]
    pub tls_cert: Option<String>,
    /// The key of that certificate, in PEM: a file, or the text itself
    #[arg(
        long,
        env = "DPLOY_OBSERVER_TLS_KEY",
        value_name = "file",
        hide_env_values = true
    )]
    pub tls_key: Option<Secret>,
    /// With a certificate: where plain HTTP is listened for, which redirects reads and takes the webhook alone
    #[arg(long, env = "DPLOY_OBSERVER_LISTEN_PLAIN", value_name = "address")]
    pub listen_plain: Option<String>,
    /// Take logins and tokens on plain HTTP, where anybody on the way can read them
    #[arg(long, env = "DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN", value_name = "bool", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_plain_login: bool,
    /// Addresses or networks of TLS-terminating proxies, separated by commas: their X-Forwarded-Proto and -For are believed
    #[arg(
        long,
        env = "DPLOY_OBSERVER_TRUSTED_PROXY",
        value_name = "addresses",
        value_delimiter = ','
    )]
    pub trusted_proxy: Vec<String>,
    /// Requests a second of one address that nobody is known at, ten times as many at once; 0: as many as come
    #[arg(
        long,
        env = "DPLOY_OBSERVER_REQUESTS_OF_PEER",
        value_name = "number",
        default_value_t = 50
    )]
    pub requests_of_peer: u32,
    /// Connections that there may be at once; who comes then is turned away
    #[arg(
        long,
        env = "DPLOY_OBSERVER_CONNECTIONS",
        value_name = "number",
        default_value_t = 1024
    )]
    pub connections: usize,
    /// Connections of one address, but for the trusted proxy's
    #[arg(
        long,
        env = "DPLOY_OBSERVER_CONNECTIONS_OF_PEER",
        value_name = "number",
        default_value_t = 256
    )]
    pub connections_of_peer: usize,
    /// Seconds that the head of a request may take, and that a connection may be silent before it
    #[arg(
        long,
        env = "DPLOY_OBSERVER_HEAD_TIMEOUT",
        value_name = "seconds",
        default_value_t = 15
    )]
    pub head_timeout: u64,
    /// Seconds that an answer waits for somebody to read of it
    #[arg(
        long,
        env = "DPLOY_OBSERVER_ANSWER_TIMEOUT",
        value_name = "seconds",
        default_value_t = 60
    )]
    pub answer_timeout: u64,
    /// Ask for a login for everything but health and the webhook; without it, for what belongs to private repositories
    #[arg(long, env = "DPLOY_OBSERVER_PRIVATE", value_name = "bool", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub private: Option<bool>,
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    settings: Settings,
}

/// Whether the value of this setting must never be shown: its type says so.
fn is_secret(setting: &clap::Arg) -> bool {
    setting.get_value_parser().type_id() == std::any::TypeId::of::<Secret>()
}

impl Settings {
    /// The settings that the environment and the defaults give.
    #[must_use]
    pub fn from_environment() -> Self {
        Alone::try_parse_from(Vec::<String>::new()).map_or_else(|e| e.exit(), |a| a.settings)
    }

    /// The settings that `arguments` give, without looking at who asks.
    ///
    /// # Errors
    /// What is wrong with them, as clap says it.
    pub fn parse_from(arguments: &[&str]) -> Result<Self, clap::Error> {
        let matches = Alone::command().try_get_matches_from(arguments)?;
        Ok(Alone::from_arg_matches(&matches)?.settings)
    }

    /// Every setting as it is shown, by its flag.
    #[must_use]
    pub fn shown(matches: &ArgMatches) -> BTreeMap<String, Shown> {
        let command = Alone::command();
        command
            .get_arguments()
            .filter(|a| a.get_env().is_some())
            .map(|a| {
                let id = a.get_id().as_str();
                let from = match matches.value_source(id) {
                    Some(ValueSource::CommandLine) => "flag",
                    Some(ValueSource::EnvVariable) => "environment",
                    _ => "default",
                };
                let raw = matches.get_raw(id).map(|v| {
                    v.map(|v| v.to_string_lossy().into_owned())
                        .collect::<Vec<_>>()
                        .join(",")
                });
                let value = match raw {
                    Some(value) if is_secret(a) && !value.is_empty() => {
                        crate::secret::HIDDEN.to_owned()
                    }
                    Some(value) => value,
                    None => String::new(),
                };
                (id.replace('_', "-"), Shown { value, from })
            })
            .collect()
    }

    /// Flag, environment variable, default and meaning of every setting: the table in docs/settings.md.
    #[must_use]
    pub fn table() -> Vec<[String; 4]> {
        Alone::command()
            .get_arguments()
            .filter_map(|a| {
                let env = a.get_env()?.to_string_lossy().into_owned();
                let default = a
                    .get_default_values()
                    .first()
                    .map_or(String::new(), |v| v.to_string_lossy().into_owned());
                Some([
                    format!("-{}", a.get_long()?),
                    env,
                    default,
                    a.get_help()?.to_string(),
                ])
            })
            .collect()
    }

    /// The secrets among the settings, which must never be written down.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        let all = [
            &self.pat,
            &self.token,
            &self.marathon_password,
            &self.marathon_token,
            &self.mesos_password,
            &self.tls_key,
        ];
        all.into_iter().flatten().collect()
    }

    /// The personal access token: given, from the named file, or from `.pat`.
    ///
    /// # Errors
    /// When a named file cannot be read.
    pub fn github_token(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(pat) = self.pat.as_ref().map(|pat| pat.expose().trim())
            && !pat.is_empty()
        {
            return Ok(Some(Secret::new(pat)));
        }
        let (file, named) = match &self.pat_file {
            Some(file) => (file.clone(), true),
            None => (PathBuf::from(".pat"), false),
        };
        match std::fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim()))),
            Ok(_) | Err(_) if !named => Ok(None),
            Ok(_) => anyhow::bail!("{} is empty; put the GitHub token there", file.display()),
            Err(error) => anyhow::bail!(
                "the GitHub token cannot be read from {}: {error}; name another file with DPLOY_OBSERVER_GITHUB_PAT_FILE",
                file.display()
            ),
        }
    }

    /// How long a call to Marathon may stay unanswered.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.marathon_timeout.max(1))
    }

    /// Time between two polls.
    #[must_use]
    pub fn poll_every(&self) -> Duration {
        Duration::from_secs(self.poll.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENTINEL: &str = "sentinel-of-a-test";

    #[test]
    fn what_is_secret_by_its_type_is_shown_nowhere() {
        let command = Alone::command();
        let secret: Vec<&clap::Arg> = command.get_arguments().filter(|a| is_secret(a)).collect();
        assert!(secret.len() >= 4, "{secret:?}");
        let given: Vec<String> = secret
            .iter()
            .map(|a| format!("--{}={SENTINEL}", a.get_long().unwrap()))
            .collect();
        let matches = Alone::command().try_get_matches_from(&given).unwrap();
        let settings = Alone::from_arg_matches(&matches).unwrap().settings;
        assert_eq!(
            settings.secrets().len(),
            secret.len(),
            "`secrets` lacks one"
        );
        assert!(!format!("{settings:?}").contains(SENTINEL));
        for (name, shown) in Settings::shown(&matches) {
            assert_ne!(shown.value, SENTINEL, "{name}");
        }
        for argument in secret {
            assert!(
                argument.is_hide_env_values_set(),
                "{argument}: --help shows the environment"
            );
        }
    }
}

//! The flags that every command has: where things are, what they are shown, how it is said.

use std::path::PathBuf;

use clap::Args;

use crate::secret::{Redactor, Secret};

/// Where a cluster has its Mesos-DNS.
pub(in crate::dploy) const USUAL_MESOS_DNS: &str = "http://leader.mesos:8123";

/// Where a help text lists what every command understands.
const EVERYWHERE: &str = "Everywhere";

/// What every command understands.
#[derive(Args, Clone)]
pub(in crate::dploy) struct Global {
    /// The folder with dploy.app and specs/
    #[arg(
        short,
        long,
        global = true,
        value_name = "folder",
        default_value = ".",
        help_heading = EVERYWHERE, hide_short_help = true
    )]
    pub workspace: PathBuf,
    /// All there is to show: more columns in ls and ps, groups in ls, every app in status, every deploy in history
    #[arg(short, long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = clap::ArgAction::Set, value_name = "bool", hide_default_value = true, help_heading = EVERYWHERE, hide_short_help = true)]
    pub all: bool,
    /// JSON instead of text
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = clap::ArgAction::Set, value_name = "bool", hide_default_value = true, help_heading = EVERYWHERE, hide_short_help = true)]
    pub json: bool,
    /// Marathon; without it, the one that dploy.app names
    #[arg(
        long,
        global = true,
        env = "DPLOY_MARATHON_URL",
        value_name = "url",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub marathon_url: Option<String>,
    /// User for Marathon: basic authentication, or a login where the address has a path (DC/OS)
    #[arg(
        long,
        global = true,
        env = "DPLOY_MARATHON_USER",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub marathon_user: Option<String>,
    /// The password of that user
    #[arg(
        long,
        global = true,
        env = "DPLOY_MARATHON_PASSWORD",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub marathon_password: Option<Secret>,
    /// DC/OS authentication token for Marathon
    #[arg(
        long,
        global = true,
        env = "DPLOY_MARATHON_TOKEN",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub marathon_token: Option<Secret>,
    /// User of Mesos' own basic authentication, to read what tasks wrote from its agents; the observer that run launches gets it too
    #[arg(
        long,
        global = true,
        env = "DPLOY_MESOS_USER",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub mesos_user: Option<String>,
    /// Password of that user of Mesos
    #[arg(
        long,
        global = true,
        env = "DPLOY_MESOS_PASSWORD",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub mesos_password: Option<Secret>,
    /// Mesos-DNS, asked for what nothing else names
    #[arg(
        long,
        global = true,
        env = "DPLOY_MESOS_DNS",
        value_name = "url",
        default_value = USUAL_MESOS_DNS,
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub mesos_dns: String,
    /// The observer; without it, the one that Marathon runs
    #[arg(
        long,
        global = true,
        env = "DPLOY_OBSERVER_URL",
        value_name = "url",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub observer: Option<String>,
    /// The observer's operator token; without it, .dploy-token in the workspace
    #[arg(
        long,
        global = true,
        env = "DPLOY_OBSERVER_TOKEN",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub token: Option<Secret>,
    /// GitHub's API; without it, that of the repository in dploy.app
    #[arg(
        long,
        global = true,
        env = "DPLOY_OBSERVER_GITHUB_API",
        value_name = "url",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub github_api: Option<String>,
    /// The GitHub token; without it, .pat in the workspace
    #[arg(
        long,
        global = true,
        env = "DPLOY_OBSERVER_GITHUB_PAT",
        value_name = "string",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub pat: Option<Secret>,
    /// Certificate authorities to trust beside those of the system, in PEM: those of a company
    #[arg(
        long,
        global = true,
        env = "DPLOY_CA_CERT",
        value_name = "file",
        hide_env_values = true,
        help_heading = EVERYWHERE,
        hide_short_help = true
    )]
    pub ca_cert: Option<PathBuf>,
    /// Seconds that Marathon, the observer and GitHub have for one answer
    #[arg(long, global = true, env = "DPLOY_TIMEOUT", value_name = "seconds", default_value_t = 30, hide_env_values = true, help_heading = EVERYWHERE,
        hide_short_help = true, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
}

impl Global {
    /// What must not stand in anything that is said.
    pub fn secrets(&self) -> Redactor {
        let secrets = Redactor::default();
        let given = [
            &self.marathon_password,
            &self.marathon_token,
            &self.mesos_password,
            &self.token,
            &self.pat,
        ];
        for secret in given.into_iter().flatten() {
            secrets.learn(secret.expose());
        }
        secrets
    }
}

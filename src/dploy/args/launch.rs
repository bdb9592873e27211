//! The arguments of `run`, `dryrun` and `doctor` about what becomes this app's, and about launching its observer.

use std::path::PathBuf;

use clap::{Args, FromArgMatches as _};

use crate::secret::Secret;

/// Which services become this app's that are not.
#[derive(Args, Clone)]
pub(in crate::dploy) struct AdoptArgs {
    /// Services that dploy did not make become this app's
    #[arg(long)]
    pub adopt: bool,
    /// The same for those with the label of this app, which must be gone
    #[arg(long, value_name = "app")]
    pub adopt_from: Option<String>,
}

impl AdoptArgs {
    /// Whether any do.
    pub fn any(&self) -> bool {
        self.adopt || self.adopt_from.is_some()
    }

    /// Whether a service with this label, or none, becomes this app's.
    pub fn takes(&self, label: Option<&str>) -> bool {
        match label {
            None => self.adopt,
            Some(label) => self.adopt_from.as_deref() == Some(label),
        }
    }
}

/// How the observer is launched.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Args)]
pub(in crate::dploy) struct LaunchArgs {
    /// Launch the observer again, with what is said here, and nothing else: after a launch that failed, or for another version
    #[arg(long, help_heading = "Launching the observer")]
    pub relaunch: bool,
    /// With -relaunch: the agent that has the observer's log is gone for good; it may start on another one, with an empty log
    #[arg(long, help_heading = "Launching the observer", requires = "relaunch")]
    pub another_agent: bool,
    /// The observer's Docker image
    #[arg(
        long,
        value_name = "image",
        env = "DPLOY_OBSERVER_IMAGE",
        help_heading = "Launching the observer"
    )]
    pub observer_image: Option<String>,
    /// Where agents fetch an archive with the observer's program, tar.gz with `observer` at its top: it runs without an image
    #[arg(
        long,
        value_name = "url",
        env = "DPLOY_OBSERVER_ARTIFACT",
        help_heading = "Launching the observer",
        conflicts_with = "observer_image"
    )]
    pub observer_artifact: Option<String>,
    /// A Marathon app spec to launch the observer from, instead of the built-in one
    #[arg(long, value_name = "file", help_heading = "Launching the observer")]
    pub observer_spec: Option<PathBuf>,
    /// The address under which GitHub and browsers reach the observer
    #[arg(
        long,
        value_name = "url",
        env = "DPLOY_OBSERVER_PUBLIC_URL",
        help_heading = "Launching the observer"
    )]
    pub public_url: Option<String>,
    /// Whose the first token is: the name in the observer's log; without it, git's user.name
    #[arg(long, value_name = "name", help_heading = "Launching the observer")]
    pub name: Option<String>,
    /// The observer's certificate, in PEM; without it, one is made where tokens would go over plain HTTP otherwise
    #[arg(long, value_name = "file", help_heading = "Launching the observer")]
    pub tls_cert: Option<String>,
    /// The key of that certificate
    #[arg(long, value_name = "file", help_heading = "Launching the observer")]
    pub tls_key: Option<Secret>,
    /// Make a certificate, whose fingerprint is said, also where none is needed
    #[arg(
        long,
        help_heading = "Launching the observer",
        conflicts_with = "tls_cert"
    )]
    pub self_signed: bool,
    /// The observer takes logins and tokens on plain HTTP, where anybody on the way can read them
    #[arg(long, help_heading = "Launching the observer")]
    pub allow_plain_login: bool,
}

impl LaunchArgs {
    /// As the variables of the shell have them, where nothing else was typed.
    ///
    /// # Errors
    /// When they exclude each other.
    pub fn of_environment() -> anyhow::Result<Self> {
        let command = Self::augment_args(clap::Command::new("dploy"));
        let matches = command.try_get_matches_from(["dploy"])?;
        Ok(Self::from_arg_matches(&matches)?)
    }

    /// The flags that were typed and count only where an observer is launched. A variable of the shell is there for every call.
    pub fn typed(&self) -> Vec<&'static str> {
        let typed = |given: &Option<String>, variable: &str| {
            let given = given.as_deref().filter(|g| !g.is_empty());
            given.is_some_and(|g| std::env::var(variable).as_deref() != Ok(g))
        };
        let flags = [
            (
                "-observer-image",
                typed(&self.observer_image, "DPLOY_OBSERVER_IMAGE"),
            ),
            (
                "-observer-artifact",
                typed(&self.observer_artifact, "DPLOY_OBSERVER_ARTIFACT"),
            ),
            ("-observer-spec", self.observer_spec.is_some()),
            (
                "-public-url",
                typed(&self.public_url, "DPLOY_OBSERVER_PUBLIC_URL"),
            ),
            ("-name", self.name.is_some()),
            ("-tls-cert", self.tls_cert.is_some()),
            ("-tls-key", self.tls_key.is_some()),
            ("-self-signed", self.self_signed),
            ("-allow-plain-login", self.allow_plain_login),
        ];
        let typed = flags.into_iter().filter(|(_, typed)| *typed);
        typed.map(|(flag, _)| flag).collect()
    }
}

//! A commit or a deploy on the command line, told apart by how it is written.

use std::str::FromStr;

use clap::Args;

use crate::id::DeployNumber;

/// What somebody means: `#40` is a deploy, anything else a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dploy) enum Place {
    Deploy(DeployNumber),
    Commit(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('#') {
            Some(number) if !number.starts_with('#') => deploy_number(number)
                .map(Self::Deploy)
                .map_err(|_| no_number(text)),
            Some(_) => Err(no_number(text)),
            None if text.trim().is_empty() => Err("a commit is missing".to_owned()),
            None => Ok(Self::Commit(text.to_owned())),
        }
    }
}

/// The number of a deploy, with or without the `#`.
pub(in crate::dploy) fn deploy_number(text: &str) -> Result<DeployNumber, String> {
    let number = text.strip_prefix('#').unwrap_or(text);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number = Some(number).filter(|_| digits).and_then(|n| n.parse().ok());
    let number = number.filter(|n| *n > 0).map(DeployNumber);
    number.ok_or_else(|| no_number(text))
}

fn no_number(text: &str) -> String {
    format!("{text:?} is no number of a deploy: they count from 1, write -deploy 40 or '#40'")
}

/// A deploy by its number, where a commit may be named too.
#[derive(Args, Clone, Copy)]
pub(in crate::dploy) struct DeployArg {
    /// The deploy of this number, instead of a commit: what '#40' means, and no shell takes it for a comment
    #[arg(long = "deploy", value_name = "number", value_parser = deploy_number, conflicts_with = "to")]
    pub deploy: Option<DeployNumber>,
}

impl DeployArg {
    /// What is meant, by this flag or beside it.
    pub fn or(self, to: Option<&Place>) -> Option<Place> {
        self.deploy.map(Place::Deploy).or_else(|| to.cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sign_makes_a_deploy_of_a_number() {
        let deploy = |n| Ok(Place::Deploy(DeployNumber(n)));
        assert_eq!("#40".parse(), deploy(40));
        for commit in ["40", "4000", "HEAD~1", "7c35f77", "v1"] {
            assert_eq!(commit.parse(), Ok(Place::Commit(commit.to_owned())));
        }
        for wrong in ["#", "#x", "#0", "#-1", "##4", "#4294967296", "", " "] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong:?}");
        }
        assert_eq!(deploy_number("40"), Ok(DeployNumber(40)));
        assert_eq!(deploy_number("#40"), Ok(DeployNumber(40)));
        for wrong in ["", "0", "x", "+4", "4.0"] {
            assert!(deploy_number(wrong).is_err(), "{wrong:?}");
        }
    }
}

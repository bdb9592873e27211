//! The arguments of `token`.

use clap::{Args, Subcommand};

use crate::access::Role;
use crate::id::AppId;

#[derive(Subcommand)]
pub(in crate::dploy) enum TokenCommand {
    /// Make a token of this name and print it, once
    Add(TokenAdd),
    /// Whom the observer knows
    List,
    /// Revoke a token; who has it is out at once, with its sessions
    Remove {
        /// Whose
        name: String,
    },
}

#[derive(Args)]
pub(in crate::dploy) struct TokenAdd {
    /// Whose it is: the name in the observer's log
    pub name: String,
    /// What it may do: viewer, operator or admin
    #[arg(long, value_name = "role", default_value = "operator")]
    pub role: Role,
    /// The apps it is for, separated by commas; without it, all
    #[arg(long, value_name = "apps", value_delimiter = ',')]
    pub apps: Option<Vec<AppId>>,
    /// When it ends: 30d, 2026-12-31; without it, never
    #[arg(long, value_name = "time")]
    pub expires: Option<String>,
}

//! `observer verify`, `rebuild` and `token`: on a log whose observer is stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use crate::access::{self, Person, Role, is_name};
use crate::clock::{self, stamp, typed_moment};
use crate::id::AppId;
use crate::secret::Secret;
use crate::store::{self, NewToken, Store, StoreError, TokenRow};

/// Operator tokens.
#[derive(Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token of this name and print it, once
    Add {
        /// Who will use it; the actor in the log
        name: String,
        /// What it may do: viewer, operator or admin
        #[arg(long, value_name = "role", default_value = "operator")]
        role: Role,
        /// The apps it is for, separated by commas; without it, all
        #[arg(long, value_name = "apps", value_delimiter = ',')]
        apps: Option<Vec<AppId>>,
        /// When it ends: 30d, 2026-12-31; without it, never
        #[arg(long, value_name = "time")]
        expires: Option<String>,
    },
    /// Revoke the token of this name, and its sessions
    Remove {
        /// Whose
        name: String,
    },
    /// The names of all tokens
    List,
}

pub(super) async fn verify(folder: &Path) -> anyhow::Result<ExitCode> {
    let report = store::verify(folder).await?;
    println!("{} events, {} stored files", report.events, report.blobs);
    if report.wrong.is_empty() {
        println!(
            "the chain is whole and every table is what the events say; the newest hash is {}",
            report.head
        );
        return Ok(ExitCode::SUCCESS);
    }
    report
        .wrong
        .iter()
        .for_each(|wrong| println!("wrong: {wrong}"));
    Ok(ExitCode::FAILURE)
}

pub(super) async fn rebuild(folder: &Path) -> anyhow::Result<ExitCode> {
    let events = store::rebuild(folder).await?;
    println!("the tables were made anew from {events} events");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn token(args: &TokenArgs, folder: &Path) -> anyhow::Result<ExitCode> {
    let fatal: store::OnFatal = Arc::new(|why| {
        eprintln!("observer: {why}");
        std::process::exit(70);
    });
    let store = Store::open(folder, crate::clock::system(), fatal).await?;
    match &args.command {
        TokenCommand::Add {
            name,
            role,
            apps,
            expires,
        } => {
            anyhow::ensure!(
                is_name(name),
                "{name:?} is no name for a token: {}",
                access::NAME
            );
            for app in apps.iter().flatten() {
                let known = store.app(app).await?.is_some_and(|app| !app.destroyed);
                anyhow::ensure!(known, "there is no app {app}");
            }
            let token = Secret::random()?;
            let person = Person {
                name: name.clone(),
                role: *role,
                apps: apps.as_ref().map(|apps| apps.iter().cloned().collect()),
                proof: None,
            };
            let new = NewToken {
                person,
                hash: token.sha256(),
                expires_at: expires.as_deref().map(ends).transpose()?,
            };
            store.add_token(new).await.map_err(|error| match error {
                StoreError::Exists(_) => {
                    anyhow::anyhow!("{error}; `observer token remove {name}` revokes it")
                }
                other => other.into(),
            })?;
            println!("{}", token.expose());
        }
        TokenCommand::Remove { name } => {
            anyhow::ensure!(
                store.tokens().await?.iter().any(|t| t.person.name == *name),
                "there is no token {name:?}; `observer token list` names them"
            );
            store.drop_token(name, true).await?;
            println!("the token {name} is revoked");
        }
        TokenCommand::List => {
            let now = stamp(clock::system().now());
            for token in store.tokens().await? {
                println!("{}", line(&token, &now));
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// When a token ends, as people type it.
fn ends(text: &str) -> anyhow::Result<String> {
    let now = clock::system().now();
    let end = typed_moment(text, now, &TimeZone::system())
        .map_err(|why| anyhow::anyhow!("-expires: {why}"))?;
    anyhow::ensure!(end > now, "-expires: {text} is over already");
    Ok(stamp(end))
}

fn line(token: &TokenRow, now: &str) -> String {
    let of = match &token.person.apps {
        None => "all apps".to_owned(),
        Some(apps) => {
            let names: Vec<&str> = apps.iter().map(AppId::as_str).collect();
            names.join(",")
        }
    };
    let end = match &token.expires_at {
        None => String::new(),
        Some(end) if token.is_over(now) => format!("  ended {end}"),
        Some(end) => format!("  until {end}"),
    };
    let person = &token.person;
    let since = &token.created_at;
    format!(
        "{}  {} of {of}  since {since}{end}",
        person.name, person.role
    )
}

//! `observer verify`, `rebuild` and `token`: on a log whose observer is stopped.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::secret::Secret;
use crate::store::{self, Store};

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
        TokenCommand::Add { name } => {
            let plain = !name.is_empty()
                && name.len() <= 40
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
            anyhow::ensure!(
                plain,
                "{name:?} is no name for a token: 1 to 40 letters, digits, - _ . @"
            );
            anyhow::ensure!(
                store.tokens().await?.iter().all(|t| t.name != *name),
                "there is a token {name} already, and it stays; `observer token remove {name}` revokes it"
            );
            let token = Secret::random()?;
            store.put_token(name, &token.sha256()).await?;
            println!("{}", token.expose());
        }
        TokenCommand::Remove { name } => {
            anyhow::ensure!(
                store.tokens().await?.iter().any(|t| t.name == *name),
                "there is no token {name:?}; `observer token list` names them"
            );
            store.drop_token(name).await?;
            println!("the token {name} is revoked");
        }
        TokenCommand::List => {
            for token in store.tokens().await? {
                println!("{}  since {}", token.name, token.created_at);
            }
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

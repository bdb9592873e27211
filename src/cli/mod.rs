//! The command line of `observer`: arguments → what to run → exit code.

mod flags;
#[cfg(feature = "local")]
mod local;
mod logging;
mod maintain;
mod repeats;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use flags::{command_first, go_style};

use crate::app;
use crate::settings::Settings;

/// Push-to-deploy for Marathon: persistent, event-sourced, with a web UI.
///
/// Without a command it observes. Flags may be written as Go does (-owner=x, -owner x) or with two dashes; every flag
/// has an environment variable.
#[derive(Parser)]
#[command(
    name = "observer",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = false
)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine: a local Marathon, a local GitHub, the observer between them, a sample repository
    #[cfg(feature = "local")]
    Local(local::LocalArgs),
    /// Everything on this machine; not in this build
    #[cfg(not(feature = "local"))]
    #[command(hide = true)]
    Local {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Check the log: the chain of hashes, every stored spec, and every table against the events
    Verify(DataArgs),
    /// Make the tables anew from the events
    Rebuild(DataArgs),
    /// Operator tokens
    Token(maintain::TokenArgs),
}

/// Which log.
#[derive(Args)]
struct DataArgs {
    /// The data folder; without it, the one of the settings
    #[arg(long = "data-folder", value_name = "folder")]
    folder: Option<PathBuf>,
}

/// Runs the program. `arguments` begin with its name.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(go_style(arguments)) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("observer: no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(&matches)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("observer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line; the settings may stand before or behind a command.
fn command() -> clap::Command {
    let command = Cli::command().mut_args(|a| a.global(true));
    #[cfg(feature = "local")]
    let command = with_parts(command);
    command
}

/// A part of the local world has no use for most settings; they are read, and not shown.
#[cfg(feature = "local")]
fn with_parts(command: clap::Command) -> clap::Command {
    let settings: Vec<clap::Arg> = command.get_arguments().cloned().collect();
    let whole: Vec<clap::Arg> = settings.iter().filter_map(local::setting).collect();
    let used = |arg: &clap::Arg| matches!(arg.get_id().as_str(), "loglevel" | "log_format");
    command.mut_subcommand("local", |local| {
        let part = |part: clap::Command| {
            let unused = settings.iter().filter(|a| !used(a));
            part.args(unused.map(|a| a.clone().hide(true)))
        };
        local
            .args(whole)
            .mut_subcommand("marathon", part)
            .mut_subcommand("github", part)
    })
}

async fn dispatch(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let cli = Cli::from_arg_matches(matches)?;
    let folder = |args: &DataArgs| {
        args.folder
            .clone()
            .unwrap_or_else(|| cli.settings.data.clone())
    };
    match &cli.command {
        None => {
            logging::start(&cli.settings)?;
            observe(cli.settings, matches).await
        }
        #[cfg(feature = "local")]
        Some(Command::Local(args)) => local::run(args, &cli.settings, matches).await,
        #[cfg(not(feature = "local"))]
        Some(Command::Local { .. }) => anyhow::bail!(
            "the local world is not in this build; `cargo build --release --bin observer` makes one with it (its feature `local` is on by default)"
        ),
        Some(Command::Verify(args)) => maintain::verify(&folder(args)).await,
        Some(Command::Rebuild(args)) => maintain::rebuild(&folder(args)).await,
        Some(Command::Token(args)) => maintain::token(args, &cli.settings.data).await,
    }
}

async fn observe(settings: Settings, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(&settings.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another address with -listen or DPLOY_OBSERVER_LISTEN",
            settings.listen
        )
    })?;
    let surroundings = app::Surroundings::usual(&settings, Settings::shown(matches));
    let shutdown = CancellationToken::new();
    let observing = app::run(listener, settings, surroundings, shutdown.clone());
    tokio::pin!(observing);
    tokio::select! {
        ended = &mut observing => ended?,
        () = signalled() => {
            tracing::info!("stopping");
            shutdown.cancel();
            observing.await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

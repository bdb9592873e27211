//! `dploy`: the command line that people type. It deploys a workspace to Marathon, launches the observer, and operates it.

mod absence;
mod args;
mod begun;
mod destroy;
mod diff;
mod direct;
mod doctor;
mod dryrun;
mod failure;
mod follow;
mod init;
mod launch;
mod limit;
mod list;
mod logs;
mod ls;
mod manual;
mod open;
mod operate;
mod preview;
mod progress;
mod remove_service;
mod run;
mod session;
mod show;
mod terminal;
mod token;
mod trust;
mod why;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use self::args::{Command, Dploy, program};
use self::failure::{CHANGES, FAILED, Failure, HELD};
use self::session::Session;
use crate::cli::{command_first, go_style};
use crate::secret::Redactor;

pub use self::failure::Word;

/// Runs the program. `arguments` begin with its name.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = command_first(go_style(arguments), &program());
    let parsed = program().try_get_matches_from(&arguments);
    let parsed = parsed.and_then(|matches| Dploy::from_arg_matches(&matches));
    let dploy = match parsed {
        Ok(dploy) => dploy,
        Err(error) => return misread(&error, &arguments),
    };
    let (json, secrets) = (dploy.global.json, dploy.global.secrets());
    // an error only says that somebody installed one before
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(dispatch(dploy));
            // a question that nobody answered must not hold the end up
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(code) => code,
        Err(error) => Failure::from_error(&error).say(json, &secrets),
    }
}

/// What is said of a command line that is none, or of one that asks for help.
fn misread(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let flags = arguments.iter().map_while(|a| a.to_str());
    let mut flags = flags.take_while(|a| *a != "--");
    let json = flags.any(|a| matches!(a, "--json" | "--json=true"));
    if !json || !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { CHANGES } else { 0 });
    }
    let said = error.render().to_string();
    let mut parts = said.split("\n\n");
    let first = parts.next().unwrap_or_default();
    let detail = first.strip_prefix("error: ").unwrap_or(first);
    let detail = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "a command is missing"
        }
        _ => detail,
    };
    let tip = parts.find_map(|p| p.trim().strip_prefix("tip: "));
    let hint = tip.unwrap_or("`dploy help` lists the commands, --help what each takes");
    let failure = Failure::of(Word::Usage, detail).hint(hint);
    failure.say(true, &Redactor::default())
}

/// The certificate authorities of `-ca-cert`.
fn trust(file: &std::path::Path) -> anyhow::Result<()> {
    let shown = file.display();
    let pem = std::fs::read(file).with_context(|| format!("-ca-cert: {shown} cannot be read"))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem);
    let authorities = authorities.ok().filter(|all| !all.is_empty());
    let authorities = authorities
        .ok_or_else(|| anyhow::anyhow!("-ca-cert: {shown} has no certificate in PEM"))?;
    crate::transport::trust_also(authorities);
    Ok(())
}

async fn dispatch(dploy: Dploy) -> anyhow::Result<ExitCode> {
    if let Some(file) = dploy
        .global
        .ca_cert
        .as_ref()
        .filter(|f| !f.as_os_str().is_empty())
    {
        trust(file)?;
    }
    let session = Session::new(dploy.global);
    match &dploy.command {
        Command::Init(args) => init::run(&session, args),
        Command::Dryrun(args) => dryrun::dryrun(&session, args).await,
        Command::Run(args) => run::run(&session, args).await,
        Command::Destroy(args) => destroy::run(&session, args).await,
        Command::Ls => ls::run(&session),
        Command::Ps => list::ps(&session).await,
        Command::Scale(args) => list::scale(&session, args).await,
        Command::History(args) => show::history(&session, args).await,
        Command::Rollback(args) => operate::rollback(&session, args).await,
        Command::Deploy(args) => operate::deploy(&session, args).await,
        Command::Redeploy(args) => operate::redeploy(&session, args).await,
        Command::Adopt(args) => operate::adopt(&session, args).await,
        Command::Cancel(args) => operate::cancel(&session, args).await,
        Command::Why(args) => why::run(&session, args).await,
        Command::Diff(args) => diff::run(&session, args).await,
        Command::Lock(args) => operate::lock(&session, args).await,
        Command::Unlock(args) => operate::go_on(&session, "unlock", args).await,
        Command::Resume(args) => operate::go_on(&session, "resume", args).await,
        Command::Status(args) => show::watch(&session, args).await,
        Command::Open => open::run(&session).await,
        Command::Logs(args) => logs::run(&session, args).await,
        Command::Token(command) => token::run(&session, command).await,
        Command::Doctor => doctor::run(&session).await,
        Command::Completions { shell } => {
            manual::complete(*shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { folder } => manual::man(&session, folder.as_deref()),
        Command::Flags => {
            manual::flags();
            Ok(ExitCode::SUCCESS)
        }
    }
}

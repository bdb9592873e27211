//! `observer local`: the local world, whole or in parts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, Subcommand};

use super::signalled;
use crate::local::serve::{self, Page};
use crate::local::world::{self, Ports, World};
use crate::settings::Settings;

/// The local world.
#[derive(Args)]
pub(super) struct LocalArgs {
    /// Where its state is kept
    #[arg(
        long,
        value_name = "folder",
        default_value = "./dploy-local",
        global = true
    )]
    dir: PathBuf,
    /// Forget the state and start anew
    #[arg(long)]
    fresh: bool,
    /// Port of the observer; 0: any that is free
    #[arg(long, default_value_t = 8888)]
    observer_port: u16,
    /// Port of the local Marathon; 0: any that is free
    #[arg(long, default_value_t = 8080)]
    marathon_port: u16,
    /// Port of the local GitHub; 0: any that is free
    #[arg(long, default_value_t = 3000)]
    github_port: u16,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// The local Marathon alone
    Marathon {
        /// Its port; 0: any that is free
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// The local GitHub alone
    Github {
        /// Its port; 0: any that is free
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
    /// The tiny web server that tasks of the local world run
    #[command(hide = true)]
    Serve(ServeArgs),
}

#[derive(Args)]
struct ServeArgs {
    #[arg(long)]
    port: u16,
    #[arg(long, default_value = "hello")]
    title: String,
    #[arg(long, default_value = "1")]
    version: String,
    #[arg(long, default_value = "#2563eb")]
    colour: String,
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Seconds
    #[arg(long, default_value_t = 0.0)]
    listen_after: f64,
    /// Seconds
    #[arg(long)]
    exit_after: Option<f64>,
    #[arg(long, default_value_t = 0)]
    exit_code: i32,
}

pub(super) async fn run(
    args: &LocalArgs,
    settings: &Settings,
    matches: &ArgMatches,
) -> anyhow::Result<ExitCode> {
    // an error only says that somebody installed one before
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &args.part {
        Some(Part::Serve(page)) => {
            serve::run(page_of(page)).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Part::Marathon { port }) => {
            super::logging::start(settings)?;
            let marathon = world::marathon(&args.dir, *port, "-port").await?;
            println!("local Marathon: {}", marathon.url());
            println!("Ctrl-C stops it and every task it runs");
            signalled().await;
            marathon.stop().await;
        }
        Some(Part::Github { port }) => {
            super::logging::start(settings)?;
            let github = world::github(&args.dir, *port, "-port").await?;
            println!("local GitHub: {}", github.url());
            println!(
                "its token is in {}",
                args.dir.join("github-token").display()
            );
            signalled().await;
            github.stop().await;
        }
        None => {
            super::logging::start(&quieter(settings, matches))?;
            let ports = Ports {
                observer: args.observer_port,
                marathon: args.marathon_port,
                github: args.github_port,
            };
            let world = World::start(
                &args.dir,
                args.fresh,
                ports,
                settings.clone(),
                &Settings::shown(matches),
            )
            .await?;
            println!("{}", world.welcome());
            signalled().await;
            println!("\nstopping");
            world.stop().await;
            println!("stopped; nothing is left running. Starting again finds everything as it is.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Somebody who tries it reads the welcome, not the log, unless they ask for it.
fn quieter(settings: &Settings, matches: &ArgMatches) -> Settings {
    let asked = matches.value_source("loglevel") != Some(clap::parser::ValueSource::DefaultValue);
    let loglevel = if asked {
        settings.loglevel.clone()
    } else {
        "warn".to_owned()
    };
    Settings {
        loglevel,
        ..settings.clone()
    }
}

fn page_of(args: &ServeArgs) -> Page {
    let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
    Page {
        port: args.port,
        title: args.title.clone(),
        version: args.version.clone(),
        colour: args.colour.clone(),
        status: args.status,
        listen_after: seconds(args.listen_after),
        exit_after: args.exit_after.map(|s| (seconds(s), args.exit_code)),
    }
}

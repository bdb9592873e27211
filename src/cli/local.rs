//! `observer local`: the local world, whole or in parts.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand};
use local_marathon::{Credentials, Options};

use super::signalled;
use crate::local::serve::{self, Page};
use crate::local::world::{self, Ports, World};
use crate::settings::Settings;

/// Prints a line; whoever closed the other end (`| head -1`) does not want to read it.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

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
    #[command(after_help = MARATHON_EXAMPLES)]
    Marathon(MarathonArgs),
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

const MARATHON_EXAMPLES: &str = "\
Examples:
  observer local marathon
  curl -sS http://127.0.0.1:8080/v2/apps --json '{\"id\": \"/web\", \"cmd\": \"serve --port $PORT0\"}'
  open http://127.0.0.1:8080/ in a browser: apps, tasks, health, deployments, logs";

#[derive(Args)]
struct MarathonArgs {
    /// Its port; 0: any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Basic authentication that every request must carry, as with Marathon's flag of that name
    #[arg(long, value_name = "user:password")]
    http_credentials: Option<String>,
    /// Milliseconds between two comparisons of the tasks of every app with its instances, as with Marathon's flag
    #[arg(long, value_name = "milliseconds", default_value_t = 300_000)]
    scale_apps_interval: u64,
    /// Milliseconds from the start to the first such comparison, as with Marathon's flag
    #[arg(long, value_name = "milliseconds", default_value_t = 15_000)]
    scale_apps_initial_delay: u64,
}

/// A setting as the help of `observer local` has it, where that is not as everywhere: what the local world sets itself is not shown.
pub(super) fn setting(arg: &clap::Arg) -> Option<clap::Arg> {
    let name = arg.get_id().as_str();
    if let Some((_, seconds)) = world::QUICK.iter().find(|(quick, _)| *quick == name) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let here = format!("{help}; {seconds} here, unless it is set");
        return Some(arg.clone().hide_default_value(true).help(here));
    }
    let by_flag = [
        "loglevel",
        "log_format",
        "marathon_timeout",
        "delay_registration",
    ];
    let rules = ["allow_ids", "allow_plain_login", "trusted_proxy", "private"];
    let shown = by_flag.contains(&name) || rules.contains(&name);
    (!shown).then(|| arg.clone().hide(true))
}

/// What is wrong is said without the value: it is a secret.
fn credentials(given: Option<&str>) -> anyhow::Result<Option<Credentials>> {
    let user = given.map(|text| {
        text.split_once(':')
            .is_some_and(|(user, _)| !user.is_empty())
    });
    anyhow::ensure!(
        user != Some(false),
        "-http-credentials takes a user and a password with a colon between them, user:password"
    );
    Ok(given.map(Credentials::new))
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
    let whole = ["fresh", "observer_port", "marathon_port", "github_port"];
    let given = local_matches(matches).is_some_and(|local| {
        let set = |name: &&str| local.value_source(name) == Some(ValueSource::CommandLine);
        whole.iter().any(set)
    });
    if args.part.is_some() && given {
        eprintln!(
            "observer: -fresh, -observer-port, -marathon-port and -github-port are for `observer local` as a whole; \
             a part has -port, and is anew with a new -dir"
        );
        return Ok(ExitCode::from(2));
    }
    match &args.part {
        Some(Part::Serve(page)) => {
            serve::run(page_of(page)).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Part::Marathon(marathon)) => {
            super::logging::start(settings)?;
            let credentials = credentials(marathon.http_credentials.as_deref())?;
            let change = |options: &mut Options| {
                options.credentials = credentials;
                options.pace.scale_check = Duration::from_millis(marathon.scale_apps_interval);
                options.pace.first_scale_check =
                    Duration::from_millis(marathon.scale_apps_initial_delay);
            };
            let marathon = world::marathon(&args.dir, marathon.port, "-port", change).await?;
            say!("local Marathon: {}", marathon.url());
            say!("Ctrl-C stops it and every task it runs");
            signalled().await;
            marathon.stop().await;
        }
        Some(Part::Github { port }) => {
            super::logging::start(settings)?;
            let github = world::github(&args.dir, *port, "-port").await?;
            say!("local GitHub: {}", github.url());
            say!(
                "its token is in {}",
                args.dir.join("github-token").display()
            );
            signalled().await;
            github.stop().await;
        }
        None => {
            // its own Marathon and its own GitHub reach it by plain HTTP on loopback
            anyhow::ensure!(
                settings.tls_cert.is_none() && settings.tls_key.is_none(),
                "-tls-cert: the local world speaks plain HTTP, on this machine alone; to try TLS start `observer local marathon`, `observer local github` and an observer beside them"
            );
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
            say!("{}", world.welcome());
            signalled().await;
            say!("\nstopping");
            world.stop().await;
            say!("stopped; nothing is left running. Starting again finds everything as it is.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments of `local` itself.
fn local_matches(matches: &ArgMatches) -> Option<&ArgMatches> {
    matches.subcommand().map(|(_, local)| local)
}

/// Somebody who tries it reads the welcome, not the log, unless they ask for it.
fn quieter(settings: &Settings, matches: &ArgMatches) -> Settings {
    let asked = matches.value_source("loglevel") != Some(ValueSource::DefaultValue);
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

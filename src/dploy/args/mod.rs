//! The arguments of `dploy`: one type a command, each flag with its help and its variable.

mod examples;
mod global;
mod launch;
mod operate;
mod place;
mod token;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub(super) use self::examples::EXAMPLES;
use self::examples::with_examples;
pub(super) use self::global::{Global, USUAL_MESOS_DNS};
pub(super) use self::launch::{AdoptArgs, LaunchArgs};
pub(super) use self::operate::{
    AdoptCommandArgs, CancelArgs, DeployArgs, DiffArgs, FollowArgs, LockArgs, ReasonArgs,
    RedeployArgs, RollbackArgs,
};
pub(super) use self::place::{DeployArg, Place};
pub(super) use self::token::{TokenAdd, TokenCommand};

/// Deploys apps to Marathon, launches their observer and operates it.
///
/// An app is a folder with a descriptor dploy.app and Marathon specs in specs/. Flags may be written as Go does
/// (-workspace=x, -workspace x) or with two dashes, before the command or after it. Exit codes: 0 done or nothing to do, 1 error, 2 usage or "would
/// change", 3 the deploy failed, 4 held or locked.
#[derive(Parser)]
#[command(name = "dploy", version, arg_required_else_help = true)]
pub(super) struct Dploy {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The whole command line.
pub(super) fn program() -> clap::Command {
    with_examples(Dploy::command())
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a descriptor dploy.app and specs/ with one service that runs
    Init(InitArgs),
    /// Show what run would change in Marathon, and change nothing
    Dryrun(DryrunArgs),
    /// Deploy the app and follow it to health; launch its observer
    Run(RunArgs),
    /// Take the app down: its services, its webhook, its observer
    Destroy(DestroyArgs),
    /// List the services that the specs describe
    Ls,
    /// List the services that run
    Ps,
    /// Set the number of instances of a service
    Scale(ScaleArgs),
    /// List the app's deploys
    History(HistoryArgs),
    /// Go back to an earlier commit or deploy, and stay there
    Rollback(RollbackArgs),
    /// Deploy the head of the branch, or another commit
    Deploy(DeployArgs),
    /// Deploy what is live once more: what drifted or stopped is made good
    Redeploy(RedeployArgs),
    /// Take services over that nobody owns, or that an app left which is gone
    Adopt(AdoptCommandArgs),
    /// End the deploy that runs
    Cancel(CancelArgs),
    /// Why a commit is, or is not, live
    Why(WhyArgs),
    /// In what two deploys differ, service by service; alone, what the last deploy changed
    Diff(DiffArgs),
    /// Nobody deploys until unlock
    Lock(LockArgs),
    /// Let deploys go on
    Unlock(ReasonArgs),
    /// Follow the branch again after a rollback
    Resume(ReasonArgs),
    /// How the app stands
    Status(StatusArgs),
    /// Open the dashboard of the app in a browser
    Open,
    /// What the tasks of the app write, with the instance in front of each line
    Logs(LogsArgs),
    /// Tokens of the observer: whom it knows, and what they may do
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check everything that push-to-deploy needs
    Doctor,
    /// Completions for a shell, on standard output
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Man pages of dploy and each of its commands, into a folder
    Man {
        /// The folder, which is made; without it, the page of dploy goes to standard output
        folder: Option<PathBuf>,
    },
    /// The flags that every command has: where Marathon, the observer and GitHub are, what they are shown, how it is said
    #[command(hide = true)]
    Flags,
}

/// Shells that completions are made for.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Args)]
pub(super) struct InitArgs {
    /// The app's name; without it, the folder's
    #[arg(long, value_name = "string")]
    pub name: Option<String>,
    /// The repository to push to, e.g. <https://github.com/mhausenblas/s4d>
    #[arg(long, value_name = "url")]
    pub repo_url: Option<String>,
    /// IP address or FQDN of the public node
    #[arg(long, value_name = "host")]
    pub public_node: Option<String>,
    /// The branch whose pushes are deployed
    #[arg(long, value_name = "string")]
    pub trigger_branch: Option<String>,
}

#[derive(Args)]
pub(super) struct DryrunArgs {
    /// Exit with 2 when something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
    #[command(flatten)]
    pub adopt: AdoptArgs,
    #[command(flatten)]
    pub launch: LaunchArgs,
}

#[derive(Args)]
pub(super) struct RunArgs {
    /// Apply around the observer, if one deploys this app
    #[arg(long)]
    pub direct: bool,
    /// Override somebody else's Marathon deployment
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub adopt: AdoptArgs,
    /// Seconds without progress after which the rollout has failed; without it, deadline of dploy.app, or 600
    #[arg(long, value_name = "seconds")]
    pub deadline: Option<u64>,
    /// Seconds that services must run that have no health checks, or failed before
    #[arg(long, value_name = "seconds", default_value_t = 10)]
    pub settle: u64,
    #[command(flatten)]
    pub follow: FollowArgs,
    #[command(flatten)]
    pub launch: LaunchArgs,
}

#[derive(Args)]
pub(super) struct DestroyArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Leave the services running
    #[arg(long)]
    pub keep_services: bool,
    /// Act although the app is locked
    #[arg(long)]
    pub override_lock: bool,
}

#[derive(Args)]
pub(super) struct ScaleArgs {
    /// The service: its id, or the end of it
    #[arg(long, value_name = "service")]
    pub pid: String,
    /// How many instances
    #[arg(long, value_name = "number", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub instances: u32,
    /// Act although the app is locked
    #[arg(long)]
    pub override_lock: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub follow: FollowArgs,
}

#[derive(Args)]
pub(super) struct HistoryArgs {
    /// How many deploys; with -all, every one
    #[arg(short = 'n', long, value_name = "number", default_value_t = 20)]
    pub number: usize,
}

#[derive(Args)]
pub(super) struct StatusArgs {
    /// Look again every two seconds, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

#[derive(Args)]
pub(super) struct LogsArgs {
    /// The service: its id, or the end of it; without it, all of the app
    pub service: Option<String>,
    /// Go on with what is written from now on, through restarts and rollouts, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// How many lines of each task to begin with
    #[arg(short = 'n', long, value_name = "number", default_value_t = 20)]
    pub number: usize,
    /// What they complain of, instead of what they say
    #[arg(long)]
    pub stderr: bool,
}

#[derive(Args)]
pub(super) struct WhyArgs {
    /// The commit, or a name that git knows, such as HEAD; or a deploy such as '#40', whose commit is meant
    #[arg(value_name = "commit", required_unless_present = "deploy")]
    pub to: Option<Place>,
    #[command(flatten)]
    pub deploy: DeployArg,
}

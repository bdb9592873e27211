//! The arguments of what operators do.

use clap::Args;

use super::place::{DeployArg, Place, deploy_number};
use crate::id::DeployNumber;

#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Args)]
pub(in crate::dploy) struct RollbackArgs {
    /// A commit (4 digits or more of it, or a name that git knows, such as HEAD~1), or a deploy such as '#40'; without it, the last
    /// deploy that worked, or where that is what runs, the one before it
    #[arg(value_name = "commit")]
    pub to: Option<Place>,
    #[command(flatten)]
    pub deploy: DeployArg,
    /// Why; shown in the history and while the app is pinned
    #[arg(short = 'm', long = "message", value_name = "reason")]
    pub reason: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Stay until resume, whatever is pushed
    #[arg(long)]
    pub manual: bool,
    /// Only this service
    #[arg(long, value_name = "id")]
    pub service: Option<String>,
    /// Take the instance counts of the old specs instead of keeping those that run
    #[arg(long)]
    pub scale: bool,
    /// Act although the app is locked
    #[arg(long)]
    pub override_lock: bool,
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Whether and how long what was begun is followed.
#[derive(Args, Clone, Copy, Default)]
pub(in crate::dploy) struct FollowArgs {
    /// Return as soon as it is accepted, and say how to look at it
    #[arg(long, conflicts_with = "wait")]
    pub detach: bool,
    /// Follow it for so many seconds; then it goes on, and the exit code is 1
    #[arg(long, value_name = "seconds", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: Option<u64>,
}

/// What deploying and deploying once more are told alike.
#[derive(Args)]
pub(in crate::dploy) struct WishArgs {
    /// Why
    #[arg(short = 'm', long = "message", value_name = "reason")]
    pub reason: Option<String>,
    /// Act although the app is locked
    #[arg(long)]
    pub override_lock: bool,
    /// Override somebody else's Marathon deployment
    #[arg(long)]
    pub force: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub follow: FollowArgs,
}

#[derive(Args)]
pub(in crate::dploy) struct DeployArgs {
    /// A commit or a deploy such as '#40'; without it, the head of the branch. Anything but the head pins the app
    #[arg(value_name = "commit")]
    pub to: Option<Place>,
    #[command(flatten)]
    pub deploy: DeployArg,
    #[command(flatten)]
    pub wish: WishArgs,
}

#[derive(Args)]
pub(in crate::dploy) struct RedeployArgs {
    /// A commit or a deploy such as '#40'; without it, what is live. Anything but the head pins the app
    #[arg(value_name = "commit")]
    pub to: Option<Place>,
    #[command(flatten)]
    pub deploy: DeployArg,
    /// Only this service
    #[arg(long, value_name = "id")]
    pub service: Option<String>,
    #[command(flatten)]
    pub wish: WishArgs,
}

#[derive(Args)]
pub(in crate::dploy) struct AdoptCommandArgs {
    /// Ids of services; without any, all of the head's specs
    pub services: Vec<String>,
    /// Those with the label of this app, which must be gone
    #[arg(long, value_name = "app")]
    pub from: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub follow: FollowArgs,
}

#[derive(Args)]
pub(in crate::dploy) struct DiffArgs {
    /// From where to where, each a commit or a deploy such as '#40'; of one alone, from it to what is live
    #[arg(value_name = "commit", num_args = 0..=2, conflicts_with = "deploys")]
    pub places: Vec<Place>,
    /// The deploys of these numbers, instead: from the first to the second
    #[arg(long = "deploy", value_name = "number", id = "deploys", value_parser = deploy_number)]
    pub deploys: Vec<DeployNumber>,
    /// Exit with 2 where something differs
    #[arg(long)]
    pub detailed_exitcode: bool,
}

impl DiffArgs {
    /// What is compared, in either way.
    pub fn places(&self) -> Vec<Place> {
        let deploys = self.deploys.iter().copied().map(Place::Deploy);
        deploys.chain(self.places.iter().cloned()).collect()
    }
}

#[derive(Args)]
pub(in crate::dploy) struct CancelArgs {
    /// The deploy, such as '#40'; without it, the one that runs
    #[arg(value_name = "number", value_parser = deploy_number)]
    pub to: Option<DeployNumber>,
    #[command(flatten)]
    pub deploy: DeployArg,
    /// Why
    #[arg(short = 'm', long = "message", value_name = "reason")]
    pub reason: Option<String>,
}

#[derive(Args)]
pub(in crate::dploy) struct LockArgs {
    /// Why, for those who meet the lock
    #[arg(short = 'm', long = "message", value_name = "reason")]
    pub reason: String,
    /// When it ends by itself: 2h, 18:00, 2026-12-31; without it, at unlock
    #[arg(long, value_name = "time")]
    pub until: Option<String>,
}

#[derive(Args)]
pub(in crate::dploy) struct ReasonArgs {
    /// Why
    #[arg(short = 'm', long = "message", value_name = "reason")]
    pub reason: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub follow: FollowArgs,
}

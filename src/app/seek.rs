//! Marathon's address where no setting names it: Mesos-DNS is asked until it knows it, and again whenever what it named is silent,
//! for the leader may be another one by then.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::discovery;
use crate::marathon;

/// Between two looks, at most.
const LONGEST: Duration = Duration::from_secs(30);

/// What is said until Mesos-DNS was asked.
pub(super) fn sought(mesos_dns: &str) -> String {
    format!("Marathon is not known yet; Mesos-DNS at {mesos_dns} is being asked")
}

/// Looks until `stop`.
pub(super) async fn run(
    marathon: marathon::Client,
    mesos_dns: String,
    timeout: Duration,
    stop: CancellationToken,
) {
    let mut pause = Duration::from_secs(1);
    let mut told = None;
    loop {
        let known = marathon.base();
        if known.is_none() || marathon.is_silent() {
            match discovery::marathon_in_mesos_dns(&mesos_dns).await {
                Ok(base) if known.as_ref() == Some(&base) => {}
                Ok(base) => {
                    match marathon.found(&base, timeout) {
                        Ok(()) => tracing::info!(marathon = %base, mesos_dns, "Marathon was found"),
                        Err(error) => tracing::error!(%error, "Marathon cannot be called"),
                    }
                    pause = Duration::from_secs(1);
                    told = None;
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    if known.is_none() {
                        marathon.not_found(&why);
                    }
                    if told.as_ref() != Some(&why) {
                        tracing::warn!(error = %why, "Marathon's address could not be looked up; it is tried again");
                        told = Some(why);
                    }
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST);
    }
}

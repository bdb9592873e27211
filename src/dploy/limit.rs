//! How long what was begun is followed: to its end, for some seconds, or not at all.

use std::time::Duration;

use tokio::time::Instant;

use super::args::FollowArgs;
use super::failure::{Failure, Word};

/// How long something is followed.
#[derive(Clone, Copy, Default)]
pub(super) struct Limit {
    /// It is begun and no more.
    pub detach: bool,
    seconds: u64,
    until: Option<Instant>,
}

impl Limit {
    /// As it was typed; the seconds count from now on.
    pub fn begins(args: &FollowArgs) -> Self {
        let until = args.wait.map(|s| Instant::now() + Duration::from_secs(s));
        Self {
            detach: args.detach,
            seconds: args.wait.unwrap_or_default(),
            until,
        }
    }

    /// Ends when it is over; without `-wait` never.
    pub async fn over(&self) {
        match self.until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// That it is over, and what goes on. `look` shows how.
    pub fn reached(&self, what: &str, look: &str) -> Failure {
        let why = format!(
            "{what} goes on; not followed after {} s (-wait)",
            self.seconds
        );
        Failure::of(Word::StillGoing, why).hint(look)
    }
}

//! What intake, deployer and web share: the handles to log, GitHub and Marathon, and reading a commit.

mod read;

use std::time::Duration;

pub use read::{Commit, ReadError, renamed};

use crate::clock::SharedClock;
use crate::github;
use crate::marathon;
use crate::mesos::Mesos;
use crate::store::Store;

/// How long things take. Tests use smaller numbers; nothing else differs.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between two looks at Marathon while something rolls.
    pub look: Duration,
    /// Between two tries of what waits, at most: they begin at `look` and double.
    pub retry: Duration,
    /// A call to Marathon that was not answered for so long may still arrive.
    pub http: Duration,
    /// How long GitHub may lag behind its own webhook.
    pub lag: Duration,
    /// How long a cause of failure must be true before a newer push ends the rollout.
    pub overtake: Duration,
    /// Without progress for so long, a rollout has failed.
    pub deadline: Duration,
    /// How long tasks without health checks must run.
    pub settle: Duration,
    /// Between two looks for changes that somebody else made.
    pub drift: Duration,
}

impl Timing {
    /// Events come in bursts: how long one look waits, to serve them all.
    #[must_use]
    pub fn burst(&self) -> Duration {
        self.look.min(Duration::from_millis(150))
    }

    /// How long a picture of Marathon serves: where nothing was heard, and where something was.
    #[must_use]
    pub fn picture(&self) -> (Duration, Duration) {
        (self.look / 2, self.burst())
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            retry: Duration::from_mins(1),
            http: Duration::from_secs(30),
            lag: Duration::from_mins(2),
            overtake: Duration::from_secs(30),
            deadline: Duration::from_mins(10),
            settle: Duration::from_secs(10),
            drift: Duration::from_mins(1),
        }
    }
}

/// What every step needs.
#[derive(Clone)]
pub struct Context {
    /// The log.
    pub store: Store,
    /// GitHub.
    pub github: github::Client,
    /// Marathon.
    pub marathon: marathon::Client,
    /// What leads to the sandboxes of its tasks.
    pub mesos: Mesos,
    /// Marathon's event stream.
    pub watch: marathon::Watch,
    /// What Marathon shows of our services, asked for once for all.
    pub picture: marathon::Picture,
    /// Who waits for a Marathon that runs as many deployments as it can.
    pub turns: marathon::Turns,
    /// The time.
    pub clock: SharedClock,
    /// How long things take.
    pub timing: Timing,
    /// Prefixes of ids this observer may touch; none: all.
    pub allow_ids: Vec<String>,
    /// The observer's own id in Marathon.
    pub own_id: Option<String>,
    /// What GitHub is to call, `…/dploy`.
    pub hook: github::HookTarget,
}

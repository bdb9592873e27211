//! How a local Marathon is set up: where it keeps things, how fast it is, what its agents have.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// `user:password`; it does not print itself.
#[derive(Clone)]
pub struct Credentials(String);

impl Credentials {
    /// Of this text.
    #[must_use]
    pub fn new(pair: &str) -> Self {
        Self(pair.to_owned())
    }

    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

/// Settings of a [`LocalMarathon`](super::LocalMarathon).
#[derive(Clone, Debug)]
pub struct Options {
    /// Sandboxes, volumes and `state.json` live here.
    pub dir: PathBuf,
    /// A folder that comes first on the tasks' `PATH`.
    pub tools: Option<PathBuf>,
    /// How long things take.
    pub pace: Pace,
    /// What each agent has to offer.
    pub resources: Resources,
    /// `user:password` that every request must carry, as with Marathon's `--http_credentials`.
    pub credentials: Option<Credentials>,
}

impl Options {
    /// The folder for what services keep longer than a task lives.
    pub(super) fn volumes(&self) -> PathBuf {
        self.dir.join("volumes")
    }
}

/// How long things take. The default is lively but like the real thing; tests make it quicker.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How often each agent makes an offer.
    pub offers: Duration,
    /// From the launch of a task to `TASK_STARTING`.
    pub starting: Duration,
    /// From there to `TASK_RUNNING`.
    pub running: Duration,
    /// From the start to the first such comparison.
    pub first_scale_check: Duration,
    /// How often the number of tasks of every app is compared with its `instances`.
    pub scale_check: Duration,
    /// From SIGTERM to SIGKILL, where an app does not say `taskKillGracePeriodSeconds`.
    pub kill_grace: Duration,
    /// How often an event stream gets an empty line.
    pub heartbeat: Duration,
    /// The length of one second of an app definition: of `intervalSeconds`, `gracePeriodSeconds`, `backoffSeconds` …
    pub second: Duration,
    /// From SIGTERM to SIGKILL when the local Marathon itself stops.
    pub stop_grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            offers: Duration::from_millis(300),
            starting: Duration::from_millis(100),
            running: Duration::from_millis(200),
            first_scale_check: Duration::from_secs(15),
            scale_check: Duration::from_mins(5),
            kill_grace: Duration::from_secs(3),
            heartbeat: Duration::from_secs(10),
            second: Duration::from_secs(1),
            stop_grace: Duration::from_secs(1),
        }
    }
}

/// What each of the two agents has. Nothing is enforced; it only decides which offers fit.
#[derive(Clone, Debug)]
pub struct Resources {
    /// CPU shares.
    pub cpus: f64,
    /// Memory in MiB.
    pub mem: f64,
    /// Disk in MiB.
    pub disk: f64,
    /// Host ports of the agents `127.0.0.1` and `localhost`.
    pub ports: [Range<u16>; 2],
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            cpus: 8.0,
            mem: 16384.0,
            disk: 10000.0,
            ports: [31000..31500, 31500..32001],
        }
    }
}

//! A Marathon that runs services as real processes on this machine.
//!
//! It answers as Marathon 1.8 does, status codes and wording included, so that clients made for Marathon work with it
//! unchanged; and it kills tasks in the order in which Marathon kills them. Instead of Mesos there are two agents that
//! both are this machine. Besides Marathon's own routes there are
//!
//! * `GET /ui/`, to which `/` leads: pages with apps, tasks, health, deployments and logs
//! * `GET /local/info`: that it runs processes, and the folder `volumes`, which outlives tasks and restarts
//! * `GET /local/tasks/{task id}/stdout` and `…/stderr`: what a task wrote (the newest 2.5 to 5 MiB)
//! * `POST /local/faults`: see [`FaultChange`]

//! # Layout
//!
//! Imports only go down a row.
//!
//! | row | modules | for |
//! |---|---|---|
//! | 0 | `stamp` `options` | points in time as Marathon writes them; how a local Marathon is set up |
//! | 1 | `definition` | what an app may be: bodies as they are sent, completed, checked, kept as a tree |
//! | 2 | `world` | what is so, and what follows: pure, with neither clock nor chance of its own; what is to be done leaves as values |
//! | 3 | `fault` `state_file` | what goes wrong on demand; what survives a stop or a SIGKILL |
//! | 4 | `marathon` | the state behind a lock: what API, pages and whoever drives it share |
//! | 5 | `run` | carries out what the state wants: processes, logs, checks |
//! | 6 | `page` | pages for people |
//! | 7 | `api` | Marathon's HTTP interface |

mod api;
mod definition;
mod fault;
mod marathon;
mod options;
mod page;
mod run;
mod stamp;
mod state_file;
mod world;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use local_kit::lock::Lock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use api::connection::CutListener;
use run::engine::Engine;

pub use api::connection::Cut;
pub use api::router;
pub use fault::{FaultChange, FaultState, Faults, Refuse, Restart};
pub use marathon::{Clock, Marathon};
pub use options::{Credentials, Options, Pace, Resources};
pub use run::leftover::kill_leftovers;
pub use state_file::State;
pub use world::event::Event;
pub use world::instance::{Condition, Instance, Readiness};
pub use world::{Effect, Launch, World};

/// A running local Marathon.
pub struct LocalMarathon {
    url: String,
    marathon: Arc<Marathon>,
    engine: Arc<Engine>,
    server: JoinHandle<()>,
    /// Held as long as we run: two of us on one folder would kill each other's tasks.
    _lock: Lock,
}

impl LocalMarathon {
    /// Starts on a listener that is bound to loopback. What ran in `options.dir` before runs again; processes that an
    /// earlier, killed run left behind are killed first.
    ///
    /// # Errors
    /// If the listener is not on loopback, or the folder or the state in it cannot be read.
    pub async fn start(listener: TcpListener, mut options: Options) -> anyhow::Result<Self> {
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "the local Marathon listens on loopback only, not on {address}"
        );
        for folder in [options.dir.join("sandboxes"), options.volumes()] {
            tokio::fs::create_dir_all(&folder)
                .await
                .with_context(|| format!("making {}", folder.display()))?;
        }
        options.dir = tokio::fs::canonicalize(&options.dir)
            .await
            .context("finding the folder")?;
        let lock = lock(&options.dir)?;
        run::leftover::kill_leftovers(&options.dir).await;
        let mut world = state_file::read(
            &options.dir,
            options.pace.clone(),
            options.resources.clone(),
            stamp::now(),
        )?;
        world.port_is_free = run::process::is_free;
        let clock = Box::new(stamp::now);
        let (marathon, effects) = Marathon::kept(world, options, clock);
        let engine = Engine::new(Arc::clone(&marathon))?;
        engine.begin(effects);
        let app = router(Arc::clone(&marathon), address);
        let stopping = marathon.stopping.clone();
        let server = axum::serve(
            CutListener::new(listener),
            app.into_make_service_with_connect_info::<Cut>(),
        );
        let server = tokio::spawn(async move {
            let outcome = server
                .with_graceful_shutdown(stopping.cancelled_owned())
                .await;
            if let Err(error) = outcome {
                tracing::warn!(error = %error, "the local Marathon stopped serving");
            }
        });
        Ok(Self {
            url: format!("http://{address}"),
            marathon,
            engine,
            server,
            _lock: lock,
        })
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The switch for faults; the same as `POST /local/faults`.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.marathon.faults
    }

    /// Saves the state, ends every task with its process group, and closes.
    pub async fn stop(self) {
        self.engine.stop().await;
        let wait = self.marathon.options.pace.stop_grace;
        let abort = self.server.abort_handle();
        if tokio::time::timeout(wait, self.server).await.is_err() {
            // a connection that does not end; its requests are done
            abort.abort();
        }
    }
}

/// Says so if a local Marathon works in the folder.
///
/// # Errors
/// If it does, or the folder cannot be looked at.
pub fn ensure_unused(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        drop(lock(dir)?);
    }
    Ok(())
}

fn lock(dir: &Path) -> anyhow::Result<Lock> {
    let taken = format!("another local Marathon uses {}", dir.display());
    Lock::take(&dir.join("lock"), &taken)
}

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
//!
//! With a [`Mesos`] beside it, it leads to a master and two agents that serve the sandboxes as Mesos does.

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
//! | 8 | `mesos` | what a Mesos serves of the tasks, over HTTP: master, agents, sandboxes |

mod api;
mod definition;
mod fault;
mod marathon;
mod mesos;
mod options;
mod page;
mod run;
mod stamp;
mod state_file;
mod world;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use local_kit::lock::Lock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use api::connection::CutListener;
use mesos::{Cluster, Face, Listeners};
use run::engine::Engine;

pub use api::connection::Cut;
pub use api::router;
pub use fault::{FaultChange, FaultState, Faults, Refuse, Restart};
pub use marathon::{Clock, Marathon};
pub use mesos::Mesos;
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
    servers: Vec<JoinHandle<()>>,
    /// Base URL of the Mesos master, where one is served.
    mesos: Option<Arc<str>>,
    /// Held as long as we run: two of us on one folder would kill each other's tasks.
    _lock: Lock,
}

impl LocalMarathon {
    /// Starts on a listener that is bound to loopback. What ran in `options.dir` before runs again; processes that an
    /// earlier, killed run left behind are killed first.
    ///
    /// # Errors
    /// If the listener is not on loopback, or the folder or the state in it cannot be read.
    pub async fn start(listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        Self::open(listener, None, options).await
    }

    /// The same with a Mesos, whose master has the other listener; its agents get any ports that are free. `/v2/info` says where it is.
    ///
    /// # Errors
    /// As [`LocalMarathon::start`]; and if the other listener is not on loopback, or there is no port for an agent.
    pub async fn start_with_mesos(
        listener: TcpListener,
        mesos: Mesos,
        options: Options,
    ) -> anyhow::Result<Self> {
        Self::open(listener, Some(mesos), options).await
    }

    async fn open(
        listener: TcpListener,
        mesos: Option<Mesos>,
        mut options: Options,
    ) -> anyhow::Result<Self> {
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
        let (marathon, effects) = Marathon::kept(world, options, Box::new(stamp::now));
        let engine = Engine::new(Arc::clone(&marathon))?;
        let (mesos, mut servers) = match mesos {
            Some(mesos) => {
                let (url, servers) = serve_mesos(&marathon, mesos).await?;
                (Some(url), servers)
            }
            None => (None, Vec::new()),
        };
        engine.begin(effects);
        let app = api::router_beside(Arc::clone(&marathon), address, mesos.clone());
        servers.push(serve(listener, app, marathon.stopping.clone()));
        Ok(Self {
            url: format!("http://{address}"),
            marathon,
            engine,
            servers,
            mesos,
            _lock: lock,
        })
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of the Mesos master, without a slash at the end; none where it was started without.
    #[must_use]
    pub fn mesos_url(&self) -> Option<&str> {
        self.mesos.as_deref()
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
        let end = tokio::time::Instant::now() + wait;
        for server in self.servers {
            let abort = server.abort_handle();
            if tokio::time::timeout_at(end, server).await.is_err() {
                // a connection that does not end; its requests are done
                abort.abort();
            }
        }
    }
}

/// Serves until it stops.
fn serve(listener: TcpListener, app: Router, stopping: CancellationToken) -> JoinHandle<()> {
    let server = axum::serve(
        CutListener::new(listener),
        app.into_make_service_with_connect_info::<Cut>(),
    );
    tokio::spawn(async move {
        let outcome = server
            .with_graceful_shutdown(stopping.cancelled_owned())
            .await;
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "the local Marathon stopped serving");
        }
    })
}

/// Serves a master and its agents; the master's base URL.
async fn serve_mesos(
    marathon: &Arc<Marathon>,
    mesos: Mesos,
) -> anyhow::Result<(Arc<str>, Vec<JoinHandle<()>>)> {
    let listeners = Listeners::bind(mesos.listener).await?;
    let cluster = Cluster::new(Arc::clone(marathon), &listeners, mesos.credentials)?;
    let url = format!("http://{}", listeners.master.local_addr()?);
    let [first, second] = listeners.agents;
    let all = [
        (listeners.master, Face::Master),
        (first, Face::Agent(0)),
        (second, Face::Agent(1)),
    ];
    let servers = all
        .map(|(listener, face)| serve(listener, cluster.router(face), marathon.stopping.clone()));
    Ok((url.into(), servers.into()))
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

//! A GitHub on this machine: git over HTTP, the REST calls that the observer and the clients of others use, hooks with deliveries.
//!
//! What is pushed to `http://127.0.0.1:PORT/{owner}/{repo}.git` calls the repository's hooks with GitHub's payload, headers
//! and signature; what REST calls change is told to them as well. REST answers at the root and, as on an enterprise server, under
//! `/api/v3`. A person can look at `/{owner}/{repo}`, a program can fetch `/{owner}/{repo}/raw/{ref}/{path}`. What goes wrong on demand
//! is listed in [`fault`].
//!
//! Unlike GitHub: whoever reaches the port may push (it is loopback only); hooks are called on loopback only; only `push` and
//! `ping` events exist; every repository is public; there are no deployments, checks, pull requests or renames.
//!
//! # Layout
//!
//! Imports only go down a row, never up or sideways, but for siblings inside a folder, which are without a circle.
//!
//! | row | modules | for |
//! |---|---|---|
//! | 0 | `clock` `fault` `git` `state` | time; what goes wrong on demand; the git command line; what is remembered |
//! | 1 | `journal` `render` | the file of deliveries; the JSON of users, repositories, hooks and commits |
//! | 2 | `store` | what is remembered, in memory and in its folder |
//! | 3 | `hook` | webhook requests, and sending them |
//! | 4 | `server` | what all handlers share; making repositories |
//! | 5 | `push` | what a push changed, told to the hooks |
//! | 6 | `api` `page` `raw` `transport` | REST and archives; pages; files as they are; git over HTTP |
//! | 7 | `routes` | all routes, in one list |

mod api;
mod clock;
pub mod fault;
mod git;
mod hook;
mod journal;
mod page;
mod push;
mod raw;
mod render;
mod routes;
mod server;
mod state;
mod store;
mod transport;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use fault::Faults;
pub use server::{Pace, Token};

use hook::sender::Sender;
use server::Server;
use store::Store;

use local_kit::lock::Lock;

/// How long open requests may take to end after a stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a local GitHub needs to know.
#[derive(Debug)]
pub struct Options {
    /// Bare repositories and `state.json` live here; made where it is missing. For one local GitHub at a time.
    pub dir: PathBuf,
    /// Whom it knows; the first is also the one who pushes without a password.
    pub tokens: Vec<Token>,
    /// How long things take.
    pub pace: Pace,
}

/// A running local GitHub. Dropped without [`stop`](Self::stop) it ends as well, and loses what was not saved yet.
#[derive(Debug)]
pub struct LocalGithub {
    server: Arc<Server>,
    serving: JoinHandle<std::io::Result<()>>,
    keeper: JoinHandle<()>,
    stop: CancellationToken,
    /// Held as long as we run: two of us on one folder would overwrite each other's state.
    _lock: Lock,
}

impl LocalGithub {
    /// Serves on a listener that is bound to loopback, with the state found in `options.dir`.
    ///
    /// # Errors
    /// When the listener is not on loopback, git is not installed, another local GitHub uses the folder, or the state cannot be read.
    pub async fn start(listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "a local GitHub listens on loopback only, not on {address}"
        );
        git::ready().await?;
        tokio::fs::create_dir_all(&options.dir)
            .await
            .with_context(|| format!("making {}", options.dir.display()))?;
        let dir = tokio::fs::canonicalize(&options.dir).await?;
        let lock = lock(&dir)?;
        let stop = CancellationToken::new();
        let folder = dir.clone();
        let store = tokio::task::spawn_blocking(move || Store::open(&folder));
        let store = Arc::new(store.await??);
        let faults = Arc::new(Faults::new());
        let sender = Sender::new(
            Arc::clone(&store),
            Arc::clone(&faults),
            options.pace.hook_timeout,
            stop.clone(),
        )?;
        tokio::spawn(release_held(
            Arc::clone(&sender),
            Arc::clone(&faults),
            stop.clone(),
        ));
        let keeper = tokio::spawn(Arc::clone(&store).keep());
        let url = format!("http://{address}");
        let server = Arc::new(Server::new(
            dir,
            url,
            options.tokens,
            options.pace,
            store,
            faults,
            sender,
        ));
        let app = routes::routes(&server);
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            server,
            serving,
            keeper,
            stop,
            _lock: lock,
        })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Makes an empty repository and gives its id; one that is there stays as it is.
    ///
    /// # Errors
    /// When GitHub would not take one of the names, git fails, or it cannot be saved: it is there then, and tried again.
    pub async fn create_repository(
        &self,
        owner: &str,
        name: &str,
        default_branch: &str,
    ) -> anyhow::Result<u64> {
        let made = self.server.create_repository(owner, name, default_branch);
        made.await.map(|(id, _)| id)
    }

    /// The switchboard of what goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// Waits until no delivery is under way or owed. What the fault `reorder` still holds is not owed.
    pub async fn settle(&self) {
        self.server.sender.settle().await;
    }

    /// Ends it: open requests may finish, deliveries that are owed are lost, the state is saved.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(PATIENCE, &mut self.serving)
            .await
            .is_err()
        {
            self.serving.abort();
        }
        self.keeper.abort();
        self.server.store.close().await;
    }
}

impl Drop for LocalGithub {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
        self.keeper.abort();
        self.server.store.abandon();
    }
}

/// Says so if a local GitHub works in the folder.
///
/// # Errors
/// If it does, or the folder cannot be looked at.
pub fn ensure_unused(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        drop(lock(dir)?);
    }
    Ok(())
}

/// The lock of a folder. Owners have folders beside the file, and none of them may have a dot in their name.
fn lock(dir: &Path) -> anyhow::Result<Lock> {
    let taken = format!("another local GitHub uses {}", dir.display());
    Lock::take(&dir.join("state.lock"), &taken)
}

/// Sends what a fault held back, each time the faults are reset.
async fn release_held(sender: Arc<Sender>, faults: Arc<Faults>, stop: CancellationToken) {
    let mut resets = faults.resets();
    loop {
        tokio::select! {
            changed = resets.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        sender.release();
    }
}

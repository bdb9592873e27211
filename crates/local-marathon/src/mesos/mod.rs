//! What a Mesos serves of its tasks, so that a reader of logs made for Mesos works with the local Marathon too: a master, which leads
//! to two agents, and on each agent the sandboxes of its tasks.
//!
//! The master has the port that it is given, the agents have any that are free, each its own, as long as they run. On the master's port
//! there is also what DC/OS puts before Mesos: `/mesos/…` and `/agent/{id}/…`.

mod agent;
mod attached;
mod files;
mod latin;
mod master;
mod mode;
mod reply;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::response::Response;
use jiff::Timestamp;
use local_kit::guard;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};

use crate::api::call::{self, Call, failure};
use crate::api::connection::Cut;
use crate::marathon::Marathon;
use crate::options::Credentials;
use crate::stamp;

/// The newest version that has both the virtual paths of sandboxes and the older names that end in `.json`.
const VERSION: &str = "1.7.3";
/// Bodies longer than this are refused.
const LONGEST_BODY: usize = 64 * 1024;
/// Shorter answers are not compressed.
const COMPRESSED_FROM: u64 = 1023;

/// The Mesos to be served beside a local Marathon.
#[derive(Debug)]
pub struct Mesos {
    /// Of the master; bound to loopback.
    pub listener: TcpListener,
    /// `user:password` that master and agents want, as with Mesos's `--authenticate_http_readonly`.
    pub credentials: Option<Credentials>,
}

/// The listeners of all, bound.
pub struct Listeners {
    /// Of the master.
    pub master: TcpListener,
    /// Of the agents.
    pub agents: [TcpListener; 2],
}

impl Listeners {
    /// Binds those of the agents.
    ///
    /// # Errors
    /// When the master's is not on loopback, or there is no port for an agent.
    pub async fn bind(master: TcpListener) -> anyhow::Result<Self> {
        let address = master.local_addr().context("the listener has no address")?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "the local Mesos listens on loopback only, not on {address}"
        );
        let agent = || async {
            let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            bound.context("binding a port for an agent")
        };
        let agents = [agent().await?, agent().await?];
        Ok(Self { master, agents })
    }
}

/// A master and its agents.
pub struct Cluster {
    /// Whose tasks they run.
    marathon: Arc<Marathon>,
    /// The master's address.
    master: SocketAddr,
    /// The agents' addresses.
    agents: [SocketAddr; 2],
    /// What whoever asks has to know.
    credentials: Option<Credentials>,
    /// Since when they run.
    started: Timestamp,
}

/// Which of them is asked.
#[derive(Clone, Copy)]
pub enum Face {
    /// The master.
    Master,
    /// The agent with that index.
    Agent(usize),
}

impl Cluster {
    /// The cluster behind these listeners.
    ///
    /// # Errors
    /// When a listener has no address.
    pub fn new(
        marathon: Arc<Marathon>,
        listeners: &Listeners,
        credentials: Option<Credentials>,
    ) -> anyhow::Result<Arc<Self>> {
        let [first, second] = &listeners.agents;
        Ok(Arc::new(Self {
            marathon,
            master: listeners.master.local_addr()?,
            agents: [first.local_addr()?, second.local_addr()?],
            credentials,
            started: stamp::now(),
        }))
    }

    /// The routes of one of them, behind the guard that lets only programs on this machine in.
    pub fn router(self: &Arc<Self>, face: Face) -> Router {
        Router::new()
            .fallback(answer)
            .with_state((Arc::clone(self), face))
            .layer(
                CompressionLayer::new()
                    .gzip(true)
                    .compress_when(SizeAbove::new(COMPRESSED_FROM).and(is_no_download)),
            )
            .layer(axum::middleware::from_fn(guard::loopback_only))
    }
}

fn is_no_download(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    !headers.contains_key(header::CONTENT_DISPOSITION)
}

async fn answer(
    State((cluster, face)): State<(Arc<Cluster>, Face)>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let call = match Call::read(request, cut.peer, LONGEST_BODY).await {
        Ok(call) => call,
        Err(refusal) => return failure(&refusal),
    };
    let segments: Vec<&str> = call.resource().iter().map(String::as_str).collect();
    match face {
        Face::Master => master::answer(&cluster, &call, &segments).await,
        Face::Agent(_) if cluster.marathon.faults.state().agent_away => {
            cut.cut();
            call::empty(503)
        }
        Face::Agent(index) => agent::answer(&cluster, index, &call, &segments).await,
    }
}

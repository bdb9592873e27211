//! Connections: how many there may be, from where, and how long each has for the head of a request. Who only waits holds nobody up.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::settings::Settings;
use crate::web::{Proxies, host_of};

/// So long nothing is accepted after the system refused to: its files may all be open.
const PAUSE: Duration = Duration::from_secs(1);

/// What is kept of a connection at most before it is understood, in bytes.
const BUFFER: usize = 64 * 1024;

/// What connections may do.
pub(super) struct Bounds {
    /// How many there may be.
    connections: usize,
    /// How many of them from one address.
    of_peer: usize,
    /// How long the head of a request may take, and a connection be silent before it.
    head: Duration,
    /// Proxies, which stand for everybody.
    proxies: Proxies,
}

impl Bounds {
    pub fn of(settings: &Settings, proxies: Proxies) -> Self {
        Self {
            connections: settings.connections.max(1),
            of_peer: settings.connections_of_peer.max(1),
            head: Duration::from_secs(settings.head_timeout.max(1)),
            proxies,
        }
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of a connection; it is free again when this is dropped.
struct Place {
    peers: Peers,
    peer: IpAddr,
    _one: OwnedSemaphorePermit,
}

impl Peers {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<IpAddr, usize>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A place for a connection of this address, if it may have another.
    fn place(&self, peer: IpAddr, most: usize, one: OwnedSemaphorePermit) -> Option<Place> {
        let taken = self.with(|peers| {
            let has = peers.entry(peer).or_default();
            let taken = *has < most;
            *has += usize::from(taken);
            taken
        });
        taken.then(|| Place {
            peers: self.clone(),
            peer,
            _one: one,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.peers.with(|peers| {
            if let Some(has) = peers.get_mut(&self.peer) {
                *has -= 1;
                if *has == 0 {
                    peers.remove(&self.peer);
                }
            }
        });
    }
}

/// Serves until it is stopped; what is being answered then is answered.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let peers = Peers::default();
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // one that broke off before it was taken is its own affair
                if !matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) {
                    tracing::warn!(%error, "no connection is accepted");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        let peer = address.ip().to_canonical();
        let most = if bounds.proxies.has(peer) {
            usize::MAX
        } else {
            bounds.of_peer
        };
        let one = Arc::clone(&places).try_acquire_owned().ok();
        // who finds no place is told by the end of the connection: an answer would cost what is to be saved
        let Some(place) = one.and_then(|one| peers.place(host_of(peer), most, one)) else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        let talk = talk(
            stream,
            address,
            router.clone(),
            bounds.head,
            graceful.watcher(),
        );
        tokio::spawn(async move {
            talk.await;
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn talk(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    head: Duration,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(BUFFER);
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke off");
    }
}

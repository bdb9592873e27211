//! Connections: how many there may be, from where, and how long each has for the head of a request. Who only waits holds nobody up.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::settings::Settings;
use crate::tls::Certificate;
use crate::web::{OverTls, Proxies, host_of};

/// So long nothing is accepted after the system refused to: its files may all be open.
const PAUSE: Duration = Duration::from_secs(1);

/// What is kept of a connection at most before it is understood, in bytes.
const BUFFER: usize = 64 * 1024;

/// The head of a request of HTTP/2 at most, in bytes.
const HEAD: u32 = 32 * 1024;

/// Requests of one connection of HTTP/2 at once.
const STREAMS: u32 = 32;

/// What a connection of HTTP/2 may send before it is read, in bytes.
const WINDOW: u32 = 256 * 1024;

/// How often the files of a certificate are looked at.
const CERTIFICATE: Duration = Duration::from_secs(10);

/// What connections may do.
#[derive(Clone)]
pub(super) struct Bounds {
    /// How many there may be.
    connections: usize,
    /// How many of them from one address.
    of_peer: usize,
    /// How long the head of a request may take, and a connection be silent before it.
    head: Duration,
    /// How long an answer waits for somebody to read of it.
    answer: Duration,
    /// Proxies, which stand for everybody.
    proxies: Proxies,
}

impl Bounds {
    pub fn of(settings: &Settings, proxies: Proxies) -> Self {
        Self {
            connections: settings.connections.max(1),
            of_peer: settings.connections_of_peer.max(1),
            head: Duration::from_secs(settings.head_timeout.max(1)),
            answer: Duration::from_secs(settings.answer_timeout.max(1)),
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
    tls: Option<TlsAcceptor>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let peers = Peers::default();
    let talks = TaskTracker::new();
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
        let talk = Talk {
            address,
            router: router.clone(),
            head: bounds.head,
            answer: bounds.answer,
            stop: stop.clone(),
        };
        let talk = talk.with(stream, tls.clone());
        talks.spawn(async move {
            talk.await;
            drop(place);
        });
    }
    drop(listener);
    talks.close();
    talks.wait().await;
}

/// A connection, as it is answered.
struct Talk {
    address: SocketAddr,
    router: Router,
    head: Duration,
    answer: Duration,
    stop: CancellationToken,
}

/// How many requests of a connection are under way, and how many there were.
#[derive(Default)]
struct Asked {
    open: AtomicUsize,
    ever: AtomicUsize,
}

/// A request that is under way until this is dropped.
struct Open(Arc<Asked>);

impl Open {
    fn of(asked: &Arc<Asked>) -> Self {
        asked.open.fetch_add(1, Ordering::Relaxed);
        asked.ever.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(asked))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Talk {
    async fn with(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let _ = stream.set_nodelay(true);
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(self.answer));
        let Some(tls) = tls else {
            return self.http1(stream, false).await;
        };
        // who does not greet in time holds nobody up
        match tokio::time::timeout(self.head, tls.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream).await;
            }
            Ok(Ok(stream)) => self.http1(stream, true).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin, tls: bool) {
        let (address, router) = (self.address, self.router);
        let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
            router.clone().call(of(request, address, tls))
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_buf_size(BUFFER);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended(end);
    }

    /// HTTP/2 has no time for a head: a connection without a request is closed after so long.
    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (address, router) = (self.address, self.router);
        let asked = Arc::<Asked>::default();
        let counted = Arc::clone(&asked);
        let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
            let open = Open::of(&counted);
            let answer = router.clone().call(of(request, address, true));
            async move {
                let answer = answer.await;
                // until the last byte of it is gone
                answer.map(|answer| {
                    answer.map(|body| {
                        Body::new(body.map_frame(move |frame| {
                            let _ = &open;
                            frame
                        }))
                    })
                })
            }
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD)
            .max_send_buf_size(BUFFER)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .keep_alive_interval(self.head)
            .keep_alive_timeout(self.head);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
        let (mut tick, mut seen) = (tokio::time::interval(self.head), 0);
        tick.tick().await;
        let end = loop {
            tokio::select! {
                end = connection.as_mut() => break end,
                () = self.stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    break connection.await;
                }
                _ = tick.tick() => {
                    let ever = asked.ever.load(Ordering::Relaxed);
                    if asked.open.load(Ordering::Relaxed) == 0 && ever == seen {
                        connection.as_mut().graceful_shutdown();
                    }
                    seen = ever;
                }
            }
        };
        ended(end);
    }
}

/// A request as the routes read it.
fn of(request: Request<Incoming>, address: SocketAddr, tls: bool) -> Request<Body> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(address));
    if tls {
        request.extensions_mut().insert(OverTls);
    }
    request
}

fn ended(end: hyper::Result<()>) {
    if let Err(error) = end {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Looks whether the files of a certificate changed; one that cannot be read leaves the one before.
pub(super) async fn keep(certificate: Arc<Certificate>, stop: CancellationToken) {
    let mut said = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CERTIFICATE) => {}
        }
        match certificate.read_again() {
            Ok(another) => {
                said.clear();
                if another {
                    tracing::info!("another certificate is shown from now on");
                }
            }
            Err(error) => {
                let why = format!("{error:#}");
                if why != said {
                    tracing::warn!(error = %why, "the certificate changed and cannot be read; the one before stays");
                    said = why;
                }
            }
        }
    }
}

//! Where the observer is reached: one port that speaks TLS or plain HTTP, and beside TLS perhaps one that leads there.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Around;
use super::serve::{self, Bounds};
use crate::settings::Settings;
use crate::tls::{self, Certificate};
use crate::web::{self, Web};

/// Ports that are open, before anybody answers there.
pub(super) struct Doors {
    listener: TcpListener,
    tls: Option<(Arc<Certificate>, TlsAcceptor)>,
    plain: Option<TcpListener>,
}

impl Doors {
    /// Reads the certificate, and opens the second port.
    pub async fn open(listener: TcpListener, settings: &Settings) -> anyhow::Result<Self> {
        let place = tls::Place::of(settings.tls_cert.as_deref(), settings.tls_key.as_ref())?;
        let tls = match place.map(Certificate::read).transpose()? {
            Some(certificate) => {
                let acceptor = TlsAcceptor::from(certificate.server()?);
                Some((certificate, acceptor))
            }
            None => None,
        };
        Ok(Self {
            listener,
            plain: plain_listener(settings, tls.is_some()).await?,
            tls,
        })
    }

    /// The port that everybody is led to.
    pub fn port(&self) -> anyhow::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Whether nobody but its own certificate vouches for it.
    pub fn is_self_signed(&self) -> bool {
        let tls = self.tls.as_ref();
        tls.is_some_and(|(certificate, _)| certificate.is_self_signed())
    }

    /// Answers there.
    pub fn serve(
        self,
        web: Web,
        around: &Around,
        bounds: Bounds,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        if let Some(plain) = self.plain {
            let router = web::plain_router(web.clone());
            let serving = serve::serve(plain, None, router, bounds.clone(), stop.clone());
            tasks.spawn(serving);
        }
        let acceptor = self.tls.map(|(certificate, acceptor)| {
            tasks.spawn(serve::keep(certificate, stop.clone()));
            acceptor
        });
        let router = around(web::router(web));
        let serving = serve::serve(self.listener, acceptor, router, bounds, stop.clone());
        tasks.spawn(serving);
    }
}

/// Where plain HTTP is redirected to the port that speaks TLS.
async fn plain_listener(settings: &Settings, tls: bool) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = settings.listen_plain.as_ref().filter(|a| !a.is_empty()) else {
        return Ok(None);
    };
    anyhow::ensure!(
        tls,
        "-listen-plain is for an observer with a certificate (-tls-cert, -tls-key); without one -listen is plain HTTP"
    );
    let listener = TcpListener::bind(address).await;
    listener.map(Some).with_context(|| {
        format!("cannot listen on {address}; choose another address with -listen-plain")
    })
}

//! The observer's own certificate: read at the start, and again when its files change.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, bail, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Where a certificate and its key are: in files, or in the settings themselves, as PEM.
#[derive(Debug, Clone)]
pub struct Place {
    /// The chain, the observer's own first.
    pub certificate: String,
    /// The key.
    pub key: Secret,
}

/// The certificate that is shown now.
#[derive(Debug)]
pub struct Certificate {
    place: Place,
    shown: RwLock<Arc<CertifiedKey>>,
    read: RwLock<[u8; 32]>,
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN")
}

/// What a setting holds, or the file that it names.
fn text(setting: &str, flag: &str) -> anyhow::Result<String> {
    if is_pem(setting) {
        return Ok(setting.to_owned());
    }
    std::fs::read_to_string(setting).with_context(|| format!("{flag}: {setting} cannot be read"))
}

impl Place {
    /// From settings; both, or none.
    ///
    /// # Errors
    /// When one is given without the other.
    pub fn of(certificate: Option<&str>, key: Option<&Secret>) -> anyhow::Result<Option<Self>> {
        let certificate = certificate.filter(|c| !c.is_empty());
        match (certificate, key.filter(|k| !k.is_empty())) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self {
                certificate: certificate.to_owned(),
                key: key.clone(),
            })),
            (Some(_), None) => bail!("-tls-cert is given without -tls-key"),
            (None, Some(_)) => bail!("-tls-key is given without -tls-cert"),
        }
    }

    /// Both, as PEM.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn texts(&self) -> anyhow::Result<(String, String)> {
        let certificate = text(&self.certificate, "-tls-cert")?;
        Ok((certificate, text(self.key.expose(), "-tls-key")?))
    }
}

/// The certificates of a PEM text.
///
/// # Errors
/// When there is none.
pub fn chain(pem: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|e| anyhow::anyhow!("is no certificate in PEM: {e}"))?;
    ensure!(!chain.is_empty(), "has no -----BEGIN CERTIFICATE-----");
    Ok(chain)
}

fn certified(certificate: &str, key: &str) -> anyhow::Result<CertifiedKey> {
    let chain = chain(certificate).context("-tls-cert")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|e| anyhow::anyhow!("-tls-key: is no private key in PEM: {e}"))?;
    let key = any_supported_type(&key).map_err(|e| anyhow::anyhow!("-tls-key: {e}"))?;
    let certified = CertifiedKey::new(chain, key);
    certified
        .keys_match()
        .map_err(|e| anyhow::anyhow!("-tls-key is not the key of -tls-cert: {e}"))?;
    Ok(certified)
}

fn digest(certificate: &str, key: &str) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(certificate.as_bytes());
    sha.update([0]);
    sha.update(key.as_bytes());
    sha.finalize().into()
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// When a file cannot be read, is no PEM, or the key is another certificate's.
    pub fn read(place: Place) -> anyhow::Result<Arc<Self>> {
        let (certificate, key) = place.texts()?;
        let shown = certified(&certificate, &key)?;
        Ok(Arc::new(Self {
            place,
            shown: RwLock::new(Arc::new(shown)),
            read: RwLock::new(digest(&certificate, &key)),
        }))
    }

    /// Reads it again where its files changed; connections that there are keep the one they have. Answers whether it is another.
    ///
    /// # Errors
    /// As at the first time; then the one before stays.
    pub fn read_again(&self) -> anyhow::Result<bool> {
        let (certificate, key) = self.place.texts()?;
        let now = digest(&certificate, &key);
        if *self.read.read().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        let shown = certified(&certificate, &key)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(true)
    }

    fn now(&self) -> Arc<CertifiedKey> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&shown)
    }

    /// Whether nobody but itself vouches for it: then nobody can check it who does not know it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.now().cert.first().is_some_and(is_self_signed)
    }

    /// What a TLS listener needs: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When the machine's cryptography refuses.
    pub fn server(self: &Arc<Self>) -> anyhow::Result<Arc<ServerConfig>> {
        let provider = Arc::new(default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

/// A certificate that is the only one that vouches for itself.
#[must_use]
pub fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    // for whom and until when it is valid is another question
    let checked = checked(certificate, "any.invalid");
    checked.is_some_and(|checked| {
        !matches!(
            checked,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature
            ))
        )
    })
}

/// Whether a certificate that vouches for itself is valid now, and for this host, by its name or its address.
#[must_use]
pub fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    checked(certificate, host).is_some_and(|checked| checked.is_ok())
}

/// What a client says of a certificate that it trusts, at this host.
fn checked(certificate: &CertificateDer<'_>, host: &str) -> Option<Result<(), rustls::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).ok()?;
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let (verifier, name) = (verifier.build().ok()?, ServerName::try_from(host).ok()?);
    let checked = verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now());
    Some(checked.map(drop))
}

/// SHA-256 of a certificate, as browsers show it.
#[must_use]
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// A certificate that vouches for itself and its key, both as PEM, for a host by its name or its address.
///
/// # Errors
/// When the host is neither, or there is no randomness.
pub fn made_for(host: &str) -> anyhow::Result<(String, Secret)> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let made = rcgen::generate_simple_self_signed(vec![host.to_ascii_lowercase()])
        .map_err(|e| io::Error::other(format!("no certificate can be made for {host:?}: {e}")))?;
    Ok((
        made.cert.pem(),
        Secret::new(made.signing_key.serialize_pem()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_again_where_its_files_change_and_only_a_whole_one_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let write = |(certificate, key): &(String, Secret)| {
            std::fs::write(file("cert"), certificate).unwrap();
            std::fs::write(file("key"), key.expose()).unwrap();
        };
        let (one, other) = (
            made_for("node.example").unwrap(),
            made_for("10.0.0.7").unwrap(),
        );
        write(&one);
        let place = Place::of(Some(&file("cert")), Some(&Secret::new(file("key")))).unwrap();
        let certificate = Certificate::read(place.unwrap()).unwrap();
        assert!(certificate.is_self_signed());
        let shown = || fingerprint(&certificate.now().cert[0]);
        let first = shown();
        assert!(!certificate.read_again().unwrap());
        // between the two files another key is there already
        std::fs::write(file("key"), other.1.expose()).unwrap();
        let why = certificate.read_again().unwrap_err().to_string();
        assert!(
            why.contains("-tls-key is not the key of -tls-cert"),
            "{why}"
        );
        assert_eq!(shown(), first);
        write(&other);
        assert!(certificate.read_again().unwrap());
        assert_ne!(shown(), first);
        assert_eq!(shown(), fingerprint(&chain(&other.0).unwrap()[0]));
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_its_flag() {
        let (certificate, key) = made_for("node.example").unwrap();
        let read = |certificate: &str, key: &str| {
            let place = Place::of(Some(certificate), Some(&Secret::new(key)))?;
            Certificate::read(place.context("none")?).map(drop)
        };
        read(&certificate, key.expose()).unwrap();
        for (certificate, key, said) in [
            (
                "/nowhere/cert.pem",
                key.expose(),
                "-tls-cert: /nowhere/cert.pem",
            ),
            ("-----BEGIN NOTHING-----", key.expose(), "-tls-cert"),
            (certificate.as_str(), "-----BEGIN NOTHING-----", "-tls-key"),
        ] {
            let why = format!("{:#}", read(certificate, key).unwrap_err());
            assert!(why.contains(said), "{why}");
        }
        assert!(Place::of(Some("x"), None).is_err() && Place::of(None, Some(&key)).is_err());
        assert!(Place::of(Some(""), None).unwrap().is_none());
    }
}

//! The observer's certificate: one that is given, or one that is made here, known by its fingerprint.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::token::keep_out_of_git;
use super::{Launch, once};
use crate::dploy::session::is_loopback;
use crate::dploy::workspace::{CERT_FILE, KEY_FILE, not_brought_along, write_private};
use crate::secret::Secret;
use crate::tls::{self, Certificate, Place};

/// Its variable: PEM in the environment of the observer's app.
pub(in crate::dploy) const CERT: &str = "DPLOY_OBSERVER_TLS_CERT";

/// The variable of its key.
const KEY: &str = "DPLOY_OBSERVER_TLS_KEY";

impl Launch<'_> {
    /// Puts a certificate into the environment, where one is given, or where tokens would go over plain HTTP without one.
    /// Answers the fingerprint of one that was made here.
    pub(super) fn certificate(&self, spec: &mut Value) -> anyhow::Result<Option<String>> {
        let env = &spec["env"];
        let sets = |name: &str| env.get(name).is_some_and(|value| *value != "");
        if sets(CERT) {
            let given = self.args.tls_cert.is_some() || self.args.tls_key.is_some();
            once("-tls-cert", given, CERT)?;
            once("-self-signed", self.args.self_signed, CERT)?;
            return Ok(None);
        }
        let given = Place::of(self.args.tls_cert.as_deref(), self.args.tls_key.as_ref())?;
        let (certificate, key, made) = if let Some(place) = given {
            let texts = place.texts()?;
            Certificate::read(place)?;
            (texts.0, Secret::new(texts.1), None)
        } else {
            let otherwise = ["PUBLIC_URL", "ALLOW_PLAIN_LOGIN", "TRUSTED_PROXY"];
            let otherwise = otherwise
                .iter()
                .any(|n| sets(&format!("DPLOY_OBSERVER_{n}")));
            let needed = !otherwise && !is_loopback(&format!("http://{}", self.node));
            if !needed && !self.args.self_signed {
                return Ok(None);
            }
            let (certificate, key) = self.own()?;
            let first = tls::chain(&certificate)?;
            let print = first.first().map(tls::fingerprint);
            if let Some(print) = &print {
                self.session.hosts.remember_certificate(print)?;
            }
            (certificate, key, print)
        };
        spec["env"][CERT] = certificate.into();
        spec["env"][KEY] = key.expose().into();
        for check in spec["healthChecks"].as_array_mut().into_iter().flatten() {
            let protocol = check["protocol"].as_str().unwrap_or("HTTP");
            if protocol.ends_with("HTTP") {
                check["protocol"] = format!("{protocol}S").into();
            }
        }
        Ok(made)
    }

    /// The certificate of this workspace's observer and its key; made where there is none for this node.
    fn own(&self) -> anyhow::Result<(String, Secret)> {
        let folder = &self.session.folder;
        let (cert_file, key_file) = (folder.join(CERT_FILE), folder.join(KEY_FILE));
        for (file, name) in [(&cert_file, CERT_FILE), (&key_file, KEY_FILE)] {
            not_brought_along(file)?;
            keep_out_of_git(file, name, self.session.terminal)?;
        }
        let kept = std::fs::read_to_string(&cert_file).ok();
        let key = std::fs::read_to_string(&key_file).ok().map(Secret::new);
        if let (Some(certificate), Some(key)) = (kept, key)
            && serves(&certificate, &key, self.node)
        {
            return Ok((certificate, key));
        }
        let (certificate, key) = tls::made_for(self.node)?;
        write_private(&key_file, key.expose())?;
        write_private(&cert_file, &certificate)?;
        Ok((certificate, key))
    }
}

/// Whether a certificate that was made before is whole and for this host.
fn serves(certificate: &str, key: &Secret, host: &str) -> bool {
    let place = Place {
        certificate: certificate.to_owned(),
        key: key.clone(),
    };
    let chain = tls::chain(certificate).unwrap_or_default();
    Certificate::read(place).is_ok() && chain.first().is_some_and(|c| tls::is_for(c, host))
}

/// The certificate of the workspace's observer, as its clients are to know it, and its fingerprint.
///
/// # Errors
/// When it came with the repository, or is none.
pub(in crate::dploy) fn known(
    folder: &Path,
) -> anyhow::Result<Option<(reqwest::Certificate, String)>> {
    let file = folder.join(CERT_FILE);
    not_brought_along(&file)?;
    let Ok(pem) = std::fs::read(&file) else {
        return Ok(None);
    };
    let wrong = || {
        format!(
            "{CERT_FILE} is no certificate; remove it, or copy it anew from the workspace that launched the observer"
        )
    };
    let known = reqwest::Certificate::from_pem(&pem).with_context(wrong)?;
    let chain = tls::chain(&String::from_utf8_lossy(&pem)).with_context(wrong)?;
    let first = chain.first().map(tls::fingerprint).with_context(wrong)?;
    Ok(Some((known, first)))
}

//! The token of the settings, which may do everything.

use anyhow::{Context as _, bail};

use crate::access::{NAME, is_name};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// The operator token of the settings; where there is none and never was one, one is made and kept in a file.
pub(super) async fn keep(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let name = settings.token_name.as_str();
    if !is_name(name) {
        bail!("DPLOY_OBSERVER_TOKEN_NAME={name:?} is no name for a token: {NAME}");
    }
    if let Some(token) = settings.token.as_ref().filter(|t| !t.is_empty()) {
        if token.expose().len() < 16 {
            bail!("DPLOY_OBSERVER_TOKEN is shorter than 16 characters; anybody could guess it");
        }
        return put(store, name, &token.sha256()).await;
    }
    if let Some(hash) = settings.token_sha256.as_ref().filter(|h| !h.is_empty()) {
        let hash = hash.to_ascii_lowercase();
        if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            bail!("DPLOY_OBSERVER_TOKEN_SHA256 is not 64 hexadecimal digits");
        }
        return put(store, name, &hash).await;
    }
    if !store.tokens().await?.is_empty() {
        return Ok(());
    }
    let token = Secret::random()?;
    store.log().redactor().learn(token.expose());
    let file = settings.data.join("operator-token");
    // the file first: a token that only the log knows would let nobody in, and the next start makes no other
    write_private(&file, token.expose())
        .with_context(|| format!("the operator token cannot be written to {}", file.display()))?;
    put(store, name, &token.sha256()).await?;
    tracing::info!(file = %file.display(), "an operator token was made; log in with what is in this file");
    Ok(())
}

async fn put(store: &Store, name: &str, hash: &str) -> anyhow::Result<()> {
    match store.put_settings_token(name, hash).await {
        Err(StoreError::Exists(_)) => bail!(
            "DPLOY_OBSERVER_TOKEN_NAME={name}: somebody has a token of that name already; choose another name, or revoke that one with `observer token remove {name}`"
        ),
        done => Ok(done?),
    }
}

fn write_private(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

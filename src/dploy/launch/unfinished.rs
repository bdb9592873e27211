//! A launch that never came to its end, which `dploy run` begins again.

use super::HEALTHY;
use crate::clock;
use crate::dploy::session::{Marathon, Observer, Session, TOKEN_FILE};
use crate::dploy::workspace::secret_in;
use crate::secret::Secret;

/// Whether the launch of an observer that is meant for this workspace never came to its end: what it was launched with still rolls, nothing of it is
/// well, and it is not merely starting. One that others launched, or for another branch, is theirs to repair.
///
/// # Errors
/// When Marathon does not answer, or `.dploy-token` cannot be read.
pub(in crate::dploy) async fn never_ended(
    session: &Session,
    marathon: &Marathon,
    observer: &Observer,
) -> anyhow::Result<bool> {
    let Some(id) = &observer.id else {
        return Ok(false);
    };
    let Some(app) = marathon.client.app(id).await? else {
        return Ok(false);
    };
    let well = app.tasks.iter().any(|t| app.is_well(t));
    let failed = app.last_task_failure.as_ref();
    let failed = failed.is_some_and(|f| f.version.as_str() >= app.configured());
    let configured: Option<jiff::Timestamp> = app.configured().parse().ok();
    let long = configured.is_some_and(|at| {
        let age = clock::system().now().duration_since(at);
        age.unsigned_abs() > HEALTHY
    });
    let rolls = !well && !app.deployments().is_empty() && (failed || long);
    let token = secret_in(&session.folder.join(TOKEN_FILE))?;
    let token = token.map(|t| Secret::new(t).sha256());
    let known = app.raw["env"]["DPLOY_OBSERVER_TOKEN_SHA256"].as_str();
    let ours = observer.meant && known == token.as_deref();
    Ok(rolls && ours && token.is_some())
}

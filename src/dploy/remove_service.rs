//! Removing services from Marathon and waiting until they are gone.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use crate::id::ServiceId;
use crate::marathon::{Client, MarathonError};

/// Removes a service and waits until Marathon does not know it any more, for `patience` at most.
///
/// # Errors
/// When Marathon does not do it.
pub(super) async fn service(
    marathon: &Client,
    id: &ServiceId,
    force: bool,
    patience: Duration,
) -> anyhow::Result<()> {
    let until = Instant::now() + patience;
    let mut asked = false;
    while marathon.app(id).await?.is_some() {
        if !asked {
            asked = match marathon.delete_app(id, force).await {
                Ok(_) | Err(MarathonError::Missing(_)) => true,
                Err(MarathonError::Busy(_) | MarathonError::Locked(_)) => false,
                Err(error) => return Err(error.into()),
            };
        }
        if Instant::now() > until {
            bail!("{id} is still there after {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

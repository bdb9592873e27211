//! Restarts on demand: Marathon is away for a while, then a new leader takes over.

use std::sync::Arc;

use tokio::sync::watch;

use super::engine::Engine;
use crate::fault::FaultState;

impl Engine {
    /// Brings back a Marathon that is away when its time is over.
    pub(super) async fn keep_restarting(self: Arc<Self>) {
        let mut faults = self.marathon.faults.subscribe();
        let stopping = &self.marathon.stopping;
        while stopping
            .run_until_cancelled(outage(&mut faults))
            .await
            .is_some()
        {
            // somebody else may have ended it
            if self.marathon.faults.is_away() {
                self.marathon.change_leader();
            }
        }
    }
}

/// Returns when a restart is over. One that begins meanwhile takes its own time.
async fn outage(faults: &mut watch::Receiver<FaultState>) {
    // its sender lives as long as the Marathon
    let _ = faults.wait_for(|state| state.restart.is_some()).await;
    loop {
        let restart = faults.borrow_and_update().restart;
        let Some(present) = restart else { return };
        tokio::select! {
            () = tokio::time::sleep(present.away()) => return,
            _ = faults.wait_for(|state| state.restart != restart) => {}
        }
    }
}

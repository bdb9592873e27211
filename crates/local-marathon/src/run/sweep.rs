//! Cleaning up after tasks that ended: processes that left their group, and sandboxes nobody will look into any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::engine::Engine;
use super::leftover;

/// Many tasks may end at a time: so long is waited for others.
const PAUSE: Duration = Duration::from_secs(1);

/// So many sandboxes of tasks that ended are kept, the newest ones.
const KEPT: usize = 200;

impl Engine {
    /// Cleans up whenever a task has ended.
    pub async fn keep_sweeping(self: Arc<Self>) {
        while self
            .marathon
            .stopping
            .run_until_cancelled(self.ended.notified())
            .await
            .is_some()
        {
            let paused = tokio::time::sleep(PAUSE);
            if self
                .marathon
                .stopping
                .run_until_cancelled(paused)
                .await
                .is_none()
            {
                // whoever stops looks for all that is left
                return;
            }
            self.sweep().await;
        }
    }

    async fn sweep(self: &Arc<Self>) {
        let dir = &self.marathon.options.dir;
        let engine = Arc::clone(self);
        leftover::kill_strays(dir.clone(), move || engine.running()).await;
        let (sandboxes, alive) = (dir.join("sandboxes"), self.running());
        let pruned = tokio::task::spawn_blocking(move || prune(&sandboxes, &alive));
        // it ends early only if the runtime does
        let _ = pruned.await;
    }
}

/// Removes the oldest sandboxes of tasks that are not alive.
fn prune(sandboxes: &Path, alive: &BTreeMap<String, Option<u32>>) {
    let entries = std::fs::read_dir(sandboxes).into_iter().flatten().flatten();
    let dead = entries.filter(|e| {
        !e.file_name()
            .to_str()
            .is_some_and(|n| alive.contains_key(n))
    });
    let mut dead: Vec<_> = dead
        .map(|entry| {
            let changed = entry.metadata().and_then(|m| m.modified());
            (changed.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
        })
        .collect();
    dead.sort();
    let surplus = dead.len().saturating_sub(KEPT);
    for (_, path) in dead.into_iter().take(surplus) {
        // what cannot be removed now is tried again at the next end of a task
        let _ = std::fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandboxes_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 7 {
            std::fs::create_dir(dir.path().join(format!("t{number}"))).unwrap();
        }
        let alive: BTreeMap<String, Option<u32>> =
            (0..5).map(|n| (format!("t{n}"), None)).collect();
        prune(dir.path(), &alive);
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, KEPT + 5);
        assert!(alive.keys().all(|name| dir.path().join(name).exists()));
    }
}

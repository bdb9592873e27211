//! A folder that belongs to one process at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Held on a file; another process, or this one again, does not get it meanwhile.
///
/// Given back explicitly: a process that is just being started has a copy of the open file until it executes.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes it. `taken` is the sentence for who comes second.
    ///
    /// # Errors
    /// When somebody has it, or the file cannot be made.
    pub fn take(path: &Path, taken: &str) -> anyhow::Result<Self> {
        let opened = File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("making {}", path.display()));
        let file = opened?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => bail!("{taken}"),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // closing the file does the same, a little later
        let _ = self.0.unlock();
    }
}

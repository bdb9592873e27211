//! What a task wrote: its `stdout` and `stderr`, bounded, with the newest part kept.

use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// A file grows no longer than this. Then it becomes `….1`, in place of the one before, and a new one is begun.
const HALF: usize = 5 * 1024 * 1024 / 2;

/// A log that is being written.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    written: usize,
}

impl Log {
    /// Begins a log. Where that is not possible, what is written to it is thrown away: a full disk must not stop a task.
    pub async fn create(path: PathBuf) -> Self {
        let file = File::create(&path).await.ok();
        Self {
            path,
            file,
            written: 0,
        }
    }

    /// Adds to it.
    pub async fn write(&mut self, bytes: &[u8]) {
        if self.written + bytes.len() > HALF && self.written > 0 {
            // without the older part, the newer one is all there is
            let _ = tokio::fs::rename(&self.path, older(&self.path)).await;
            self.file = File::create(&self.path).await.ok();
            self.written = 0;
        }
        if let Some(file) = self.file.as_mut() {
            let _ = file.write_all(bytes).await;
            let _ = file.flush().await;
        }
        self.written += bytes.len();
    }
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// What there is of a log: at least the newest 2.5 MiB, at most 5; `None` without one.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    // the older part may be missing; it is read first, so that nothing is lost when the newer one takes its place
    let mut bytes = std::fs::read(older(path)).unwrap_or_default();
    bytes.extend(std::fs::read(path).ok()?);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_part_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        assert_eq!(read(&path), None);
        let mut log = Log::create(path.clone()).await;
        log.write(b"first\n").await;
        assert_eq!(read(&path).unwrap(), b"first\n");
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..12 * 1024 {
            log.write(&line).await;
        }
        log.write(b"last\n").await;
        let kept = read(&path).unwrap();
        assert!(kept.ends_with(b"x\nlast\n") && !kept.starts_with(b"first"));
        assert!((HALF..=2 * HALF).contains(&kept.len()), "{}", kept.len());
    }
}

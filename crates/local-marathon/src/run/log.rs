//! What a task wrote: its `stdout` and `stderr`, bounded, with the newest part kept.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::stamp;

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
        let file = begin(&path).await;
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
            self.file = begin(&self.path).await;
            self.written = 0;
        }
        if let Some(file) = self.file.as_mut() {
            let _ = file.write_all(bytes).await;
            let _ = file.flush().await;
        }
        self.written += bytes.len();
    }
}

/// An empty file, whatever was there: a task may have put anything in the place of its log.
async fn begin(path: &Path) -> Option<File> {
    let there = tokio::fs::symlink_metadata(path).await;
    if there.is_ok_and(|there| there.is_file() && there.len() == 0) {
        // that it is there can be relied on from when the sandbox is
        let mut options = tokio::fs::OpenOptions::new();
        let options = options.write(true).custom_flags(OFlag::O_NOFOLLOW.bits());
        return options.open(path).await.ok();
    }
    // there may be none
    let _ = tokio::fs::remove_file(path).await;
    File::create_new(path).await.ok()
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// What there is of a log: at least the newest 2.5 MiB, at most 5; `None` without one. It blocks.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    // opened first: when it becomes the older part meanwhile, nothing is missing between the two
    let newer = open(path).ok();
    let older = open(&older(path)).ok();
    let inode = |file: &Option<fs::File>| file.as_ref()?.metadata().ok().map(|m| m.ino());
    let same = newer.is_some() && inode(&newer) == inode(&older);
    let mut bytes = Vec::new();
    let mut found = false;
    for file in [older.filter(|_| !same), newer].into_iter().flatten() {
        found = true;
        // what cannot be read is not shown
        let _ = file.take(HALF as u64).read_to_end(&mut bytes);
    }
    found.then_some(bytes)
}

/// Opens a regular file, and no link: a task may have put anything there. It blocks.
///
/// # Errors
/// When it is no such file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<fs::File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("It is no regular file"))
}

/// Marks the end of a task: sandboxes go in the order of their ends.
pub async fn touch(sandbox: &Path) {
    // there is none where the task was never started
    if let Ok(folder) = File::open(sandbox).await {
        let _ = folder.into_std().await.set_modified(stamp::now().into());
    }
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

//! `deliveries.jsonl`: one line for each delivery, added at the end; what is no longer kept goes when the file has doubled.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use local_kit::file;

use super::state::{Deliveries, Delivery};

/// The file may grow by this in any case, in bytes.
const SLACK: u64 = 1 << 20;

/// The file, open.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Of its whole lines, in bytes. Behind that may be what a write left that failed.
    length: u64,
    /// Its length when nothing was in it but what was kept.
    floor: u64,
    /// The id of the last delivery in it.
    newest: u64,
}

impl Journal {
    /// What is in the file in `dir`. A line that cannot be read, as a kill may leave it, is passed over.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(dir: &Path) -> anyhow::Result<Vec<Delivery>> {
        let path = path(dir);
        let text = file::read(&path)?.unwrap_or_default();
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let read = lines.filter_map(|line| {
            let read = serde_json::from_slice(line);
            let warn = |error: &_| {
                tracing::warn!(path = %path.display(), "a delivery is lost, its line is damaged: {error}");
            };
            read.inspect_err(warn).ok()
        });
        Ok(read.collect())
    }

    /// A file with nothing in it but these.
    ///
    /// # Errors
    /// When it cannot be written; the one that was there stays.
    pub fn write(dir: &Path, deliveries: &Deliveries) -> anyhow::Result<Self> {
        let path = path(dir);
        let lines = || deliveries.iter().map(|delivery| line(delivery));
        let file = file::write_whole(&path, lines())?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            length,
            floor: length,
            newest: deliveries.newest(),
        })
    }

    /// Adds those that are not in it yet.
    ///
    /// # Errors
    /// When they cannot be written; it is as it was then.
    pub fn add(&mut self, deliveries: &Deliveries) -> anyhow::Result<()> {
        self.append(deliveries)
            .with_context(|| format!("writing {}", self.path.display()))
    }

    fn append(&mut self, deliveries: &Deliveries) -> anyhow::Result<()> {
        let mut end = self.length;
        self.file.set_len(end)?;
        for delivery in deliveries.since(self.newest) {
            let line = line(delivery)?;
            self.file.write_all_at(&line, end)?;
            end += line.len() as u64;
        }
        self.length = end;
        self.newest = self.newest.max(deliveries.newest());
        Ok(())
    }

    /// Whether it is time to write it anew.
    pub fn has_doubled(&self) -> bool {
        self.length > 2 * self.floor + SLACK
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("deliveries.jsonl")
}

fn line(delivery: &Delivery) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(delivery)?;
    line.push(b'\n');
    Ok(line)
}

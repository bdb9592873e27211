//! Files in which a local server keeps what it knows: always whole, and nobody else's to read.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Writes a file so that there is always a whole one: beside it, and then in its place. Gives it open.
///
/// # Errors
/// When a part cannot be had, or the file cannot be written; the one that was there stays.
pub fn write_whole(
    path: &Path,
    parts: impl IntoIterator<Item = anyhow::Result<Vec<u8>>>,
) -> anyhow::Result<File> {
    let written = || -> anyhow::Result<File> {
        let new = path.with_added_extension("new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        for part in parts {
            file.write_all(&part?)?;
        }
        std::fs::rename(&new, path)?;
        Ok(file)
    };
    written().with_context(|| format!("writing {}", path.display()))
}

/// What is in a file; `None` where there is none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// What a file of JSON says; `None` where there is none.
///
/// # Errors
/// When it is there and cannot be read, with what a person can do about it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .with_context(|| format!("{} is damaged; remove it to begin anew", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_whole_and_private_and_a_damaged_one_is_said_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        assert_eq!(read_json::<u32>(&path).unwrap(), None);
        write_whole(&path, [Ok(b"4".to_vec()), Ok(b"2".to_vec())]).unwrap();
        assert_eq!(read_json::<u32>(&path).unwrap(), Some(42));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let parts = [Ok(b"7".to_vec()), Err(anyhow::anyhow!("no more"))];
        assert!(write_whole(&path, parts).is_err());
        assert_eq!(read_json::<u32>(&path).unwrap(), Some(42), "the old one");

        std::fs::write(&path, "{").unwrap();
        let error = read_json::<u32>(&path).unwrap_err().to_string();
        assert!(
            error.contains("state.json is damaged; remove it to begin anew"),
            "{error}"
        );
    }
}

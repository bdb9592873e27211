//! What `/files/browse` says of a file, as `ls` writes it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{Gid, Group, Uid, User};
use serde_json::{Value, json};

/// The file of that path.
pub fn entry(path: &str, file: &Metadata) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
    let mtime = file.mtime() as f64;
    json!({
        "path": path, "size": file.size(), "nlink": file.nlink(), "mtime": mtime, "mode": mode(file.mode()),
        "uid": user(file.uid()), "gid": group(file.gid()),
    })
}

fn user(id: u32) -> String {
    let user = User::from_uid(Uid::from_raw(id)).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}

fn group(id: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(id)).ok().flatten();
    group.map_or_else(|| id.to_string(), |group| group.name)
}

/// `-rw-r--r--`.
fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let bit = |shift: u32, letter: char| if mode >> shift & 1 == 1 { letter } else { '-' };
    let bits = (0..9).rev().zip("rwxrwxrwx".chars());
    std::iter::once(kind)
        .chain(bits.map(|(shift, letter)| bit(shift, letter)))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mode_reads_as_in_ls() {
        assert_eq!(super::mode(0o100_644), "-rw-r--r--");
        assert_eq!(super::mode(0o040_755), "drwxr-xr-x");
        assert_eq!(super::mode(0o010_600), "prw-------");
    }
}

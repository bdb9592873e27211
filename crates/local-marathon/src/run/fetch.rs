//! `fetch`: files that a task finds in its sandbox, as Mesos's fetcher puts them there.
//!
//! Only this machine is asked: `file:` URIs and plain paths are copied, and `http:` on loopback is loaded, which is
//! where the local GitHub has its raw files. For anything else the task fails with a sentence.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;
use reqwest::{Url, redirect};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::unpack::{Limits, measure, unpack};
use local_kit::http;

/// A file that is longer is not fetched.
const LONGEST: u64 = 1 << 30;
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// Brings everything a definition lists into the sandbox. When it fails, what is there by then is left to the caller.
///
/// # Errors
/// A sentence with the URI and the reason.
pub async fn all(list: &[Value], sandbox: &Path, limits: &Limits) -> Result<(), String> {
    let end = Instant::now() + limits.time;
    for item in list {
        let shown = without_secrets(item["uri"].as_str().unwrap_or_default());
        let fetched = tokio::time::timeout_at(end, fetch(item, &shown, sandbox, limits)).await;
        fetched.unwrap_or_else(|_| {
            let most = limits.time.as_secs();
            Err(format!("Failed to fetch '{shown}': fetching takes longer than {most} seconds, which is the limit of the local Marathon"))
        })?;
    }
    Ok(())
}

async fn fetch(item: &Value, shown: &str, sandbox: &Path, limits: &Limits) -> Result<(), String> {
    let failed = |why: String| format!("Failed to fetch '{shown}': {why}");
    let to = place(sandbox, item["destPath"].as_str()).await;
    let uri = item["uri"].as_str().unwrap_or_default();
    let file = one(uri, &to.map_err(failed)?).await.map_err(failed)?;
    measure(sandbox, limits).await.map_err(failed)?;
    if item["executable"] == true {
        let executable = std::fs::Permissions::from_mode(0o755);
        let done = tokio::fs::set_permissions(&file, executable).await;
        return done.map_err(|error| format!("Failed to make '{shown}' executable: {error}"));
    }
    if item["extract"] == false {
        return Ok(());
    }
    let unpacked = unpack(&file, sandbox, limits).await;
    unpacked.map_err(|why| format!("Failed to extract '{shown}': {why}"))
}

/// A URI as it may be shown: user, password and query may be secrets.
fn without_secrets(uri: &str) -> String {
    let url = Url::parse(uri).ok().filter(|url| !url.cannot_be_a_base());
    let Some(mut url) = url else {
        return if uri.starts_with('/') { uri } else { "…" }.to_owned();
    };
    // URLs without a host take neither, and have none
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

/// Where a file goes.
enum Place {
    /// Into a folder, under its own name.
    In(PathBuf),
    /// Exactly there.
    At(PathBuf),
}

impl Place {
    fn of(&self, name: &OsStr) -> PathBuf {
        match self {
            Self::In(folder) => folder.join(name),
            Self::At(path) => path.clone(),
        }
    }
}

async fn place(sandbox: &Path, wanted: Option<&str>) -> Result<Place, String> {
    let Some(wanted) = wanted.filter(|path| !path.is_empty()) else {
        return Ok(Place::In(sandbox.to_owned()));
    };
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(wanted).components().all(inside) {
        return Err(format!("its destPath '{wanted}' leads out of the sandbox"));
    }
    let path = sandbox.join(wanted);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(format!("its destPath '{wanted}' names no file"));
    };
    let made = tokio::fs::create_dir_all(folder).await;
    made.map_err(|error| error.to_string())?;
    // an archive may have brought links
    let found = tokio::join!(
        tokio::fs::canonicalize(folder),
        tokio::fs::canonicalize(sandbox)
    );
    match found {
        (Ok(folder), Ok(sandbox)) if folder.starts_with(&sandbox) => {
            Ok(Place::At(folder.join(name)))
        }
        _ => Err(format!("its destPath '{wanted}' leads out of the sandbox")),
    }
}

async fn one(uri: &str, to: &Place) -> Result<PathBuf, String> {
    if uri.starts_with('/') {
        return copied(Path::new(uri), to).await;
    }
    let url = Url::parse(uri).map_err(|error| error.to_string())?;
    match url.scheme() {
        "file" => {
            let path = url.to_file_path();
            let path = path.map_err(|()| "it names no file of this machine".to_owned())?;
            copied(&path, to).await
        }
        "http" if is_here(&url) => loaded(url, to).await,
        _ => Err(
            "the local Marathon fetches only files of this machine (file:///…) and \
             http:// on 127.0.0.1 or localhost, such as the local GitHub's raw files"
                .to_owned(),
        ),
    }
}

fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn copied(from: &Path, to: &Place) -> Result<PathBuf, String> {
    let name = from.file_name().ok_or("it names no file")?;
    let to = to.of(name);
    let text = |error: std::io::Error| error.to_string();
    let found = tokio::fs::metadata(from).await.map_err(text)?;
    // a pipe would be waited for without end
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if found.len() > LONGEST {
        return Err(too_long());
    }
    let source = tokio::fs::File::open(from).await.map_err(text)?;
    let mut target = create(&to).await?;
    // in parts, so that a kill need not wait for the end
    let mut source = source.take(LONGEST + 1);
    let copied = tokio::io::copy(&mut source, &mut target).await;
    // it may have grown
    if copied.map_err(text)? > LONGEST {
        return Err(too_long());
    }
    target.flush().await.map_err(text)?;
    target
        .set_permissions(found.permissions())
        .await
        .map_err(text)?;
    Ok(to)
}

fn too_long() -> String {
    format!("it is longer than {} MiB", LONGEST >> 20)
}

/// A new file, in place of whatever was there: an archive may have brought a link.
async fn create(path: &Path) -> Result<tokio::fs::File, String> {
    // there may be none
    let _ = tokio::fs::remove_file(path).await;
    let file = tokio::fs::File::create_new(path).await;
    file.map_err(|error| error.to_string())
}

async fn loaded(url: Url, to: &Place) -> Result<PathBuf, String> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
        return Err("it names no file".to_owned());
    }
    // a redirect must not lead off this machine
    let policy = redirect::Policy::custom(|attempt| {
        if attempt.previous().len() < 5 && is_here(attempt.url()) {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    let client = http::client().map_err(|error| error.to_string())?;
    let client = client.redirect(policy).read_timeout(SILENCE);
    let client = client.build().map_err(chain)?;
    let response = client.get(url).send().await.map_err(chain)?;
    if !response.status().is_success() {
        return Err(format!("the server answers {}", response.status()));
    }
    let to = to.of(OsStr::new(&name));
    let mut file = create(&to).await?;
    let (mut stream, mut length) = (response.bytes_stream(), 0);
    while let Some(part) = stream.next().await {
        let part = part.map_err(chain)?;
        length += part.len() as u64;
        if length > LONGEST {
            return Err(too_long());
        }
        let written = file.write_all(&part).await;
        written.map_err(|error| error.to_string())?;
    }
    file.flush().await.map_err(|error| error.to_string())?;
    Ok(to)
}

/// An error with its causes; reqwest's own text names only the first.
fn chain(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::from(error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::unpack::LIMITS;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for (uri, shown) in [
            ("http://u:p@a/b.tgz?token=t", "http://a/b.tgz"),
            ("hdfs://u:p@a/b", "hdfs://a/b"),
            ("file:///a/b", "file:///a/b"),
            ("/a/b", "/a/b"),
            ("u:p@a", "…"),
        ] {
            assert_eq!(without_secrets(uri), shown, "{uri}");
        }
    }

    #[test]
    fn only_this_machine_is_asked() {
        for (uri, here) in [
            ("http://127.0.0.1:3000/x", true),
            ("http://localhost/x", true),
            ("http://[::1]/x", true),
            ("http://127.0.0.1.example.com/x", false),
            ("http://localhost.example.com/x", false),
            ("http://0.0.0.0/x", false),
            ("http://192.168.0.1/x", false),
        ] {
            assert_eq!(is_here(&Url::parse(uri).unwrap()), here, "{uri}");
        }
    }
    #[tokio::test]
    async fn fetching_takes_only_so_long() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            time: Duration::ZERO,
            ..LIMITS
        };
        // it takes the call, and never answers
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/file", silent.local_addr().unwrap());
        let error = all(&[serde_json::json!({"uri": uri})], dir.path(), &limits).await;
        assert_eq!(
            error.unwrap_err(),
            format!(
                "Failed to fetch '{uri}': fetching takes longer than 0 seconds, which is the limit of the local Marathon"
            )
        );
    }
}

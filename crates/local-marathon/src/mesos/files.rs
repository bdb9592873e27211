//! `/files/…` of an agent: the files of its sandboxes, and of nothing else.
//!
//! Whatever goes wrong is answered with Mesos's status and words, in the order in which Mesos looks at it.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::attached::{self, Place};
use super::{Cluster, latin, mode, reply};
use crate::api::call::{self, Call};
use crate::run::log;

/// The most that one answer has of a file: 16 pages of memory.
const LONGEST_READ: u64 = 16 * 4096;

/// What a browser makes of a file that is downloaded, by the end of its name; all others are bytes.
const KINDS: [(&str, &str); 12] = [
    ("css", "text/css"),
    ("gif", "image/gif"),
    ("gz", "application/x-gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpg", "image/jpeg"),
    ("js", "application/javascript"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("txt", "text/plain"),
    ("zip", "application/zip"),
];

/// What is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Browse,
    /// From where, and how much at most; none is the size.
    Read(Option<(u64, u64)>),
    Download,
}

/// `/files/{name}`.
pub async fn answer(cluster: &Cluster, agent: usize, call: &Call, name: &str) -> Response {
    let fault = cluster.marathon.faults.state();
    tokio::time::sleep(Duration::from_millis(fault.files_slow_ms)).await;
    let name = name.strip_suffix(".json").unwrap_or(name);
    if name == "debug" {
        return match (fault.files_forbidden, fault.files_gone) {
            (true, _) => reply::text(403, "403 Forbidden."),
            (false, true) => reply::json(call, &json!({})),
            (false, false) => debug(cluster, agent, call).await,
        };
    }
    if !matches!(name, "browse" | "read" | "download") {
        return reply::not_found();
    }
    let (path, wanted) = match asked(call, name) {
        Ok(asked) => asked,
        Err(why) => return reply::text(400, why + "\n"),
    };
    if fault.files_forbidden {
        return bare(403, wanted, "403 Forbidden.");
    }
    let sandbox = cluster.find_sandbox(agent, path.strip_suffix('/').unwrap_or(path));
    let Some((sandbox, rest)) = sandbox.filter(|_| !fault.files_gone) else {
        return bare(404, wanted, "404 Not Found.");
    };
    let place = aside(move || attached::resolve(&sandbox, &rest)).await;
    match place {
        Some(Place::Inside(file)) => serve(call, path, file, wanted).await,
        Some(Place::Barred(why)) => reply::text(400, format!("{why}.\n")),
        Some(Place::Nowhere) | None => bare(404, wanted, "404 Not Found."),
    }
}

/// Path and what is wanted of it, or what is wrong with the question.
fn asked<'a>(call: &'a Call, name: &str) -> Result<(&'a str, Wanted), String> {
    let Some(path) = call.first("path").filter(|path| !path.is_empty()) else {
        return Err("Expecting 'path=value' in query.".to_owned());
    };
    let wanted = match name {
        "browse" => Wanted::Browse,
        "download" => Wanted::Download,
        _ => {
            let (offset, length) = (number(call, "offset")?, number(call, "length")?);
            // all that is left is more than fits in any case
            let length = length.unwrap_or(LONGEST_READ).min(LONGEST_READ);
            Wanted::Read(offset.map(|offset| (offset, length)))
        }
    };
    Ok((path, wanted))
}

/// A parameter that counts bytes; none where it is left out or -1.
fn number(call: &Call, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = call.first(name) else {
        return Ok(None);
    };
    let number = text.parse::<i64>();
    let number = number.map_err(|_| reply::no_number(name, text))?;
    if number == -1 {
        return Ok(None);
    }
    let number = u64::try_from(number).map(Some);
    number.map_err(|_| format!("Negative {name} provided: {text}."))
}

/// Only a download says in words what its status says.
fn bare(status: u16, wanted: Wanted, words: &str) -> Response {
    match wanted {
        Wanted::Download => reply::text(status, words),
        Wanted::Browse | Wanted::Read(_) => call::empty(status),
    }
}

/// Does what blocks; none only when everything ends.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

async fn debug(cluster: &Cluster, agent: usize, call: &Call) -> Response {
    let attached = cluster.attached(agent);
    let there = move || {
        let there = attached.into_iter().filter(|(_, folder)| folder.is_dir());
        there
            .map(|(name, folder)| (name, json!(folder)))
            .collect::<Map<String, Value>>()
    };
    reply::json(call, &json!(aside(there).await))
}

async fn serve(call: &Call, path: &str, file: PathBuf, wanted: Wanted) -> Response {
    let shown = file.clone();
    let failed = |error: &io::Error| {
        let (file, why) = (shown.display(), attached::said(error));
        reply::text(500, format!("Failed to open file at '{file}': {why}.\n"))
    };
    match wanted {
        Wanted::Browse => {
            let path = path.strip_suffix('/').unwrap_or(path).to_owned();
            let list = aside(move || browse(&file, &path)).await;
            reply::json(call, &json!(list))
        }
        _ if aside(move || file.is_dir()).await == Some(true) => {
            let verb = if wanted == Wanted::Download {
                "download"
            } else {
                "read"
            };
            reply::text(400, format!("Cannot {verb} a directory.\n"))
        }
        Wanted::Download => match download(shown.clone()).await {
            Ok(response) => response,
            Err(error) => failed(&error),
        },
        Wanted::Read(part) => {
            let file = shown.clone();
            match aside(move || read(&file, part)).await {
                Some(Ok(page)) => reply::raw_json(call, page),
                Some(Err(error)) => failed(&error),
                None => call::empty(500),
            }
        }
    }
}

/// What is in a folder, by name; nothing is in a file.
fn browse(folder: &Path, asked: &str) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<_> = entries
        // what a broken link leads to is not there
        .filter_map(|entry| Some((entry.file_name(), std::fs::metadata(entry.path()).ok()?)))
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let shown = entries.iter().map(|(name, file)| {
        let path = format!("{asked}/{}", name.to_string_lossy());
        mode::entry(&path, file)
    });
    shown.collect()
}

/// A part of a file, or its size.
fn read(path: &Path, part: Option<(u64, u64)>) -> io::Result<Vec<u8>> {
    let mut file = log::open(path)?;
    let size = file.metadata()?.len();
    let (offset, length) = part.unwrap_or((size, 0));
    if offset >= size {
        return Ok(latin::page(b"", offset));
    }
    let mut data = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(length).read_to_end(&mut data)?;
    Ok(latin::page(&data, offset))
}

/// The whole file, as long as it is now.
async fn download(path: PathBuf) -> io::Result<Response> {
    let name = path.file_name().unwrap_or_default().to_owned();
    let kind = path.extension().and_then(|end| {
        let kind = KINDS.iter().find(|(known, _)| end == *known);
        kind.map(|(_, kind)| *kind)
    });
    let file = aside(move || log::open(&path)).await;
    let file = file.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))?;
    let size = file.metadata()?.len();
    let mut response = call::text(
        200,
        kind.unwrap_or("application/octet-stream"),
        String::new(),
    );
    let bytes = tokio::fs::File::from_std(file).take(size);
    *response.body_mut() = Body::from_stream(ReaderStream::new(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    let as_file = format!("attachment; filename={}", name.to_string_lossy());
    let as_file = HeaderValue::try_from(as_file);
    let plain = HeaderValue::from_static("attachment");
    headers.insert(header::CONTENT_DISPOSITION, as_file.unwrap_or(plain));
    Ok(response)
}

//! Files as they are, by ref and path. Here because `download_url` of the contents leads to them, and a program may fetch them
//! without knowing REST.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::git::Git;
use super::git::object::Object;
use super::git::refs::candidates;
use super::server::Server;

/// `GET /{owner}/{repo}/raw/{ref}/{path}`, and `/raw/{owner}/{repo}/{ref}/{path}` as on raw.githubusercontent.com. The ref is a
/// branch (with slashes in its name, too), a tag or a commit.
pub async fn show_file(
    State(server): State<Arc<Server>>,
    Path((owner, name, rest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let repository = server
        .store
        .read(|world| world.repository(&owner, &name).cloned());
    let Some(repository) = repository else {
        return missing();
    };
    match find(&server.git(&repository), &rest).await {
        Ok(Some(file)) => answer(&file, &headers),
        Ok(None) => missing(),
        Err(error) => {
            tracing::error!("a raw file of {}: {error:#}", repository.full_name());
            (StatusCode::INTERNAL_SERVER_ERROR, "git failed\n").into_response()
        }
    }
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "404: Not Found").into_response()
}

/// The blob at `{ref}/{path}`. Where the ref ends is seen by which ref there is: git has no `a` beside `a/b`.
async fn find(git: &Git, rest: &str) -> anyhow::Result<Option<Object>> {
    let ends = rest.match_indices('/').map(|(end, _)| end);
    let mut names = Vec::new();
    for end in ends {
        let (name, path) = (&rest[..end], &rest[end + 1..]);
        // a newline would be a second question to git
        if !path.is_empty() && !path.contains(['\n', '\0']) {
            let commits = candidates(name).into_iter();
            names.extend(commits.map(|commit| (commit, path.to_owned())));
        }
    }
    let commits: Vec<String> = names.iter().map(|(commit, _)| commit.clone()).collect();
    if commits.is_empty() {
        return Ok(None);
    }
    let found = git.find(&commits).await?;
    let first = names.iter().zip(found).find_map(|((_, path), found)| {
        let (id, ..) = found?;
        Some(format!("{id}:{path}"))
    });
    let Some(file) = first else {
        return Ok(None);
    };
    let found = git.objects(&[file]).await?.pop();
    Ok(found.filter(|object| object.kind == "blob"))
}

/// The bytes, as text or as nothing in particular: a page in a repository must not act as one of this server.
fn answer(file: &Object, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", file.id);
    let known = headers.get(header::IF_NONE_MATCH);
    let unchanged = known.is_some_and(|known| known.to_str().is_ok_and(|k| k.contains(&tag)));
    let text = std::str::from_utf8(&file.data).is_ok() && !file.data.contains(&0);
    let kind = if text {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::ETAG, &tag),
        (header::CACHE_CONTROL, "max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, file.data.clone()).into_response()
}

//! A commit as an archive, made by `git archive`: from the web address that people copy, and from the one that REST names. Both lead,
//! as GitHub's do, to an address of their own that serves it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::{Answer, Refusal};
use super::repo::Repo;
use crate::git::refs::candidates;
use crate::server::Server;

/// The formats, as git and addresses call them, and their types.
const FORMATS: [(&str, &str); 2] = [("zip", "application/zip"), ("tar.gz", "application/x-gzip")];

/// `GET /{owner}/{repo}/archive/{ref}.zip` and `.tar.gz`; the ref may be whole (`refs/heads/main`).
pub async fn lead_to_archive(
    State(server): State<Arc<Server>>,
    Path((owner, name, rest)): Path<(String, String, String)>,
) -> Response {
    let format = FORMATS.iter().find_map(|(ending, _)| {
        let wanted = rest.strip_suffix(ending)?.strip_suffix('.')?;
        Some((*ending, wanted))
    });
    let Some((format, wanted)) = format else {
        return missing();
    };
    match commit(&server, &owner, &name, wanted).await {
        Ok(Some(_)) => {
            let there = format!("{}/codeload/{owner}/{name}/{format}/{wanted}", server.url);
            (StatusCode::FOUND, [(header::LOCATION, there)]).into_response()
        }
        Ok(None) => missing(),
        Err(error) => failed(&error),
    }
}

/// `GET …/zipball`, `…/zipball/{ref}`.
pub async fn lead_to_zipball(repo: Repo) -> Answer<Response> {
    legacy(&repo, "zip").await
}

/// `GET …/tarball`, `…/tarball/{ref}`.
pub async fn lead_to_tarball(repo: Repo) -> Answer<Response> {
    legacy(&repo, "tar.gz").await
}

async fn legacy(repo: &Repo, format: &str) -> Answer<Response> {
    let asked = repo.parameter("ref");
    let name = match asked.as_str() {
        "" => &repo.record.default_branch,
        name => name,
    };
    repo.commit(name).await?.ok_or_else(Refusal::not_found)?;
    let (server, full) = (&repo.server.url, repo.record.full_name());
    let there = format!("{server}/codeload/{full}/legacy.{format}/{name}");
    Ok((StatusCode::FOUND, [(header::LOCATION, there)]).into_response())
}

/// `GET /codeload/{owner}/{repo}/{format}/{ref}`: the archive. Everything in it is below one folder: `shop-main`, or as REST has it
/// (`legacy.`) `acme-shop-1a2b3c4`.
pub async fn serve_archive(
    State(server): State<Arc<Server>>,
    Path((owner, name, format, wanted)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let plain = format.strip_prefix("legacy.").unwrap_or(&format);
    let Some((ending, kind)) = FORMATS.iter().find(|(ending, _)| *ending == plain) else {
        return missing();
    };
    let id = match commit(&server, &owner, &name, &wanted).await {
        Ok(Some(id)) => id,
        Ok(None) => return missing(),
        Err(error) => return failed(&error),
    };
    let tag = format!("W/\"{id}{ending}\"");
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|k| k.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let folder = if plain == format {
        format!("{name}-{}", called(&wanted))
    } else {
        format!("{owner}-{name}-{}", &id[..7])
    };
    let Some(repository) = server.store.read(|w| w.repository(&owner, &name).cloned()) else {
        return missing();
    };
    let arguments = [
        "archive",
        &format!("--format={ending}"),
        &format!("--prefix={folder}/"),
        &id,
    ];
    match server.git(&repository).run(&arguments, b"").await {
        Ok(bytes) => {
            let file = format!("attachment; filename={folder}.{ending}");
            let headers = [
                (header::CONTENT_TYPE, (*kind).to_owned()),
                (header::CONTENT_DISPOSITION, file),
                (header::ETAG, tag),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// The commit that a ref names, where there are such a repository and such a ref.
async fn commit(
    server: &Server,
    owner: &str,
    name: &str,
    wanted: &str,
) -> anyhow::Result<Option<String>> {
    let Some(repository) = server.store.read(|w| w.repository(owner, name).cloned()) else {
        return Ok(None);
    };
    let names = candidates(wanted);
    let found = server.git(&repository).first_commit(&names).await?;
    Ok(found.map(|commit| commit.id))
}

/// A ref in the name of a folder: `refs/heads/env/dev` is `env-dev`, the tag `v1.0` is `1.0`.
fn called(wanted: &str) -> String {
    let name = wanted.strip_prefix("refs/").unwrap_or(wanted);
    let name = name.strip_prefix("heads/").unwrap_or(name);
    let name = name.strip_prefix("tags/").unwrap_or(name);
    let version = name.strip_prefix('v');
    let version = version.filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    version.unwrap_or(name).replace('/', "-")
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "404: Not Found").into_response()
}

fn failed(error: &anyhow::Error) -> Response {
    tracing::error!("an archive: {error:#}");
    (StatusCode::INTERNAL_SERVER_ERROR, "git failed\n").into_response()
}

//! Git's smart HTTP protocol: `git http-backend` as CGI, and the hooks after a push.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::git::command;
use super::push::announce;
use super::server::Server;
use super::state::Repository;

/// An answer of the CGI program: its headers, and what follows them.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    child: Child,
    output: BufReader<ChildStdout>,
}

/// `GET /{owner}/{repository}.git/info/refs`: what there is to fetch, or to push to.
pub async fn list_refs(
    server: State<Arc<Server>>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let pushes = request.uri().query() == Some("service=git-receive-pack");
    if pushes && let Err(error) = server.store.durable().await {
        // whoever pushes again what could not be saved would hear that everything is up to date
        return failure(&error, "The state cannot be saved; the log says why.\n");
    }
    serve(&server, &path, "info/refs", request).await
}

/// `POST …/git-upload-pack`: clone and fetch.
pub async fn upload_pack(
    server: State<Arc<Server>>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    serve(&server, &path, "git-upload-pack", request).await
}

/// `POST …/git-receive-pack`: push.
pub async fn receive_pack(
    server: State<Arc<Server>>,
    path: Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(repository) = find(&server, &path) else {
        return missing();
    };
    let State(server) = server;
    // a task of its own: whoever breaks the connection must not keep the hooks from hearing of a push that happened
    let done = tokio::spawn(async move { push(&server, &repository, request).await });
    match done.await.map_err(anyhow::Error::from).flatten() {
        Ok(response) => response,
        Err(error) => failure(&error, "git failed\n"),
    }
}

async fn push(
    server: &Server,
    repository: &Repository,
    request: Request,
) -> anyhow::Result<Response> {
    let turn = server.turn(repository.id);
    let _turn = turn.lock().await;
    let pusher = pusher(server, repository, request.headers());
    let before = server.git(repository).refs().await?;
    // refused while nothing has happened
    server.store.ready().await?;
    let mut answer = run(server, repository, "git-receive-pack", request).await?;
    // the answer ends after the events were handed over: what `git push` has pushed is owed to the hooks
    let mut body = Vec::new();
    answer.output.read_to_end(&mut body).await?;
    answer.child.wait().await?;
    announce(server, repository, &before, &pusher).await?;
    // a push that is not in the state has happened all the same; whoever pushed is told that something is wrong
    server.store.durable().await?;
    Ok((answer.status, answer.headers, body).into_response())
}

async fn serve(
    server: &State<Arc<Server>>,
    path: &Path<(String, String)>,
    what: &str,
    request: Request,
) -> Response {
    let Some(repository) = find(server, path) else {
        return missing();
    };
    match run(server, &repository, what, request).await {
        Ok(answer) => {
            let body = Body::from_stream(chunks(answer.output, answer.child));
            (answer.status, answer.headers, body).into_response()
        }
        Err(error) => failure(&error, "git failed\n"),
    }
}

fn find(server: &Server, path: &Path<(String, String)>) -> Option<Repository> {
    let (owner, name) = &path.0;
    let name = name.strip_suffix(".git").unwrap_or(name);
    server
        .store
        .read(|world| world.repository(owner, name).cloned())
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "Repository not found.\n").into_response()
}

fn failure(error: &anyhow::Error, sentence: &'static str) -> Response {
    tracing::error!("git over HTTP: {error:#}");
    (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
}

/// Pushes need no password here; one that has a token is made by its owner.
fn pusher(server: &Server, repository: &Repository, headers: &HeaderMap) -> String {
    let named = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| server.token(value.to_str().ok()?));
    let someone = named.or(server.tokens.first());
    someone.map_or_else(|| repository.owner.clone(), |token| token.login.clone())
}

/// Starts the CGI program, feeds it the request, and reads its headers.
async fn run(
    server: &Server,
    repository: &Repository,
    what: &str,
    request: Request,
) -> anyhow::Result<Answer> {
    let (parts, body) = request.into_parts();
    let path = format!("/{}.git/{what}", repository.full_name());
    let mut child = backend(server, &path, &parts)
        .spawn()
        .context("starting git http-backend")?;
    let mut input = child.stdin.take().context("no stdin")?;
    let output = child.stdout.take().context("no stdout")?;
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(Ok(chunk)) = body.next().await {
            if input.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    let mut output = BufReader::new(output);
    let (status, headers) = head(&mut output).await?;
    Ok(Answer {
        status,
        headers,
        child,
        output,
    })
}

/// The CGI program with the variables that tell it of the request (RFC 3875).
fn backend(server: &Server, path: &str, parts: &Parts) -> Command {
    let text = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let mut git = command(&server.dir);
    git.arg("http-backend")
        .env("GIT_PROJECT_ROOT", &server.dir)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env(
            "CONTENT_TYPE",
            text(header::CONTENT_TYPE).unwrap_or_default(),
        )
        .env("REMOTE_ADDR", "127.0.0.1");
    for (variable, name) in [
        ("CONTENT_LENGTH", header::CONTENT_LENGTH),
        ("HTTP_CONTENT_ENCODING", header::CONTENT_ENCODING),
        ("GIT_PROTOCOL", HeaderName::from_static("git-protocol")),
    ] {
        if let Some(value) = text(name) {
            git.env(variable, value);
        }
    }
    git.current_dir(&server.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    git
}

/// CGI headers, up to the empty line.
async fn head(output: &mut BufReader<ChildStdout>) -> anyhow::Result<(StatusCode, HeaderMap)> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        let read = output.read_line(&mut line).await?;
        let line = line.trim_end();
        anyhow::ensure!(read > 0, "git http-backend ended without an answer");
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            status = value.get(..3).unwrap_or_default().parse()?;
        } else {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
        }
    }
}

/// What the program prints; the program ends with the stream.
fn chunks(
    output: BufReader<ChildStdout>,
    child: Child,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((output, child), |(mut output, mut child)| async move {
        let mut chunk = vec![0; 64 << 10];
        let read = output.read(&mut chunk).await?;
        if read == 0 {
            child.wait().await?;
            return Ok(None);
        }
        chunk.truncate(read);
        Ok(Some((Bytes::from(chunk), (output, child))))
    })
}

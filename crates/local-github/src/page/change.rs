//! What a commit changed: where the commits of a payload and of a repository's page lead.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::{find, missing};
use crate::git::Git;
use crate::git::object::Commit;
use crate::git::refs::candidates;
use crate::server::Server;
use crate::state::Repository;
use local_kit::page::{Page, failed, show};

/// More of a patch than this is not shown, in bytes.
const PATCH: usize = 256 << 10;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p><a href="/{{ repository.full_name() }}">{{ repository.full_name() }}</a></p>
<h1>{{ commit.id }}</h1>
<pre>{{ commit.message }}</pre>
<p>{{ commit.author.name }} · <span class="dim">{{ commit.author.local_time() }} · tree <code>{{ commit.tree }}</code></span></p>
<pre>{{ patch }}</pre>"#
)]
struct ChangePage {
    repository: Repository,
    commit: Commit,
    patch: String,
}

impl Page for ChangePage {
    fn title(&self) -> String {
        format!("{} · {}", self.commit.id, self.repository.full_name())
    }
}

/// `GET /{owner}/{repo}/commit/{sha}`
pub async fn show_commit(
    State(server): State<Arc<Server>>,
    Path((owner, name, sha)): Path<(String, String, String)>,
) -> Response {
    let Some(repository) = find(&server, &owner, &name) else {
        return missing("repository");
    };
    let git = server.git(&repository);
    let commit = match git.first_commit(&candidates(&sha)).await {
        Ok(Some(commit)) => commit,
        Ok(None) => return missing("commit"),
        Err(error) => return failed(&error),
    };
    let arguments = [
        "diff-tree",
        "--root",
        "-p",
        "--stat",
        "--no-commit-id",
        &commit.id,
    ];
    match patch(&git, &arguments).await {
        Ok(patch) => show(&ChangePage {
            repository,
            commit,
            patch,
        }),
        Err(error) => failed(&error),
    }
}

async fn patch(git: &Git, arguments: &[&str]) -> anyhow::Result<String> {
    let mut printed = git.run(arguments, b"").await?;
    let cut = printed.len() > PATCH;
    printed.truncate(PATCH);
    let mut text = String::from_utf8_lossy(&printed).into_owned();
    if cut {
        text.push_str("\n… and more");
    }
    Ok(text)
}

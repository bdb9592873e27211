//! One repository: its branches and commits, and how its hooks were called.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::{find, missing};
use crate::git::object::Commit;
use crate::render;
use crate::server::Server;
use crate::state::{Delivery, Hook, Repository, Status};
use local_kit::page::{Page, failed, show};

/// Commits and deliveries shown.
const SHOWN: usize = 20;
/// Characters of a payload shown.
const PAYLOAD: usize = 100_000;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>{{ repository.full_name() }} <small>on this machine's GitHub</small></h1>
<p><a href="/">all repositories</a></p>
<p>Clone it: <code>git clone {{ base }}/{{ repository.full_name() }}.git</code></p>
<h2>Branches</h2>
<table>{% for branch in branches %}<tr><td><a href="/{{ repository.full_name() }}/commits/{{ self::path(branch.0) }}"><code>{{ branch.0 }}</code></a>{% if branch.0 == repository.default_branch %} <span class="dim">default</span>{% endif %}</td><td><code>{{ self::short(branch.1) }}</code></td></tr>
{% else %}<tr><td class="dim">none yet: push one</td></tr>{% endfor %}</table>
<h2>Commits of {{ branch }}</h2>
<table>{% for commit in commits %}<tr><td><a href="/{{ repository.full_name() }}/commit/{{ commit.0.id }}"><code>{{ self::short(commit.0.id) }}</code></a></td><td>{{ self::subject(commit.0.message) }}{% for status in commit.1 %}<br><span class="{% if status.state == "success" %}ok{% else if status.state == "pending" %}dim{% else %}bad{% endif %}">{{ status.context }}: {{ status.state }}</span> <span class="dim">{{ status.description.as_deref().unwrap_or("") }}</span>{% endfor %}</td><td>{{ commit.0.author.name }}</td><td class="dim">{{ commit.0.committer.local_time() }}</td></tr>
{% else %}<tr><td class="dim">none yet</td></tr>{% endfor %}</table>
{% for hook in hooks %}<h2 id="hook-{{ hook.0.id }}">Hook {{ hook.0.id }} → <code>{{ self::masked(hook.0.config.url) }}</code></h2>
<div>{{ hook.0.events.join(", ") }} · {{ hook.0.config.content_type }} · {% if hook.0.active %}active{% else %}not active{% endif %} · {% if hook.0.config.secret.is_some() %}signed{% else %}no secret{% endif %} <form method="post" action="/{{ repository.full_name() }}/settings/hooks/{{ hook.0.id }}/ping"><button>Ping</button></form></div>
<h3>Recent deliveries</h3>
{% for delivery in hook.1 %}<details><summary><span class="{% if delivery.succeeded() %}ok{% else %}bad{% endif %}">{{ delivery.status }}</span> <code>{{ delivery.event }}</code> {{ delivery.status_code }} <span class="dim">{{ delivery.delivered_at }} · {{ delivery.duration }} s · <code>{{ delivery.guid }}</code>{% if delivery.redelivery %} · redelivery{% endif %}</span>{% if !delivery.response_body.is_empty() %}<br>{{ self::subject(delivery.response_body) }}{% endif %}</summary>
<form method="post" action="/{{ repository.full_name() }}/settings/hooks/{{ hook.0.id }}/deliveries/{{ delivery.id }}/redeliver"><button>Redeliver</button></form>
<p>Request</p><pre>POST {{ self::masked(delivery.url) }}
{% for header in delivery.request_headers %}{{ header.0 }}: {{ header.1 }}
{% endfor %}</pre><pre>{{ self::pretty(delivery.payload) }}</pre><p>Response</p><pre>{{ delivery.status_code }} {{ delivery.status }}
{% for header in delivery.response_headers %}{{ header.0 }}: {{ header.1 }}
{% endfor %}</pre><pre>{{ delivery.response_body }}</pre></details>
{% else %}<p class="dim">none yet</p>{% endfor %}
{% else %}<h2>Hooks</h2><p class="dim">none yet</p>{% endfor %}"#
)]
struct RepositoryPage {
    base: String,
    repository: Repository,
    /// Whose commits are shown.
    branch: String,
    branches: Vec<(String, String)>,
    commits: Vec<(Commit, Vec<Arc<Status>>)>,
    hooks: Vec<(Hook, Vec<Arc<Delivery>>)>,
}

impl Page for RepositoryPage {
    fn title(&self) -> String {
        format!("{} · local GitHub", self.repository.full_name())
    }
}

/// `GET /{owner}/{repo}`
pub async fn show_repository(
    State(server): State<Arc<Server>>,
    Path(path): Path<(String, String)>,
) -> Response {
    let Some(repository) = find(&server, &path.0, &path.1) else {
        return missing("repository");
    };
    let branch = repository.default_branch.clone();
    match look(&server, repository, branch).await {
        Ok(page) => show(&page),
        Err(error) => failed(&error),
    }
}

/// `GET /{owner}/{repo}/commits/{branch}`
pub async fn show_branch(
    State(server): State<Arc<Server>>,
    Path((owner, name, branch)): Path<(String, String, String)>,
) -> Response {
    let Some(repository) = find(&server, &owner, &name) else {
        return missing("repository");
    };
    match look(&server, repository, branch).await {
        Ok(page) if page.branches.iter().all(|(name, _)| *name != page.branch) => missing("branch"),
        Ok(page) => show(&page),
        Err(error) => failed(&error),
    }
}

async fn look(
    server: &Server,
    repository: Repository,
    branch: String,
) -> anyhow::Result<RepositoryPage> {
    let git = server.git(&repository);
    let refs = git.refs().await?;
    let heads = refs
        .iter()
        .filter_map(|(name, id)| Some((name.strip_prefix("refs/heads/")?.to_owned(), id.clone())));
    let branches: Vec<(String, String)> = heads.collect();
    let mut main = branches.iter().filter(|(name, _)| *name == branch);
    let ids = match main.next() {
        Some((_, head)) => git.reachable(head, &[], SHOWN, 0).await?,
        None => Vec::new(),
    };
    let commits = git.commits(&ids).await?.into_iter();
    Ok(RepositoryPage {
        base: server.url.clone(),
        commits: commits
            .map(|commit| with_statuses(server, &repository, commit))
            .collect(),
        hooks: with_deliveries(server, &repository),
        branch,
        branches,
        repository,
    })
}

fn with_deliveries(server: &Server, repository: &Repository) -> Vec<(Hook, Vec<Arc<Delivery>>)> {
    server.store.read(|world| {
        let hooks = world
            .hooks
            .iter()
            .filter(|hook| hook.repository == repository.id);
        let recent = |id: u64| {
            let own = world.deliveries.iter().rev().filter(move |d| d.hook == id);
            own.take(SHOWN).cloned()
        };
        hooks
            .map(|hook| (hook.clone(), recent(hook.id).collect()))
            .collect()
    })
}

/// A commit with the newest status of each context.
fn with_statuses(
    server: &Server,
    repository: &Repository,
    commit: Commit,
) -> (Commit, Vec<Arc<Status>>) {
    let mut newest: Vec<Arc<Status>> = Vec::new();
    server.store.read(|world| {
        for status in world.statuses(repository.id, &commit.id) {
            if !newest.iter().any(|known| known.context == status.context) {
                newest.push(Arc::clone(status));
            }
        }
    });
    (commit, newest)
}

fn short(id: &str) -> String {
    id.chars().take(7).collect()
}

/// A branch in a link.
fn path(branch: &str) -> String {
    render::path(branch).to_string()
}

/// A payload to be read by people, cut off where it is too long for them.
fn pretty(payload: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(payload).unwrap_or_default();
    let text = format!("{value:#}");
    match text.char_indices().nth(PAYLOAD) {
        Some((end, _)) => format!("{}\n… and more: the REST API has all of it", &text[..end]),
        None => text,
    }
}

/// A URL without the password in it.
fn masked(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (_, host) = rest[..end].rsplit_once('@')?;
        Some(format!("{scheme}://********@{host}{}", &rest[end..]))
    });
    parts.unwrap_or_else(|| url.to_owned())
}

/// The first line.
fn subject(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("http://u:p@h:1/x@y", "http://********@h:1/x@y"),
            ("http://u:p@h", "http://********@h"),
            ("http://u:p@?@h", "http://********@?@h"),
            ("http://h/a@b", "http://h/a@b"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}

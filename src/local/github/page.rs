//! A page for people: what is in a repository, and how its hooks were called.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::git::object::Commit;
use super::hub::Hub;
use super::state::{Delivery, Hook, Repository, Status};

/// Commits and deliveries shown.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ repository.full_name() }} · local GitHub</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.45 ui-monospace,monospace} pre{overflow:auto;padding:.6rem .8rem;background:#8882;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
h1 small{font-weight:normal;font-size:.9rem;opacity:.7} h2{margin-top:2rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%} td,th{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top}
.ok{color:#1a7f37}.bad{color:#cf222e} summary{cursor:pointer} .dim{opacity:.7}
</style></head><body>
<h1>{{ repository.full_name() }} <small>on this machine's GitHub</small></h1>
<p>Clone it: <code>git clone {{ base }}/{{ repository.full_name() }}.git</code></p>
<h2>Branches</h2>
<table>{% for branch in branches %}<tr><td><code>{{ branch.0 }}</code>{% if branch.0 == repository.default_branch %} <span class="dim">default</span>{% endif %}</td><td><code>{{ self::short(branch.1) }}</code></td></tr>
{% else %}<tr><td class="dim">none yet: push one</td></tr>{% endfor %}</table>
<h2>Commits of {{ repository.default_branch }}</h2>
<table>{% for commit in commits %}<tr><td><code title="{{ commit.0.id }}">{{ self::short(commit.0.id) }}</code></td><td>{{ self::subject(commit.0.message) }}{% for status in commit.1 %}<br><span class="{% if status.state == "success" %}ok{% else if status.state == "pending" %}dim{% else %}bad{% endif %}">{{ status.context }}: {{ status.state }}</span> <span class="dim">{{ status.description.as_deref().unwrap_or("") }}</span>{% endfor %}</td><td>{{ commit.0.author.name }}</td><td class="dim">{{ commit.0.committer.local_time() }}</td></tr>
{% else %}<tr><td class="dim">none yet</td></tr>{% endfor %}</table>
{% for hook in hooks %}<h2>Hook {{ hook.0.id }} → <code>{{ hook.0.config.url }}</code></h2>
<p>{{ hook.0.events.join(", ") }} · {{ hook.0.config.content_type }} · {% if hook.0.active %}active{% else %}not active{% endif %} · {% if hook.0.config.secret.is_some() %}signed{% else %}no secret{% endif %}</p>
<h3>Recent deliveries</h3>
{% for delivery in hook.1 %}<details><summary><span class="{% if delivery.succeeded() %}ok{% else %}bad{% endif %}">{{ delivery.status }}</span> <code>{{ delivery.event }}</code> {{ delivery.status_code }} <span class="dim">{{ delivery.delivered_at }} · {{ delivery.duration }} s · <code>{{ delivery.guid }}</code>{% if delivery.redelivery %} · redelivery{% endif %}</span></summary>
<pre>{% for header in delivery.request_headers %}{{ header.0 }}: {{ header.1 }}
{% endfor %}</pre><pre>{{ delivery.payload }}</pre><p>Answer</p><pre>{% for header in delivery.response_headers %}{{ header.0 }}: {{ header.1 }}
{% endfor %}
{{ delivery.response_body }}</pre></details>
{% if loop.first %}{% if !delivery.response_body.is_empty() %}<pre>{{ delivery.response_body }}</pre>{% endif %}{% endif %}
{% else %}<p class="dim">none yet</p>{% endfor %}
{% else %}<h2>Hooks</h2><p class="dim">none yet</p>{% endfor %}
</body></html>
"#
)]
struct RepositoryPage {
    base: String,
    repository: Repository,
    branches: Vec<(String, String)>,
    commits: Vec<(Commit, Vec<Status>)>,
    hooks: Vec<(Hook, Vec<Delivery>)>,
}

/// `GET /{owner}/{repo}`
pub async fn show_repository(
    State(hub): State<Arc<Hub>>,
    Path((owner, name)): Path<(String, String)>,
) -> Response {
    let name = name.strip_suffix(".git").unwrap_or(&name);
    let Some(repository) = hub
        .store
        .read(|world| world.repository(&owner, name).cloned())
    else {
        return (StatusCode::NOT_FOUND, "There is no such repository here.\n").into_response();
    };
    match look(&hub, repository).await {
        Ok(page) => page,
        Err(error) => {
            tracing::error!("showing a repository: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, "git failed\n").into_response()
        }
    }
}

async fn look(hub: &Hub, repository: Repository) -> anyhow::Result<Response> {
    let git = hub.git(&repository);
    let refs = git.refs().await?;
    let heads = refs
        .iter()
        .filter_map(|(name, id)| Some((name.strip_prefix("refs/heads/")?.to_owned(), id.clone())));
    let branches: Vec<(String, String)> = heads.collect();
    let commits = match branches
        .iter()
        .find(|(name, _)| *name == repository.default_branch)
    {
        Some((_, head)) => {
            git.commits(&git.reachable(head, &[], SHOWN, 0).await?)
                .await?
        }
        None => Vec::new(),
    };
    let page = RepositoryPage {
        base: hub.url.clone(),
        branches,
        commits: commits
            .into_iter()
            .map(|commit| with_statuses(hub, &repository, commit))
            .collect(),
        hooks: with_deliveries(hub, &repository),
        repository,
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, page.render()?).into_response())
}

fn with_deliveries(hub: &Hub, repository: &Repository) -> Vec<(Hook, Vec<Delivery>)> {
    hub.store.read(|world| {
        let hooks = world
            .hooks
            .iter()
            .filter(|hook| hook.repository == repository.id);
        let recent = |id: u64| {
            world
                .deliveries
                .iter()
                .rev()
                .filter(move |d| d.hook == id)
                .take(SHOWN)
                .cloned()
        };
        hooks
            .map(|hook| (hook.clone(), recent(hook.id).collect()))
            .collect()
    })
}

/// A commit with the newest status of each context.
fn with_statuses(hub: &Hub, repository: &Repository, commit: Commit) -> (Commit, Vec<Status>) {
    let mut newest: Vec<Status> = Vec::new();
    hub.store.read(|world| {
        for status in world
            .statuses
            .iter()
            .rev()
            .filter(|s| s.repository == repository.id && s.sha == commit.id)
        {
            if !newest.iter().any(|known| known.context == status.context) {
                newest.push(status.clone());
            }
        }
    });
    (commit, newest)
}

fn short(id: &str) -> String {
    id.chars().take(7).collect()
}

fn subject(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

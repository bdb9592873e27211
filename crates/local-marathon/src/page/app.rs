//! One app: its tasks, those before them, and its definition.

use std::time::SystemTime;

use askama::Template;
use axum::response::Response;
use jiff::Timestamp;

use super::{state, waiting};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::marathon::Marathon;
use crate::stamp;
use crate::world::World;
use crate::world::instance::Instance;
use local_kit::page::{self, Page};

/// So many tasks of the past are listed.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<nav><a href="/ui/">all apps</a> <a href="/v2/apps{{ id }}">/v2/apps{{ id }}</a> <a href="/local/faults">faults</a></nav>
<h1>{{ id }} <small>{{ wanted }} wanted, version {{ version }}</small></h1>
{% if let Some(why) = waiting %}<p class="note">{{ why }}</p>{% endif %}
{% for deployment in deployments %}<p class="on">Deployment <code>{{ deployment }}</code> is under way.</p>{% endfor %}
{% if let Some(failure) = failure %}<p><span class="bad">Last failure</span> {{ failure.1 }}: {{ failure.2 }}<br><span class="dim"><code>{{ failure.0 }}</code></span> <a href="/local/tasks/{{ failure.0 }}/stdout">stdout</a> <a href="/local/tasks/{{ failure.0 }}/stderr">stderr</a></p>{% endif %}
<h2>Tasks</h2>
<div class="wide"><table>{% for task in tasks %}{% if loop.first %}<tr><th>state</th><th>address</th><th>logs</th><th>since</th><th>task</th></tr>{% endif %}
<tr><td><span class="{{ task.quality }}">{{ task.state }}</span>{% if let Some(why) = task.sick %}<br><span class="dim">{{ why }}</span>{% endif %}</td>
<td>{% for port in task.ports %}<a href="http://{{ task.host }}:{{ port }}/">{{ task.host }}:{{ port }}</a> {% endfor %}</td>
<td class="now"><a href="/local/tasks/{{ task.id }}/stdout">stdout</a> <a href="/local/tasks/{{ task.id }}/stderr">stderr</a></td>
<td class="now dim">{{ task.since }}</td><td class="dim"><code>{{ task.id }}</code></td></tr>
{% else %}<tr><td class="dim">none</td></tr>{% endfor %}</table></div>
{% if !ended.is_empty() %}<h2>Ended</h2>
<div class="wide"><table>{% for task in ended %}<tr><td class="now dim">{{ task.1 }}</td><td class="now"><a href="/local/tasks/{{ task.0 }}/stdout">stdout</a> <a href="/local/tasks/{{ task.0 }}/stderr">stderr</a></td><td class="dim"><code>{{ task.0 }}</code></td></tr>
{% endfor %}</table></div>{% endif %}
<h2>Definition</h2>
<pre>{{ definition }}</pre>"#
)]
struct AppPage {
    id: String,
    wanted: usize,
    version: String,
    waiting: Option<String>,
    deployments: Vec<String>,
    failure: Option<(String, String, String)>,
    tasks: Vec<TaskRow>,
    ended: Vec<(String, String)>,
    definition: String,
}

impl Page for AppPage {
    fn title(&self) -> String {
        format!("{} · local Marathon", self.id)
    }
}

struct TaskRow {
    id: String,
    state: &'static str,
    quality: &'static str,
    sick: Option<String>,
    host: &'static str,
    ports: Vec<u16>,
    since: String,
}

/// `GET /ui/apps/{id}`
pub fn show(marathon: &Marathon, id: &Id) -> Option<Response> {
    let no_offers = marathon.faults.state().no_offers;
    let mut page = marathon.look(|world| {
        let app = world.tree.apps.get(id)?;
        Some(page(world, app, no_offers))
    })?;
    page.ended = ended(marathon, id, &page.tasks);
    Some(page::show(&page))
}

fn page(world: &World, app: &App, no_offers: bool) -> AppPage {
    let definition = serde_json::Value::Object(app.render());
    AppPage {
        id: app.id.to_string(),
        wanted: app.instances(),
        version: stamp::text(app.version),
        waiting: waiting(world, app, no_offers),
        deployments: world.locks(&app.id),
        failure: world.failures.get(&app.id).map(|failure| {
            let text = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
            (text("taskId"), text("timestamp"), text("message"))
        }),
        tasks: world
            .of(&app.id)
            .iter()
            .filter_map(|i| row(world, i))
            .collect(),
        ended: Vec::new(),
        definition: format!("{definition:#}"),
    }
}

fn row(world: &World, instance: &Instance) -> Option<TaskRow> {
    let task = instance.task.as_ref()?;
    let (state, quality) = state(instance);
    let alive = instance.condition.is_alive();
    let since = if alive {
        task.started.unwrap_or(task.staged)
    } else {
        instance.since
    };
    let mut causes = instance.health.iter().flatten();
    Some(TaskRow {
        id: task.id.clone(),
        state,
        quality,
        sick: causes.find(|h| !h.alive).and_then(|h| h.cause.clone()),
        host: world.agents[task.agent].host,
        ports: if alive {
            task.ports.clone()
        } else {
            Vec::new()
        },
        since: stamp::text(since),
    })
}

/// Tasks of the app whose logs are still there, the newest first, without those that are listed as tasks.
fn ended(marathon: &Marathon, id: &Id, tasks: &[TaskRow]) -> Vec<(String, String)> {
    let prefix = format!("{}.instance-", id.task_prefix());
    let sandboxes = marathon.options.dir.join("sandboxes");
    let entries = std::fs::read_dir(sandboxes).into_iter().flatten().flatten();
    let mut found: Vec<(SystemTime, String)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let changed = entry.metadata().and_then(|m| m.modified()).ok()?;
            let listed = tasks.iter().any(|task| task.id == name);
            (name.starts_with(&prefix) && !listed).then_some((changed, name))
        })
        .collect();
    found.sort();
    let newest = found.into_iter().rev().take(SHOWN);
    newest
        .map(|(changed, name)| {
            let at = Timestamp::try_from(changed).unwrap_or_default();
            (name, stamp::text(at))
        })
        .collect()
}

//! All apps and deployments.

use askama::Template;
use axum::response::Response;

use super::waiting;
use crate::fault::FaultState;
use crate::marathon::Marathon;
use crate::stamp;
use crate::world::World;
use crate::world::count::Counts;
use local_kit::page::{self, Page};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Marathon <small>on this machine</small></h1>
<nav><a href="/local/faults">faults</a> <a href="/v2/apps">/v2/apps</a> <a href="/v2/deployments">/v2/deployments</a> <a href="/v2/queue">/v2/queue</a> <a href="/v2/info">/v2/info</a></nav>
{% if faulty %}<p class="note">Faults are switched on: <a href="/local/faults">look</a>.</p>{% endif %}
<h2>Apps</h2>
<div class="wide"><table>{% for app in apps %}{% if loop.first %}<tr><th>app</th><th>tasks</th><th>health</th><th>version</th></tr>{% endif %}
<tr><td><a href="/ui/apps{{ app.id }}">{{ app.id }}</a>{% if app.deploying %} <span class="on">deploying</span>{% endif %}{% if let Some(why) = app.waiting %}<br><span class="on">{{ why }}</span>{% endif %}{% if let Some(why) = app.failure %}<br><span class="dim">last failure: {{ why }}</span>{% endif %}</td>
<td class="now">{{ app.counts.running }} of {{ app.wanted }}{% if app.counts.staged > 0 %} <span class="dim">({{ app.counts.staged }} staging)</span>{% endif %}</td>
<td class="now">{% if !app.checked %}<span class="dim">no check</span>{% else %}<span class="ok">{{ app.counts.healthy }} healthy</span>{% if app.counts.unhealthy > 0 %} <span class="bad">{{ app.counts.unhealthy }} unhealthy</span>{% endif %}{% endif %}</td>
<td class="now dim">{{ app.version }}</td></tr>
{% else %}<tr><td class="dim">none yet</td></tr>{% endfor %}</table></div>
{% if apps.is_empty() %}<p>Start one:</p>
<pre>curl -sS http://{{ authority }}/v2/apps --json '{"id": "/web", "cmd": "serve --port $PORT0"}'</pre>{% endif %}
<h2>Deployments</h2>
{% for deployment in deployments %}<p><code>{{ deployment.id }}</code> step {{ deployment.step }} of {{ deployment.of }}{% for action in deployment.actions %}<br>{{ action }}{% endfor %}</p>
{% else %}<p class="dim">none under way</p>{% endfor %}"#
)]
struct IndexPage<'a> {
    authority: &'a str,
    faulty: bool,
    apps: Vec<AppRow>,
    deployments: Vec<DeploymentRow>,
}

impl Page for IndexPage<'_> {
    fn title(&self) -> String {
        "local Marathon".to_owned()
    }

    fn again(&self) -> Option<u32> {
        Some(if self.deployments.is_empty() { 10 } else { 2 })
    }
}

struct AppRow {
    id: String,
    wanted: usize,
    counts: Counts,
    checked: bool,
    deploying: bool,
    version: String,
    waiting: Option<String>,
    failure: Option<String>,
}

struct DeploymentRow {
    id: String,
    step: usize,
    of: usize,
    actions: Vec<String>,
}

/// `GET /ui/`
pub fn show(marathon: &Marathon, authority: &str) -> Response {
    let faults = marathon.faults.state();
    let page = marathon.look(|world| IndexPage {
        authority,
        faulty: faults != FaultState::default(),
        apps: apps(world, faults.no_offers),
        deployments: deployments(world),
    });
    page::show(&page)
}

fn apps(world: &World, no_offers: bool) -> Vec<AppRow> {
    let row = |app: &std::sync::Arc<crate::definition::app::App>| AppRow {
        id: app.id.to_string(),
        wanted: app.instances(),
        counts: Counts::of(world.of(&app.id).iter()),
        checked: !app.list("healthChecks").is_empty(),
        deploying: !world.locks(&app.id).is_empty(),
        version: stamp::text(app.version),
        waiting: waiting(world, app, no_offers),
        failure: world.failures.get(&app.id).map(|failure| {
            let text = |key: &str| failure[key].as_str().unwrap_or_default();
            format!("{} ({})", text("message"), text("timestamp"))
        }),
    };
    world.tree.apps.values().map(row).collect()
}

fn deployments(world: &World) -> Vec<DeploymentRow> {
    let row = |deployment: &crate::world::Deployment| DeploymentRow {
        id: deployment.id.clone(),
        step: deployment.step + 1,
        of: deployment.steps.len(),
        actions: deployment
            .steps
            .get(deployment.step)
            .into_iter()
            .flatten()
            .map(|action| format!("{} {}", action.verb.words(), action.app))
            .collect(),
    };
    world.deployments.iter().map(row).collect()
}

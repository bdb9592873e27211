//! What `dploy run` would stop at, found out beforehand; nothing is changed by asking.

use super::{Launch, LaunchArgs, is_observer, ready_to_push};
use crate::dploy::session::{Marathon, Session};
use crate::dploy::trust::Named;
use crate::dploy::workspace::Workspace;
use crate::id::ServiceId;

/// What a launch would stop at; nothing where the workspace asks for none.
///
/// # Errors
/// When Marathon does not answer.
pub(in crate::dploy) async fn stops(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &LaunchArgs,
) -> anyhow::Result<Vec<String>> {
    let github = match session.github(workspace) {
        Ok(github) => github,
        Err(error) => return Ok(vec![format!("{error:#}")]),
    };
    let Ok(launch) = Launch::of(session, workspace, marathon, github.as_ref(), args) else {
        return Ok(Vec::new());
    };
    let github = launch.github;
    let mut stops = Vec::new();
    if let Err(error) = ready_to_push(workspace, github).await {
        stops.push(error.to_string());
    } else if let Ok(repository) = github.client.repository(&github.name).await
        && let Err(error) = github.client.hooks(repository.id).await
    {
        stops.push(format!(
            "{error}; the token needs admin:repo_hook (fine-grained: Webhooks, read and write) of somebody who administers {}",
            github.name
        ));
    }
    let unconfirmed = marathon.named == Named::Descriptor && !session.hosts.knows(&marathon.url);
    if unconfirmed && !session.terminal.can_ask() {
        stops.push(format!(
            "nobody confirmed that your GitHub token may go to Marathon at {}; name it with -marathon-url, or run it in a terminal",
            marathon.url
        ));
    }
    match launch.spec().await {
        Err(error) => stops.push(error.to_string()),
        Ok((mut spec, _)) => {
            let id = spec["id"].as_str().unwrap_or_default().to_owned();
            let parsed: Result<ServiceId, _> = id.parse();
            if let Ok(id) = &parsed
                && let Some(there) = marathon.client.app(id).await?
                && !is_observer(&there)
            {
                stops.push(format!(
                    "{id} runs in Marathon already and is no observer that dploy knows (it has no label DPLOY_OBSERVER=true)"
                ));
            }
            spec["env"] = serde_json::json!({});
            if let Err(error) = marathon.client.would_take(&spec).await {
                stops.push(error.to_string());
            }
        }
    }
    Ok(stops)
}

//! What a launch would do and stop at, found out beforehand; nothing is changed by asking.

use serde::Serialize;
use serde_json::Value;

use super::{Launch, LaunchArgs, is_observer, no_observer, ready_to_push};
use crate::dploy::session::{Marathon, Session};
use crate::dploy::trust::{Named, What};
use crate::dploy::workspace::Workspace;
use crate::id::ServiceId;

/// What a launch would come to.
#[derive(Serialize)]
pub(in crate::dploy) struct Foreseen {
    /// `launch` or `relaunch`.
    pub change: &'static str,
    /// The observer's id in Marathon.
    pub id: String,
    /// What would run there.
    pub runs: String,
}

/// What a launch would do, where the workspace asks for one and its spec can be made.
///
/// # Errors
/// When Marathon does not answer.
pub(in crate::dploy) async fn foresee(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &LaunchArgs,
    stops: &mut Vec<String>,
) -> anyhow::Result<Option<Foreseen>> {
    let github = match session.github(workspace) {
        Ok(github) => github,
        Err(error) => {
            stops.push(format!("{error:#}"));
            return Ok(None);
        }
    };
    let Ok(launch) = Launch::of(session, workspace, marathon, github.as_ref(), args) else {
        return Ok(None);
    };
    launch.stops_at_github(stops).await;
    launch.foresee(stops).await
}

impl Launch<'_> {
    async fn stops_at_github(&self, stops: &mut Vec<String>) {
        let github = self.github;
        if let Err(error) = ready_to_push(self.workspace, github).await {
            stops.push(error.to_string());
        } else if let Ok(repository) = github.client.repository(&github.name).await
            && let Err(error) = github.client.hooks(repository.id).await
        {
            stops.push(format!(
                "{error}; the token needs admin:repo_hook (fine-grained: Webhooks, read and write) of somebody who administers {}",
                github.name
            ));
        }
    }

    /// What would run, and what in Marathon would be in the way.
    pub(in crate::dploy) async fn foresee(
        &self,
        stops: &mut Vec<String>,
    ) -> anyhow::Result<Option<Foreseen>> {
        let (session, marathon) = (self.session, self.marathon);
        let unconfirmed = |what| {
            let known = session.hosts.knows(what, &marathon.url);
            marathon.named == Named::Descriptor && !known && !session.terminal.can_ask()
        };
        let mesos = session.global.mesos_user.as_ref();
        let with_mesos = mesos.is_some_and(|user| !user.is_empty());
        for (what, name, sent) in [
            (What::GithubTokenInMarathon, "your GitHub token", true),
            (What::MesosLogin, "your credentials for Mesos", with_mesos),
        ] {
            if sent && unconfirmed(what) {
                stops.push(format!(
                    "nobody confirmed that {name} may go to Marathon at {}; name it with -marathon-url, or run it in a terminal",
                    marathon.url
                ));
            }
        }
        let mut spec = match self.spec().await {
            Ok((spec, _)) => spec,
            Err(error) => {
                stops.push(error.to_string());
                return Ok(None);
            }
        };
        let id = spec["id"].as_str().unwrap_or_default().to_owned();
        let there = match id.parse::<ServiceId>() {
            Ok(id) => marathon.client.app(&id).await?,
            Err(error) => {
                stops.push(format!("the observer's spec: id: {error}"));
                return Ok(None);
            }
        };
        if there.as_ref().is_some_and(|there| !is_observer(there)) {
            stops.push(no_observer(&id));
        }
        let runs = runs(&spec);
        spec["env"] = serde_json::json!({});
        if let Err(error) = marathon.client.would_take(&spec).await {
            stops.push(error.to_string());
        }
        let change = if there.is_some() {
            "relaunch"
        } else {
            "launch"
        };
        Ok(Some(Foreseen { change, id, runs }))
    }
}

/// What an observer's spec runs, in short.
fn runs(spec: &Value) -> String {
    let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str);
    let fetched = || {
        let uri = text("/fetch/0/uri")?;
        Some(format!("the archive {uri}"))
    };
    let image = text("/container/docker/image").map(|image| format!("the image {image}"));
    let command = || text("/cmd").unwrap_or_default().to_owned();
    image.or_else(fetched).unwrap_or_else(command)
}

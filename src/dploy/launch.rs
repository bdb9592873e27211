//! Launching the observer in Marathon: from the built-in template that this Marathon can run, or from a file.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::args::LaunchArgs;
use super::session::{Github, Marathon, Observer, Session, TOKEN_FILE};
use super::terminal::{Board, GREEN, paint};
use super::workspace::{Workspace, secret_in, write_private};
use crate::api::HookBody;
use crate::id::ServiceId;
use crate::rollout::{self, Standings};
use crate::secret::Secret;

/// For Docker: what a cluster runs.
const DOCKER: &str = include_str!("../../observer.json");

/// For a Marathon whose tasks are processes of this machine.
const PROCESS: &str = include_str!("observer-process.json");

/// How long the observer may take to be healthy, and then to hear of GitHub's ping.
const HEALTHY: Duration = Duration::from_mins(5);
const PINGED: Duration = Duration::from_mins(1);

/// What runs after a direct deploy: the observer, where the descriptor asks for one.
pub(super) async fn after_run(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &LaunchArgs,
) -> anyhow::Result<ExitCode> {
    let descriptor = &workspace.descriptor;
    if descriptor.repo_url.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let Some(node) = &descriptor.public_node else {
        session.terminal.hint(
            "For push-to-deploy write public_node into dploy.app, the address of the node where GitHub reaches the observer.",
        );
        return Ok(ExitCode::SUCCESS);
    };
    let Some(github) = session.github(workspace)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let Some(pat) = &github.token else {
        session.terminal.hint(
            "For push-to-deploy put a GitHub token into .pat (and .pat into .gitignore), then `dploy run` launches the observer.",
        );
        return Ok(ExitCode::SUCCESS);
    };
    ready_to_push(workspace, &github).await?;
    let what = "your GitHub token, in the environment of the observer's app";
    let flag = "-marathon-url or DPLOY_MARATHON_URL";
    session.hosts.confirm(
        session.terminal,
        marathon.named,
        &marathon.url,
        "Marathon",
        what,
        flag,
    )?;
    let launch = Launch {
        session,
        workspace,
        marathon,
        github: &github,
        node,
        pat,
        args,
    };
    launch.run().await
}

/// The observer reads the head of the branch when it starts: it must be there.
async fn ready_to_push(workspace: &Workspace, github: &Github) -> anyhow::Result<()> {
    let branch = workspace.branch();
    let repository = github
        .client
        .repository(&github.name)
        .await
        .map_err(|error| {
            anyhow::anyhow!(
                "the app runs, and its observer was not launched: {}: {error}",
                github.name
            )
        })?;
    let parsed = branch
        .parse()
        .map_err(|e| anyhow::anyhow!("dploy.app: trigger_branch: {e}"))?;
    if let Err(error) = github.client.head(repository.id, &parsed, None).await {
        bail!(
            "the app runs, and its observer was not launched: {} has no branch {branch} yet ({error}); `git push origin HEAD:{branch}`, then `dploy run` again",
            github.name
        );
    }
    Ok(())
}

struct Launch<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    marathon: &'a Marathon,
    github: &'a Github,
    node: &'a str,
    pat: &'a Secret,
    args: &'a LaunchArgs,
}

impl Launch<'_> {
    async fn run(&self) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let token_file = self.session.folder.join(TOKEN_FILE);
        let token = match secret_in(&token_file)? {
            Some(token) => Secret::new(token),
            None => Secret::random()?,
        };
        let spec = self.spec(&token).await?;
        let id: ServiceId = spec["id"]
            .as_str()
            .unwrap_or_default()
            .parse()
            .map_err(|e| anyhow::anyhow!("the observer's spec: id: {e}"))?;
        // before the observer knows of it: a token that nobody has would lock everybody out
        write_private(&token_file, &format!("{}\n", token.expose()))?;
        terminal.note(format!("launching the observer as {id}"));
        let body = Value::Array(vec![spec]).to_string();
        let names = [id.to_string()];
        self.marathon.client.put_apps(&body, &names, false).await?;
        self.healthy(&id).await?;
        let found = self
            .session
            .observer(Some(self.workspace), self.marathon)
            .await?;
        let Some(observer) = found.filter(|o| o.alive) else {
            bail!(
                "the observer is healthy in Marathon and does not answer from here; is public_node {:?} right? `dploy doctor` looks closer",
                self.node
            );
        };
        let hook = self.pinged(&observer).await?;
        self.done(&observer, &hook)
    }

    /// The template, filled in.
    async fn spec(&self, token: &Secret) -> anyhow::Result<Value> {
        let local = self.marathon.client.local_info().await?;
        let text = match (&self.args.observer_spec, &local) {
            (Some(file), _) => std::fs::read_to_string(file)
                .with_context(|| format!("reading {}", file.display()))?,
            (None, Some(_)) => PROCESS.to_owned(),
            (None, None) => DOCKER.to_owned(),
        };
        let volumes = local
            .as_ref()
            .and_then(|l| l["volumes"].as_str())
            .unwrap_or_default();
        let data = Path::new(volumes)
            .join("dploy-observer")
            .display()
            .to_string();
        let image = self.args.observer_image.clone().unwrap_or_default();
        let name = &self.github.name;
        let values = [
            ("<DPLOY_PUBLIC_NODE>", self.node.to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_PAT>", self.pat.expose().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_OWNER>", name.owner().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_REPO>", name.name().to_owned()),
            ("<DPLOY_OBSERVER_DATA>", data),
            ("<DPLOY_OBSERVER_IMAGE>", image),
        ];
        if text.contains("<DPLOY_OBSERVER_IMAGE>") && values[5].1.is_empty() {
            bail!(
                "which image is the observer's? Build it with `docker build -t <registry>/dploy-observer .`, push it, and name it with -observer-image"
            );
        }
        let mut spec: Value = serde_json::from_str(&text).map_err(|e| {
            anyhow::anyhow!("the observer's spec: {}:{}: {e}", e.line(), e.column())
        })?;
        fill(&mut spec, &values);
        let Some(map) = spec.as_object_mut() else {
            bail!("the observer's spec is no JSON object");
        };
        let env = map.entry("env").or_insert_with(|| json!({}));
        if let Some(env) = env.as_object_mut() {
            self.environment(env, token, local.is_some());
        }
        let labels = map.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert("DPLOY_OBSERVER".to_owned(), json!("true"));
        }
        Ok(spec)
    }

    /// What the template does not name. What it names itself stays.
    fn environment(&self, env: &mut Map<String, Value>, token: &Secret, local: bool) {
        let mut add = |name: &str, value: String| {
            env.entry(name.to_owned()).or_insert(Value::String(value));
        };
        add(
            "DPLOY_OBSERVER_TARGETBRANCH",
            self.workspace.branch().to_owned(),
        );
        add("DPLOY_OBSERVER_TOKEN_SHA256", token.sha256());
        add("DPLOY_OBSERVER_GITHUB_API", self.github.api.clone());
        if let Some(url) = &self.args.public_url {
            add("DPLOY_OBSERVER_PUBLIC_URL", url.clone());
        }
        if self.args.allow_plain_login {
            add("DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN", "true".to_owned());
        }
        // inside of DC/OS Marathon is found by Mesos-DNS, and needs no login
        let behind_a_path = reqwest::Url::parse(&self.marathon.url).is_ok_and(|u| u.path() != "/");
        if local || !behind_a_path {
            add("DPLOY_MARATHON_URL", self.marathon.url.clone());
            let set = &self.session.global;
            for (name, value) in [
                ("DPLOY_MARATHON_USER", &set.marathon_user),
                ("DPLOY_MARATHON_PASSWORD", &set.marathon_password),
                ("DPLOY_MARATHON_TOKEN", &set.marathon_token),
            ] {
                if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
                    add(name, value.clone());
                }
            }
        }
    }

    async fn healthy(&self, id: &ServiceId) -> anyhow::Result<()> {
        let mut board = Board::new(self.session.terminal);
        let mut standings = Standings::default();
        let until = Instant::now() + HEALTHY;
        loop {
            let look = rollout::look(&self.marathon.client, [id.clone()].into()).await?;
            let standing = standings.of(id, None, &look, Duration::ZERO);
            board.show(vec![super::board::line(&super::board::Line {
                id: id.as_str(),
                change: "launch",
                stage: standing.stage,
                healthy: Some(standing.well),
                wanted: Some(1),
                sentence: standing.trouble.as_ref().map(|t| t.sentence.as_str()),
            })]);
            if standing.done && standing.well > 0 {
                return Ok(());
            }
            if standing.hopeless || Instant::now() > until {
                let why = standing
                    .trouble
                    .map_or("it takes too long".to_owned(), |t| t.sentence);
                bail!(
                    "the app runs, and its observer does not get healthy: {why}; `dploy destroy` removes both, Marathon keeps trying meanwhile"
                );
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits for the hook's ping, which proves that GitHub reaches the observer.
    async fn pinged(&self, observer: &Observer) -> anyhow::Result<Option<HookBody>> {
        let until = Instant::now() + PINGED;
        let mut hook = None;
        while Instant::now() < until {
            hook = observer.client.hook(&self.workspace.app).await.ok();
            if hook
                .as_ref()
                .is_some_and(|h| h.pinged_at.is_some() || h.failure.is_some())
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(hook)
    }

    fn done(&self, observer: &Observer, hook: &Option<HookBody>) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let url = observer.client.base();
        let app = &self.workspace.app;
        let pinged = hook.as_ref().and_then(|h| h.pinged_at.as_ref()).is_some();
        if terminal.json {
            terminal.data(&json!({"observer": url, "app": app, "hook": hook, "token_file": self.session.folder.join(TOKEN_FILE)}))?;
        } else {
            terminal.say(paint(GREEN, "The observer runs."));
            terminal.say(format!("  dashboard  {url}/apps/{app}"));
            let hook_url = hook
                .as_ref()
                .and_then(|h| h.url.clone())
                .unwrap_or_default();
            let word = if pinged {
                "GitHub's ping arrived"
            } else {
                "no ping from GitHub yet"
            };
            terminal.say(format!("  webhook    {hook_url} ({word})"));
            terminal.say(format!(
                "  log in     {url}/login with the token in {TOKEN_FILE}"
            ));
        }
        let failure = hook.as_ref().and_then(|h| h.failure.clone());
        if let Some(failure) = failure {
            bail!(
                "the webhook does not work: {}; pushes are found by polling meanwhile",
                failure.sentence
            );
        }
        if !pinged {
            bail!(
                "GitHub has not reached the observer at {url} within {} s; pushes are found by polling meanwhile. `dploy doctor` looks closer",
                PINGED.as_secs()
            );
        }
        terminal.hint(format!(
            "From now on `git push origin HEAD:{}` deploys.",
            self.workspace.branch()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Replaces placeholders in all texts of a document.
fn fill(value: &mut Value, values: &[(&str, String)]) {
    match value {
        Value::String(text) => {
            for (name, with) in values {
                if text.contains(name) {
                    *text = text.replace(name, with);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| fill(v, values)),
        Value::Object(map) => map.values_mut().for_each(|v| fill(v, values)),
        _ => {}
    }
}

//! Launching the observer in Marathon: from the built-in template that this Marathon can run, or from a file.

mod certificate;
mod foresee;
mod spec;
mod token;
mod unfinished;
mod wait;

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

pub(super) use self::certificate::{CERT, known as known_certificate};
pub(super) use self::foresee::{Foreseen, foresee};
pub(super) use self::unfinished::never_ended;
use self::wait::PINGED;
use super::args::LaunchArgs;
use super::session::{Github, LABEL, Marathon, Session, TOKEN_FILE, is_loopback};
use super::terminal::{GREEN, paint};
use super::trust::What;
use super::workspace::CERT_FILE;
use super::workspace::Workspace;
use crate::api::HookBody;
use crate::github::GithubError;
use crate::id::ServiceId;
use crate::marathon::LiveApp;
use crate::secret::Secret;

/// How long the observer may take to be healthy.
const HEALTHY: Duration = Duration::from_mins(5);

/// Whose the first token is.
const TOKEN_NAME: &str = "DPLOY_OBSERVER_TOKEN_NAME";

/// What a launch came to.
#[derive(Default)]
pub(super) struct Launched {
    /// For programs; `None` where nothing was launched.
    pub observer: Option<Value>,
    /// What does not work, although it may be launched.
    pub trouble: Option<anyhow::Error>,
}

/// Launches the observer, where the descriptor and a token ask for one.
///
/// # Errors
/// When it does not get to run.
pub(super) async fn launch(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &LaunchArgs,
    repairs: bool,
) -> anyhow::Result<Launched> {
    let github = session.github(workspace)?;
    let launch = match Launch::of(session, workspace, marathon, github.as_ref(), args) {
        Ok(launch) => launch,
        Err(missing) => {
            session.terminal.hint(missing);
            return Ok(Launched {
                observer: None,
                trouble: None,
            });
        }
    };
    ready_to_push(workspace, launch.github)
        .await
        .map_err(|why| anyhow::anyhow!("the app runs, and its observer was not launched: {why}"))?;
    session.hosts.confirm(
        session.terminal,
        marathon.named,
        &marathon.url,
        What::GithubTokenInMarathon,
    )?;
    // its credentials go into the environment of the observer's app too
    session.mesos(marathon)?;
    launch.run(repairs).await
}

/// The observer reads the head of the branch when it starts: it must be there.
async fn ready_to_push(workspace: &Workspace, github: &Github) -> anyhow::Result<()> {
    let branch = workspace.branch();
    let repository = github.client.repository(&github.name).await;
    let repository = repository.map_err(|error| anyhow::anyhow!("{}: {error}", github.name))?;
    let parsed = branch
        .parse()
        .map_err(|e| anyhow::anyhow!("dploy.app: trigger_branch: {e}"))?;
    match github.client.head(repository.id, &parsed, None).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) | Err(GithubError::Missing(_)) => bail!(
            "{} has no branch {branch} yet; `git push origin HEAD:{branch}`, then `dploy run` again",
            github.name
        ),
        Err(error) => bail!("{error}; `dploy run` again when GitHub answers"),
    }
}

/// Whether an app of Marathon is an observer that `dploy` knows.
fn is_observer(app: &LiveApp) -> bool {
    app.labels.get(LABEL).is_some_and(|l| l == "true")
}

/// What is said where an app has the observer's id and is none.
fn no_observer(id: &str) -> String {
    format!(
        "{id} runs in Marathon already and is no observer that dploy knows (it has no label DPLOY_OBSERVER=true); if it is the first release's, remove it there (DELETE /v2/apps{id}), or launch under another id with -observer-spec"
    )
}

pub(super) struct Launch<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    marathon: &'a Marathon,
    github: &'a Github,
    node: &'a str,
    pat: &'a Secret,
    args: &'a LaunchArgs,
}

/// Refuses a flag beside a variable that says the same.
fn once(flag: &str, typed: bool, variable: &str) -> anyhow::Result<()> {
    if typed {
        bail!(
            "{flag} is given, and the env of -observer-spec sets {variable}; leave out one of them"
        );
    }
    Ok(())
}

impl<'a> Launch<'a> {
    /// The launch that descriptor and token ask for, or what is missing for push-to-deploy.
    pub(super) fn of(
        session: &'a Session,
        workspace: &'a Workspace,
        marathon: &'a Marathon,
        github: Option<&'a Github>,
        args: &'a LaunchArgs,
    ) -> Result<Self, &'static str> {
        let Some(github) = github else {
            return Err(
                "For push-to-deploy write repo_url and public_node into dploy.app, and put a GitHub token into .pat.",
            );
        };
        let node = workspace.descriptor.public_node.as_ref();
        let Some(node) = node.filter(|n| !n.trim().is_empty()) else {
            return Err(
                "For push-to-deploy write public_node into dploy.app, the address of the node where GitHub reaches the observer.",
            );
        };
        let Some(pat) = &github.token else {
            return Err(
                "For push-to-deploy put a GitHub token into .pat (and .pat into .gitignore), then `dploy run` launches the observer.",
            );
        };
        Ok(Self {
            session,
            workspace,
            marathon,
            github,
            node,
            pat,
            args,
        })
    }

    /// `repairs`: one that is there already is launched again.
    async fn run(&self, repairs: bool) -> anyhow::Result<Launched> {
        let terminal = self.session.terminal;
        let (mut spec, local) = self.spec().await?;
        let id: ServiceId = spec["id"]
            .as_str()
            .unwrap_or_default()
            .parse()
            .map_err(|e| anyhow::anyhow!("the observer's spec: id: {e}"))?;
        let there = self.marathon.client.app(&id).await?;
        let again = (self.args.relaunch || repairs) && there.as_ref().is_some_and(is_observer);
        if there.as_ref().is_some_and(is_observer) && !again {
            bail!(
                "the app runs, and {id}, which is an observer, is in Marathon already; `dploy run -relaunch` launches it again with what is said now"
            );
        }
        if there.is_some() && !again {
            bail!(
                "the app runs, and its observer was not launched: {}",
                no_observer(id.as_str())
            );
        }
        let set: Vec<String> = spec["env"]
            .as_object()
            .map_or_else(Vec::new, |env| env.keys().cloned().collect());
        let sets = |name: &str| set.iter().any(|s| s == name);
        let own = sets("DPLOY_OBSERVER_TOKEN") || sets("DPLOY_OBSERVER_TOKEN_SHA256");
        if !own {
            let file = self.session.folder.join(TOKEN_FILE);
            // before the observer knows of it: a token that nobody has would lock everybody out
            let token = token::token_in(&file, terminal)?;
            spec["env"]["DPLOY_OBSERVER_TOKEN_SHA256"] = token.sha256().into();
        }
        let typed = self.args.name.as_deref();
        if sets(TOKEN_NAME) {
            once("-name", typed.is_some(), TOKEN_NAME)?;
        } else if !own || typed.is_some() {
            let before = there
                .as_ref()
                .and_then(|t| t.raw["env"][TOKEN_NAME].as_str());
            let name = token::name(self.workspace, typed, before, terminal)?;
            spec["env"][TOKEN_NAME] = name.into();
        }
        let fingerprint = self.certificate(&mut spec)?;
        if spec["env"].get("DPLOY_MARATHON_URL").is_none() && is_loopback(&self.marathon.url) {
            terminal.note(format!(
                "the observer looks for Marathon in Mesos-DNS: it is not told {}, which is an address of this machine alone; another stands in the env of -observer-spec",
                self.marathon.url
            ));
        }
        terminal.note(format!("launching the observer as {id}"));
        let there = there
            .as_ref()
            .filter(|_| !local && !self.args.another_agent);
        let host = there.and_then(|there| spec::host_in(&there.raw).or_else(|| host_of(there)));
        let kept = host.is_some_and(|host| self.keeps(&mut spec, &host));
        // the launch that failed holds it still
        self.told(&spec, &id, again).await?;
        self.healthy(&id).await?;
        if !local && !kept {
            let app = self.marathon.client.app(&id).await?;
            if let Some(host) = app.as_ref().and_then(host_of)
                && self.keeps(&mut spec, &host)
            {
                self.told(&spec, &id, false).await?;
                self.healthy(&id).await?;
            }
        }
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
        // whoever launched it need not be asked whether it may have its own token
        if observer.id.as_ref() == Some(&id) {
            let token = What::OperatorToken {
                id: Some(&id),
                marathon: &self.marathon.url,
            };
            self.session.hosts.remember(token, observer.client.base())?;
        }
        let url = spec["env"]["DPLOY_OBSERVER_PUBLIC_URL"].as_str();
        let url = url.unwrap_or(observer.client.base()).trim_end_matches('/');
        let hook = self.pinged(&observer, url).await?;
        let done = self.done(url, &spec["env"], own, hook.as_ref());
        if let Some(fingerprint) = fingerprint
            && !terminal.json
        {
            terminal.say(format!(
                "  certificate made here; its SHA-256 is\n    {fingerprint}"
            ));
            terminal.say("    Browsers warn of it once: let them go on where they show this fingerprint. GitHub does not check it (insecure_ssl);");
            terminal.say(format!(
                "    dploy knows it by {CERT_FILE}, to be copied along with {TOKEN_FILE}."
            ));
        }
        Ok(done)
    }

    /// Its log is in a folder of one agent: there it stays. Answers whether that had to be said.
    fn keeps(&self, spec: &mut Value, host: &str) -> bool {
        let kept = spec::kept_on(spec, host);
        if kept {
            let id = spec["id"].as_str().unwrap_or_default();
            self.session.terminal.note(format!(
                "{id} stays on {host}, where its log is (a constraint on hostname; where that agent is gone for good, `dploy run -relaunch -another-agent`)"
            ));
        }
        kept
    }

    async fn told(&self, spec: &Value, id: &ServiceId, force: bool) -> anyhow::Result<()> {
        let body = Value::Array(vec![spec.clone()]).to_string();
        let names = [id.to_string()];
        self.marathon.client.put_apps(&body, &names, force).await?;
        Ok(())
    }

    fn done(&self, url: &str, env: &Value, own: bool, hook: Option<&HookBody>) -> Launched {
        let terminal = self.session.terminal;
        let app = &self.workspace.app;
        let pinged = hook.and_then(|h| h.pinged_at.as_ref()).is_some();
        let failure = hook.and_then(|h| h.failure.clone());
        let file = self.session.folder.join(TOKEN_FILE);
        let token = if own {
            "the token that the observer's spec names".to_owned()
        } else {
            format!("the token in {TOKEN_FILE}")
        };
        if !terminal.json {
            terminal.say(paint(GREEN, "The observer runs."));
            terminal.say(format!("  dashboard  {url}/apps/{app}"));
            let hook_url = hook.and_then(|h| h.url.clone());
            let word = match (pinged, &failure) {
                (_, Some(_)) => "it does not work",
                (true, None) => "GitHub's ping arrived",
                (false, None) => "no ping from GitHub yet",
            };
            let hook_url = hook_url.unwrap_or_else(|| "none".to_owned());
            terminal.say(format!("  webhook    {hook_url} ({word})"));
            terminal.say(format!("  log in     {url}/login with {token}"));
            if !takes_logins(url, env) {
                terminal.say(
                    "             (not on plain HTTP: put a proxy with TLS in front and name it with -public-url, or launch with -allow-plain-login)",
                );
            }
        }
        let trouble = match (failure, pinged) {
            (Some(failure), _) => Some(anyhow::anyhow!(
                "the webhook does not work: {}; pushes are found by polling meanwhile",
                failure.sentence
            )),
            (None, false) => Some(anyhow::anyhow!(
                "GitHub has not reached the observer at {url} within {} s; pushes are found by polling meanwhile. `dploy doctor` looks closer",
                PINGED.as_secs()
            )),
            (None, true) => None,
        };
        if trouble.is_none() {
            let branch = self.workspace.branch();
            terminal.hint(format!(
                "From now on `git push origin HEAD:{branch}` deploys."
            ));
        }
        let file = (!own).then_some(file);
        let observer = json!({"url": url, "hook": hook, "token_file": file});
        Launched {
            observer: Some(observer),
            trouble,
        }
    }
}

/// The agent that the one task of an app runs on.
fn host_of(app: &LiveApp) -> Option<String> {
    let running = app.tasks.iter().find(|t| t.state == "TASK_RUNNING");
    running.and_then(|t| t.host.clone())
}

/// Whether the observer takes tokens where browsers reach it.
fn takes_logins(url: &str, env: &Value) -> bool {
    let parsed = reqwest::Url::parse(url);
    let host = parsed.as_ref().ok().and_then(|u| u.host_str());
    let here = matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"));
    here || url.starts_with("https://") || env["DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN"] == "true"
}

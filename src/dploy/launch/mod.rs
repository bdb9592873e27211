//! Launching the observer in Marathon: from the built-in template that this Marathon can run, or from a file.

mod foresee;
mod spec;
mod token;

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) use self::foresee::stops;
use super::args::LaunchArgs;
use super::session::{Github, LABEL, Marathon, Observer, Session, TOKEN_FILE, is_loopback};
use super::terminal::{GREEN, Progress, paint};
use super::workspace::{Workspace, secret_in};
use crate::api::{HookBody, ProblemCode, RegisterBody};
use crate::clock;
use crate::github::GithubError;
use crate::history::AppState;
use crate::id::ServiceId;
use crate::marathon::{LiveApp, MarathonError};
use crate::rollout::{self, Standings};
use crate::secret::Secret;

/// How long the observer may take to be healthy, and then to hear of GitHub's ping.
const HEALTHY: Duration = Duration::from_mins(5);
const PINGED: Duration = Duration::from_mins(1);

/// When GitHub is asked for another ping.
const AGAIN: Duration = Duration::from_secs(5);

/// What a launch came to.
pub(super) struct Launched {
    /// For programs; `None` where nothing was launched.
    pub observer: Option<Value>,
    /// What does not work, although it may be launched.
    pub trouble: Option<anyhow::Error>,
}

/// Whether the launch of this workspace's observer never came to its end: what it was launched with still rolls, nothing of it is
/// well, and it is not merely starting. One that others launched, or for another branch, is theirs to repair.
///
/// # Errors
/// When Marathon does not answer, or `.dploy-token` cannot be read.
pub(super) async fn never_ended(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    observer: &Observer,
) -> anyhow::Result<bool> {
    let (Some(id), Some(github)) = (&observer.id, session.github(workspace)?) else {
        return Ok(false);
    };
    let Some(app) = marathon.client.app(id).await? else {
        return Ok(false);
    };
    let well = app.tasks.iter().any(|t| app.is_well(t));
    let failed = app.last_task_failure.as_ref();
    let failed = failed.is_some_and(|f| f.version.as_str() >= app.configured());
    let configured: Option<jiff::Timestamp> = app.configured().parse().ok();
    let long = configured.is_some_and(|at| {
        let age = clock::system().now().duration_since(at);
        age.unsigned_abs() > HEALTHY
    });
    let rolls = !well && !app.deployments().is_empty() && (failed || long);
    let env = |name: &str| app.raw["env"][name].as_str();
    let token = secret_in(&session.folder.join(TOKEN_FILE))?;
    let token = token.map(|t| Secret::new(t).sha256());
    let ours = env("DPLOY_OBSERVER_GITHUB_OWNER") == Some(github.name.owner())
        && env("DPLOY_OBSERVER_GITHUB_REPO") == Some(github.name.name())
        && env("DPLOY_OBSERVER_TARGETBRANCH") == Some(workspace.branch())
        && env("DPLOY_OBSERVER_TOKEN_SHA256") == token.as_deref();
    Ok(rolls && ours && token.is_some())
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
    let missing = |hint: &str| {
        session.terminal.hint(hint);
        Ok(Launched {
            observer: None,
            trouble: None,
        })
    };
    let descriptor = &workspace.descriptor;
    let node = descriptor
        .public_node
        .as_ref()
        .filter(|n| !n.trim().is_empty());
    let Some(github) = session.github(workspace)? else {
        return missing(
            "For push-to-deploy write repo_url and public_node into dploy.app, and put a GitHub token into .pat.",
        );
    };
    let Some(node) = node else {
        return missing(
            "For push-to-deploy write public_node into dploy.app, the address of the node where GitHub reaches the observer.",
        );
    };
    let Some(pat) = &github.token else {
        return missing(
            "For push-to-deploy put a GitHub token into .pat (and .pat into .gitignore), then `dploy run` launches the observer.",
        );
    };
    ready_to_push(workspace, &github)
        .await
        .map_err(|why| anyhow::anyhow!("the app runs, and its observer was not launched: {why}"))?;
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
                "the app runs, and its observer was not launched: {id} runs in Marathon already and is no observer that dploy knows (it has no label DPLOY_OBSERVER=true); remove it, or launch under another id with -observer-spec"
            );
        }
        let sets = |name: &str| spec["env"].get(name).is_some();
        let own = sets("DPLOY_OBSERVER_TOKEN") || sets("DPLOY_OBSERVER_TOKEN_SHA256");
        if !own {
            let file = self.session.folder.join(TOKEN_FILE);
            // before the observer knows of it: a token that nobody has would lock everybody out
            let token = token::token_in(&file, terminal)?;
            spec["env"]["DPLOY_OBSERVER_TOKEN_SHA256"] = token.sha256().into();
        }
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
        let url = spec["env"]["DPLOY_OBSERVER_PUBLIC_URL"].as_str();
        let url = url.unwrap_or(observer.client.base()).trim_end_matches('/');
        let hook = self.pinged(&observer, url).await?;
        Ok(self.done(url, &spec["env"], own, hook.as_ref()))
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

    async fn healthy(&self, id: &ServiceId) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.session.terminal);
        let mut standings = Standings::default();
        let until = Instant::now() + HEALTHY;
        loop {
            let look = match rollout::look(&self.marathon.client, [id.clone()].into()).await {
                Ok(look) => look,
                Err(MarathonError::Unreachable(_)) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let standing = standings.of(id, None, &look, clock::system().elapsed(), Duration::ZERO);
            progress.show(vec![super::progress::line(&super::progress::Line {
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
                    "the app runs, and its observer does not get healthy: {why}; Marathon keeps trying. `dploy run` launches it again with what is said then, `dploy destroy` removes both"
                );
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits for the hook's ping, which proves that GitHub reaches the observer. An app that was destroyed comes back.
    async fn pinged(&self, observer: &Observer, url: &str) -> anyhow::Result<Option<HookBody>> {
        let app = &self.workspace.app;
        let until = Instant::now() + PINGED;
        let (mut client, mut asked, mut registered) = (observer.client.clone(), false, false);
        let (mut hook, mut known, mut again) = (None, false, false);
        let begun = Instant::now();
        while Instant::now() < until {
            match client.app(app).await {
                Ok(Some(page)) if page.app.state == AppState::Destroyed && registered => {}
                Ok(Some(page)) if page.app.state == AppState::Destroyed => {
                    let body = RegisterBody {
                        repository: self.github.name.to_string(),
                        branch: Some(self.workspace.branch().to_owned()),
                    };
                    let operator = self.session.operator(observer)?;
                    operator.register(&body).await?;
                    registered = true;
                }
                Ok(Some(page)) => {
                    known = true;
                    let ours = page.hook.url.as_deref() == Some(&format!("{url}/dploy"));
                    let ended =
                        page.hook.failure.is_some() || (ours && page.hook.pinged_at.is_some());
                    hook = Some(page.hook);
                    if ended {
                        break;
                    }
                    // the first ping may come before the observer has written down whose it is
                    if ours && !again && begun.elapsed() > AGAIN {
                        again = true;
                        if let Ok(operator) = self.session.operator(observer) {
                            let _ = operator.act_on_hook(app, "ping").await;
                        }
                    }
                }
                // it shows nothing of a private repository to strangers
                Err(error) if error.is(ProblemCode::Login) && !asked => {
                    client = self.session.operator(observer)?;
                    asked = true;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if !known {
            bail!(
                "the observer at {url} runs and has not registered {app} within {} s; is dploy.app with this name on branch {}? The log of its task says more",
                PINGED.as_secs(),
                self.workspace.branch()
            );
        }
        Ok(hook)
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

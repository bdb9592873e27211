//! Finding the observer, reading there, and acting there.

use super::{Marathon, Session, given, given_secret};
use crate::api::ProblemCode;
use crate::client::{self, ClientError};
use crate::discovery;
use crate::dploy::failure::{Failure, Word};
use crate::dploy::launch::{CERT, known_certificate};
use crate::dploy::terminal::Terminal;
use crate::dploy::trust::{Named, What};
use crate::dploy::workspace::{TOKEN_FILE, Workspace, secret_in};
use crate::id::{AppId, ServiceId};
use crate::marathon::LiveApp;
use crate::secret::Secret;

/// The label of an observer in Marathon.
pub(in crate::dploy) const LABEL: &str = "DPLOY_OBSERVER";

/// An observer, as it was found.
pub(in crate::dploy) struct Observer {
    pub client: client::Client,
    /// Its app in Marathon, where it runs there.
    pub id: Option<ServiceId>,
    /// That Marathon.
    pub marathon: String,
    pub named: Named,
    /// Whether it is known by the certificate that was made for it.
    pub pinned: bool,
    pub alive: bool,
    /// Why it is not.
    silence: Option<String>,
    /// Whether it was launched for the repository and the branch of this workspace.
    pub meant: bool,
}

impl Observer {
    /// Whether Marathon names no port of it.
    pub fn is_nowhere(&self) -> bool {
        self.id.is_some() && self.client.base().ends_with(":0")
    }

    /// What is said of one that is not alive.
    pub fn silence(&self) -> String {
        match &self.id {
            Some(id) if self.is_nowhere() => format!("no task of the observer {id} runs"),
            _ => {
                let why = self.silence.as_deref().unwrap_or("does not answer");
                format!("the observer at {} {why}", self.client.base())
            }
        }
    }
}

/// Where an observer is reached: at the address it was given, else on the public node, else where its task runs. One that
/// does not run is nowhere.
fn reached_at(app: &LiveApp, node: Option<&String>) -> String {
    if let Some(url) = app.raw["env"]["DPLOY_OBSERVER_PUBLIC_URL"].as_str()
        && let Ok(url) = discovery::address(url, "DPLOY_OBSERVER_PUBLIC_URL")
    {
        return url;
    }
    let running = app.tasks.iter().find(|t| t.state == "TASK_RUNNING");
    let task = running.and_then(|t| Some((t.host.as_deref()?, *t.ports.first()?)));
    let (host, port) = task.unwrap_or(("localhost", 0));
    let has_certificate = app.raw["env"][CERT].as_str().is_some_and(|c| !c.is_empty());
    let scheme = if has_certificate { "https" } else { "http" };
    format!("{scheme}://{}:{port}", node.map_or(host, String::as_str))
}

/// The repository and the branch that an observer in Marathon was launched for.
pub(in crate::dploy) fn launched_for(app: &LiveApp) -> Option<(String, String)> {
    let env = |name: &str| app.raw["env"][format!("DPLOY_OBSERVER_{name}")].as_str();
    let repository = format!("{}/{}", env("GITHUB_OWNER")?, env("GITHUB_REPO")?);
    let branch = env("TARGETBRANCH").unwrap_or("dcos");
    Some((repository, branch.to_owned()))
}

/// The rank of an observer that shows the app of the workspace.
const KNOWS_IT: u8 = 4;

/// How likely an observer, of several in Marathon, is the one that deploys the app of this workspace. Strangers are shown only what is
/// public, so an observer that shows nothing of the app may know it all the same.
async fn rank(found: &Observer, workspace: Option<&Workspace>) -> u8 {
    let Some(workspace) = workspace.filter(|_| found.alive) else {
        return found.alive.into();
    };
    match found.client.app(&workspace.app).await {
        Ok(Some(_)) => KNOWS_IT,
        _ if found.meant => 3,
        Err(error) if error.is(ProblemCode::Login) => 2,
        _ => 1,
    }
}

impl Session {
    /// The workspace, its Marathon, and the observer that deploys it, where one does.
    ///
    /// # Errors
    /// When an address is none, or Marathon does not answer.
    pub async fn sought(&self) -> anyhow::Result<(Workspace, Marathon, Option<Observer>)> {
        let workspace = self.workspace()?;
        let marathon = if self.global.observer.is_some() {
            // the observer is enough: Marathon may be out of reach from here
            Marathon::unasked(self)?
        } else {
            self.marathon(Some(&workspace)).await?
        };
        let observer = self.observer(Some(&workspace), &marathon).await?;
        Ok((workspace, marathon, observer))
    }

    /// The workspace and the observer that deploys it.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn observed(&self) -> anyhow::Result<(Workspace, Observer)> {
        let (workspace, _, observer) = self.sought().await?;
        let Some(observer) = observer else {
            let why = format!(
                "no observer deploys {}: `dploy run` launches one when dploy.app has repo_url and public_node and there is a .pat; -observer names one elsewhere",
                workspace.app
            );
            return Err(Failure::of(Word::NoObserver, why).into());
        };
        if !observer.alive {
            let why = format!("{}; `dploy doctor` looks closer", observer.silence());
            return Err(Failure::of(Word::ObserverUnreachable, why).into());
        }
        Ok((workspace, observer))
    }

    /// The observer: the one that is named, the local world's, or the one that Marathon runs.
    ///
    /// # Errors
    /// When an address is none, or Marathon does not answer.
    pub async fn observer(
        &self,
        workspace: Option<&Workspace>,
        marathon: &Marathon,
    ) -> anyhow::Result<Option<Observer>> {
        if let Some(url) = given(self.global.observer.as_ref()) {
            let url = discovery::address(url, "DPLOY_OBSERVER_URL")?;
            return self
                .observer_at(&url, None, "", Named::Flag)
                .await
                .map(Some);
        }
        if let Some(local) = self
            .local
            .as_ref()
            .filter(|_| marathon.named == Named::Local)
        {
            let url = local.observer.url.clone();
            return self
                .observer_at(&url, None, "", Named::Local)
                .await
                .map(Some);
        }
        let mut best: Option<(u8, Observer)> = None;
        for listed in marathon.client.apps_labelled(LABEL, "true").await? {
            let id: ServiceId = listed.id.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
            let Some(app) = marathon.client.app(&id).await? else {
                continue;
            };
            let node = workspace.and_then(|w| given(w.descriptor.public_node.as_ref()));
            let url = reached_at(&app, node);
            let mut found = self
                .observer_at(&url, Some(id), &marathon.url, Named::Descriptor)
                .await?;
            found.meant = workspace.is_some_and(|w| Self::is_for(&app, w));
            let rank = rank(&found, workspace).await;
            if rank == KNOWS_IT {
                return Ok(Some(found));
            }
            if best.as_ref().is_none_or(|(b, _)| rank > *b) {
                best = Some((rank, found));
            }
        }
        Ok(best.map(|(_, found)| found))
    }

    /// Whether an observer in Marathon was launched for the repository and the branch of this workspace.
    fn is_for(app: &LiveApp, workspace: &Workspace) -> bool {
        let Some((repository, branch)) = launched_for(app) else {
            return false;
        };
        let named = given(workspace.descriptor.repo_url.as_ref());
        let own = named.and_then(|url| super::repository(url).ok());
        let own = own.map(|(_, name)| name.to_string());
        own.is_some_and(|own| own.eq_ignore_ascii_case(&repository)) && branch == workspace.branch()
    }

    async fn observer_at(
        &self,
        url: &str,
        id: Option<ServiceId>,
        marathon: &str,
        named: Named,
    ) -> anyhow::Result<Observer> {
        let known = known_certificate(&self.folder)?;
        let known = known.filter(|_| url.starts_with("https:"));
        let ours = |(_, print): &(_, String)| self.hosts.knows_certificate(print);
        let pinned = id.is_some() && known.as_ref().is_some_and(ours);
        let client = match known {
            // that of this workspace, and no other
            Some((certificate, _)) if id.is_some() => {
                client::Client::pinned(url, None, self.timeout(), certificate)?
            }
            Some((certificate, _)) => {
                client::Client::trusting(url, None, self.timeout(), certificate)?
            }
            None => client::Client::new(url, None, self.timeout())?,
        };
        let silence = client.silence().await;
        Ok(Observer {
            client,
            pinned,
            id,
            marathon: marathon.to_owned(),
            named,
            alive: silence.is_none(),
            silence,
            meant: false,
        })
    }

    /// The same observer, read as anybody may; where it shows nothing to strangers, as an operator.
    ///
    /// # Errors
    /// When it does not answer, or wants a token that is not there.
    pub async fn readable(&self, observer: Observer, app: &AppId) -> anyhow::Result<Observer> {
        let client = match observer.client.app(app).await {
            Err(error) if error.is(ProblemCode::Login) => self.operator(&observer)?,
            Err(error) => return Err(error.into()),
            Ok(Some(_)) => return Ok(observer),
            // none that strangers are shown; whoever has a token sees whether there is one
            Ok(None) => match self.operator(&observer) {
                Ok(client) => match client.app(app).await {
                    // on plain HTTP it takes no token
                    Err(error) if error.is(ProblemCode::PlainHttp) && !observer.meant => {
                        return Ok(observer);
                    }
                    Err(error) => return Err(error.into()),
                    Ok(_) => client,
                },
                Err(why) if observer.meant => return Err(why),
                Err(_) => return Ok(observer),
            },
        };
        Ok(Observer { client, ..observer })
    }

    /// What an observer answers to whoever has its operator token, else what it answers to anybody: on plain HTTP it takes no token.
    ///
    /// # Errors
    /// What it answers with.
    pub async fn asks<T>(
        &self,
        observer: &Observer,
        ask: impl AsyncFn(&client::Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if let Ok(operator) = self.operator(observer) {
            match ask(&operator).await {
                Err(error) if error.is(ProblemCode::PlainHttp) => {}
                // what everybody may see is still there
                Err(error) if error.is(ProblemCode::Token) => {
                    let why = format!("dploy: {error}; asked without it");
                    self.terminal.note(why);
                }
                answer => return answer,
            }
        }
        ask(&observer.client).await
    }

    /// The operator token for an observer, if there is one and it may go there.
    ///
    /// # Errors
    /// When there is none, or it may not.
    pub fn operator(&self, observer: &Observer) -> anyhow::Result<client::Client> {
        self.operator_by(self.terminal, observer)
    }

    /// The same, where nobody is asked.
    ///
    /// # Errors
    /// As above.
    pub fn operator_unasked(&self, observer: &Observer) -> anyhow::Result<client::Client> {
        self.operator_by(self.terminal.unasking(), observer)
    }

    fn operator_by(
        &self,
        terminal: Terminal,
        observer: &Observer,
    ) -> anyhow::Result<client::Client> {
        let url = observer.client.base();
        let local = self
            .local
            .as_ref()
            .filter(|_| observer.named == Named::Local);
        let token = match (given_secret(self.global.token.as_ref()), local) {
            (Some(token), _) => Some(token),
            (None, Some(local)) => Some(Secret::new(local.observer.token.clone())),
            (None, None) => secret_in(&self.folder.join(TOKEN_FILE))?.map(Secret::new),
        };
        let Some(token) = token else {
            let why = format!(
                "the observer at {url} needs its operator token: copy {TOKEN_FILE} from the workspace that launched it, or set DPLOY_OBSERVER_TOKEN"
            );
            return Err(Failure::of(Word::NoToken, why).into());
        };
        // whoever has its key is it, wherever it is
        if !observer.pinned {
            let sent = What::OperatorToken {
                id: observer.id.as_ref(),
                marathon: &observer.marathon,
            };
            self.hosts.confirm(terminal, observer.named, url, sent)?;
        }
        Ok(observer.client.with_token(token))
    }
}

//! Where logs are read: at the observer, or where none runs, at the agents themselves.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::api::{AppPage, ProblemCode};
use crate::client::{Client, ClientError, LogFrom};
use crate::dploy::absence::Absence;
use crate::dploy::session::Session;
use crate::id::{AppId, ServiceId};
use crate::marathon::{self, LiveApp, MarathonError};
use crate::mesos::{LogError, Mesos, TaskAt};
use crate::rollout;
use crate::secret::Redactor;
use crate::witness::{Hidden, lines};

/// Of so many tasks it is remembered where they ran.
const MOST_AGENTS: usize = 5000;

/// A service, and its tasks that Marathon names.
pub(super) struct Service {
    pub id: ServiceId,
    pub tasks: Vec<String>,
    /// The last that failed.
    pub failed: Option<String>,
}

/// What was written since.
pub(super) struct Written {
    pub lines: Vec<String>,
    /// Where one goes on.
    pub offset: u64,
}

/// Why there is nothing to read.
pub(super) enum Trouble {
    /// It has not begun to write, or what it wrote is gone.
    Nothing(anyhow::Error),
    /// It passes by itself, and whoever follows waits for that.
    Passes(String),
    /// It will be so next time too.
    Stays(anyhow::Error),
}

impl Trouble {
    /// The error of whoever does not wait.
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Self::Nothing(error) | Self::Stays(error) => error,
            Self::Passes(why) => anyhow::anyhow!("{why}"),
        }
    }
}

/// Whom is asked.
pub(super) enum Source<'a> {
    Observer(Box<ThroughObserver<'a>>),
    Agents(Box<AtAgents>),
}

/// At the observer, wherever it moves.
pub(super) struct ThroughObserver<'a> {
    client: Client,
    absence: Absence<'a>,
    app: AppId,
    follow: bool,
}

/// At the agents, by way of Marathon.
pub(super) struct AtAgents {
    marathon: marathon::Client,
    mesos: Mesos,
    app: AppId,
    secrets: Redactor,
    /// The services as Marathon showed them last, for what is hidden of their logs.
    live: BTreeMap<ServiceId, LiveApp>,
    /// Where tasks ran, also those that are not listed any more.
    agents: BTreeMap<String, String>,
}

impl<'a> Source<'a> {
    /// The observer's.
    pub fn observer(session: &'a Session, client: Client, app: &AppId, follow: bool) -> Self {
        Self::Observer(Box::new(ThroughObserver {
            client,
            absence: Absence::endless(session),
            app: app.clone(),
            follow,
        }))
    }

    /// The agents'.
    pub fn agents(marathon: marathon::Client, mesos: Mesos, app: &AppId, known: Redactor) -> Self {
        Self::Agents(Box::new(AtAgents {
            marathon,
            mesos,
            app: app.clone(),
            secrets: known,
            live: BTreeMap::new(),
            agents: BTreeMap::new(),
        }))
    }

    /// Whether one answers for all tasks.
    pub fn is_one(&self) -> bool {
        matches!(self, Self::Observer(_))
    }

    /// What there is; `None` where Marathon does not say.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn services(&mut self) -> Result<Option<Vec<Service>>, Trouble> {
        match self {
            Self::Observer(observer) => observer.services().await,
            Self::Agents(agents) => agents.services().await.map(Some),
        }
    }

    /// What a task wrote: the last lines, or what stands behind an offset.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn read(
        &mut self,
        service: &ServiceId,
        task: &str,
        stream: &str,
        from: LogFrom,
    ) -> Result<Written, Trouble> {
        match self {
            Self::Observer(observer) => observer.read(service, task, stream, from).await,
            Self::Agents(agents) => agents.read(service, task, stream, from).await,
        }
    }
}

impl ThroughObserver<'_> {
    async fn services(&mut self) -> Result<Option<Vec<Service>>, Trouble> {
        let page = match self.client.app(&self.app).await {
            Ok(Some(page)) => page,
            Ok(None) => {
                let why = anyhow::anyhow!("{} is not at the observer any more", self.app);
                return Err(Trouble::Stays(why));
            }
            Err(error) => return Err(self.trouble(error).await),
        };
        self.absence.ends();
        let unseen = page.app.seen_at.is_none() && self.follow;
        Ok((!unseen).then(|| listed(page)))
    }

    async fn read(
        &mut self,
        service: &ServiceId,
        task: &str,
        stream: &str,
        from: LogFrom,
    ) -> Result<Written, Trouble> {
        let asked = self
            .client
            .log(&self.app, service, task, stream, from)
            .await;
        match asked {
            Ok(log) => Ok(Written {
                lines: log.lines,
                offset: log.offset,
            }),
            Err(error) => Err(self.trouble(error).await),
        }
    }

    async fn trouble(&mut self, error: ClientError) -> Trouble {
        if error.is(ProblemCode::NotFound) {
            return Trouble::Nothing(error.into());
        }
        if !self.follow {
            return Trouble::Stays(error.into());
        }
        match self.absence.lasts(&mut self.client, error).await {
            Ok(why) => Trouble::Passes(why),
            Err(error) => Trouble::Stays(error.into()),
        }
    }
}

fn listed(page: AppPage) -> Vec<Service> {
    let service = |service: crate::api::ServiceBody| Service {
        tasks: service.runs.tasks.into_iter().map(|t| t.task).collect(),
        failed: service.runs.last_failure.and_then(|f| f.task),
        id: service.id,
    };
    page.services.into_iter().map(service).collect()
}

fn silence(error: MarathonError) -> Trouble {
    match error {
        MarathonError::Unreachable(why) | MarathonError::Busy(why) => Trouble::Passes(why),
        error => Trouble::Stays(error.into()),
    }
}

impl AtAgents {
    async fn services(&mut self) -> Result<Vec<Service>, Trouble> {
        let ids = rollout::ours(&self.marathon, self.app.as_str()).await;
        let ids = ids.map_err(silence)?.into_iter().collect();
        let live = rollout::apps(&self.marathon, ids).await;
        self.live = live.map_err(silence)?;
        if self.agents.len() > MOST_AGENTS {
            self.agents.clear();
        }
        let mut services = Vec::new();
        for (id, live) in &self.live {
            let failure = live.last_task_failure.as_ref();
            let failed = failure.and_then(|f| Some((f.task.clone()?, f.agent.clone()?)));
            let tasks = live.tasks.iter();
            let tasks = tasks.filter_map(|t| Some((t.id.clone(), t.agent.clone()?)));
            let tasks: Vec<(String, String)> = tasks.collect();
            services.push(Service {
                id: id.clone(),
                tasks: tasks.iter().map(|(task, _)| task.clone()).collect(),
                failed: failed.as_ref().map(|(task, _)| task.clone()),
            });
            self.agents.extend(tasks.into_iter().chain(failed));
        }
        Ok(services)
    }

    async fn read(
        &mut self,
        service: &ServiceId,
        task: &str,
        stream: &str,
        from: LogFrom,
    ) -> Result<Written, Trouble> {
        let read = self.part(service, task, stream, from).await;
        read.map_err(|error| match error.downcast_ref() {
            Some(LogError::Gone(_)) => Trouble::Nothing(error),
            Some(LogError::Silent(why)) => Trouble::Passes(why.clone()),
            _ => Trouble::Stays(error),
        })
    }

    async fn part(
        &self,
        service: &ServiceId,
        task: &str,
        stream: &str,
        from: LogFrom,
    ) -> anyhow::Result<Written> {
        let (Some(live), Some(agent)) = (self.live.get(service), self.agents.get(task)) else {
            bail!("Marathon does not name {service} any more");
        };
        let at = TaskAt {
            task: task.to_owned(),
            agent: agent.clone(),
        };
        let sandbox = self.mesos.sandbox(&at).await?;
        let part = match from {
            LogFrom::Tail(number) => sandbox.tail(stream, number).await?,
            LogFrom::Offset(offset) => sandbox.since(stream, offset).await?,
        };
        let running = live.tasks.iter().find(|t| t.id == task);
        let over = running.is_none_or(marathon::Task::is_over);
        let part = part.whole_lines(!over);
        Ok(Written {
            offset: part.end(),
            lines: lines(&part.bytes, &Hidden::by(&self.secrets, live)),
        })
    }
}

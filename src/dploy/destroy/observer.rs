//! The observer's part of a destroy: what it can do it does itself; then it goes, if no other app needs it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{Hook, Report, Task, Traces, host};
use crate::api::ProblemCode;
use crate::client::{Client, ClientError};
use crate::dploy::list;
use crate::dploy::session::{Observer, launched_for};
use crate::history::AppState;
use crate::spec::LABEL_APP;

/// A silent observer may be about to be started again.
const SILENCE: Duration = Duration::from_secs(10);

/// Whether the observer did its part.
enum Part {
    Done,
    /// It did not, but may yet.
    Silent(String),
    /// It will not.
    Refused(String),
}

impl Part {
    /// What an error of the observer means for who can do without it.
    fn of(error: ClientError) -> anyhow::Result<Self> {
        match error {
            ClientError::Unreachable(..) | ClientError::Away(..) | ClientError::Foreign(..) => {
                Ok(Self::Silent(error.to_string()))
            }
            // as it is launched, unless told otherwise: nobody could ever destroy it from afar
            ClientError::Refused(ref problem) if problem.is(ProblemCode::PlainHttp) => {
                Ok(Self::Refused(problem.detail.clone()))
            }
            ClientError::Refused(_) => Err(error.into()),
        }
    }
}

impl Task<'_> {
    /// What the observer can do itself, it does; then it goes, if no other app needs it.
    pub(super) async fn with_observer(&self, report: &mut Report) -> anyhow::Result<Traces> {
        let mut traces = self.traces(None).await?;
        let mut silent_since = None;
        loop {
            let found = self.session.observer(Some(self.workspace), self.marathon);
            let Some(observer) = found.await? else {
                return Ok(traces);
            };
            let seen = self.traces(Some(&observer)).await?;
            traces.hosts.extend(seen.hosts);
            traces.url = seen.url;
            traces.id = seen.id;
            traces.elsewhere = seen.elsewhere;
            let part = if observer.alive {
                self.through(&observer, &mut traces, report).await?
            } else {
                Part::Silent(observer.silence())
            };
            let why = match part {
                Part::Done => return Ok(traces),
                Part::Refused(why) => why,
                Part::Silent(why) => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() < SILENCE {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        continue;
                    }
                    why
                }
            };
            self.session
                .terminal
                .note(format!("Doing it without the observer: {why}"));
            self.observer_of_nobody_else(&observer, &mut traces, report)
                .await;
            return Ok(traces);
        }
    }

    async fn traces(&self, observer: Option<&Observer>) -> anyhow::Result<Traces> {
        let node = self.workspace.descriptor.public_node.iter().cloned();
        let mut hosts: BTreeSet<String> = node.collect();
        let (mut url, mut elsewhere) = (String::new(), false);
        if let Some(observer) = observer {
            observer.client.base().clone_into(&mut url);
            hosts.extend(host(&url).filter(|_| !observer.is_nowhere()));
            if let Some(id) = &observer.id
                && let Some(app) = self.marathon.client.app(id).await?
            {
                let env = |name: &str| app.raw["env"][name].as_str().map(str::to_owned);
                hosts.extend(env("DPLOY_PUBLIC_NODE"));
                hosts.extend(env("DPLOY_OBSERVER_PUBLIC_URL").and_then(|u| host(&u)));
                if let Some((repository, branch)) = launched_for(&app) {
                    elsewhere = !self.is_ours(&repository) || branch != self.workspace.branch();
                }
            }
        }
        Ok(Traces {
            hosts,
            url,
            id: observer.and_then(|o| o.id.clone()),
            hook: Hook::Unknown,
            elsewhere,
        })
    }

    /// Whether a repository is the one of this workspace; GitHub does not tell cases apart.
    pub(super) fn is_ours(&self, repository: &str) -> bool {
        let own = self.github.map(|g| g.name.to_string());
        own.is_some_and(|own| own.eq_ignore_ascii_case(repository))
    }

    /// The observer takes its app down, and goes itself when it has no other.
    async fn through(
        &self,
        observer: &Observer,
        traces: &mut Traces,
        report: &mut Report,
    ) -> anyhow::Result<Part> {
        let app = &self.workspace.app;
        let mut client = observer.client.clone();
        let mut known = client.app(app).await;
        // it shows nothing to strangers
        if matches!(&known, Err(error) if error.is(ProblemCode::Login)) {
            client = self.session.operator(observer)?;
            known = client.app(app).await;
        }
        // nor what belongs to a private repository
        if matches!(known, Ok(None)) {
            match self.session.operator(observer) {
                Ok(operator) => {
                    known = operator.app(app).await;
                    client = operator;
                }
                Err(why) if observer.meant => return Err(why),
                Err(_) => {}
            }
        }
        let known = match known {
            Ok(known) => known,
            Err(error) => return Part::of(error),
        };
        let state = known.as_ref().map(|p| p.app.state);
        let mut gone = state == Some(AppState::Destroyed);
        if state.is_some() && !gone {
            client = self.session.operator(observer)?;
            match self.ask(&client, report).await {
                Ok(ended) => gone = ended,
                Err(error) => return Part::of(error),
            }
        }
        let (apps, all) = match client.apps().await {
            Ok(body) => (body.apps, body.all),
            Err(error) => return Part::of(error),
        };
        let others = apps
            .iter()
            .filter(|a| a.app != *app && a.state != AppState::Destroyed);
        let others: Vec<_> = others.collect();
        // a renamed repository is called as the observer calls it
        let source = known.map(|p| p.app.source.repository);
        let shares = |r: &String| Some(r) == source.as_ref() || self.is_ours(r);
        if others.iter().any(|a| shares(&a.source.repository)) {
            traces.hook = Hook::Shared;
        } else if gone {
            traces.hook = Hook::Gone;
        }
        let names: Vec<&str> = others.iter().map(|a| a.app.as_str()).collect();
        match (&observer.id, names.as_slice()) {
            (Some(id), []) if !all && client.has_token() => report.done(format!(
                "the observer {id} stays: what it shows this token is not all that it may deploy"
            )),
            (Some(id), []) if !all => report.left(
                format!("the observer {id}: what it shows without a token for all apps is not all that it may deploy"),
                self.delete_command(id),
            ),
            (Some(id), []) if state.is_some() || !traces.elsewhere => {
                self.remove(id, "the observer ", report).await;
                self.ended(std::slice::from_ref(id)).await;
            }
            (_, []) => report.done(format!(
                "the observer at {} stays: it was not launched for this app",
                observer.client.base()
            )),
            (_, names) => {
                report.done(format!(
                    "the observer stays: it deploys {}",
                    names.join(", ")
                ));
            }
        }
        Ok(Part::Done)
    }

    /// Asks until it is done. Whether it is; what the observer does not do is done by hand.
    async fn ask(&self, client: &Client, report: &mut Report) -> Result<bool, ClientError> {
        let until = Instant::now() + self.patience();
        let app = &self.workspace.app;
        loop {
            let answer = client
                .destroy(
                    app,
                    self.keep_services,
                    self.override_lock,
                    self.plan.as_deref(),
                )
                .await?;
            let gone = answer.state == AppState::Destroyed;
            // GitHub may be down for hours; nothing but the webhook is left to it
            let services = answer.open.iter().any(|o| o.starts_with('/'));
            let stuck = !services && !answer.open.is_empty();
            if gone || stuck || Instant::now() > until {
                answer.done.into_iter().for_each(|d| report.done(d));
                if gone && let Some(sentence) = answer.sentence {
                    report.done(format!("the observer says: {sentence}"));
                }
                return Ok(gone);
            }
            for open in &answer.open {
                self.session.terminal.note(format!("waiting: {open}"));
            }
        }
    }

    /// A dead observer that nobody else needs goes first: started again it would bring everything back.
    async fn observer_of_nobody_else(
        &self,
        observer: &Observer,
        traces: &mut Traces,
        report: &mut Report,
    ) {
        let own = self.workspace.app.as_str();
        let url = observer.client.base();
        let Some(id) = &observer.id else {
            traces.hook = Hook::Kept;
            let way = "dploy destroy -yes".to_owned();
            report.left(format!("{own} in the log of the observer at {url}"), way);
            return;
        };
        let others = match self.marathon.client.apps_with_label(LABEL_APP).await {
            Ok(listed) => {
                let others = list::by_app(&listed).into_keys().filter(|a| a != own);
                others.collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("somebody ({error})"),
        };
        let serves = if traces.elsewhere && others.is_empty() {
            "another repository or branch"
        } else {
            others.as_str()
        };
        if serves.is_empty() {
            self.remove(id, "the observer ", report).await;
            self.ended(std::slice::from_ref(id)).await;
        } else {
            traces.hook = Hook::Kept;
            let what = format!("the observer {id}, which may serve {serves}");
            report.left(what, self.delete_command(id));
        }
    }
}

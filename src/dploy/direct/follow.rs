//! Following what was applied to its end, whichever it is.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::Signal;
use tokio::time::Instant;

use super::{Direct, LOOK, LOOK_AT_IT};
use crate::clock;
use crate::dploy::failure::{FAILED, Failure, Word};
use crate::dploy::progress::{self, Line, Progress, Shown, Stage};
use crate::dploy::remove_service;
use crate::dploy::terminal::{cancels, interrupts};
use crate::id::ServiceId;
use crate::marathon;
use crate::rollout::{self, Given, Standing, Standings, Wiped, deadline_sentence};
use crate::sentence::{Code, Sentence};

impl Direct<'_> {
    /// Follows the services until all are well, or it is clear that they will not be.
    pub(super) async fn follow(self) -> anyhow::Result<()> {
        let mut interrupts = interrupts()?;
        let mut progress = Progress::new(self.terminal);
        let mut standings = Standings::default();
        let mut changes = self.watch.changes();
        let (mut best, mut progress_at) = (0, Instant::now());
        loop {
            let ids = self.followed.keys().cloned().collect();
            let look = match rollout::look(self.marathon, ids).await {
                Ok(look) => look,
                Err(error) if progress_at.elapsed() >= self.rules.deadline => {
                    let why =
                        format!("{error}; what was begun goes on, and `dploy run` looks again");
                    return Err(Failure::of(Word::MarathonUnreachable, why).into());
                }
                Err(error) => {
                    if self
                        .pause(
                            &mut changes,
                            &mut interrupts,
                            &error.to_string(),
                            &mut progress,
                        )
                        .await?
                    {
                        return self.end(Sentence::new(Code::Cancelled, "cancelled")).await;
                    }
                    continue;
                }
            };
            let (settle, at) = (self.rules.settle, clock::system().elapsed());
            let now: Vec<(ServiceId, Standing)> = self
                .followed
                .iter()
                .map(|(id, followed)| {
                    let given = followed.spec.as_ref().map(|spec| Given {
                        spec,
                        version: followed.version.as_deref(),
                    });
                    (
                        id.clone(),
                        standings.of(id, given.as_ref(), &look, at, settle),
                    )
                })
                .collect();
            let takes = now.iter().map(|(_, s)| s.takes()).max();
            let deadline = self.rules.deadline.max(takes.unwrap_or_default());
            let stage = Stage {
                deadline: Some(deadline.as_secs()),
                ..Stage::of("rollout")
            };
            progress.show(&stage, self.lines(&now, &look));
            let over = |id: &String| look.deployments.iter().all(|d| d.id != *id);
            if self.deployments.iter().all(over) && now.iter().all(|(_, s)| s.done) {
                progress.keep();
                return self.finish(&look).await;
            }
            let well = now.iter().map(|(_, s)| s.well).sum();
            if well > best {
                (best, progress_at) = (well, Instant::now());
            }
            if let Some(why) = self.hopeless(&now, progress_at.elapsed()) {
                progress.keep();
                return self.end(why).await;
            }
            if self
                .pause(&mut changes, &mut interrupts, "", &mut progress)
                .await?
            {
                let why = Sentence::new(Code::Cancelled, "cancelled");
                return self.end(why).await;
            }
        }
    }

    fn lines(&self, now: &[(ServiceId, Standing)], look: &rollout::Look) -> Vec<Shown> {
        let line = |(id, standing): &(ServiceId, Standing)| {
            let change = self
                .followed
                .get(id)
                .map_or("", |followed| followed.change.word());
            let wanted = look.apps.get(id).map_or(0, |a| a.instances);
            progress::line(&Line {
                id: id.as_str(),
                change,
                stage: standing.stage,
                healthy: Some(standing.well),
                wanted: Some(wanted),
                sentence: standing.reason().map(|t| t.sentence.as_str()),
            })
        };
        now.iter().map(line).collect()
    }

    /// Why there is no use in waiting longer.
    fn hopeless(&self, now: &[(ServiceId, Standing)], quiet: Duration) -> Option<Sentence> {
        if let Some((id, _)) = now.iter().find(|(_, s)| s.alien) {
            let why = format!("somebody else changed {id} in Marathon while it was rolling");
            return Some(Sentence::new(Code::Cancelled, why));
        }
        let trouble = now.iter().find_map(|(_, s)| s.trouble.clone());
        let named: Vec<(&ServiceId, &Standing)> = now.iter().map(|(id, s)| (id, s)).collect();
        if let Some((_, worst)) = now.iter().find(|(_, s)| s.hopeless) {
            let why = worst.trouble.clone();
            return Some(why.unwrap_or_else(|| deadline_sentence(&named, quiet)));
        }
        let takes = now.iter().map(|(_, s)| s.takes()).max();
        (quiet >= self.rules.deadline.max(takes.unwrap_or_default()))
            .then(|| trouble.unwrap_or_else(|| deadline_sentence(&named, quiet)))
    }

    /// Waits for a moment or for Marathon's next event. Whether somebody wants it cancelled.
    async fn pause(
        &self,
        changes: &mut tokio::sync::watch::Receiver<u64>,
        interrupts: &mut Signal,
        trouble: &str,
        progress: &mut Progress,
    ) -> anyhow::Result<bool> {
        if !trouble.is_empty() {
            progress.waits(trouble);
        }
        let event = async {
            let _ = changes.changed().await;
            // they come in bursts; one look serves them all
            tokio::time::sleep(LOOK / 5).await;
        };
        tokio::select! {
            () = tokio::time::sleep(LOOK) => return Ok(false),
            () = event => return Ok(false),
            () = self.rules.limit.over() => {
                return Err(self.rules.limit.reached("the rollout", LOOK_AT_IT).into());
            }
            _ = interrupts.recv() => {}
        }
        progress.keep();
        let answer = cancels(self.terminal, interrupts, "Cancel the rollout?".to_owned()).await;
        let why = "stopped looking; Marathon goes on with it, and `dploy run` looks again";
        answer.ok_or_else(|| Failure::of(Word::Interrupted, why).into())
    }

    /// All is well: raised counts go back, services whose spec has left are removed.
    async fn finish(&self, look: &rollout::Look) -> anyhow::Result<()> {
        for (id, instances) in &self.raised {
            if look.apps.get(id).is_some_and(|a| a.instances != *instances) {
                self.marathon.scale(id, *instances, false).await?;
            }
        }
        for id in &self.removed {
            remove_service::service(self.marathon, id, false, self.rules.deadline).await?;
        }
        Ok(())
    }

    /// Ends a rollout that will not succeed without losing what is healthy, and says what runs.
    async fn end(&self, why: Sentence) -> anyhow::Result<()> {
        let ids: BTreeSet<ServiceId> = self.followed.keys().cloned().collect();
        let running = self.marathon.deployments().await?;
        let ours = |d: &&marathon::RunningDeployment| self.deployments.contains(&d.id);
        let holds = |d: &&marathon::RunningDeployment| {
            d.affected_apps
                .iter()
                .any(|a| ids.iter().any(|id| id.as_str() == a))
        };
        let mut left = String::new();
        if let Some(other) = running.iter().find(holds).filter(|d| !ours(d)) {
            left = format!(
                "; the Marathon deployment {} was begun before and goes on",
                other.id
            );
        }
        if running.iter().any(|d| ours(&d)) {
            match self.wipe_what_is_bad(&ids).await? {
                Wiped::Unknown => {}
                Wiped::Clean => {
                    for deployment in running.iter().filter(ours) {
                        self.marathon.cancel(&deployment.id).await?;
                    }
                }
                Wiped::Left(services) => {
                    let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
                    left = format!(
                        "; its Marathon deployment is left running, because cancelling it would cost healthy instances of {}",
                        names.join(", ")
                    );
                }
            }
        }
        let apps = rollout::apps(self.marathon, ids).await?;
        let runs = progress::what_runs(apps.values());
        if self.terminal.json {
            let body = json!({"result": "failed", "code": why.code, "sentence": why.sentence, "runs": runs});
            self.terminal.data(&body)?;
        }
        self.terminal
            .note(format!("dploy: {}: {}{left}", why.code, why.sentence));
        self.terminal.note(format!("       {runs}"));
        let hint = "Repair it and `dploy run` again; `dploy ps` shows what runs.";
        self.terminal.hint(hint);
        let failed = Failure::new(why.code, FAILED, format!("{}{left}; {runs}", why.sentence));
        Err(failed.hint(hint).told().into())
    }
}

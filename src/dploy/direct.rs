//! Applying a workspace without an observer: one Marathon deployment, followed to health. Nothing is written down, so
//! what this process does not finish, the next `dploy run` finds in Marathon.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::signal::unix::Signal;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::board::{self, Line};
use super::preview::{self, Preview, preview};
use super::terminal::{Board, Terminal, cancels, interrupts};
use super::workspace::Workspace;
use crate::event::Action;
use crate::id::{ServiceId, SpecHash};
use crate::marathon::{self, Client, MarathonError, Watch};
use crate::plan::Step;
use crate::rollout::{
    self, Journal, Room, Standing, Standings, Wiped, deadline_sentence, make_room, wipe, with_room,
};
use crate::sentence::Sentence;

/// Between two looks at Marathon.
const LOOK: Duration = Duration::from_secs(1);

/// How a rollout is followed, and what may be done.
pub(super) struct Rules {
    pub force: bool,
    pub adopt: bool,
    pub deadline: Duration,
    pub settle: Duration,
}

/// How a direct deploy ended.
pub(super) enum End {
    /// What was wanted runs; whether anything had to be changed.
    Succeeded(bool),
    /// It ended otherwise; the exit code says how.
    Not(ExitCode),
}

struct NoJournal;

impl Journal for NoJournal {
    type Error = MarathonError;

    async fn wiping(&self, _tasks: &[String]) -> Result<(), MarathonError> {
        Ok(())
    }

    async fn wiped(&self) -> Result<(), MarathonError> {
        Ok(())
    }
}

/// A deploy that is under way.
struct Direct<'a> {
    terminal: Terminal,
    marathon: &'a Client,
    watch: Watch,
    rules: &'a Rules,
    /// Services to follow, with what is done to them and the spec they were given.
    followed: BTreeMap<ServiceId, (Action, Option<SpecHash>)>,
    /// Services that run more instances than wanted until all are well.
    raised: BTreeMap<ServiceId, u32>,
    removed: Vec<ServiceId>,
    deployments: Vec<String>,
}

/// Applies a workspace.
///
/// # Errors
/// When Marathon does not answer or refuses before anything was changed.
pub(super) async fn deploy(
    terminal: Terminal,
    marathon: &Client,
    workspace: &Workspace,
    rules: &Rules,
) -> anyhow::Result<End> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let mut direct = Direct {
        terminal,
        marathon,
        watch: Watch::start(marathon.clone(), stop),
        rules,
        followed: BTreeMap::new(),
        raised: BTreeMap::new(),
        removed: Vec::new(),
        deployments: Vec::new(),
    };
    let mut shown = false;
    let mut board = Board::new(terminal);
    let begun = Instant::now();
    loop {
        let preview = preview(marathon, workspace, rules.adopt).await?;
        if !shown && !terminal.json {
            let (plan, services) = (&preview.plan, preview.bodies());
            preview::show(terminal, &services, &plan.orphans, &plan.warnings);
            shown = true;
        }
        let unwell = direct.take(&preview);
        if !preview.plan.changes() && unwell.is_empty() {
            return Ok(End::Succeeded(false));
        }
        let why = match direct.apply(&preview).await? {
            None => return direct.follow().await,
            // Marathon understood it: the same spec is refused again
            Some(why) if why.code == "REJECTED" => {
                nothing_changed(terminal, "failed", &why)?;
                return Ok(End::Not(super::FAILED.into()));
            }
            Some(why) => why,
        };
        if begun.elapsed() >= rules.deadline {
            nothing_changed(terminal, "held", &why)?;
            terminal.hint("Wait for it, or override it with `dploy run -force`.");
            return Ok(End::Not(super::HELD.into()));
        }
        let line = format!("waiting  {}", why.sentence);
        board.show(vec![(line.clone(), line)]);
        tokio::select! {
            () = tokio::time::sleep(LOOK * 2) => {}
            _ = tokio::signal::ctrl_c() => bail!("nothing was changed: {}", why.sentence),
        }
    }
}

fn nothing_changed(terminal: Terminal, result: &str, why: &Sentence) -> anyhow::Result<()> {
    if terminal.json {
        terminal.data(&json!({"result": result, "code": why.code, "sentence": why.sentence}))?;
    }
    terminal.note(format!("dploy: nothing was changed: {}", why.sentence));
    Ok(())
}

impl Direct<'_> {
    /// Notes what is to be followed; answers the unchanged services that are not well.
    fn take(&mut self, preview: &Preview) -> Vec<ServiceId> {
        self.followed.clear();
        for step in &preview.plan.steps {
            let planned = &step.planned;
            if planned.change == Action::Remove {
                continue;
            }
            self.followed
                .insert(planned.id.clone(), (planned.change, planned.spec.clone()));
        }
        self.removed = preview
            .plan
            .steps
            .iter()
            .filter(|s| s.planned.change == Action::Remove)
            .map(|s| s.planned.id.clone())
            .collect();
        let unwell = |id: &ServiceId| {
            let app = preview.look.apps.get(id);
            app.is_some_and(|a| !rollout::running(a).settled)
        };
        let unwell: Vec<ServiceId> = preview
            .plan
            .unchanged
            .iter()
            .filter(|o| unwell(&o.id))
            .map(|o| o.id.clone())
            .collect();
        for id in &unwell {
            self.followed.insert(id.clone(), (Action::Unchanged, None));
        }
        unwell
    }

    /// Tells Marathon; a sentence is why it cannot be told yet.
    async fn apply(&mut self, preview: &Preview) -> anyhow::Result<Option<Sentence>> {
        let changed = |s: &&Step| s.planned.change != Action::Unchanged;
        let ids: BTreeSet<ServiceId> = preview
            .plan
            .steps
            .iter()
            .filter(changed)
            .map(|s| s.planned.id.clone())
            .collect();
        if let Some(holder) = preview
            .look
            .holding(&ids)
            .next()
            .filter(|_| !self.rules.force)
        {
            let held = ids
                .iter()
                .find(|id| holder.affected_apps.iter().any(|a| a == id.as_str()));
            let held = held.map(ServiceId::to_string).unwrap_or_default();
            return Ok(Some(marathon::locked(&held, holder)));
        }
        let (client, watched) = (self.marathon, self.watch.watched());
        let force = self.rules.force;
        let room = make_room(client, watched, &ids, |_| force, &NoJournal).await?;
        match self.put(preview, &room).await {
            Ok(()) => Ok(None),
            Err(MarathonError::Locked(_)) => Ok(Some(Sentence::new(
                "LOCKED",
                "another Marathon deployment holds one of the services",
            ))),
            Err(MarathonError::Busy(why)) => Ok(Some(Sentence::new("MARATHON_BUSY", why))),
            Err(MarathonError::Refused(why)) => Ok(Some(why)),
            Err(MarathonError::Unreachable(why)) => bail!(
                "{why}; the change may have been made all the same: `dploy ps` shows what runs, `dploy run` goes on"
            ),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&mut self, preview: &Preview, room: &Room) -> Result<(), MarathonError> {
        let (mut bodies, mut names) = (Vec::new(), Vec::new());
        self.raised.clear();
        for step in &preview.plan.steps {
            let Some(body) = &step.body else { continue };
            let surplus = room.surplus.get(&step.planned.id).copied();
            let (body, more) = with_room(body, step.after, surplus);
            if more {
                self.raised.insert(step.planned.id.clone(), step.after);
            }
            names.push(step.planned.id.to_string());
            bodies.push(body);
        }
        let force = room.held && self.rules.force;
        if !bodies.is_empty() {
            let body = Value::Array(bodies).to_string();
            let answer = self.marathon.put_apps(&body, &names, force).await?;
            self.deployments.extend(answer.deployment_id);
        }
        for step in &preview.plan.steps {
            if step.planned.change == Action::Restart {
                let answer = self.marathon.restart(&step.planned.id, force).await?;
                self.deployments.extend(answer.deployment_id);
            }
        }
        Ok(())
    }

    /// Follows the services until all are well, or it is clear that they will not be.
    async fn follow(self) -> anyhow::Result<End> {
        let mut interrupts = interrupts()?;
        let mut board = Board::new(self.terminal);
        let mut standings = Standings::default();
        let mut changes = self.watch.changes();
        let (mut best, mut progress_at) = (0, Instant::now());
        loop {
            let ids = self.followed.keys().cloned().collect();
            let look = match rollout::look(self.marathon, ids).await {
                Ok(look) => look,
                Err(error) if progress_at.elapsed() >= self.rules.deadline => {
                    bail!("{error}; what was begun goes on, and `dploy run` looks again")
                }
                Err(error) => {
                    if self
                        .pause(
                            &mut changes,
                            &mut interrupts,
                            &error.to_string(),
                            &mut board,
                        )
                        .await?
                    {
                        return self.end(Sentence::new("CANCELLED", "cancelled")).await;
                    }
                    continue;
                }
            };
            let settle = self.rules.settle;
            let now: Vec<(ServiceId, Standing)> = self
                .followed
                .iter()
                .map(|(id, (_, spec))| (id.clone(), standings.of(id, spec.as_ref(), &look, settle)))
                .collect();
            board.show(self.lines(&now, &look));
            let over = |id: &String| look.deployments.iter().all(|d| d.id != *id);
            if self.deployments.iter().all(over) && now.iter().all(|(_, s)| s.done) {
                return self.finish(&look).await;
            }
            let well = now.iter().map(|(_, s)| s.well).sum();
            if well > best {
                (best, progress_at) = (well, Instant::now());
            }
            if let Some(why) = self.hopeless(&now, progress_at.elapsed()) {
                return self.end(why).await;
            }
            if self
                .pause(&mut changes, &mut interrupts, "", &mut board)
                .await?
            {
                let why = Sentence::new("CANCELLED", "cancelled");
                return self.end(why).await;
            }
        }
    }

    fn lines(&self, now: &[(ServiceId, Standing)], look: &rollout::Look) -> Vec<(String, String)> {
        let line = |(id, standing): &(ServiceId, Standing)| {
            let change = self
                .followed
                .get(id)
                .map_or("", |(action, _)| action.word());
            let wanted = look.apps.get(id).map_or(0, |a| a.instances);
            board::line(&Line {
                id: id.as_str(),
                change,
                stage: standing.stage,
                healthy: Some(standing.well),
                wanted: Some(wanted),
                sentence: standing.trouble.as_ref().map(|t| t.sentence.as_str()),
            })
        };
        now.iter().map(line).collect()
    }

    /// Why there is no use in waiting longer.
    fn hopeless(&self, now: &[(ServiceId, Standing)], quiet: Duration) -> Option<Sentence> {
        if let Some((id, _)) = now.iter().find(|(_, s)| s.alien) {
            let why = format!("somebody else changed {id} in Marathon while it was rolling");
            return Some(Sentence::new("CANCELLED", why));
        }
        let trouble = now.iter().find_map(|(_, s)| s.trouble.clone());
        let named: Vec<(&ServiceId, &Standing)> = now.iter().map(|(id, s)| (id, s)).collect();
        if let Some((_, worst)) = now.iter().find(|(_, s)| s.hopeless) {
            let why = worst.trouble.clone();
            return Some(why.unwrap_or_else(|| deadline_sentence(&named, quiet)));
        }
        (quiet >= self.rules.deadline)
            .then(|| trouble.unwrap_or_else(|| deadline_sentence(&named, quiet)))
    }

    /// Waits for a moment or for Marathon's next event. Whether somebody wants it cancelled.
    async fn pause(
        &self,
        changes: &mut tokio::sync::watch::Receiver<u64>,
        interrupts: &mut Signal,
        trouble: &str,
        board: &mut Board,
    ) -> anyhow::Result<bool> {
        if !trouble.is_empty() {
            let line = format!("waiting  {trouble}");
            board.show(vec![(line.clone(), line)]);
        }
        let event = async {
            let _ = changes.changed().await;
            // they come in bursts; one look serves them all
            tokio::time::sleep(LOOK / 5).await;
        };
        tokio::select! {
            () = tokio::time::sleep(LOOK) => return Ok(false),
            () = event => return Ok(false),
            _ = interrupts.recv() => {}
        }
        board.keep();
        let answer = cancels(self.terminal, interrupts, "Cancel the rollout?".to_owned()).await;
        answer.context("stopped looking; Marathon goes on with it, and `dploy run` looks again")
    }

    /// All is well: raised counts go back, services whose spec has left are removed.
    async fn finish(&self, look: &rollout::Look) -> anyhow::Result<End> {
        for (id, instances) in &self.raised {
            if look.apps.get(id).is_some_and(|a| a.instances != *instances) {
                self.marathon.scale(id, *instances, false).await?;
            }
        }
        for id in &self.removed {
            super::remove::service(self.marathon, id, false, self.rules.deadline).await?;
        }
        Ok(End::Succeeded(true))
    }

    /// Ends a rollout that will not succeed without losing what is healthy, and says what runs.
    async fn end(&self, why: Sentence) -> anyhow::Result<End> {
        let ids: BTreeSet<ServiceId> = self.followed.keys().cloned().collect();
        let running = self.marathon.deployments().await?;
        let ours = |d: &&marathon::RunningDeployment| self.deployments.contains(&d.id);
        let mut left = String::new();
        if running.iter().any(|d| ours(&d)) {
            match wipe(self.marathon, self.watch.watched(), &ids, &NoJournal).await? {
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
        let runs = board::what_runs(apps.values());
        if self.terminal.json {
            let body = json!({"result": "failed", "code": why.code, "sentence": why.sentence, "runs": runs});
            self.terminal.data(&body)?;
        }
        self.terminal
            .note(format!("dploy: {}: {}{left}", why.code, why.sentence));
        self.terminal.note(format!("       {runs}"));
        self.terminal
            .hint("Repair it and `dploy run` again; `dploy ps` shows what runs.");
        Ok(End::Not(super::FAILED.into()))
    }
}

//! Applying a workspace without an observer: one Marathon deployment, followed to health. Nothing is written down, so
//! what this process does not finish, the next `dploy run` finds in Marathon.

mod follow;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::AdoptArgs;
use super::begun::Begun;
use super::failure::{FAILED, Failure, HELD, Word};
use super::limit::Limit;
use super::preview::{self, Preview, preview};
use super::progress::Progress;
use super::terminal::{Terminal, interrupts};
use super::workspace::Workspace;
use crate::event::Action;
use crate::id::ServiceId;
use crate::marathon::{self, Client, MarathonError, Watch};
use crate::plan::Step;
use crate::rollout::{self, Doubts, Journal, Room, View, make_room, wipe, with_room};
use crate::sentence::{Code, Sentence};

/// Between two looks at Marathon.
const LOOK: Duration = Duration::from_secs(1);

/// How a rollout is followed, and what may be done.
pub(super) struct Rules {
    pub force: bool,
    pub adopt: AdoptArgs,
    pub deadline: Duration,
    pub settle: Duration,
    pub limit: Limit,
}

/// What a direct deploy came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// It was so already.
    Unchanged,
    /// What was wanted runs.
    Changed,
    /// Marathon took it, and nobody looks how it goes.
    Begun,
}

/// How what was begun is looked at, and ended.
const LOOK_AT_IT: &str = "`dploy ps` shows what runs, `dploy run` follows it to its end.";

/// Nothing is written down.
struct Unlogged<'a>(&'a Client);

impl Journal for Unlogged<'_> {
    type Error = MarathonError;

    async fn wipe(&self, tasks: &[String]) -> Result<(), MarathonError> {
        self.0.wipe(tasks).await
    }
}

/// A service that is followed.
struct Followed {
    /// What is done to it.
    change: Action,
    /// The spec it is given, where it is changed.
    spec: Option<Value>,
    /// The version that Marathon gave to the change.
    version: Option<String>,
}

/// A deploy that is under way.
struct Direct<'a> {
    terminal: Terminal,
    marathon: &'a Client,
    begun: Instant,
    watch: Watch,
    rules: &'a Rules,
    /// Services to follow.
    followed: BTreeMap<ServiceId, Followed>,
    /// Services that run more instances than wanted until all are well.
    raised: BTreeMap<ServiceId, u32>,
    removed: Vec<ServiceId>,
    /// What was begun, by this run or an earlier one of this user.
    deployments: Vec<String>,
    begun_before: Begun,
    /// Tasks of which nobody knows how they are.
    doubts: Doubts,
}

/// Applies a workspace.
///
/// # Errors
/// When Marathon does not answer or refuses, or what was changed does not come to health.
pub(super) async fn deploy(
    terminal: Terminal,
    marathon: &Client,
    workspace: &Workspace,
    rules: &Rules,
) -> anyhow::Result<Applied> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let begun_before = Begun::of_user(&marathon.base().unwrap_or_default(), &workspace.app);
    let mut direct = Direct {
        terminal,
        marathon,
        begun: Instant::now(),
        watch: Watch::start(marathon.clone(), stop),
        rules,
        followed: BTreeMap::new(),
        raised: BTreeMap::new(),
        removed: Vec::new(),
        deployments: begun_before.ids().into_iter().collect(),
        begun_before,
        doubts: Doubts::default(),
    };
    let mut shown = false;
    let mut progress = Progress::new(terminal);
    let mut interrupts = interrupts()?;
    let begun = Instant::now();
    loop {
        let preview = preview(marathon, workspace, &rules.adopt).await?;
        if !shown && !terminal.json {
            let (plan, services) = (&preview.plan, preview.bodies());
            preview::show(terminal, &services, &plan.orphans, &plan.warnings);
            shown = true;
        }
        let unwell = direct.take(&preview);
        if !preview.plan.changes() && unwell.is_empty() {
            return Ok(Applied::Unchanged);
        }
        let why = match direct.apply(&preview).await? {
            None if rules.limit.detach => {
                progress.keep();
                terminal.hint(format!("Marathon goes on with it: {LOOK_AT_IT}"));
                return Ok(Applied::Begun);
            }
            None => {
                progress.keep();
                return direct.follow().await.map(|()| Applied::Changed);
            }
            // Marathon understood it: the same spec is refused again
            Some(why) if why.is(Code::Rejected) => {
                return Err(nothing_changed(terminal, "failed", &why, FAILED)?.into());
            }
            Some(why) => why,
        };
        if begun.elapsed() >= rules.deadline {
            let held = nothing_changed(terminal, "held", &why, HELD)?;
            let hint = "Wait for it, or override it with `dploy run -force`.";
            return Err(held.hint(hint).into());
        }
        progress.waits(&why.sentence);
        tokio::select! {
            () = tokio::time::sleep(LOOK * 2) => {}
            () = rules.limit.over() => {
                let why = format!("nothing was changed: {}; -wait is over", why.sentence);
                return Err(Failure::of(Word::Held, why).into());
            }
            _ = interrupts.recv() => {
                let why = format!("nothing was changed: {}", why.sentence);
                return Err(Failure::of(Word::Interrupted, why).into());
            }
        }
    }
}

fn nothing_changed(
    terminal: Terminal,
    result: &str,
    why: &Sentence,
    exit: u8,
) -> anyhow::Result<Failure> {
    if terminal.json {
        terminal.data(&json!({"result": result, "code": why.code, "sentence": why.sentence}))?;
    }
    let detail = format!("nothing was changed: {}", why.sentence);
    Ok(Failure::new(&why.code, exit, detail))
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
            let service = preview.services.iter().find(|s| s.id == planned.id);
            let followed = Followed {
                change: planned.change,
                spec: service.map(|s| s.spec.clone()),
                version: None,
            };
            self.followed.insert(planned.id.clone(), followed);
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
            let followed = Followed {
                change: Action::Unchanged,
                spec: None,
                version: None,
            };
            self.followed.insert(id.clone(), followed);
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
        let force = self.rules.force;
        let is_ours = |id: &str| force || self.deployments.iter().any(|d| d == id);
        let mut holding = preview.look.holding(&ids);
        if let Some(holder) = holding.find(|d| !is_ours(&d.id)) {
            let held = ids
                .iter()
                .find(|id| holder.affected_apps.iter().any(|a| a == id.as_str()));
            let held = held.map(ServiceId::to_string).unwrap_or_default();
            return Ok(Some(marathon::locked(&held, holder, "somebody else")));
        }
        let unlogged = Unlogged(self.marathon);
        let room = make_room(&self.view(), &ids, is_ours, &unlogged).await?;
        let Room::Made { held, surplus, .. } = room else {
            let why = "Marathon does not know yet how some instances are";
            return Ok(Some(Sentence::new(Code::Unhealthy, why)));
        };
        match self.put(preview, held, &surplus).await {
            Ok(()) => Ok(None),
            Err(MarathonError::Locked(_)) => Ok(Some(Sentence::new(
                Code::Locked,
                "another Marathon deployment holds one of the services",
            ))),
            Err(MarathonError::Busy(why)) => Ok(Some(Sentence::new(Code::MarathonBusy, why))),
            Err(MarathonError::Refused(why)) => Ok(Some(why)),
            Err(MarathonError::Unreachable(why)) => {
                let why = format!(
                    "{why}; the change may have been made all the same: `dploy ps` shows what runs, `dploy run` goes on"
                );
                Err(Failure::of(Word::MarathonUnreachable, why).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn view(&self) -> View<'_> {
        View {
            marathon: self.marathon,
            watched: self.watch.watched(),
            doubts: &self.doubts,
            now: self.begun.elapsed(),
        }
    }

    /// Takes away what is not healthy, once it is known what that is.
    async fn wipe_what_is_bad(
        &self,
        ids: &BTreeSet<ServiceId>,
    ) -> Result<rollout::Wiped, MarathonError> {
        loop {
            match wipe(&self.view(), ids, &Unlogged(self.marathon)).await? {
                rollout::Wiped::Unknown => tokio::time::sleep(LOOK).await,
                known => return Ok(known),
            }
        }
    }

    fn has_begun(&mut self, deployment: Option<String>) {
        if let Some(id) = &deployment {
            self.begun_before.add(id);
        }
        self.deployments.extend(deployment);
    }

    async fn put(
        &mut self,
        preview: &Preview,
        held: bool,
        surplus: &BTreeMap<ServiceId, u32>,
    ) -> Result<(), MarathonError> {
        let (mut bodies, mut names) = (Vec::new(), Vec::new());
        self.raised.clear();
        for step in &preview.plan.steps {
            let Some(body) = &step.body else { continue };
            let surplus = surplus.get(&step.planned.id).copied();
            let (body, more) = with_room(body, step.after, surplus);
            if more {
                self.raised.insert(step.planned.id.clone(), step.after);
            }
            names.push(step.planned.id.to_string());
            bodies.push(body);
        }
        if !bodies.is_empty() {
            let body = Value::Array(bodies).to_string();
            let answer = self.marathon.put_apps(&body, &names, held).await?;
            self.has_begun(answer.deployment_id);
            let put = |(_, f): &(&ServiceId, &mut Followed)| f.change.puts();
            for (_, followed) in self.followed.iter_mut().filter(put) {
                followed.version.clone_from(&answer.version);
            }
        }
        for step in &preview.plan.steps {
            if step.planned.change == Action::Restart {
                let answer = self.marathon.restart(&step.planned.id, held).await?;
                self.has_begun(answer.deployment_id);
                if let Some(followed) = self.followed.get_mut(&step.planned.id) {
                    followed.version = answer.version;
                }
            }
        }
        Ok(())
    }
}

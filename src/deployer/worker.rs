//! The loop of one app: read the state, take the step it asks for, wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::following::Following;
use super::job::{Job, Memory};
use super::{Due, Next, Step, StepError, call, debt, destroy, follow, prepare, retreat};
use crate::context::Context;
use crate::event::{Action, Planned};
use crate::history::{App, Deploy, Phase, Refusal};
use crate::id::{AppId, DeployNumber};
use crate::sentence::Code;
use crate::store::StoreError;

/// No step is to take longer: each of its questions has a timeout of its own.
const LONGEST_STEP: Duration = Duration::from_mins(10);

/// The work of one app, a step at a time.
pub struct Worker {
    context: Context,
    id: AppId,
    /// The state to go on from, where the writer answered it and nothing happened since.
    state: Option<App>,
    memory: Memory,
    following: Following,
    waits: Waits,
    /// The secrets of the app were learnt since this process began.
    learnt: bool,
}

/// How long it has waited in one phase: each wait is twice as long as the one before.
#[derive(Default)]
struct Waits {
    phase: Option<(DeployNumber, std::mem::Discriminant<Phase>)>,
    tries: u32,
}

impl Waits {
    /// The next pause, between `first` and `longest`; not all who wait come back at the same moment.
    fn next(&mut self, who: &AppId, first: Duration, longest: Duration) -> Duration {
        let pause = first.saturating_mul(1 << self.tries.min(16)).min(longest);
        self.tries += 1;
        let sum: u32 = who.as_str().bytes().map(u32::from).sum();
        let spread = (sum + self.tries * 7) % 21;
        pause.mul_f64(f64::from(90 + spread) / 100.0).min(longest)
    }

    fn of(&mut self, deploy: Option<&Deploy>) {
        let phase = deploy.map(|d| (d.number, std::mem::discriminant(&d.life)));
        if self.phase != phase {
            *self = Self { phase, tries: 0 };
        }
    }
}

impl Worker {
    /// Nothing is done before the first step.
    #[must_use]
    pub fn new(context: Context, id: AppId) -> Self {
        let memory = Memory::default();
        memory.has_told(context.picture.moment());
        Self {
            context,
            id,
            state: None,
            memory,
            following: Following::default(),
            waits: Waits::default(),
            learnt: false,
        }
    }

    /// Forgets what it remembers, as a process that has just begun.
    fn begin_anew(&mut self) {
        let seen = self.seen();
        *self = Self::new(self.context.clone(), self.id.clone());
        self.memory.seen = seen;
    }

    /// The newest event that it knows of: a wake for an older one, or for its own, is none.
    #[must_use]
    pub fn seen(&self) -> Arc<AtomicI64> {
        self.memory.seen.clone()
    }

    /// Takes the step that the state asks for. What breaks off is tried again.
    pub async fn step(&mut self) -> Due {
        let next = self.work().await.unwrap_or_else(|error| {
            tracing::warn!(app.id = %self.id, %error, "a step broke off; trying again");
            Next::Wait
        });
        let (state, moved) = self.memory.take_state();
        let (first, longest) = (self.context.timing.look, self.context.timing.retry);
        let mut pause = || self.waits.next(&self.id, first, longest);
        match next {
            Next::Again => {
                // what follows at once goes on from what the writer answered
                self.state = state;
                Due::Now
            }
            // what somebody else wrote meanwhile may ask for something else, and its wake is not above what was written since
            _ if moved => Due::Now,
            Next::After(pause) => Due::After(pause),
            Next::Wait => Due::After(pause()),
            Next::WaitAtMost(most) => Due::After(pause().min(most)),
            Next::Idle => Due::Never,
        }
    }

    async fn work(&mut self) -> Step {
        let (context, id) = (&self.context, &self.id);
        let app = match self.state.take() {
            Some(app) => app,
            None => match context.store.app(id).await? {
                Some(app) => app,
                None => return Ok(Next::Idle),
            },
        };
        self.memory.seen.store(app.last_seq, Ordering::SeqCst);
        if !self.learnt {
            context.learn_again(id).await?;
            self.learnt = true;
        }
        if app.destroyed {
            return Ok(Next::Idle);
        }
        let memory = &self.memory;
        let proven = app.services.iter().filter(|(_, s)| !s.dirty);
        memory.doubts.trusts(proven.map(|(id, _)| id));
        let job = Job {
            context,
            app: &app,
            memory,
        };
        self.waits.of(app.running.as_ref());
        let step = match one_step(&job, &mut self.following).await {
            // what is open is not wanted any more, and what is now does not fit beside it
            Err(StepError::Store(StoreError::Refused(Refusal::Stale)))
                if call::drop_unsent(&job).await? =>
            {
                Ok(Next::Again)
            }
            step => step,
        };
        match step {
            // it can never be written down, however often it is tried
            Err(StepError::Store(StoreError::Refused(Refusal::Not(why)))) => {
                job.cannot_be_written(why).await
            }
            // somebody else decided meanwhile: look again
            Err(StepError::Store(StoreError::Refused(_))) => Ok(Next::Wait),
            Err(StepError::Marathon(error)) => {
                self.following.loses_sight();
                self.memory.doubts.forget();
                job.marathon_trouble(error).await
            }
            Ok(next) => {
                job.goes_on(Code::MarathonUnreachable, "Marathon answers again")
                    .await?;
                Ok(next)
            }
            other @ Err(StepError::Store(_)) => {
                // nothing was looked at as long as nothing can be written
                self.following.loses_sight();
                other
            }
        }
    }
}

/// What is open is settled first, whatever became of its deploy; then who runs, or what is owed, goes on.
async fn one_step(job: &Job<'_>, following: &mut Following) -> Step {
    if let Some(next) = call::look_into(job).await? {
        return Ok(next);
    }
    if job.app.destroying.is_some() {
        return destroy::step(job).await;
    }
    let Some(deploy) = &job.app.running else {
        return debt::step(job).await;
    };
    following.of(deploy.number);
    match &deploy.life {
        Phase::Planned if watches_only(deploy) => follow::step(job, deploy, following).await,
        Phase::Queued | Phase::Reading | Phase::Planned => {
            prepare::step(job, deploy, following).await
        }
        // known not to have arrived: what is wanted is asked again, and may be the same
        Phase::Calling { rollout, .. } if rollout.is_empty() && !watches_only(deploy) => {
            prepare::step(job, deploy, following).await
        }
        Phase::Calling { .. } | Phase::Rolling { .. } => follow::step(job, deploy, following).await,
        Phase::Ending { ending, .. } => retreat::end(job, deploy, ending).await,
        Phase::Ended { .. } => Ok(Next::Idle),
    }
}

/// A worker that is at work.
pub(super) struct Awake {
    pub notify: Arc<Notify>,
    /// The newest event that it knows of.
    pub seen: Arc<AtomicI64>,
}

/// Works until nothing is owed, then leaves the map; a change that comes later starts a new worker.
pub(super) async fn run(
    context: &Context,
    id: &AppId,
    mut worker: Worker,
    places: &Semaphore,
    wake: &Notify,
    stop: &CancellationToken,
    awake: &Arc<Mutex<BTreeMap<AppId, Awake>>>,
) {
    while !stop.is_cancelled() {
        let due = {
            // a place is held for a step, never for a wait
            let Ok(_place) = places.acquire().await else {
                return;
            };
            let taken = std::panic::AssertUnwindSafe(worker.step()).catch_unwind();
            match tokio::time::timeout(LONGEST_STEP, taken).await {
                Ok(Ok(due)) => due,
                Ok(Err(_)) => {
                    tracing::error!(app.id = %id, "a worker panicked; it begins anew");
                    worker.begin_anew();
                    Due::After(context.timing.retry)
                }
                Err(_) => {
                    tracing::warn!(app.id = %id, "a step took too long; it begins anew");
                    worker.begin_anew();
                    Due::After(context.timing.look)
                }
            }
        };
        let pause = match due {
            Due::Now => continue,
            Due::After(pause) => pause,
            Due::Never => {
                let Ok(mut map) = awake.lock() else { return };
                // a wake that came while we decided is stored in the notify: then go on
                if wake.notified().now_or_never().is_none() {
                    map.remove(id);
                    return;
                }
                continue;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A plan that changes nothing is still followed: services that an earlier deploy left unwell to health, and then those that
/// left the repository go.
fn watches_only(deploy: &Deploy) -> bool {
    let is_left = |p: &Planned| matches!(p.change, Action::Unchanged | Action::Remove);
    let plan = deploy.plan.as_ref();
    plan.is_some_and(|plan| !plan.is_empty() && plan.iter().all(is_left))
}

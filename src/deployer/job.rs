//! One app and everything a step needs to act for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Next, Step};
use crate::context::{Context, Timing};
use crate::event::{Ending, Fact};
use crate::history::{App, Command, Deploy};
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::{MarathonError, Moment};
use crate::rollout::{self, Doubts, Look, View};
use crate::sentence::{Code, Sentence};
use crate::store::StoreError;

/// An app and its context, for one step.
pub(super) struct Job<'a> {
    pub context: &'a Context,
    pub app: &'a App,
    pub memory: &'a Memory,
}

/// What a worker remembers from step to step. A process that begins anew finds out the same, only later.
#[derive(Default)]
pub(super) struct Memory {
    remembered: Mutex<Remembered>,
    /// Since when tasks are seen of which nobody knows how they are.
    pub doubts: Doubts,
    /// The newest event that the worker knows of.
    pub seen: Arc<AtomicI64>,
}

#[derive(Default)]
struct Remembered {
    /// The newest state that the writer answered with.
    state: Option<App>,
    /// Somebody else wrote something between what the worker knew and what it wrote.
    moved: bool,
    /// Open calls that certainly have not arrived: the same may be made again without a word.
    unsent: BTreeSet<i64>,
    /// When Marathon was told something last: only what is seen later decides.
    told: Moment,
    /// How often in a row Marathon refused for a while, and until when nothing else is tried.
    refused: u32,
    rests: Option<(Duration, MarathonError)>,
    /// Since when a destroy waits for what is owed.
    waits_since: Option<Duration>,
    /// Since when a service is to be scaled to a count.
    scales_since: BTreeMap<ServiceId, (u32, Duration)>,
    /// When an open call was first known to be without an answer.
    unanswered: BTreeMap<i64, Duration>,
}

impl Memory {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest state that the writer answered with since it was asked last, and whether somebody else wrote something in
    /// between.
    pub fn take_state(&self) -> (Option<App>, bool) {
        let mut remembered = self.remembered();
        (
            remembered.state.take(),
            std::mem::take(&mut remembered.moved),
        )
    }

    /// Marathon was told something, or may have been.
    pub fn has_told(&self, now: Moment) {
        self.remembered().told = now;
    }

    /// Whether an open call certainly has not arrived.
    pub fn is_unsent(&self, intent: i64) -> bool {
        self.remembered().unsent.contains(&intent)
    }

    /// An open call certainly has not arrived.
    pub fn has_not_arrived(&self, intent: i64) {
        let mut remembered = self.remembered();
        remembered.unanswered.remove(&intent);
        remembered.unsent.insert(intent);
    }

    /// Marathon refuses a call for a while: what is wanted meanwhile may change, and is not tried, nor written down, each time.
    pub fn is_refused(&self, intent: i64, now: Duration, timing: &Timing, error: MarathonError) {
        self.has_not_arrived(intent);
        let mut remembered = self.remembered();
        let pause = timing.look.saturating_mul(1 << remembered.refused.min(10));
        remembered.refused += 1;
        // a little shorter than the worker's own pause
        let pause = pause.min(timing.retry).mul_f64(0.8);
        remembered.rests = Some((now + pause, error));
    }

    /// Why nothing else is tried now.
    pub fn rests(&self, now: Duration) -> Option<MarathonError> {
        let remembered = self.remembered();
        let rests = remembered.rests.as_ref().filter(|(until, _)| now < *until);
        rests.map(|(_, error)| error.clone())
    }

    /// Marathon took something.
    pub fn is_taken(&self) {
        let mut remembered = self.remembered();
        remembered.refused = 0;
        remembered.rests = None;
    }

    /// A call is about to be made, again or for the first time.
    pub fn is_sent(&self, intent: i64) {
        self.remembered().unsent.remove(&intent);
    }

    /// A call is settled.
    pub fn is_settled(&self, intent: i64) {
        let mut remembered = self.remembered();
        remembered.unsent.remove(&intent);
        remembered.unanswered.remove(&intent);
    }

    /// For how long a destroy has waited for what is owed.
    pub fn has_waited(&self, now: Duration) -> Duration {
        let since = *self.remembered().waits_since.get_or_insert(now);
        now.saturating_sub(since)
    }

    /// For how long a service is known to be wanted with another count.
    pub fn scales_for(&self, id: &ServiceId, count: u32, now: Duration) -> Duration {
        let mut remembered = self.remembered();
        let known = remembered.scales_since.entry(id.clone());
        let known = known.or_insert((count, now));
        if known.0 != count {
            *known = (count, now);
        }
        now.saturating_sub(known.1)
    }

    /// A service has the count that was wanted.
    pub fn is_scaled(&self, id: &ServiceId) {
        self.remembered().scales_since.remove(id);
    }

    /// For how long a call is known to be without an answer.
    pub fn unanswered_for(&self, intent: i64, now: Duration) -> Duration {
        let mut remembered = self.remembered();
        let since = *remembered.unanswered.entry(intent).or_insert(now);
        now.saturating_sub(since)
    }
}

impl Job<'_> {
    /// How Marathon is looked at now.
    pub fn view(&self) -> View<'_> {
        View {
            marathon: &self.context.marathon,
            watched: self.context.watch.watched(),
            doubts: &self.memory.doubts,
            now: self.context.clock.elapsed(),
        }
    }

    /// These services as they are followed: in the picture that all share, as it is after the newest call.
    pub async fn look(&self, ids: BTreeSet<ServiceId>) -> Result<Look, MarathonError> {
        let context = self.context;
        let after = self.memory.remembered().told;
        let seen = context.picture.since(after).await?;
        let look = rollout::look_in(&seen, &context.marathon, ids).await?;
        let look = look.hearing(context.watch.watched());
        self.memory.doubts.sees(&look);
        Ok(look)
    }

    /// Writes down what happened to a deploy.
    pub async fn record(&self, number: DeployNumber, facts: Vec<Fact>) -> Result<(), StoreError> {
        self.command(Command::Record {
            deploy: number,
            facts,
        })
        .await
        .map(|_| ())
    }

    /// Sends a command as the observer; answers the number of the newest event of the app.
    pub async fn command(&self, command: Command) -> Result<i64, StoreError> {
        let written = self.context.store.log().work(&self.app.id, command).await?;
        let newest = written.app.as_ref().map_or(0, |a| a.last_seq);
        let known = self.memory.seen.swap(newest, Ordering::SeqCst);
        let mut remembered = self.memory.remembered();
        remembered.moved |= written.before > known;
        remembered.state = written.app;
        Ok(newest)
    }

    /// Says why a deploy waits; written down only when the reason changes.
    pub async fn wait(&self, number: DeployNumber, why: Sentence) -> Step {
        self.wait_for(number, why, None).await
    }

    /// The same, of one of several things it can wait for.
    pub async fn wait_for(
        &self,
        number: DeployNumber,
        why: Sentence,
        subject: Option<String>,
    ) -> Step {
        let Sentence { code, sentence } = why;
        self.record(
            number,
            vec![Fact::DeployWaiting {
                code,
                sentence,
                subject,
                until: None,
            }],
        )
        .await?;
        Ok(Next::Wait)
    }

    /// A deploy that waited for this goes on.
    pub async fn goes_on(&self, code: Code, sentence: &str) -> Result<(), StoreError> {
        let waits = |w: &crate::history::Waiting| w.code == code.word();
        let Some(deploy) = &self.app.running else {
            return Ok(());
        };
        // a call that is without an answer waits on
        if deploy.life.intent().is_some() || !deploy.waiting.as_ref().is_some_and(waits) {
            return Ok(());
        }
        let goes_on = Fact::DeployWaiting {
            code: Code::GoesOn.into(),
            sentence: sentence.to_owned(),
            subject: Some(code.into()),
            until: None,
        };
        self.record(deploy.number, vec![goes_on]).await
    }

    /// How a deploy fails: at once, or where it took something over or told Marathon something, after that is ended.
    pub fn failed(&self, deploy: &Deploy, why: Sentence) -> Fact {
        if deploy.has_begun() || self.app.inherits() {
            return Fact::fails(why);
        }
        Fact::ended_ill(Ending::Failed, why.code, why.sentence, Vec::new())
    }

    /// A fact that the log refuses for good, as one that is too large, ends a deploy that has not touched Marathon.
    pub async fn cannot_be_written(&self, why: String) -> Step {
        match &self.app.running {
            Some(deploy) if !deploy.touched => {
                let failed = Fact::DeployFailed {
                    code: Code::SpecInvalid.into(),
                    sentence: why,
                    services: Vec::new(),
                };
                self.record(deploy.number, vec![failed]).await?;
                Ok(Next::Again)
            }
            _ => {
                tracing::error!(app.id = %self.app.id, why, "what happened cannot be written down");
                Ok(Next::Wait)
            }
        }
    }

    /// Marathon does not answer, or not as it should: what runs is left alone, and the page says so.
    pub async fn marathon_trouble(&self, error: MarathonError) -> Step {
        let code = match &error {
            MarathonError::Busy(_) => Code::MarathonBusy,
            _ => Code::MarathonUnreachable,
        };
        let Some(deploy) = &self.app.running else {
            tracing::debug!(app.id = %self.app.id, %error, "Marathon does not help; trying again");
            return Ok(Next::Wait);
        };
        let why = Sentence::new(code, error.to_string());
        self.wait_for(deploy.number, why, self.subject_of(&error))
            .await
    }

    /// Which of the things that one code stands for it is: where it becomes another one, that is said too.
    pub fn subject_of(&self, error: &MarathonError) -> Option<String> {
        match error {
            MarathonError::Locked(ids) => ids.first().cloned(),
            MarathonError::Unauthorized(_) => Some("credentials".to_owned()),
            _ if self.context.marathon.base().is_none() => Some("address".to_owned()),
            _ => None,
        }
    }
}

//! The reasons that are given are the reasons: why a deploy ends, what a service waits for, whose deployment it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dploy_observer::event::{Event, Fact};
use dploy_observer::history::{App, Deploy};
use dploy_observer::id::AppId;
use serde_json::Value;

use super::branch::Wanted;
use super::finding::{Check, Finding};
use super::judge::Moment;
use super::story::{Behaviour, Trouble};

/// The deadline of rollouts in stories.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Marathon can be away for so long without being missed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// For so long after a wrong head GitHub may be taken at its word.
const LAG: Duration = Duration::from_mins(3);

/// What the truth of reasons is known by.
#[derive(Default)]
pub struct Reasons {
    /// How long Marathon has answered.
    answered: Duration,
    /// Until when that is counted.
    counted: Duration,
    /// When agents had nothing to offer last.
    no_offers: Option<Duration>,
    /// When GitHub named a wrong head last.
    wrong_head: Option<Duration>,
    /// Marathon does not answer.
    away: bool,
    /// GitHub names a head of long ago.
    pub errs: bool,
    /// By deploy: when it first told Marathon something, and how long Marathon had answered then.
    begun: BTreeMap<(AppId, u32), (Duration, Duration)>,
    /// Marathon deployments that somebody else began.
    pub others: BTreeSet<String>,
}

/// A deploy that has told Marathon something.
struct Rollout<'a> {
    name: String,
    deploy: &'a Deploy,
    since: Duration,
    /// How long Marathon has answered since.
    lasted: Duration,
}

impl Reasons {
    /// Time passes, in which Marathon answers or not.
    pub fn passes(&mut self, now: Duration, trouble: &BTreeMap<Trouble, Duration>) {
        let away = |t: &Trouble| {
            matches!(
                t,
                Trouble::MarathonAway | Trouble::MarathonRefuses(401 | 429 | 503)
            )
        };
        self.away = trouble.keys().any(away);
        self.answered = self.answered_until(now);
        self.counted = now;
        if trouble.contains_key(&Trouble::NoOffers) {
            self.no_offers = Some(now);
        }
        self.errs = trouble.contains_key(&Trouble::GithubErrs);
        if self.errs || trouble.contains_key(&Trouble::GithubLags) {
            self.wrong_head = Some(now);
        }
    }

    /// How long Marathon has answered until now: a step may take time itself.
    fn answered_until(&self, now: Duration) -> Duration {
        if self.away {
            self.answered
        } else {
            self.answered + now.saturating_sub(self.counted)
        }
    }

    /// Looks at the reason that an event gives, if it gives one.
    pub fn look(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
        let &Moment {
            id,
            event,
            fact,
            before: app,
            contents,
            ..
        } = moment;
        let lies = self.never_got_there(moment);
        if lies.is_some() {
            return lies;
        }
        if let (Fact::ApplyIntended(_), Some(number)) = (fact, event.deploy) {
            let begun = (self.counted, self.answered);
            self.begun.entry((id.clone(), number.0)).or_insert(begun);
        }
        if let Fact::DeployWaiting { sentence, .. } = fact {
            return self.called_somebody_elses(id, sentence);
        }
        let rollout = self.rollout(id, event, app, moment.now)?;
        let commit = contents.get(rollout.deploy.wanted.commit.as_str())?;
        match fact {
            Fact::ServiceProgressed {
                id: service,
                sentence: Some(sentence),
                ..
            } => {
                let wanted = commit.iter().find(|w| w.shape.id == service.as_str())?;
                self.waits_for_nothing(&rollout, wanted, sentence)
            }
            Fact::DeployEnding { code, sentence, .. } => {
                // what lies between two looks is seen by nobody
                let seen = rollout.lasted + BETWEEN_LOOKS;
                let hasty = matches!(code.as_str(), "DEADLINE" | "NO_OFFERS") && seen < DEADLINE;
                let seconds = rollout.lasted.as_secs();
                let early = || Finding {
                    check: Check::HastyEnd,
                    sentence: format!(
                        "{} ends for {sentence:?} after {seconds} s in which Marathon answered",
                        rollout.name
                    ),
                };
                hasty
                    .then(early)
                    .or_else(|| got_on(moment, &rollout, code, touched))
                    .or_else(|| self.ends_for_another(moment, &rollout, commit, (code, sentence)))
            }
            Fact::DeployFailed { code, sentence, .. } => {
                self.ends_for_another(moment, &rollout, commit, (code, sentence))
            }
            _ => None,
        }
    }

    fn rollout<'a>(
        &self,
        id: &AppId,
        event: &Event,
        app: Option<&'a App>,
        now: Duration,
    ) -> Option<Rollout<'a>> {
        let number = event.deploy?;
        let (since, answered) = *self.begun.get(&(id.clone(), number.0))?;
        Some(Rollout {
            name: format!("{id} #{}", number.0),
            deploy: app?.open_deploy(number)?,
            since,
            lasted: self.answered_until(now).saturating_sub(answered),
        })
    }

    /// Agents had nothing to offer while it rolled.
    fn lacked_offers(&self, rollout: &Rollout<'_>) -> bool {
        self.no_offers.is_some_and(|t| t >= rollout.since)
    }

    /// A service waits for resources only where there are none for it.
    fn waits_for_nothing(
        &self,
        rollout: &Rollout<'_>,
        wanted: &Wanted,
        sentence: &str,
    ) -> Option<Finding> {
        let says = sentence.contains("waits for resources: of the last");
        let lacks = wanted.behaviour == Behaviour::Never || self.lacked_offers(rollout);
        (says && !lacks).then(|| Finding {
            check: Check::CauseUntrue,
            sentence: format!("{}: {sentence:?}, and there is room for it", rollout.name),
        })
    }

    /// Why a deploy ends is why it did not get on.
    fn ends_for_another(
        &self,
        moment: &Moment<'_>,
        rollout: &Rollout<'_>,
        commit: &[Wanted],
        (code, sentence): (&str, &str),
    ) -> Option<Finding> {
        let named: Vec<&Wanted> = commit
            .iter()
            .filter(|w| sentence.contains(&w.shape.id))
            .collect();
        let behaves = |all: &[Behaviour]| {
            named.is_empty() || named.iter().any(|w| all.contains(&w.behaviour))
        };
        // what waits may be an instance of before, which is still counted
        let earlier = |w: &&Wanted| moment.cluster.old_waits(&w.shape.id);
        let behind = sentence.contains("behind instances of an earlier version")
            && named.iter().any(earlier);
        let is_so = match code {
            "NO_OFFERS" => behaves(&[Behaviour::Never]) || self.lacked_offers(rollout) || behind,
            "CRASHING" => behaves(&[Behaviour::Crash, Behaviour::Later, Behaviour::Old]),
            "UNHEALTHY" => behaves(&[Behaviour::Sick, Behaviour::Slow]),
            _ => true,
        };
        let how: Vec<_> = named.iter().map(|w| (&w.shape.id, w.behaviour)).collect();
        (!is_so).then(|| Finding {
            check: Check::CauseUntrue,
            sentence: format!(
                "{} ends for {sentence:?}, and its services are {how:?}",
                rollout.name
            ),
        })
    }

    /// A branch that was pushed to got there, whatever it is at now, unless GitHub named a wrong head meanwhile.
    fn never_got_there(&self, moment: &Moment<'_>) -> Option<Finding> {
        let payload: Value = serde_json::from_str(moment.event.payload.get()).unwrap();
        let sentence = payload["sentence"].as_str()?;
        let lied = |t: Duration| t + LAG >= moment.now;
        let untrue = sentence.contains(" and never got to ") && !self.wrong_head.is_some_and(lied);
        untrue.then(|| Finding {
            check: Check::SentenceUntrue,
            sentence: format!("{}: {sentence:?}, and it was there", moment.id),
        })
    }

    /// A deployment that is called somebody else's is.
    fn called_somebody_elses(&self, id: &AppId, sentence: &str) -> Option<Finding> {
        let (_, named) = sentence.split_once("somebody else (deployment ")?;
        let deployment = named.split([',', ')']).next()?;
        (!self.others.contains(deployment)).then(|| Finding {
            check: Check::SentenceUntrue,
            sentence: format!("{id}: {sentence:?}, and that deployment is our own"),
        })
    }
}

/// A deadline ends only what does not get on.
fn got_on(
    moment: &Moment<'_>,
    rollout: &Rollout<'_>,
    code: &str,
    touched: &BTreeSet<String>,
) -> Option<Finding> {
    let lives = |w: &&Wanted| {
        matches!(w.behaviour, Behaviour::Well | Behaviour::Slow) && !touched.contains(&w.shape.id)
    };
    let newest = moment
        .wanted()
        .filter(lives)
        .filter_map(|w| moment.cluster.newest_well(&w.shape.id))
        .max()?;
    let quiet = moment.now.saturating_sub(newest);
    // it is seen a look later than it is
    let hasty = code == "DEADLINE" && quiet + Duration::from_secs(5) < DEADLINE;
    hasty.then(|| Finding {
        check: Check::HastyEnd,
        sentence: format!(
            "{} ends for its deadline, and {} s before an instance became well",
            rollout.name,
            quiet.as_secs()
        ),
    })
}

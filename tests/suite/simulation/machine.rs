//! Tells a story: chooses, by its seed, among what is due, takes that one step, and judges.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use dploy_observer::id::AppId;
use dploy_observer::schedule::Look;
use fastrand::Rng;
use serde_json::json;

use super::branch::{Branch, Contents};
use super::coverage::{Coverage, phase};
use super::incarnation::{Incarnation, Kept, Slot};
use super::judge::{Check, Finding, Judge};
use super::outside::Outside;
use super::story::{Act, Story, Trouble, What, Wish};
use crate::support::data_folder::Folder;

/// How long after its last act a story waits at most until everything has come to an end.
pub(super) const END: Duration = Duration::from_mins(25);

/// A story is broken off after so many steps: a spin that is known can make it long.
const MOST_STEPS: u64 = 10_000;

/// So many steps without time passing are a spin.
const SPIN: u32 = 150;

/// Where a spin is known, it is broken off sooner: each of its steps is paid for.
const KNOWN_SPIN: u32 = 60;

/// How a story went.
pub struct Outcome {
    pub finding: Option<Finding>,
    pub trace: String,
    pub steps: u64,
    pub coverage: Coverage,
    pub passed: Duration,
    /// The hash of the last event, and with it of all before it.
    pub chain: String,
}

/// What can be chosen.
#[derive(Clone, Debug)]
enum Choice {
    Act,
    Tick,
    Worker(AppId),
    Held,
    Look,
    Delivery(usize),
    Event,
    Late(usize),
    Start,
}

pub struct Machine {
    pub(super) outside: Arc<Outside>,
    pub(super) kept: Kept,
    pub(super) alive: Option<Incarnation>,
    pub(super) back_at: Duration,
    pub(super) branches: Vec<Branch>,
    pub(super) contents: Contents,
    pub(super) acts: Vec<Act>,
    pub(super) next_act: usize,
    pub(super) last_act: Duration,
    pub(super) choice: Rng,
    pub(super) judge: Judge,
    pub(super) finding: Option<Finding>,
    pub(super) trace: String,
    /// What the trace said last of how Marathon is, where it says that.
    pub(super) shown: Option<Vec<String>>,
    pub(super) steps: u64,
    pub(super) idle: u32,
    pub(super) last_step_at: Duration,
    pub(super) coverage: Coverage,
    pub(super) quiet: bool,
    pub(super) rested_at: Duration,
    /// After a spin that is known: nobody works before.
    pub(super) rests_until: Duration,
    pub(super) scaled: bool,
    /// Somebody else changed something in Marathon.
    pub(super) disturbed: bool,
    pub(super) settled_at: Option<Duration>,
    /// What is known to fail: the story goes on.
    pub(super) known: Vec<Check>,
}

/// Tells a story from beginning to end, or until something does not hold that is not known to fail. Every tenth is told on a
/// file and in memory, and both must tell the same; one with a kill, or with a disk that refuses, on a file alone.
pub fn tell(story: &Story, known: &[Check]) -> Outcome {
    let on_file = || tell_on(story, known, Kept::File(Folder::new()));
    let in_memory = || tell_on(story, known, Kept::Memory(std::cell::OnceCell::new()));
    let refuses = |w: &What| {
        matches!(
            w,
            What::Trouble {
                what: Trouble::DiskRefuses,
                ..
            }
        )
    };
    let needs_file = |w: &What| refuses(w) || matches!(w, What::Kill { .. });
    let both = story.seed.is_multiple_of(10) && !story.acts.iter().any(|a| refuses(&a.what));
    if !both {
        let file = story.acts.iter().any(|a| needs_file(&a.what));
        return if file { on_file() } else { in_memory() };
    }
    let (mut file, memory) = (on_file(), in_memory());
    if (&file.trace, &file.chain) != (&memory.trace, &memory.chain) {
        let differs = file
            .trace
            .lines()
            .zip(memory.trace.lines())
            .find(|(a, b)| a != b);
        let sentence = format!("on a file and in memory the story goes differently: {differs:?}");
        file.finding.get_or_insert(Finding {
            check: Check::StoresDiffer,
            sentence,
        });
    }
    file
}

fn tell_on(story: &Story, known: &[Check], kept: Kept) -> Outcome {
    let mut machine = Machine::new(story, kept);
    machine.known = known.to_vec();
    machine.tell()
}

impl Machine {
    pub(super) fn new(story: &Story, kept: Kept) -> Self {
        let outside = Outside::new(story.seed);
        let mut contents = Contents::new();
        let mut branches: Vec<Branch> = story.apps.iter().map(Branch::new).collect();
        {
            let mut inside = outside.lock();
            for branch in &mut branches {
                let commit = branch.commit(
                    &super::story::Change::Readme,
                    &mut inside.github,
                    &mut contents,
                );
                let (repository, name) = (branch.shape.repository, branch.shape.branch.clone());
                inside.github.push(repository, &name, &commit, &[]);
            }
        }
        let mut machine = Self::over(story, kept, outside, branches, contents);
        for app in &story.apps {
            machine
                .judge
                .names
                .extend(app.services.iter().map(|s| s.id.clone()));
        }
        for strange in &story.strange {
            machine.judge.names.insert(strange.id.clone());
            machine.judge.touched.insert(strange.id.clone());
            let mut body =
                json!({"id": strange.id, "cmd": "well 0", "instances": 2, "cpus": 0.01, "mem": 16});
            if let Some(label) = &strange.label {
                body["labels"] = json!({"DPLOY": label});
            }
            machine.marathon("PUT", &format!("/v2/apps{}?force=true", strange.id), &body);
        }
        machine
    }

    /// Over what is there, before anything happens.
    pub(super) fn over(
        story: &Story,
        kept: Kept,
        outside: Arc<Outside>,
        branches: Vec<Branch>,
        contents: Contents,
    ) -> Self {
        Self {
            kept,
            outside,
            alive: None,
            back_at: Duration::ZERO,
            branches,
            contents,
            acts: story.acts.clone(),
            next_act: 0,
            last_act: Duration::ZERO,
            choice: Rng::with_seed(story.seed ^ 0x6368_6f69),
            judge: Judge::default(),
            finding: None,
            trace: String::new(),
            shown: super::setting("SIMULATION_WATCH")
                .unwrap_or(false)
                .then(Vec::new),
            steps: 0,
            idle: 0,
            last_step_at: Duration::ZERO,
            coverage: Coverage::default(),
            quiet: false,
            rested_at: Duration::ZERO,
            rests_until: Duration::ZERO,
            scaled: false,
            disturbed: false,
            settled_at: None,
            known: Vec::new(),
        }
    }

    fn tell(mut self) -> Outcome {
        self.begin();
        self.go_to_the_end()
    }

    /// The observer starts and is told of its apps.
    pub(super) fn begin(&mut self) {
        self.start();
        for app in 0..self.branches.len() {
            self.operate(app, "ana", &Wish::Register);
        }
    }

    /// One thing happens.
    pub(super) fn happen(&mut self) {
        let choice = self.choose();
        self.take(&choice);
    }

    pub(super) fn go_to_the_end(mut self) -> Outcome {
        while self.finding.is_none() && self.steps < MOST_STEPS && !self.is_over() {
            self.happen();
        }
        if self.finding.is_none() && self.steps < MOST_STEPS {
            let last = self.end();
            self.found(last);
        }
        if let Some(finding) = &self.finding {
            let _ = writeln!(
                self.trace,
                "{} {:?}: {}",
                self.at(),
                finding.check,
                finding.sentence
            );
        }
        let passed = self.outside.now();
        if let Some(alive) = self.alive.take() {
            alive.kill();
        }
        Outcome {
            finding: self.finding,
            trace: self.trace,
            steps: self.steps,
            coverage: self.coverage,
            passed,
            chain: self.judge.chain,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.outside.now()
    }

    pub(super) fn at(&self) -> String {
        format!("{:9.3}", self.now().as_secs_f64())
    }

    pub(super) fn note(&mut self, what: &str) {
        let _ = writeln!(self.trace, "{} {what}", self.at());
    }

    pub(super) fn fail(&mut self, check: Check, sentence: String) {
        self.found([Finding { check, sentence }]);
    }

    /// The first that is not known counts.
    pub(super) fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let news = findings
            .into_iter()
            .find(|f| !self.known.contains(&f.check));
        if let Some(news) = news {
            self.finding.get_or_insert(news);
        }
    }

    fn dues(&self) -> Vec<(Duration, Choice)> {
        let mut dues = Vec::new();
        let inside = self.outside.lock();
        dues.push((inside.next_tick(), Choice::Tick));
        dues.extend(inside.held.iter().map(|h| (h.due, Choice::Held)));
        dues.extend(
            inside
                .late
                .iter()
                .enumerate()
                .map(|(n, l)| (l.due, Choice::Late(n))),
        );
        dues.extend(
            inside
                .github
                .deliveries
                .iter()
                .enumerate()
                .map(|(n, d)| (d.due, Choice::Delivery(n))),
        );
        let between = inside.is_between();
        drop(inside);
        if let Some(act) = self.acts.get(self.next_act) {
            let due = self.due(act);
            // between a look of ours and the call that follows it no stranger moves
            let waits = between && matches!(act.what, What::Stranger { .. });
            if !waits {
                dues.push((due, Choice::Act));
            }
        }
        let Some(alive) = &self.alive else {
            dues.push((self.back_at, Choice::Start));
            return dues;
        };
        for (app, slot) in &alive.slots {
            if let Slot::Resting(_, due, _) = slot {
                dues.push((*due, Choice::Worker(app.clone())));
            }
        }
        dues.extend(alive.schedule.first().map(|due| (due, Choice::Look)));
        dues.extend(alive.stream.front().map(|(due, _)| (*due, Choice::Event)));
        dues
    }

    /// An act that waits for a phase waits for a minute at most.
    fn due(&self, act: &Act) -> Duration {
        let at = Duration::from_secs(act.at.into()).max(self.last_act);
        let Some(wanted) = &act.when else { return at };
        let in_phase = |b: &Branch| {
            let app = b
                .shape
                .name
                .parse()
                .ok()
                .and_then(|id: AppId| self.judge.apps.get(&id)?.as_ref());
            phase(app) == wanted
        };
        if self.branches.iter().any(in_phase) {
            at
        } else {
            at + Duration::from_mins(1)
        }
    }

    fn choose(&mut self) -> Choice {
        let dues = self.dues();
        let now = self.now();
        let first = dues.iter().map(|(due, _)| *due).min().unwrap();
        if first > now {
            self.outside.clock.is(first);
        }
        let now = now.max(first);
        // a step may take time itself: what had to arrive meanwhile has arrived
        let overdue = self.outside.lock().late.iter().position(|l| l.due < now);
        if let Some(n) = overdue {
            return Choice::Late(n);
        }
        let due: Vec<&Choice> = dues
            .iter()
            .filter(|(due, _)| *due <= now)
            .map(|(_, c)| c)
            .collect();
        (*self.choice.choice(&due).unwrap()).clone()
    }

    fn take(&mut self, choice: &Choice) {
        self.steps += 1;
        if self.now() == self.last_step_at {
            self.idle += 1;
        } else {
            (self.idle, self.last_step_at) = (0, self.now());
        }
        let known = self.known.contains(&Check::Spins);
        if self.idle > if known { KNOWN_SPIN } else { SPIN } {
            self.fail(
                Check::Spins,
                format!("{choice:?} again and again, and no time passes"),
            );
            return self.rest_a_while();
        }
        let now = self.now();
        {
            // until now it was as it is
            let mut inside = self.outside.lock();
            self.judge.reasons.passes(now, &inside.trouble);
            inside.relieve(now);
        }
        match choice {
            Choice::Act => self.act(),
            Choice::Tick => {
                let mut inside = self.outside.lock();
                inside.tick(now);
            }
            Choice::Worker(app) => self.work(app),
            Choice::Held => self.release(),
            Choice::Late(n) => self.arrive_late(*n),
            Choice::Delivery(n) => self.deliver(*n),
            Choice::Start => self.start(),
            Choice::Event => self.hear(),
            Choice::Look => self.look(),
        }
        self.after();
    }

    /// Where a spin is known the story goes on as if the product paused: whoever is woken until then rests.
    fn rest_a_while(&mut self) {
        self.idle = 0;
        self.rests_until = self.now() + Duration::from_secs(20);
        let until = self.rests_until;
        for slot in self.alive.iter_mut().flat_map(|a| a.slots.values_mut()) {
            if let Slot::Resting(_, due, _) = slot {
                *due = until.max(*due);
            }
        }
    }

    /// Takes a look of the schedule; the next comes up to four seconds earlier than usual.
    fn look(&mut self) {
        let jitter = Duration::from_millis(self.choice.u64(0..4000));
        let Some(alive) = &self.alive else { return };
        let Some(look) = alive.schedule.take() else {
            return;
        };
        if look == Look::Drift && alive.is_calling() {
            // it looks at the picture that somebody is taking: it would have to wait
            return alive.schedule.done(look, Some(Duration::from_secs(1)));
        }
        let pause = alive.run(alive.schedule.look(&look));
        // the end of a lock is looked at ever sooner: no look comes more than a tenth earlier
        let early = |p: Duration| match look {
            Look::Lock(_) => jitter.min(p / 10),
            _ => jitter,
        };
        let pause = pause.map(|p| p.saturating_sub(early(p)));
        alive.schedule.done(look, pause);
    }
}

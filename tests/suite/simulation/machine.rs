//! Tells a story: chooses, by its seed, among what is due, takes that one step, and judges.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use dploy_observer::deployer::{self, Next, Worker};
use dploy_observer::history::{App, Command};
use dploy_observer::id::AppId;
use dploy_observer::intake::{self, Due};
use dploy_observer::store::EventFilter;
use fastrand::Rng;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::branch::{Branch, Contents};
use super::coverage::{Coverage, phase};
use super::incarnation::{Incarnation, Kept, Slot, TOKENS};
use super::judge::{Check, Finding, Judge};
use super::outside::Outside;
use super::story::{Act, Deed, Story, Told, Trouble, What, Wish};
use crate::support::data_folder::Folder;

/// How long after its last act a story waits at most until everything has come to an end.
const END: Duration = Duration::from_mins(25);

/// So many steps without time passing are a spin.
const SPIN: u32 = 400;

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
    Branches,
    Hooks,
    HooksAgain,
    Scan,
    Drift,
    Delivery(usize),
    Event,
    Late(usize),
    Start,
}

pub struct Machine {
    outside: Arc<Outside>,
    kept: Kept,
    alive: Option<Incarnation>,
    back_at: Duration,
    branches: Vec<Branch>,
    contents: Contents,
    acts: Vec<Act>,
    next_act: usize,
    last_act: Duration,
    choice: Rng,
    pub judge: Judge,
    finding: Option<Finding>,
    trace: String,
    steps: u64,
    idle: u32,
    last_step_at: Duration,
    coverage: Coverage,
    quiet: bool,
    scaled: bool,
    /// Somebody else changed something in Marathon.
    disturbed: bool,
    settled_at: Option<Duration>,
    /// Marathon deployments that somebody else began.
    others: BTreeSet<String>,
    /// What is known to fail: the story goes on.
    known: Vec<Check>,
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
    let both = story.seed % 10 == 0 && !story.acts.iter().any(|a| refuses(&a.what));
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
    fn new(story: &Story, kept: Kept) -> Self {
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
        let mut machine = Self {
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
            steps: 0,
            idle: 0,
            last_step_at: Duration::ZERO,
            coverage: Coverage::default(),
            quiet: false,
            scaled: false,
            disturbed: false,
            settled_at: None,
            others: BTreeSet::new(),
            known: Vec::new(),
        };
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

    fn tell(mut self) -> Outcome {
        self.start();
        let apps: Vec<usize> = (0..self.branches.len()).collect();
        for app in apps {
            self.operate(app, "ana", &Wish::Register);
        }
        while self.finding.is_none() && !self.is_over() {
            let choice = self.choose();
            self.take(&choice);
        }
        if self.finding.is_none() {
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

    fn now(&self) -> Duration {
        self.outside.now()
    }

    fn at(&self) -> String {
        format!("{:9.3}", self.now().as_secs_f64())
    }

    fn note(&mut self, what: &str) {
        let _ = writeln!(self.trace, "{} {what}", self.at());
    }

    fn fail(&mut self, check: Check, sentence: String) {
        self.found([Finding { check, sentence }]);
    }

    /// The first that is not known counts.
    fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let news = findings
            .into_iter()
            .find(|f| !self.known.contains(&f.check));
        if let Some(news) = news {
            self.finding.get_or_insert(news);
        }
    }

    // ---- what is due ----

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
            if let Slot::Resting(_, due) = slot {
                dues.push((*due, Choice::Worker(app.clone())));
            }
        }
        let rounds = &alive.rounds;
        dues.push((rounds.branches, Choice::Branches));
        dues.push((rounds.hooks, Choice::Hooks));
        dues.push((rounds.hooks_again, Choice::HooksAgain));
        dues.push((rounds.scan, Choice::Scan));
        dues.push((rounds.drift, Choice::Drift));
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
        if self.idle > SPIN {
            self.fail(
                Check::Spins,
                format!("{choice:?} again and again, and no time passes"),
            );
            self.rest_a_second();
        }
        let now = self.now();
        self.outside.lock().relieve(now);
        match choice {
            Choice::Act => self.act(),
            Choice::Tick => {
                let mut inside = self.outside.lock();
                inside.tick(now);
                self.judge.passes(now, &inside.trouble);
            }
            Choice::Worker(app) => self.work(app),
            Choice::Held => self.release(),
            Choice::Late(n) => self.arrive_late(*n),
            Choice::Delivery(n) => self.deliver(*n),
            Choice::Start => self.start(),
            Choice::Event => self.hear(),
            round => self.round(round),
        }
        self.after();
    }

    /// Where a spin is known the story goes on as if each of its steps took a while.
    fn rest_a_second(&mut self) {
        self.idle = 0;
        let later = self.now() + Duration::from_secs(1);
        for slot in self.alive.iter_mut().flat_map(|a| a.slots.values_mut()) {
            if let Slot::Resting(_, due) = slot {
                *due = later.max(*due);
            }
        }
    }

    fn round(&mut self, choice: &Choice) {
        let now = self.now();
        let jitter = Duration::from_millis(self.choice.u64(0..4000));
        let Some(alive) = &mut self.alive else { return };
        let context = alive.context.clone();
        match choice {
            Choice::Branches => {
                alive.rounds.branches = now + Duration::from_secs(60) - jitter;
                for app in alive.run(context.store.apps("", 100)).unwrap_or_default() {
                    if app.destroying.is_none() {
                        let _ = alive.run(intake::look_at_branch(&context, &app));
                    }
                }
            }
            Choice::Hooks => {
                alive.rounds.hooks = now + Duration::from_mins(10);
                alive.run(alive.hooks.round(Due::All));
            }
            Choice::HooksAgain => {
                alive.rounds.hooks_again = now + Duration::from_secs(30);
                alive.run(alive.hooks.round(Due::Unreachable));
            }
            Choice::Scan => {
                alive.rounds.scan = now + Duration::from_secs(30);
                for app in alive.run(deployer::owing(&context)).unwrap_or_default() {
                    self.wake(&app);
                }
            }
            Choice::Drift => {
                alive.rounds.drift = now + context.timing.drift;
                alive.run(deployer::look_for_drift(&context));
            }
            other => unreachable!("{other:?}"),
        }
    }

    // ---- the observer ----

    fn start(&mut self) {
        match Incarnation::begin(&self.outside, &self.kept) {
            Ok(alive) => self.alive = Some(alive),
            Err(why) => self.fail(
                Check::Damaged,
                format!("the observer does not start: {why}"),
            ),
        }
        self.note("the observer starts");
    }

    fn kill(&mut self, away: u32) {
        if let Some(alive) = self.alive.take() {
            alive.kill();
        }
        self.outside.lock().held.clear();
        self.back_at = self.now() + Duration::from_secs(away.into());
    }

    fn wake(&mut self, app: &AppId) {
        let now = self.now();
        let Some(alive) = &mut self.alive else { return };
        let context = alive.context.clone();
        let fresh = || Slot::Resting(Box::new(Worker::new(context, app.clone())), now);
        match alive.slots.entry(app.clone()).or_insert_with(fresh) {
            Slot::Resting(_, due) => *due = (*due).min(now),
            Slot::Calling(_, woken) => *woken = true,
        }
    }

    fn work(&mut self, app: &AppId) {
        let Some(alive) = &mut self.alive else { return };
        let Some(Slot::Resting(mut worker, _)) = alive.slots.remove(app) else {
            return;
        };
        self.coverage
            .step(&self.judge, app, &self.outside.lock().trouble);
        let step = Box::pin(async move {
            let next = worker.step().await;
            (*worker, next)
        });
        self.go_on(app, Slot::Calling(step, false));
    }

    fn go_on(&mut self, app: &AppId, slot: Slot) {
        let Slot::Calling(mut step, woken) = slot else {
            return;
        };
        self.outside.lock().acting = Some(app.to_string());
        let Some(alive) = &mut self.alive else { return };
        let done = alive.go_on(&mut step, &self.outside);
        let now = self.outside.now();
        let told = match done {
            None => {
                alive.slots.insert(app.clone(), Slot::Calling(step, woken));
                "waits for a call".to_owned()
            }
            Some((worker, next)) => {
                let due = match next {
                    Next::After(pause) if !woken => Some(now + pause),
                    Next::Idle if !woken => None,
                    Next::After(_) | Next::Again | Next::Idle => Some(now),
                };
                if let Some(due) = due {
                    alive
                        .slots
                        .insert(app.clone(), Slot::Resting(Box::new(worker), due));
                }
                match due {
                    Some(due) => format!("rests for {:.3} s", (due - now).as_secs_f64()),
                    None => "is done".to_owned(),
                }
            }
        };
        self.outside.lock().acting = None;
        self.note(&format!("{app} {told}"));
    }

    fn release(&mut self) {
        let now = self.now();
        let apps = self.outside.lock().release(now);
        for app in apps.iter().filter_map(|a| a.parse::<AppId>().ok()) {
            let calling = |a: &mut Incarnation| {
                let is_calling = matches!(a.slots.get(&app), Some(Slot::Calling(..)));
                if is_calling {
                    a.slots.remove(&app)
                } else {
                    None
                }
            };
            if let Some(slot) = self.alive.as_mut().and_then(calling) {
                self.go_on(&app, slot);
            }
        }
    }

    fn arrive_late(&mut self, n: usize) {
        let late = self.outside.lock().late.remove(n);
        let outside = Arc::clone(&self.outside);
        if let Some(alive) = &self.alive {
            alive.run(outside.deliver(&late.call, true));
        } else {
            block_on(outside.deliver(&late.call, true));
        }
    }

    fn hear(&mut self) {
        let now = self.now();
        let burst = self
            .alive
            .as_ref()
            .map_or(Duration::ZERO, |a| a.context.timing.burst());
        let Some(alive) = &mut self.alive else { return };
        while alive.stream.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, event)) = alive.stream.pop_front() else {
                break;
            };
            alive.ear.hear(&event);
        }
        for slot in alive.slots.values_mut() {
            match slot {
                Slot::Resting(_, due) => *due = (*due).min(now + burst),
                Slot::Calling(_, woken) => *woken = true,
            }
        }
    }

    /// What Marathon told goes on its way, or does not.
    fn listen(&mut self) {
        let now = self.now();
        let mut inside = self.outside.lock();
        let events = inside.cluster.events();
        let (cut, shuffled) = (
            inside.has(Trouble::StreamCut) || inside.has(Trouble::MarathonAway),
            inside.has(Trouble::StreamShuffled),
        );
        drop(inside);
        let Some(alive) = self.alive.as_mut().filter(|_| !cut) else {
            return;
        };
        for event in events {
            let due = now + Duration::from_millis(self.choice.u64(1..400));
            if shuffled {
                let again = due + Duration::from_millis(self.choice.u64(0..5000));
                alive.stream.push_back((again, event.clone()));
            }
            alive.stream.push_back((due, event));
        }
        if shuffled {
            alive.stream.make_contiguous().sort_by_key(|(due, _)| *due);
        } else {
            let mut last = Duration::ZERO;
            for (due, _) in &mut alive.stream {
                last = last.max(*due);
                *due = last;
            }
        }
    }

    // ---- what happens ----

    fn act(&mut self) {
        let act = self.acts[self.next_act].clone();
        self.next_act += 1;
        self.last_act = self.now();
        self.judge.something_happens();
        self.note(&super::words::act(&act.what, &self.branches));
        match &act.what {
            What::Push { app, change, told } => self.push(*app, change, *told),
            What::Operator { app, by, wish } => self.operate(*app, by, wish),
            What::Stranger { id, deed } => self.stranger(id, *deed),
            What::Trouble { what, seconds } => self.trouble(*what, *seconds),
            What::Kill { away } => self.kill(*away),
            What::Clock { by } => self.outside.clock.step(*by),
        }
    }

    fn trouble(&mut self, what: Trouble, seconds: u32) {
        let until = self.now() + Duration::from_secs(seconds.into());
        let mut inside = self.outside.lock();
        if what == Trouble::NewLeader {
            let blind = Duration::from_secs(inside.chance.u64(1..12));
            let now = self.outside.now();
            inside.cluster.new_leader(now, blind);
        }
        inside.trouble.insert(what, until);
        drop(inside);
        if what == Trouble::DiskRefuses {
            self.disk(true);
        }
    }

    /// While the disk refuses, no event can be appended.
    fn disk(&mut self, refuses: bool) {
        let (Some(alive), Kept::File(folder)) = (&self.alive, &self.kept) else {
            return;
        };
        let file = folder.database();
        alive.run(async {
            use sqlx::Connection as _;
            let url = format!("sqlite://{}", file.display());
            let Ok(mut conn) = sqlx::SqliteConnection::connect(&url).await else { return };
            let statement = if refuses {
                "create trigger if not exists disk_refuses before insert on event begin select raise(abort, 'disk I/O error'); end"
            } else {
                "drop trigger if exists disk_refuses"
            };
            let _ = sqlx::query(statement).execute(&mut conn).await;
            let _ = conn.close().await;
        });
    }

    fn push(&mut self, app: usize, change: &super::story::Change, told: Told) {
        let now = self.now();
        let branch = &mut self.branches[app];
        let mut inside = self.outside.lock();
        let commit = branch.commit(change, &mut inside.github, &mut self.contents);
        let calls = match told {
            Told::Once => vec![now + Duration::from_millis(300)],
            Told::Twice => vec![
                now + Duration::from_millis(300),
                now + Duration::from_secs(4),
            ],
            Told::Late(seconds) => vec![now + Duration::from_secs(seconds.into())],
            Told::Never => Vec::new(),
        };
        let (repository, name) = (branch.shape.repository, branch.shape.branch.clone());
        inside.github.push(repository, &name, &commit, &calls);
        let ids = self
            .contents
            .get(&commit)
            .into_iter()
            .flatten()
            .map(|w| w.shape.id.clone());
        self.judge.names.extend(ids);
    }

    fn deliver(&mut self, n: usize) {
        self.judge.something_happens();
        let delivery = self.outside.lock().github.deliveries.remove(n).unwrap();
        let request = Request::builder()
            .method("POST")
            .uri("/dploy")
            .header("content-type", "application/json")
            .header("x-github-event", delivery.event)
            .header("x-github-delivery", &delivery.guid)
            .header("x-hub-signature-256", &delivery.signature)
            .header(
                "x-github-hook-installation-target-id",
                delivery.repository.to_string(),
            )
            .body(Body::from(delivery.body))
            .unwrap();
        let (status, text) = self.ask(request);
        self.note(&format!(
            "webhook {} -> {status} {}",
            delivery.event,
            text.lines().next().unwrap_or_default()
        ));
        let Some(after) = delivery.after.filter(|_| status == 202) else {
            return;
        };
        let apps = self
            .branches
            .iter()
            .filter(|b| b.shape.repository == delivery.repository);
        let named = apps.filter(|b| text.contains(&format!("of {} ", b.shape.name)));
        let named: Vec<AppId> = named.filter_map(|b| b.shape.name.parse().ok()).collect();
        self.judge
            .acknowledged
            .extend(named.into_iter().map(|a| (a, after.clone())));
    }

    /// Asks the observer; where it is away nobody answers.
    fn ask(&mut self, mut request: Request<Body>) -> (u16, String) {
        let peer: std::net::SocketAddr = ([127, 0, 0, 1], 40000).into();
        request.extensions_mut().insert(ConnectInfo(peer));
        let Some(alive) = &self.alive else {
            return (0, String::new());
        };
        let web = alive.web.clone();
        let (status, text) = alive.run(async {
            let answer = web.oneshot(request).await.unwrap();
            let status = answer.status();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 26)
                .await
                .unwrap();
            (status, String::from_utf8_lossy(&bytes).into_owned())
        });
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            self.fail(
                Check::OwnError,
                format!("a request is answered with 500: {text}"),
            );
        }
        (status.as_u16(), text)
    }

    fn operate(&mut self, app: usize, by: &str, wish: &Wish) {
        let name = self.branches[app].shape.name.clone();
        let id: AppId = name.parse().unwrap();
        let state = self.judge.apps.get(&id).cloned().flatten();
        self.coverage.wish(wish, state.as_ref());
        let shape = self.branches[app].shape.clone();
        let service = |n: &usize| {
            shape
                .services
                .get(*n)
                .map_or_else(String::new, |s| s.id.clone())
        };
        let back = |n: usize| {
            json!(format!(
                "#{}",
                state
                    .as_ref()
                    .map_or(1, |s| s
                        .last_deploy
                        .0
                        .saturating_sub(u32::try_from(n).unwrap()))
                    .max(1)
            ))
        };
        let reason = json!("because");
        let (path, body) = match wish {
            Wish::Rollback(n) => ("rollback", json!({"to": back(*n), "reason": reason})),
            Wish::RollbackForGood(n) => (
                "rollback",
                json!({"to": back(*n), "reason": reason, "resume": "manual"}),
            ),
            Wish::RollbackOne(s, n) => (
                "rollback",
                json!({"to": back(*n), "reason": reason, "service": service(s)}),
            ),
            Wish::Deploy => ("deploy", json!({})),
            Wish::Force => ("deploy", json!({"force": true})),
            Wish::Redeploy => ("redeploy", json!({})),
            Wish::Cancel => ("cancel", json!({"reason": reason})),
            Wish::Resume => ("resume", json!({})),
            Wish::Lock => ("lock", json!({"reason": reason})),
            Wish::Unlock => ("unlock", json!({})),
            Wish::Scale(s, n) => ("scale", json!({"service": service(s), "instances": n})),
            Wish::Adopt => ("adopt", json!({})),
            Wish::Destroy | Wish::DestroyKeeping => {
                return self.destroy(&id, by, *wish == Wish::DestroyKeeping);
            }
            Wish::Register => {
                let repository = format!("acme/r{}", shape.repository);
                return self.post(
                    by,
                    "/apps",
                    &json!({"repository": repository, "branch": shape.branch}),
                );
            }
        };
        if matches!(wish, Wish::Scale(..)) {
            self.scaled = true;
        }
        if *wish == Wish::Force {
            let ids = shape.services.iter().map(|s| s.id.clone());
            let mut inside = self.outside.lock();
            for id in ids {
                inside
                    .cluster
                    .hands
                    .insert(id, super::cluster::Hand::Forced);
            }
        }
        self.post(by, &format!("/apps/{name}/{path}"), &body);
    }

    fn post(&mut self, by: &str, path: &str, body: &Value) {
        let token = TOKENS
            .iter()
            .find(|(name, _)| *name == by)
            .map_or("", |(_, token)| *token);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("host", "node:8849")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, text) = self.ask(request);
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = said["detail"]
            .as_str()
            .or(said["result"].as_str())
            .unwrap_or_default()
            .to_owned();
        self.note(&format!("{by} {path} {body} -> {status} {said}"));
    }

    /// The command alone: the route would wait for what the workers do.
    fn destroy(&mut self, app: &AppId, by: &str, keep_services: bool) {
        let Some(alive) = &self.alive else { return };
        let log = alive.context.store.log().clone();
        let actor = format!("operator:{by}");
        let answer = alive.run(log.command(app, &actor, None, Command::Destroy { keep_services }));
        self.note(&format!("{by} destroys {app}: {answer:?}"));
    }

    fn stranger(&mut self, id: &str, deed: Deed) {
        let seen = self.outside.lock().cluster.seen(id);
        self.judge.touched.insert(id.to_owned());
        self.disturbed = true;
        self.outside.lock().cluster.others_touch(id);
        let path = format!("/v2/apps{id}?force=true");
        let there = seen.is_some();
        match deed {
            Deed::Create if !there => self.marathon(
                "PUT",
                &path,
                &json!({"cmd": "well 0", "instances": 1, "cpus": 0.01, "mem": 16}),
            ),
            Deed::Create => {}
            _ if !there => {}
            Deed::Unlabel => self.marathon("PUT", &path, &json!({"labels": {}})),
            Deed::Relabel => {
                self.marathon("PUT", &path, &json!({"labels": {"DPLOY": "somebody-else"}}))
            }
            Deed::Edit => self.marathon("PUT", &path, &json!({"cmd": "well 99"})),
            Deed::AddEnv => self.marathon("PUT", &path, &json!({"env": {"DEBUG": "1"}})),
            Deed::Scale(instances) => {
                self.scaled = true;
                self.marathon("PUT", &path, &json!({"instances": instances}));
            }
            Deed::Restart => self.marathon(
                "POST",
                &format!("/v2/apps{id}/restart?force=true"),
                &Value::Null,
            ),
            Deed::Delete => self.marathon("DELETE", &path, &Value::Null),
        }
    }

    /// Somebody else calls Marathon.
    fn marathon(&mut self, method: &str, path: &str, body: &Value) {
        let (router, before) = {
            let inside = self.outside.lock();
            (inside.cluster.router.clone(), inside.cluster.deployments())
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/json")
            .extension(ConnectInfo(local_marathon::Cut::detached(
                super::cluster::ADDRESS,
            )))
            .body(Body::from(body))
            .unwrap();
        let status = block_on(async { router.oneshot(request).await.unwrap().status() });
        let now = self.now();
        let mut inside = self.outside.lock();
        inside.cluster.pump(now);
        inside.cluster.kills.clear();
        let begun = inside.cluster.deployments();
        drop(inside);
        self.others
            .extend(begun.into_iter().filter(|d| !before.contains(d)));
        self.note(&format!("somebody else: {method} {path} -> {status}"));
    }

    // ---- after a step ----

    fn after(&mut self) {
        self.listen();
        self.notice();
        let now = self.now();
        let disk = self.outside.lock().has(Trouble::DiskRefuses);
        if !disk && self.coverage.disk_refused {
            self.coverage.disk_refused = false;
            self.disk(false);
        } else if disk {
            self.coverage.disk_refused = true;
        }
        let mut inside = self.outside.lock();
        inside.adopted.clone_from(&self.judge.adopted);
        let calls = std::mem::take(&mut inside.calls);
        let mut findings = std::mem::take(&mut inside.findings);
        if !calls.is_empty() {
            findings.extend(self.judge.live(&inside.cluster, &self.contents));
        }
        drop(inside);
        for call in calls {
            let _ = writeln!(self.trace, "{:9.3} {call}", now.as_secs_f64());
        }
        findings.extend(self.judge.acknowledged());
        self.found(findings);
    }

    /// Reads what was written to the log, wakes whom it concerns, and compares with a fresh fold.
    fn notice(&mut self) {
        let Some(alive) = &mut self.alive else { return };
        let mut touched = Vec::new();
        loop {
            match alive.touched.try_recv() {
                Ok(app) => touched.push(app),
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        if touched.is_empty() && *alive.context.store.head().borrow() == self.judge.last_seq {
            return;
        }
        let store = alive.context.store.clone();
        let filter = EventFilter {
            since: Some(self.judge.last_seq),
            limit: 5000,
            ..EventFilter::default()
        };
        let events = alive.run(store.events(&filter)).unwrap();
        let outside = Arc::clone(&self.outside);
        let now = outside.now();
        let found = {
            let inside = outside.lock();
            self.judge.passes(now, &inside.trouble);
            self.judge
                .read(&events, &inside.cluster, &self.contents, now)
        };
        for event in &events {
            let app = event.app.as_ref().map_or("-", |a| a.as_str());
            let number = event
                .deploy
                .map(|d| format!(" #{}", d.0))
                .unwrap_or_default();
            let payload: Value = serde_json::from_str(event.payload.get()).unwrap();
            let said = payload["sentence"].as_str().unwrap_or_default().to_owned();
            let _ = writeln!(
                self.trace,
                "{:9.3}   {app}{number} {} {said}",
                now.as_secs_f64(),
                event.kind
            );
        }
        self.found(found);
        touched.sort();
        touched.dedup();
        for app in &touched {
            self.compare(app);
            self.wake(app);
        }
        let hookless = |a: &App| a.hook.id.is_none() && a.hook.failure.is_none() && !a.destroyed;
        if let Some(alive) = self
            .alive
            .as_ref()
            .filter(|_| self.judge.apps.values().flatten().any(hookless))
        {
            alive.run(alive.hooks.round(Due::Missing));
        }
    }

    fn compare(&mut self, app: &AppId) {
        let Some(alive) = &self.alive else { return };
        let stored = alive.run(alive.context.store.app(app)).unwrap();
        let folded = self.judge.apps.get(app).cloned().flatten();
        if stored != folded {
            self.fail(
                Check::ProjectionDiffers,
                format!("the stored state of {app} is not what its events fold to"),
            );
        }
    }

    // ---- the end ----

    /// The acts are over: trouble ends, strangers rest, the head becomes good.
    fn rest(&mut self) {
        self.quiet = true;
        let now = self.now();
        {
            let mut inside = self.outside.lock();
            inside.trouble.clear();
            inside.held.iter_mut().for_each(|h| h.due = now);
            inside.late.iter_mut().for_each(|l| l.due = now);
        }
        if self.coverage.disk_refused {
            self.coverage.disk_refused = false;
            self.disk(false);
        }
        self.judge.something_happens();
        for app in 0..self.branches.len() {
            // a head that is good already is not to need another push, unless somebody else spoilt its deploy
            let undisturbed = self.branches[app].is_good(&self.contents) && !self.disturbed;
            if !undisturbed || self.choice.u8(..4) == 0 {
                self.branches[app].become_good();
                self.push(app, &super::story::Change::Readme, Told::Once);
            }
        }
        self.note("from here on everything is well, and every head is good");
    }

    fn is_over(&mut self) -> bool {
        let last = self.acts.last().map_or(0, |a| a.at);
        let last = self.last_act.max(Duration::from_secs(last.into())) + Duration::from_secs(45);
        if !self.quiet {
            if self.next_act == self.acts.len() && self.now() >= last && self.alive.is_some() {
                self.rest();
            }
            return false;
        }
        if self.now() > last + END {
            return true;
        }
        let rolls = self
            .outside
            .lock()
            .cluster
            .deployments()
            .iter()
            .any(|d| !self.others.contains(d));
        if rolls || self.ended().is_some() {
            self.settled_at = None;
            return false;
        }
        // it stays so
        let now = self.now();
        let since = *self.settled_at.get_or_insert(now);
        now >= since + Duration::from_secs(70)
    }

    /// Why it is not over yet.
    fn ended(&self) -> Option<Finding> {
        let stuck = |sentence| {
            Some(Finding {
                check: Check::Stuck,
                sentence,
            })
        };
        for branch in &self.branches {
            let id: AppId = branch.shape.name.parse().unwrap();
            let Some(app) = self.judge.apps.get(&id).and_then(Option::as_ref) else {
                continue;
            };
            if app.destroyed {
                continue;
            }
            if app.owes_work() && self.waits_for_others(app) {
                continue;
            }
            if app.owes_work() {
                let (state, code) =
                    app.running
                        .as_ref()
                        .map_or(("no deploy".to_owned(), String::new()), |d| {
                            let code = d
                                .waiting
                                .as_ref()
                                .map(|w| w.code.clone())
                                .unwrap_or_default();
                            (
                                format!(
                                    "#{} is {} ({})",
                                    d.number.0,
                                    d.state.word(),
                                    phase(Some(app))
                                ),
                                code,
                            )
                        });
                let scale = app.services.values().any(|s| s.scale.is_some());
                let destroying = app.destroying.is_some();
                return stuck(format!(
                    "{id}: {state} {code}{}{}",
                    if scale { ", a scaling is owed" } else { "" },
                    if destroying {
                        ", a destroy has not ended"
                    } else {
                        ""
                    }
                ));
            }
            if app.waiting.is_some() && app.lock.is_none() {
                return stuck(format!("{id}: a deploy waits and nobody deploys"));
            }
            let head = self
                .outside
                .lock()
                .github
                .head(branch.shape.repository, &branch.shape.branch);
            if let Some(finding) = self.not_at_head(app, head.as_deref()) {
                return Some(finding);
            }
        }
        None
    }

    /// Somebody else's deployment holds a service and never ends: a person has to decide, and is told.
    fn waits_for_others(&self, app: &App) -> bool {
        let waiting = app.running.as_ref().and_then(|d| d.waiting.as_ref());
        waiting.is_some_and(|w| self.others.iter().any(|d| w.sentence.contains(d)))
    }

    fn not_at_head(&self, app: &App, head: Option<&str>) -> Option<Finding> {
        if app.pin.is_some() || app.lock.is_some() || app.held.is_some() {
            return None;
        }
        // what only a person can decide ends with a sentence that says so
        if app.trouble.as_ref().is_some_and(|t| {
            [
                "NOT_OURS",
                "OF_ANOTHER_APP",
                "OWN",
                "NOT_ALLOWED",
                "CANCELLED",
                "SPEC_INVALID",
            ]
            .contains(&t.code.as_str())
        }) {
            return None;
        }
        let live = app.live.as_ref().map(|l| l.commit.as_str());
        if live != head {
            let sentence = format!(
                "{} follows its branch, whose head is {}, and {} is live{}",
                app.id,
                head.map_or("nowhere", super::judge::short),
                live.map_or("nothing", super::judge::short),
                app.trouble
                    .as_ref()
                    .map(|t| format!(" ({}: {})", t.code, t.sentence))
                    .unwrap_or_default()
            );
            return Some(Finding {
                check: Check::NotAtHead,
                sentence,
            });
        }
        None
    }

    fn end(&mut self) -> Option<Finding> {
        if let Some(finding) = self.ended() {
            return Some(finding);
        }
        let rights = self.rights();
        if rights.is_some() {
            return rights;
        }
        if let Some(alive) = self.alive.take() {
            alive.kill();
        }
        let Kept::File(folder) = &self.kept else {
            return None;
        };
        let report = block_on(folder.verify());
        (!report.wrong.is_empty()).then(|| Finding {
            check: Check::Damaged,
            sentence: report.wrong.join("; "),
        })
    }

    /// What runs in the end is what the commit says.
    fn rights(&self) -> Option<Finding> {
        let inside = self.outside.lock();
        for app in self.judge.apps.values().flatten().filter(|a| !a.destroyed) {
            let decided = app.lock.is_some()
                || app.held.is_some()
                || app.pin.is_some()
                || app.trouble.is_some();
            let Some(live) = app.live.as_ref().filter(|_| !decided) else {
                continue;
            };
            for wanted in self
                .contents
                .get(live.commit.as_str())
                .into_iter()
                .flatten()
            {
                let id = &wanted.shape.id;
                if self.judge.touched.contains(id) {
                    continue;
                }
                if let Err(why) =
                    super::judge::is_right(&inside.cluster, app.id.as_str(), wanted, true)
                {
                    return Some(Finding {
                        check: Check::NotRight,
                        sentence: format!("{} is at its head, and {why}", app.id),
                    });
                }
                let count = inside.cluster.seen(id).map_or(0, |s| s.instances);
                let kept = self.judge.adopted.contains(id);
                if !self.scaled && !kept && count != wanted.shape.instances {
                    let sentence = format!(
                        "{id} has {count} instances, its spec says {}, and nobody scaled it",
                        wanted.shape.instances
                    );
                    return Some(Finding {
                        check: Check::Owed,
                        sentence,
                    });
                }
            }
        }
        None
    }
}

/// Runs something that waits for nothing.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

//! Random histories against a real store: whatever is commanded in whatever order, these things hold.

use std::collections::{BTreeMap, BTreeSet};

use dploy_observer::event::{Action, Call, Cause, Ending, Event, Fact, ResumeWhen, Scale};
use dploy_observer::history::{Answer, App, AppState, Command, Phase, Target, apply};
use dploy_observer::id::{AppId, CommitId, DeployNumber};
use dploy_observer::store::{self, Store};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::support::data_folder::{
    Folder, GITHUB, OBSERVER, OPERATOR, apply_accepted, apply_intended, ask, close, commit, events,
    lock, name, outcome, plan_made, polled, push, register, report, service, specs_read, succeeded,
    target,
};

const APPS: [&str; 2] = ["shop", "blog"];

/// Commits there are: few, so that they come again.
const COMMITS: u8 = 5;

/// What somebody does next.
#[derive(Debug, Clone)]
enum Step {
    Register(u8),
    Push {
        after: u8,
        guid: Option<u8>,
        body: Option<u8>,
        forced: bool,
    },
    Poll(u8),
    /// The deployer goes on with what runs, as it would.
    Work(Work),
    /// The deployer reports of a deploy that may have ended.
    Late(u32, Work),
    Operator(Wish, Option<u8>),
    /// What is owed to a destroy or a scaling is done.
    Settle,
}

#[derive(Debug, Clone)]
enum Work {
    Next,
    HeadMoved(u8),
    HeadLags(Option<u8>),
    HoldFirstStart,
    Wait(u8),
    Refused,
    Restart,
    Scale,
    Progress,
    Ending(Ending),
    End(End),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Succeeded,
    Unchanged,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone)]
enum Wish {
    Rollback {
        to: u8,
        manual: bool,
        only: bool,
        override_lock: bool,
    },
    Deploy(u8),
    Redeploy(u8),
    Cancel(Option<u32>),
    Resume,
    Lock,
    Unlock,
    Scale,
    Adopt,
    Destroy(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let any_commit = || 0..COMMITS;
    let key = || proptest::option::weighted(0.3, 0..12_u8);
    let end = prop_oneof![
        3 => Just(End::Succeeded),
        1 => Just(End::Unchanged),
        1 => Just(End::Failed),
        1 => Just(End::Cancelled),
    ];
    let work = || {
        prop_oneof![
            16 => Just(Work::Next),
            2 => any_commit().prop_map(Work::HeadMoved),
            1 => proptest::option::of(any_commit()).prop_map(Work::HeadLags),
            1 => Just(Work::HoldFirstStart),
            1 => (0..2_u8).prop_map(Work::Wait),
            1 => Just(Work::Refused),
            1 => Just(Work::Restart),
            1 => Just(Work::Scale),
            1 => Just(Work::Progress),
            1 => Just(Work::Ending(Ending::Failed)),
            4 => end.clone().prop_map(Work::End),
        ]
    };
    let wish = prop_oneof![
        4 => (any_commit(), any::<bool>(), proptest::bool::weighted(0.2), any::<bool>())
            .prop_map(|(to, manual, only, override_lock)| Wish::Rollback { to, manual, only, override_lock }),
        2 => any_commit().prop_map(Wish::Deploy),
        1 => any_commit().prop_map(Wish::Redeploy),
        2 => proptest::option::of(1..9_u32).prop_map(Wish::Cancel),
        2 => Just(Wish::Resume),
        1 => Just(Wish::Lock),
        3 => Just(Wish::Unlock),
        1 => Just(Wish::Scale),
        1 => Just(Wish::Adopt),
        1 => any::<bool>().prop_map(Wish::Destroy),
    ];
    prop_oneof![
        2 => any_commit().prop_map(Step::Register),
        6 => (any_commit(), key(), key(), any::<bool>())
            .prop_map(|(after, guid, body, forced)| Step::Push { after, guid, body, forced }),
        2 => any_commit().prop_map(Step::Poll),
        14 => work().prop_map(Step::Work),
        1 => (1..9_u32, work()).prop_map(|(deploy, work)| Step::Late(deploy, work)),
        8 => (wish, key()).prop_map(|(wish, key)| Step::Operator(wish, key)),
        2 => Just(Step::Settle),
    ]
}

/// Groups of steps: those of one group come at once and share a transaction.
fn histories() -> impl Strategy<Value = Vec<Vec<(usize, Step)>>> {
    let group = prop_oneof![
        4 => proptest::collection::vec((0..APPS.len(), step()), 1),
        1 => proptest::collection::vec((0..APPS.len(), step()), 2..6),
    ];
    proptest::collection::vec(group, 20..80)
}

/// Who commands, with which key, what: as the step comes to in this state.
type Said = (&'static str, Option<String>, Command);

fn said(app: Option<&App>, id: &AppId, step: &Step) -> Said {
    let running = app.and_then(|a| a.running.as_ref());
    match step {
        Step::Register(head) => (OPERATOR, None, register(id, *head)),
        Step::Push {
            after,
            guid,
            body,
            forced,
        } => {
            let mut push = push(0, *after);
            push.before = app.and_then(|a| a.head.as_ref()).map(|h| h.commit.clone());
            push.body = body.map(|b| format!("body-{b}"));
            push.forced = *forced;
            let guid = guid.map(|g| format!("guid-{g}"));
            (GITHUB, guid, Command::Push(Box::new(push)))
        }
        Step::Poll(found) => {
            let Command::Push(mut push) = polled(0, *found) else {
                unreachable!()
            };
            push.asked_at = app.and_then(|a| a.head.as_ref()).map(|h| h.commit.clone());
            (OBSERVER, None, Command::Push(push))
        }
        Step::Work(work) => {
            let number = running.map_or(1, |d| d.number.0);
            (OBSERVER, None, working(app, id, number, work))
        }
        Step::Late(number, work) => (OBSERVER, None, working(app, id, *number, work)),
        Step::Operator(wish, key) => {
            let key = key.map(|k| format!("key-{k}"));
            (OPERATOR, key, wished(id, wish))
        }
        Step::Settle => (OBSERVER, None, Command::Note(settled(app, id))),
    }
}

fn working(app: Option<&App>, id: &AppId, number: u32, work: &Work) -> Command {
    let web = service(&format!("/{id}/web"));
    let deploy = DeployNumber(number);
    let running = app
        .and_then(|a| a.running.as_ref())
        .filter(|d| d.number == deploy);
    let fact = match work {
        Work::Next => match running {
            Some(d) if d.started_at.is_none() => return Command::Start(deploy),
            Some(d) if matches!(d.life, Phase::Reading | Phase::Planned) => {
                let facts = vec![
                    specs_read(&d.wanted.commit),
                    plan_made(&web, 1),
                    apply_intended(&web, 1, Call::Put),
                ];
                return report(number, facts);
            }
            Some(d) if d.life.intent().is_some() => apply_accepted(&web, Call::Put),
            Some(_) => succeeded(&web, 1),
            None => return Command::Start(deploy),
        },
        Work::HeadMoved(head) => {
            let head = commit(*head);
            return Command::HeadMoved { deploy, head };
        }
        Work::HeadLags(head) => {
            return Command::HeadLags {
                deploy,
                head: head.map(commit),
                sentence: "the branch is not there yet".to_owned(),
            };
        }
        Work::HoldFirstStart => {
            let sentence = "something else runs".to_owned();
            return Command::HoldFirstStart { deploy, sentence };
        }
        Work::Wait(code) => Fact::DeployWaiting {
            code: ["LOCKED", "MARATHON_BUSY"][usize::from(*code)].to_owned(),
            sentence: "looking again in 8 s".to_owned(),
            subject: None,
            until: None,
        },
        Work::Refused => Fact::ApplyRefused {
            intent: None,
            call: Call::Put,
            code: "LOCKED".to_owned(),
            sentence: "somebody else deploys".to_owned(),
            services: vec![web],
        },
        Work::Restart => apply_intended(&web, 1, Call::Restart),
        Work::Scale => apply_accepted(&web, Call::Scale),
        Work::Progress => Fact::ServiceProgressed {
            id: web,
            stage: "running".to_owned(),
            sentence: None,
        },
        Work::Ending(outcome) => Fact::DeployEnding {
            outcome: *outcome,
            code: "UNHEALTHY".to_owned(),
            sentence: "none is healthy".to_owned(),
        },
        Work::End(end) => ended(id, *end),
    };
    report(number, vec![fact])
}

fn ended(id: &AppId, end: End) -> Fact {
    let (web, old) = (
        service(&format!("/{id}/web")),
        service(&format!("/{id}/old")),
    );
    let (code, sentence) = ("DEADLINE".to_owned(), "no progress".to_owned());
    match end {
        End::Succeeded => Fact::DeploySucceeded {
            services: vec![
                outcome(&web, 1, Action::Update),
                outcome(&old, 2, Action::Remove),
            ],
            orphans: vec![old],
            sentence,
        },
        End::Unchanged => Fact::DeployUnchanged {
            services: vec![outcome(&web, 1, Action::Unchanged)],
            orphans: Vec::new(),
            sentence,
        },
        End::Failed => Fact::DeployFailed {
            code,
            sentence,
            services: vec![outcome(&web, 1, Action::Update)],
        },
        End::Cancelled => Fact::DeployCancelled {
            code,
            sentence,
            services: Vec::new(),
        },
    }
}

fn wished(id: &AppId, wish: &Wish) -> Command {
    let web = service(&format!("/{id}/web"));
    let reason = None;
    match wish {
        Wish::Rollback {
            to,
            manual,
            only,
            override_lock,
        } => Command::Rollback(Box::new(Target {
            resume: if *manual {
                ResumeWhen::Manual
            } else {
                ResumeWhen::NextPush
            },
            only: only.then(|| web.clone()),
            scale: if *only { Scale::Target } else { Scale::Keep },
            override_lock: *override_lock,
            ..target(*to)
        })),
        Wish::Deploy(to) => Command::Deploy(Box::new(target(*to))),
        Wish::Redeploy(to) => Command::Redeploy(Box::new(target(*to))),
        Wish::Cancel(deploy) => Command::Cancel {
            deploy: deploy.map(DeployNumber),
            reason,
        },
        Wish::Resume => Command::Resume { reason },
        Wish::Lock => lock("audit"),
        Wish::Unlock => Command::Unlock { reason },
        Wish::Scale => Command::Scale {
            service: web,
            old: 2,
            new: 3,
            override_lock: false,
        },
        Wish::Adopt => Command::Adopt {
            services: vec![outcome(
                &service(&format!("/{id}/old")),
                2,
                Action::Unchanged,
            )],
        },
        Wish::Destroy(keep_services) => Command::Destroy {
            keep_services: *keep_services,
            override_lock: false,
        },
    }
}

fn settled(app: Option<&App>, id: &AppId) -> Vec<Fact> {
    let web = service(&format!("/{id}/web"));
    let Some(destroying) = app.and_then(|a| a.destroying.as_ref()) else {
        return vec![
            apply_intended(&web, 1, Call::Scale),
            apply_accepted(&web, Call::Scale),
        ];
    };
    let sentence = "gone".to_owned();
    let removed = destroying.services.iter().map(|id| Fact::ServiceRemoved {
        left: false,
        id: id.clone(),
        sentence: sentence.clone(),
    });
    let mut facts: Vec<Fact> = removed.collect();
    facts.push(Fact::AppDestroyed {
        removed: destroying.services.clone(),
        kept: Vec::new(),
        sentence,
    });
    facts
}

/// The group's commands come at once; what they come to is decided one after the other.
async fn play(store: &Store, group: &[(usize, Step)]) {
    let before = *store.head().borrow();
    let mut commands = Vec::new();
    for (app, step) in group {
        let id = name(APPS[*app]);
        let state = store.app(&id).await.unwrap();
        let (actor, key, command) = said(state.as_ref(), &id, step);
        commands.push((id, actor, key, command));
    }
    let asked = commands
        .iter()
        .map(|(id, actor, key, command)| ask(store, id, actor, key.as_deref(), command.clone()));
    let answers: Vec<_> = join_all(asked).await;
    for ((id, ..), answer) in commands.iter().zip(&answers) {
        match answer {
            Ok(Answer::Queued(number)) => {
                assert!(store.deploy(id, *number).await.unwrap().is_some());
            }
            Ok(_) | Err(store::StoreError::Refused(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let after = *store.head().borrow();
    let nothing =
        |a: &Result<Answer, _>| matches!(a, Err(_) | Ok(Answer::Unchanged | Answer::Duplicate));
    if answers.iter().all(nothing) {
        assert_eq!(
            after, before,
            "refused, unchanged or known, and yet written: {answers:?}"
        );
    }
}

/// What is known of an app by walking the log beside the fold.
#[derive(Default)]
struct Walk {
    app: Option<App>,
    last: u32,
    open: BTreeSet<DeployNumber>,
    touched: BTreeSet<DeployNumber>,
    ended: BTreeSet<DeployNumber>,
    first_push: BTreeMap<CommitId, i64>,
}

impl Walk {
    fn step(&mut self, event: &Event) {
        let fact = event.fact().unwrap();
        self.gates(event, &fact);
        if let Some(number) = event.deploy {
            self.deploy(number, &fact, event);
        }
        if let Fact::PushReceived(push) = &fact {
            self.first_push
                .entry(push.after.clone())
                .or_insert(event.seq);
        }
        apply(
            &mut self.app,
            event.seq,
            &event.at,
            &event.as_new().unwrap(),
        );
        let app = self.app.as_ref().unwrap();
        let held = [&app.running, &app.waiting].into_iter().flatten();
        assert_eq!(
            held.map(|d| d.number).collect::<BTreeSet<_>>(),
            self.open,
            "event {}",
            event.seq
        );
        assert!(app.running.is_some() || app.waiting.is_none());
    }

    /// Neither a lock nor a pin lets a push through that it must hold.
    fn gates(&self, event: &Event, fact: &Fact) {
        let gone = self
            .app
            .as_ref()
            .is_none_or(|a| a.state() == AppState::Destroyed);
        assert_eq!(
            gone,
            matches!(fact, Fact::AppRegistered { .. }),
            "event {}",
            event.seq
        );
        let (Some(app), Fact::DeployQueued(wanted)) = (&self.app, fact) else {
            return;
        };
        if wanted.cause != Cause::Push || gone {
            return;
        }
        assert!(
            app.lock.is_none() && app.destroying.is_none(),
            "event {}",
            event.seq
        );
        if let Some(pin) = &app.pin {
            assert_eq!(pin.resume, ResumeWhen::NextPush, "event {}", event.seq);
            assert_ne!(
                pin.head.as_ref(),
                Some(&wanted.commit),
                "event {}",
                event.seq
            );
            let first = self.first_push.get(&wanted.commit);
            assert!(
                first.is_some_and(|seq| *seq > pin.seq),
                "event {}",
                event.seq
            );
        }
    }

    /// Numbers without gaps, one end, nothing behind it, and nothing of what was superseded in Marathon.
    fn deploy(&mut self, number: DeployNumber, fact: &Fact, event: &Event) {
        let seq = event.seq;
        assert!(
            !self.ended.contains(&number),
            "event {seq} follows the end of {number}"
        );
        match fact {
            Fact::DeployQueued(_) => {
                self.last += 1;
                assert_eq!(number.0, self.last, "event {seq}");
                self.open.insert(number);
                assert!(self.open.len() <= 2, "event {seq}: {:?}", self.open);
                return;
            }
            Fact::ApplyIntended(_) => {
                let running = self.app.as_ref().and_then(|a| a.running.as_ref());
                assert_eq!(running.map(|d| d.number), Some(number), "event {seq}");
                self.touched.insert(number);
            }
            Fact::DeploySuperseded { .. } => {
                assert!(
                    !self.touched.contains(&number),
                    "event {seq}: {number} touched Marathon"
                );
            }
            _ => {}
        }
        assert!(
            self.open.contains(&number),
            "event {seq}: {number} was never queued"
        );
        if fact.ends_deploy() {
            self.open.remove(&number);
            self.ended.insert(number);
        }
    }
}

async fn holds(groups: Vec<Vec<(usize, Step)>>, reopen_after: usize) {
    let folder = Folder::new();
    let mut store = folder.open().await;
    for app in APPS {
        let id = name(app);
        ask(&store, &id, OPERATOR, None, register(&id, 0))
            .await
            .unwrap();
    }
    for (nth, group) in groups.iter().enumerate() {
        if nth == reopen_after {
            close(store).await;
            store = folder.open().await;
        }
        play(&store, group).await;
    }
    let mut walks: BTreeMap<AppId, Walk> = BTreeMap::new();
    for event in events(&store).await {
        let walk = walks.entry(event.app.clone().unwrap()).or_default();
        walk.step(&event);
    }
    for (id, walk) in &walks {
        let stored = store.app(id).await.unwrap();
        assert_eq!(stored, walk.app);
        let deploys = store.deploys(id, None, i64::MAX).await.unwrap();
        assert_eq!(deploys.len(), usize::try_from(walk.last).unwrap());
        let open = deploys
            .iter()
            .filter(|d| !d.state().ended())
            .map(|d| d.number);
        assert_eq!(open.collect::<BTreeSet<_>>(), walk.open);
    }
    close(store).await;
    assert_eq!(folder.verify().await.wrong, Vec::<String>::new());
    store::rebuild(folder.path()).await.unwrap();
    assert_eq!(folder.verify().await.wrong, Vec::<String>::new());
}

/// The same histories at every run, so that a change is judged by itself; others with `DPLOY_HISTORY_SEED`, more of them
/// with `DPLOY_HISTORY_CASES`.
fn config() -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u32>().ok());
    Config {
        cases: number("DPLOY_HISTORY_CASES").unwrap_or(48),
        rng_seed: RngSeed::Fixed(number("DPLOY_HISTORY_SEED").unwrap_or(1).into()),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_projections_are_the_fold_and_every_rule_holds(
        groups in histories(),
        reopen_after in 0..80_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(groups, reopen_after));
    }
}

//! Given a history, when somebody commands something, then these events: the rules of pushes, deploys, rollbacks,
//! pins, locks and destroys, without a database.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a story reads better without borrows"
)]

use std::collections::BTreeMap;

use dploy_observer::event::{
    Action, Call, Cause, Drift, Ending, Fact, NewEvent, ResumeWhen, Scale, Via, Visibility,
};
use dploy_observer::history::{
    Answer, App, AppState, Command, Known, Push, Refusal, Target, aimed, apply, decide, plan_token,
};
use dploy_observer::id::{AppId, CommitId, DeployNumber};

use crate::support::data_folder::{
    GITHUB, OBSERVER, OPERATOR, apply_accepted, apply_intended, commit, lock, name, outcome,
    plan_made, polled, push, pushed, register, report, rollback, service, source, specs_read,
    succeeded, target,
};

const WEB: &str = "/shop/web";

/// An app and its log, in memory. What the writer looks up in the file is looked up here.
#[derive(Default)]
struct Story {
    app: Option<App>,
    log: Vec<NewEvent>,
    /// How long the log was before the last command.
    before: usize,
    /// Numbers of the first push of each commit.
    pushes: BTreeMap<CommitId, usize>,
    repository_shared: bool,
}

impl Story {
    /// An app `shop` whose first deploy, of commit 1, succeeded.
    fn new() -> Self {
        let mut story = Self::default();
        story.does(OBSERVER, register(&shop(), 1));
        story.succeeds(1);
        story
    }

    fn known(&self, key: Option<&str>, command: &Command) -> Known {
        let key = key.and_then(|key| self.log.iter().find(|e| e.dedup.as_deref() == Some(key)));
        let began = |e: &NewEvent| e.deploy.filter(|_| matches!(e.fact, Fact::DeployQueued(_)));
        let commit = match command {
            Command::Push(push) => Some(&push.after),
            Command::HeadMoved { head, .. } => Some(head),
            Command::Unlock { .. } => self.app().head.as_ref().map(|h| &h.commit),
            _ => None,
        };
        let pin = self.app.as_ref().and_then(|a| a.pin.as_ref());
        let first = commit.and_then(|c| self.pushes.get(c));
        Known {
            key_reused: false,
            dedup: key.map(began),
            body: matches!(command, Command::Push(p) if self.bodies().any(|b| Some(b) == p.body)),
            commit: pin
                .is_some_and(|pin| first.is_some_and(|f| i64::try_from(*f).unwrap() < pin.seq)),
            source_app: None,
            repository_shared: self.repository_shared,
            taken: None,
        }
    }

    fn bodies(&self) -> impl Iterator<Item = String> {
        self.log.iter().filter_map(|e| match &e.fact {
            Fact::PushReceived(push) => push.body.clone(),
            _ => None,
        })
    }

    fn tries(
        &mut self,
        who: &str,
        key: Option<&str>,
        command: &Command,
    ) -> Result<Answer, Refusal> {
        self.before = self.log.len();
        let known = self.known(key, command);
        let decision = decide(&shop(), self.app.as_ref(), &known, who, key, command)?;
        for event in decision.events {
            let seq = self.log.len() + 1;
            let at = format!("2026-11-22T10:00:{seq:02}.000000Z");
            apply(&mut self.app, i64::try_from(seq).unwrap(), &at, &event);
            if let Fact::PushReceived(push) = &event.fact {
                self.pushes.entry(push.after.clone()).or_insert(seq);
            }
            self.log.push(event);
        }
        Ok(decision.answer)
    }

    fn does(&mut self, who: &str, command: Command) -> Answer {
        self.tries(who, None, &command).unwrap()
    }

    fn is_refused(&mut self, command: Command) -> Refusal {
        let refusal = self.tries(OPERATOR, None, &command).unwrap_err();
        assert_eq!(self.then(), NOTHING);
        refusal
    }

    /// It is destroyed, with its one service.
    fn is_gone(&mut self) {
        self.does(OPERATOR, destroy());
        let gone = Fact::AppDestroyed {
            removed: vec![service(WEB)],
            kept: Vec::new(),
            sentence: "gone".to_owned(),
        };
        self.does(OBSERVER, Command::Note(vec![gone]));
    }

    /// The events of the last command.
    fn then(&self) -> Vec<String> {
        let told = |e: &NewEvent| {
            let kind = e.fact.encode().0;
            e.deploy.map_or(kind.clone(), |n| format!("{kind} {n}"))
        };
        self.log[self.before..].iter().map(told).collect()
    }

    fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    fn running(&self) -> Option<u32> {
        self.app().running.as_ref().map(|d| d.number.0)
    }

    fn waiting(&self) -> Option<u32> {
        self.app().waiting.as_ref().map(|d| d.number.0)
    }

    fn starts(&mut self, deploy: u32) {
        self.does(OBSERVER, Command::Start(DeployNumber(deploy)));
    }

    /// The deployer goes on until Marathon was told.
    fn touches(&mut self, deploy: u32) {
        self.starts(deploy);
        let commit = self.app().running.as_ref().unwrap().wanted.commit.clone();
        let web = service(WEB);
        let facts = vec![
            specs_read(&commit),
            plan_made(&web, 1),
            apply_intended(&web, 1, Call::Put),
        ];
        self.does(OBSERVER, report(deploy, facts));
    }

    fn succeeds(&mut self, deploy: u32) {
        self.touches(deploy);
        let web = service(WEB);
        let facts = vec![apply_accepted(&web, Call::Put), succeeded(&web, 1)];
        self.does(OBSERVER, report(deploy, facts));
    }

    /// A push whose deploy succeeds.
    fn follows(&mut self, before: u8, after: u8) {
        let Answer::Queued(number) = self.does(GITHUB, pushed(before, after)) else {
            panic!("{after} was not queued");
        };
        self.succeeds(number.0);
    }

    /// A rollback that has succeeded: commit 1 runs, 2 is the head.
    fn rolled_back() -> Self {
        Self::pinned(ResumeWhen::NextPush)
    }

    fn pinned(resume: ResumeWhen) -> Self {
        let mut story = Self::new();
        story.follows(1, 2);
        let target = Target {
            resume,
            ..target(1)
        };
        story.does(OPERATOR, Command::Rollback(Box::new(target)));
        story.succeeds(3);
        assert_eq!(story.app().state(), AppState::Pinned);
        story
    }
}

const NOTHING: [&str; 0] = [];

fn shop() -> AppId {
    name("shop")
}

fn queued(number: u32) -> Answer {
    Answer::Queued(DeployNumber(number))
}

fn held(answer: &Answer, code: &str) -> String {
    match answer {
        Answer::Held(why) if why.code == code => why.sentence.clone(),
        other => panic!("{other:?}"),
    }
}

fn lags(deploy: u32, head: u8) -> Command {
    Command::HeadLags {
        deploy: DeployNumber(deploy),
        head: Some(commit(head)),
        sentence: "main is elsewhere after two minutes".to_owned(),
    }
}

fn head_moved(deploy: u32, head: u8) -> Command {
    Command::HeadMoved {
        deploy: DeployNumber(deploy),
        head: commit(head),
    }
}

fn resume() -> Command {
    Command::Resume { reason: None }
}

fn unlock() -> Command {
    Command::Unlock { reason: None }
}

fn cancel(deploy: Option<u32>) -> Command {
    Command::Cancel {
        deploy: deploy.map(DeployNumber),
        reason: Some("wrong branch".to_owned()),
    }
}

fn deploy(to: u8) -> Command {
    Command::Deploy(Box::new(target(to)))
}

fn destroy() -> Command {
    Command::Destroy {
        keep_services: false,
        override_lock: false,
    }
}

// registering

#[test]
fn the_head_at_registration_counts_as_a_push() {
    let mut story = Story::default();
    assert_eq!(story.does(OPERATOR, register(&shop(), 1)), queued(1));
    assert_eq!(
        story.then(),
        ["app_registered", "push_received", "deploy_queued #1"]
    );
    assert!(matches!(&story.log[1].fact, Fact::PushReceived(p) if p.via == Via::Poll));
    assert_eq!(story.app().head.as_ref().unwrap().commit, commit(1));
}

#[test]
fn registering_what_is_registered_changes_nothing() {
    let mut story = Story::new();
    assert_eq!(
        story.does(OPERATOR, register(&shop(), 2)),
        Answer::Unchanged
    );
    assert_eq!(story.then(), NOTHING);
}

#[test]
fn a_name_that_another_source_has_is_refused() {
    let mut story = Story::new();
    let Command::Register(mut new) = register(&shop(), 1) else {
        panic!()
    };
    new.source = source(&name("warehouse"));
    let refusal = story.is_refused(Command::Register(new));
    assert_eq!(
        refusal.to_string(),
        "the name shop belongs to another source"
    );
}

#[test]
fn a_source_that_another_app_deploys_is_refused() {
    let known = Known {
        source_app: Some(name("warehouse")),
        ..Known::default()
    };
    let command = register(&shop(), 1);
    let refusal = decide(&shop(), None, &known, OPERATOR, None, &command).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "acme/shop (main) is deployed by the app warehouse already"
    );
}

#[test]
fn what_an_app_is_told_before_it_is_registered_is_refused() {
    for command in [pushed(1, 2), rollback(1), destroy(), lock("no")] {
        assert_eq!(Story::default().is_refused(command), Refusal::UnknownApp);
    }
}

// pushes

#[test]
fn a_redelivered_push_is_deployed_once() {
    let mut story = Story::new();
    let first = story.tries(GITHUB, Some("guid-1"), &pushed(1, 2));
    assert_eq!(first.unwrap(), queued(2));
    story.does(GITHUB, pushed(2, 3));
    let again = story.tries(GITHUB, Some("guid-1"), &pushed(1, 2));
    assert_eq!(again.unwrap(), Answer::Duplicate);
    assert_eq!(story.then(), NOTHING);
}

#[test]
fn a_replayed_body_is_a_duplicate_under_any_guid() {
    let mut story = Story::new();
    let with_body = |before, after| {
        Command::Push(Box::new(Push {
            body: Some("body-1".to_owned()),
            ..push(before, after)
        }))
    };
    let first = story.tries(GITHUB, Some("guid-1"), &with_body(1, 2));
    assert_eq!(first.unwrap(), queued(2));
    story.does(GITHUB, pushed(2, 3));
    let again = story.tries(GITHUB, Some("guid-2"), &with_body(1, 2));
    assert_eq!(again.unwrap(), Answer::Duplicate);
    assert_eq!(story.then(), NOTHING);
}

#[test]
fn a_push_of_the_known_head_is_a_duplicate() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    assert_eq!(story.does(OBSERVER, polled(2, 2)), Answer::Duplicate);
    assert_eq!(story.does(GITHUB, pushed(1, 2)), Answer::Duplicate);
    assert_eq!(story.then(), NOTHING);
}

#[test]
fn a_poll_that_asked_before_the_head_moved_says_nothing() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    assert_eq!(story.does(OBSERVER, polled(1, 1)), Answer::Duplicate);
    assert_eq!(story.then(), NOTHING);
    assert_eq!(story.does(OBSERVER, polled(2, 3)), queued(3));
}

#[test]
fn a_newer_push_supersedes_an_untouched_running_deploy() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.starts(2);
    assert_eq!(story.does(GITHUB, pushed(2, 3)), queued(3));
    assert_eq!(
        story.then(),
        ["push_received", "deploy_superseded #2", "deploy_queued #3"]
    );
    assert_eq!((story.running(), story.waiting()), (Some(3), None));
}

#[test]
fn a_newer_push_supersedes_the_waiting_deploy_and_leaves_the_touched_one_alone() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    assert_eq!(story.does(GITHUB, pushed(2, 3)), queued(3));
    assert_eq!(story.then(), ["push_received", "deploy_queued #3"]);
    assert_eq!(story.does(GITHUB, pushed(3, 4)), queued(4));
    assert_eq!(
        story.then(),
        ["push_received", "deploy_superseded #3", "deploy_queued #4"]
    );
    assert_eq!((story.running(), story.waiting()), (Some(2), Some(4)));
}

#[test]
fn the_waiting_deploy_runs_when_the_running_one_has_ended() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    story.does(GITHUB, pushed(2, 3));
    let web = service(WEB);
    let over = vec![apply_accepted(&web, Call::Put), succeeded(&web, 2)];
    story.does(OBSERVER, report(2, over));
    assert_eq!((story.running(), story.waiting()), (Some(3), None));
    assert_eq!(story.app().live.as_ref().unwrap().commit, commit(2));
}

// the branch is the truth

#[test]
fn another_head_than_the_pushed_commit_wins() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    assert_eq!(story.does(OBSERVER, head_moved(2, 3)), queued(3));
    assert_eq!(
        story.then(),
        ["push_received", "deploy_superseded #2", "deploy_queued #3"]
    );
    assert_eq!(story.app().head.as_ref().unwrap().commit, commit(3));
}

#[test]
fn a_replayed_push_does_not_roll_production_back() {
    let mut story = Story::new();
    story.follows(1, 2);
    story.follows(2, 3);
    // the replay of an older push under a new GUID, with another body
    assert_eq!(story.does(GITHUB, pushed(1, 2)), queued(4));
    // the branch says otherwise, and what it says runs already
    assert_eq!(story.does(OBSERVER, head_moved(4, 3)), queued(5));
    assert!(story.then().contains(&"deploy_superseded #4".to_owned()));
}

#[test]
fn a_branch_that_was_forced_back_to_the_known_head_is_news_when_deliveries_came_in_another_order() {
    let mut story = Story::new();
    let forced = |before: u8, after: u8| {
        Command::Push(Box::new(Push {
            forced: true,
            ..push(before, after)
        }))
    };
    // 1 to 2, 2 to 3, 3 forced back to 2: the second is delivered first
    story.does(GITHUB, pushed(2, 3));
    story.does(GITHUB, pushed(1, 2));
    assert_eq!(story.does(GITHUB, forced(3, 2)), queued(4));
    let wanted = &story.app().running.as_ref().unwrap().wanted;
    assert_eq!(
        (&wanted.commit, &wanted.before),
        (&commit(2), &Some(commit(3)))
    );
    // once is enough
    assert_eq!(story.does(GITHUB, forced(3, 2)), Answer::Duplicate);
}

#[test]
fn a_head_that_moved_is_no_news_once_marathon_was_told() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    assert_eq!(story.is_refused(head_moved(2, 3)), Refusal::Stale);
}

#[test]
fn a_branch_that_never_got_to_the_pushed_commit_is_said_and_not_deployed() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    assert_eq!(story.does(OBSERVER, lags(2, 1)), Answer::Done);
    assert_eq!(story.then(), ["deploy_superseded #2", "push_ignored"]);
    assert_eq!(story.running(), None);
    assert_eq!(story.app().head.as_ref().unwrap().commit, commit(1));
}

#[test]
fn a_head_that_was_overtaken_by_what_the_branch_never_came_to_has_its_turn() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.starts(2);
    story.does(GITHUB, pushed(2, 3));
    assert_eq!(story.then()[0], "push_received");
    assert_eq!(story.running(), Some(3));
    assert_eq!(story.does(OBSERVER, lags(3, 2)), queued(4));
    assert_eq!(
        story.then(),
        ["push_ignored", "deploy_superseded #3", "deploy_queued #4"]
    );
    assert_eq!(story.app().head.as_ref().unwrap().commit, commit(2));
    // what was looked at since is not overtaken any more
    story.starts(4);
    assert_eq!(story.app().overtaken, None);
}

#[test]
fn a_first_start_that_meets_other_services_is_held_until_somebody_decides() {
    let mut story = Story::default();
    story.does(OPERATOR, register(&shop(), 1));
    story.starts(1);
    let hold = Command::HoldFirstStart {
        deploy: DeployNumber(1),
        sentence: "/shop/web runs something else".to_owned(),
    };
    story.does(OBSERVER, hold);
    assert_eq!(story.then(), ["deploy_cancelled #1", "push_held"]);
    assert_eq!(story.app().state(), AppState::Held);
    story.does(OPERATOR, lock("audit"));
    assert_eq!(story.does(OPERATOR, unlock()), Answer::Done);
    assert_eq!(story.app().state(), AppState::Held, "that decides nothing");
    assert_eq!(story.does(OPERATOR, resume()), queued(2));
    assert_eq!(story.app().state(), AppState::Following);
}

// rollback and pin

#[test]
fn a_rollback_cancels_a_touched_deploy_and_pins_in_the_same_decision() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    story.does(GITHUB, pushed(2, 3));
    assert_eq!(story.does(OPERATOR, rollback(1)), queued(4));
    assert_eq!(
        story.then(),
        [
            "rollback_requested",
            "app_pinned",
            "deploy_cancelled #2",
            "deploy_superseded #3",
            "deploy_queued #4"
        ]
    );
    assert!(matches!(
        &story.log[story.before + 2].fact,
        Fact::DeployCancelled { sentence, .. } if sentence == "rolled back to 1111111 by mh"
    ));
    assert_eq!((story.running(), story.waiting()), (Some(4), None));
    let pin = story.app().pin.as_ref().unwrap();
    assert_eq!(
        (&pin.commit, pin.head.as_ref()),
        (&commit(1), Some(&commit(3)))
    );
}

#[test]
fn a_rollback_supersedes_an_untouched_deploy() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.starts(2);
    assert_eq!(story.does(OPERATOR, rollback(1)), queued(3));
    assert_eq!(
        story.then(),
        [
            "rollback_requested",
            "app_pinned",
            "deploy_superseded #2",
            "deploy_queued #3"
        ]
    );
}

#[test]
fn a_rollback_away_from_a_failing_deploy_keeps_the_reason_of_the_failure() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    let ending = Fact::DeployEnding {
        outcome: Ending::Failed,
        code: "UNHEALTHY".to_owned(),
        sentence: "0 of 3 are healthy".to_owned(),
    };
    story.does(OBSERVER, report(2, vec![ending]));
    story.does(OPERATOR, rollback(1));
    assert!(matches!(
        &story.log[story.before + 2].fact,
        Fact::DeployFailed { code, sentence, .. } if code == "UNHEALTHY" && sentence.contains("rolled back to 1111111")
    ));
}

#[test]
fn one_rollback_runs_at_a_time() {
    let mut story = Story::new();
    story.follows(1, 2);
    story.does(OPERATOR, rollback(1));
    for command in [rollback(1), rollback(2), deploy(2)] {
        assert!(matches!(story.is_refused(command), Refusal::Busy(n, _) if n == DeployNumber(3)));
    }
}

#[test]
fn a_rollback_of_a_stale_plan_is_refused_and_of_a_fresh_one_is_not() {
    let mut story = Story::new();
    let specs = aimed(&target(1), Cause::Rollback, true);
    story.follows(1, 2);
    let with_plan = |plan: &str| {
        Command::Rollback(Box::new(Target {
            plan: Some(plan.to_owned()),
            ..target(1)
        }))
    };
    let fresh = plan_token(story.app(), &specs, None);
    story.does(GITHUB, pushed(2, 3));
    assert_eq!(story.is_refused(with_plan(&fresh)), Refusal::PlanStale);
    let fresh = plan_token(story.app(), &specs, None);
    // another commit of the same specs, or another end of the pin, is not what was shown
    let shown = |command: fn(&mut Target)| {
        let mut other = Target {
            plan: Some(fresh.clone()),
            ..target(1)
        };
        command(&mut other);
        Command::Rollback(Box::new(other))
    };
    let others: [fn(&mut Target); 4] = [
        |t| t.to.commit = commit(7),
        |t| t.resume = ResumeWhen::Manual,
        |t| t.scale = Scale::Target,
        |t| t.force = true,
    ];
    for other in others {
        assert_eq!(story.is_refused(shown(other)), Refusal::PlanStale);
    }
    // on a page both choices are shown
    let page = plan_token(
        story.app(),
        &aimed(&target(1), Cause::Rollback, false),
        None,
    );
    let chosen = Target {
        plan: Some(page),
        resume: ResumeWhen::Manual,
        ..target(1)
    };
    assert_eq!(
        story.does(OPERATOR, Command::Rollback(Box::new(chosen))),
        queued(4)
    );
}

#[test]
fn the_plan_token_covers_specs_pin_lock_last_deploy_and_drift_and_no_counts() {
    let mut story = Story::new();
    let mut seen = vec![plan_token(story.app(), "other specs", None)];
    let mut changed = |story: &Story| {
        let token = plan_token(story.app(), "specs of the target", None);
        assert!(!seen.contains(&token), "{:?}", story.then());
        seen.push(token);
    };
    changed(&story);
    story.does(GITHUB, pushed(1, 2));
    changed(&story);
    story.does(OPERATOR, lock("audit"));
    changed(&story);
    story.does(OPERATOR, unlock());
    changed(&story);
    story.does(OPERATOR, rollback(1));
    changed(&story);
    let drift = Drift {
        id: service(WEB),
        sentence: "mem differs".to_owned(),
    };
    story.does(
        OBSERVER,
        Command::Note(vec![Fact::DriftSeen {
            services: vec![drift],
        }]),
    );
    changed(&story);
    let before = plan_token(story.app(), "specs of the target", None);
    let scaled = Fact::ServiceScaled {
        id: service(WEB),
        old: 2,
        new: 5,
    };
    story.does(OPERATOR, Command::Note(vec![scaled]));
    assert_eq!(plan_token(story.app(), "specs of the target", None), before);
}

#[test]
fn a_rollback_to_where_it_is_rolled_back_changes_nothing() {
    let mut story = Story::rolled_back();
    assert_eq!(story.does(OPERATOR, rollback(1)), Answer::Unchanged);
    let mut story = Story::new();
    assert_eq!(story.does(OPERATOR, rollback(1)), Answer::Unchanged);
    assert_eq!(story.then(), NOTHING);
    // but for one that is to stay until somebody resumes
    let freeze = Target {
        resume: ResumeWhen::Manual,
        ..target(1)
    };
    let freeze = Command::Rollback(Box::new(freeze));
    assert!(matches!(
        story.does(OPERATOR, freeze.clone()),
        Answer::Queued(_)
    ));
    let pin = story.app().pin.as_ref().unwrap();
    assert_eq!(pin.resume, ResumeWhen::Manual);
    story.succeeds(2);
    assert_eq!(story.does(OPERATOR, freeze), Answer::Unchanged);
}

#[test]
fn a_rollback_to_what_runs_undoes_drift_and_what_a_failed_deploy_left() {
    let mut story = Story::rolled_back();
    let drift = Drift {
        id: service(WEB),
        sentence: "mem differs".to_owned(),
    };
    story.does(
        OBSERVER,
        Command::Note(vec![Fact::DriftSeen {
            services: vec![drift],
        }]),
    );
    assert_eq!(story.does(OPERATOR, rollback(1)), queued(4));
}

#[test]
fn a_rollback_to_what_runs_pins_where_the_branch_has_gone_on() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.starts(2);
    let refused = Fact::DeployFailed {
        code: "SPEC_INVALID".to_owned(),
        sentence: "specs/web.json:14:3: missing comma".to_owned(),
        services: Vec::new(),
    };
    story.does(OBSERVER, report(2, vec![refused]));
    assert_eq!(story.does(OPERATOR, rollback(1)), queued(3));
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn a_rollback_that_fails_stays_pinned() {
    let mut story = Story::new();
    story.follows(1, 2);
    story.does(OPERATOR, rollback(1));
    story.touches(3);
    let failed = Fact::DeployFailed {
        code: "DEADLINE".to_owned(),
        sentence: "no progress for 10 min".to_owned(),
        services: Vec::new(),
    };
    story.does(OBSERVER, report(3, vec![failed]));
    assert_eq!(story.app().state(), AppState::Pinned);
    let held_commit = story.does(GITHUB, pushed(2, 1));
    held(&held_commit, "pinned");
}

#[test]
fn while_pinned_a_commit_from_before_the_pin_is_held() {
    let mut story = Story::rolled_back();
    let answer = story.does(GITHUB, pushed(2, 1));
    let sentence = held(&answer, "pinned");
    assert!(
        sentence.starts_with("pinned at 1111111 by operator:mh since 2026-11-22T10:00:"),
        "{sentence}"
    );
    assert!(sentence.contains("(checkout 500s)"), "{sentence}");
    assert_eq!(story.then(), ["push_received", "push_held"]);
    // and the head of that time too, also when it is polled
    held(&story.does(OBSERVER, polled(1, 2)), "pinned");
}

#[test]
fn while_pinned_a_new_head_is_queued_and_the_pin_ends_only_when_it_starts() {
    let mut story = Story::rolled_back();
    assert_eq!(story.does(GITHUB, pushed(2, 3)), queued(4));
    assert_eq!(story.app().state(), AppState::Pinned);
    assert!(
        matches!(&story.log[story.before].fact, Fact::PushReceived(p)
        if p.contains_rolled_back == vec![commit(2)])
    );
    story.starts(4);
    assert_eq!(story.then(), ["app_resumed", "deploy_started #4"]);
    assert_eq!(story.app().state(), AppState::Following);
}

#[test]
fn while_pinned_a_new_push_that_is_not_the_head_does_not_resume() {
    let mut story = Story::rolled_back();
    story.does(GITHUB, pushed(2, 3));
    held(&story.does(OBSERVER, head_moved(4, 2)), "pinned");
    assert_eq!(
        story.then(),
        ["push_received", "deploy_superseded #4", "push_held"]
    );
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn what_was_pushed_after_the_pin_resumes_also_the_second_time() {
    let mut story = Story::rolled_back();
    assert_eq!(story.does(GITHUB, pushed(2, 3)), queued(4));
    assert_eq!(story.does(GITHUB, pushed(3, 4)), queued(5));
    assert_eq!(story.does(GITHUB, pushed(4, 3)), queued(6));
}

#[test]
fn a_manual_pin_holds_every_push_until_somebody_resumes() {
    let mut story = Story::pinned(ResumeWhen::Manual);
    for (before, after) in [(2, 3), (3, 4), (4, 1)] {
        let sentence = held(&story.does(GITHUB, pushed(before, after)), "pinned");
        assert!(sentence.ends_with("until somebody resumes"), "{sentence}");
    }
    assert_eq!(story.does(OPERATOR, resume()), queued(4));
    assert_eq!(story.then(), ["app_resumed", "deploy_queued #4"]);
    let running = story.app().running.as_ref().unwrap();
    assert_eq!(running.wanted.commit, commit(1));
    assert_eq!(running.wanted.cause, Cause::Resume);
}

#[test]
fn a_push_waits_for_a_rollback_that_has_not_begun() {
    let mut story = Story::new();
    story.follows(1, 2);
    story.does(OPERATOR, rollback(1));
    assert_eq!(story.does(GITHUB, pushed(2, 3)), queued(4));
    assert_eq!((story.running(), story.waiting()), (Some(3), Some(4)));
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn resuming_what_follows_its_branch_changes_nothing() {
    let mut story = Story::new();
    assert_eq!(story.does(OPERATOR, resume()), Answer::Unchanged);
    assert_eq!(story.then(), NOTHING);
}

#[test]
fn resuming_ends_the_rollback_that_is_under_way() {
    let mut story = Story::new();
    story.follows(1, 2);
    story.does(OPERATOR, rollback(1));
    story.touches(3);
    assert_eq!(story.does(OPERATOR, resume()), queued(4));
    assert_eq!(
        story.then(),
        ["app_resumed", "deploy_cancelled #3", "deploy_queued #4"]
    );
}

// deploys an operator asks for

#[test]
fn deploying_a_commit_that_is_not_the_head_pins() {
    let mut story = Story::new();
    story.follows(1, 2);
    assert_eq!(story.does(OPERATOR, deploy(1)), queued(3));
    assert_eq!(story.then(), ["app_pinned", "deploy_queued #3"]);
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn deploying_the_head_follows_again() {
    let mut story = Story::rolled_back();
    assert_eq!(story.does(OPERATOR, deploy(2)), queued(4));
    assert_eq!(story.then(), ["app_resumed", "deploy_queued #4"]);
    assert_eq!(story.app().state(), AppState::Following);
}

#[test]
fn deploying_what_is_pinned_again_leaves_the_pin() {
    let mut story = Story::rolled_back();
    let again = Command::Redeploy(Box::new(target(1)));
    assert_eq!(story.does(OPERATOR, again), queued(4));
    assert_eq!(story.then(), ["deploy_queued #4"]);
}

#[test]
fn a_repeated_request_is_answered_with_the_deploy_it_began() {
    let mut story = Story::new();
    story.follows(1, 2);
    let key = Some("key-1");
    let first = story.tries(OPERATOR, key, &rollback(1)).unwrap();
    story.succeeds(3);
    assert_eq!(story.tries(OPERATOR, key, &rollback(1)).unwrap(), first);
    assert_eq!(story.then(), NOTHING);
    // what began no deploy is not answered with the one that came next
    let key = Some("key-2");
    story.tries(OPERATOR, key, &lock("audit")).unwrap();
    story.does(OPERATOR, unlock());
    story.does(GITHUB, pushed(2, 3));
    let again = story.tries(OPERATOR, key, &lock("audit")).unwrap();
    assert_eq!(again, Answer::Duplicate);
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn adopting_is_followed_by_a_deploy_of_the_head() {
    let mut story = Story::new();
    let adopt = Command::Adopt {
        services: vec![outcome(&service("/shop/old"), 7, Action::Unchanged)],
    };
    assert_eq!(story.does(OPERATOR, adopt), queued(2));
    assert_eq!(story.then(), ["app_adopted", "deploy_queued #2"]);
    assert!(story.app().services[&service("/shop/old")].adopted);
}

// cancelling

#[test]
fn cancelling_ends_an_untouched_deploy_at_once_and_a_touched_one_with_care() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.does(OPERATOR, cancel(None));
    assert_eq!(story.then(), ["deploy_cancelled #2"]);
    let why = story.app().trouble.as_ref().unwrap();
    assert_eq!(why.to_string(), "CANCELLED: cancelled by mh: wrong branch");

    story.does(GITHUB, pushed(2, 3));
    story.touches(3);
    story.does(OPERATOR, cancel(None));
    assert_eq!(story.then(), ["deploy_ending #3"]);
    assert_eq!(story.does(OPERATOR, cancel(Some(3))), Answer::Unchanged);
}

#[test]
fn cancelling_the_waiting_deploy_leaves_the_running_one() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    story.does(GITHUB, pushed(2, 3));
    story.does(OPERATOR, cancel(Some(3)));
    assert_eq!((story.running(), story.waiting()), (Some(2), None));
    assert!(matches!(story.is_refused(cancel(Some(3))), Refusal::Not(_)));
}

// what the deployer reports

#[test]
fn nothing_is_recorded_of_a_deploy_that_has_ended() {
    let mut story = Story::new();
    let web = service(WEB);
    for fact in [succeeded(&web, 1), apply_intended(&web, 1, Call::Put)] {
        assert_eq!(story.is_refused(report(1, vec![fact])), Refusal::Stale);
    }
    story.does(GITHUB, pushed(1, 2));
    let more = vec![succeeded(&web, 2), specs_read(&commit(2))];
    assert_eq!(story.is_refused(report(2, more)), Refusal::Stale);
}

#[test]
fn a_deploy_that_is_being_ended_begins_nothing_in_marathon() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    let web = service(WEB);
    story.does(OBSERVER, report(2, vec![apply_accepted(&web, Call::Put)]));
    story.does(OPERATOR, cancel(None));
    for call in [Call::Put, Call::Restart] {
        let fact = apply_intended(&web, 2, call);
        assert_eq!(story.is_refused(report(2, vec![fact])), Refusal::Stale);
    }
    let wipe = apply_intended(&web, 2, Call::Wipe);
    assert_eq!(story.does(OBSERVER, report(2, vec![wipe])), Answer::Done);
}

#[test]
fn a_deploy_that_waits_says_so_on_a_change_of_the_reason_only() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    let mut waits = |code: &str| {
        let fact = Fact::DeployWaiting {
            code: code.to_owned(),
            sentence: format!("{code}, looking again in 8 s"),
            subject: None,
            until: None,
        };
        story.does(OBSERVER, report(2, vec![fact]));
        story.then().len()
    };
    assert_eq!(waits("GITHUB_UNREACHABLE"), 1);
    assert_eq!(waits("GITHUB_UNREACHABLE"), 0);
    assert_eq!(waits("LOCKED"), 1);
}

#[test]
fn a_service_is_dirty_until_a_deploy_that_includes_it_succeeded() {
    let mut story = Story::new();
    let dirty = |story: &Story| story.app().services[&service(WEB)].dirty;
    assert!(!dirty(&story));
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    assert!(dirty(&story));
    story.does(OPERATOR, rollback(1));
    assert!(dirty(&story));
    story.succeeds(3);
    assert!(!dirty(&story));
}

#[test]
fn a_scaling_is_owed_until_marathon_accepted_it() {
    let mut story = Story::new();
    let web = service(WEB);
    let scale = Command::Scale {
        service: web.clone(),
        old: 2,
        new: 5,
        override_lock: false,
    };
    story.does(OPERATOR, scale.clone());
    assert!(story.app().owes_work());
    let told = |count| {
        let mut intended = apply_intended(&web, 1, Call::Scale);
        if let Fact::ApplyIntended(intended) = &mut intended {
            intended.services[0].count = Some(count);
        }
        Command::Note(vec![intended, apply_accepted(&web, Call::Scale)])
    };
    story.does(OBSERVER, told(2));
    assert!(
        story.app().owes_work(),
        "what was paid back is not the wish"
    );
    story.does(OBSERVER, told(5));
    assert!(!story.app().owes_work());
    story.does(GITHUB, pushed(1, 2));
    assert!(matches!(story.is_refused(scale), Refusal::Busy(..)));
}

#[test]
fn a_count_that_is_owed_stays_owed_where_marathon_refuses_it() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.starts(2);
    let web = service(WEB);
    let Fact::ApplyIntended(mut intended) = apply_intended(&web, 1, Call::Put) else {
        panic!("no intent");
    };
    intended.raised.insert(web.clone(), 1);
    let refused = Fact::ApplyRefused {
        intent: None,
        call: Call::Scale,
        code: "REJECTED".to_owned(),
        sentence: "no".to_owned(),
        services: vec![web.clone()],
    };
    let told = vec![
        specs_read(&commit(2)),
        plan_made(&web, 1),
        Fact::ApplyIntended(intended),
        apply_accepted(&web, Call::Put),
        apply_intended(&web, 1, Call::Scale),
        refused,
        succeeded(&web, 1),
    ];
    story.does(OBSERVER, report(2, told));
    // the deploy did not wait for it
    assert_eq!(story.running(), None);
    assert!(story.app().debts[&web].refused);
    assert!(story.app().owes_work());
    let told = vec![
        apply_intended(&web, 1, Call::Scale),
        apply_accepted(&web, Call::Scale),
    ];
    story.does(OBSERVER, Command::Note(told));
    assert!(!story.app().owes_work());
}

#[test]
fn a_scaling_within_a_deploy_is_answered_like_any_call() {
    let mut story = Story::new();
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    let web = service(WEB);
    let told = vec![
        apply_accepted(&web, Call::Put),
        apply_intended(&web, 1, Call::Scale),
        apply_accepted(&web, Call::Scale),
    ];
    story.does(OBSERVER, report(2, told));
    assert_eq!(story.app().running.as_ref().unwrap().life.intent(), None);
}

// locks

#[test]
fn a_locked_app_holds_pushes_and_refuses_operators() {
    let mut story = Story::new();
    story.does(OPERATOR, lock("audit until Monday"));
    let sentence = held(&story.does(GITHUB, pushed(1, 2)), "locked");
    assert!(sentence.contains("operator:mh") && sentence.ends_with("audit until Monday"));
    assert_eq!(story.then(), ["push_received", "push_held"]);
    for command in [
        rollback(1),
        deploy(2),
        Command::Redeploy(Box::new(target(1))),
    ] {
        let refusal = story.is_refused(command);
        assert_eq!(
            refusal.to_string(),
            "locked by operator:mh: audit until Monday"
        );
    }
    let anyway = Target {
        override_lock: true,
        ..target(2)
    };
    assert_eq!(
        story.does(OPERATOR, Command::Deploy(Box::new(anyway))),
        queued(2)
    );
}

#[test]
fn a_lock_ends_at_its_time_as_if_somebody_lifted_it_and_another_in_its_place_stays() {
    let until = || "2026-11-23T10:00:00.000000Z".to_owned();
    let ends = || Command::LockEnds { until: until() };
    let for_a_night = || Command::Lock {
        reason: "night".to_owned(),
        until: Some(until()),
    };
    let mut story = Story::new();
    story.does(OPERATOR, for_a_night());
    let sentence = held(&story.does(GITHUB, pushed(1, 2)), "locked");
    assert!(
        sentence.ends_with("night (until 2026-11-23T10:00:00.000000Z)"),
        "{sentence}"
    );
    let scale = Command::Scale {
        service: service(WEB),
        old: 1,
        new: 2,
        override_lock: false,
    };
    let refusal = story.is_refused(scale).to_string();
    assert!(refusal.contains("until 2026-11-23"), "{refusal}");
    assert_eq!(story.does(OBSERVER, ends()), queued(2));
    assert_eq!(story.then(), ["app_unlocked", "deploy_queued #2"]);
    assert_eq!(story.does(OBSERVER, ends()), Answer::Unchanged);
    // somebody locked it anew meanwhile
    story.does(OPERATOR, lock("audit"));
    assert_eq!(story.does(OBSERVER, ends()), Answer::Unchanged);
    assert!(story.app().lock.is_some());
}

#[test]
fn unlocking_replays_nothing_and_deploys_the_head_once() {
    let mut story = Story::new();
    story.does(OPERATOR, lock("audit"));
    story.does(GITHUB, pushed(1, 2));
    story.does(GITHUB, pushed(2, 3));
    assert_eq!(story.does(OPERATOR, unlock()), queued(2));
    assert_eq!(story.then(), ["app_unlocked", "deploy_queued #2"]);
    let running = story.app().running.as_ref().unwrap();
    assert_eq!(running.wanted.commit, commit(3));
    assert_eq!(running.wanted.cause, Cause::Unlock);
    assert_eq!(story.does(OPERATOR, unlock()), Answer::Unchanged);
}

#[test]
fn unlocking_what_runs_its_head_deploys_nothing() {
    let mut story = Story::new();
    story.does(OPERATOR, lock("audit"));
    assert_eq!(story.does(OPERATOR, unlock()), Answer::Done);
    assert_eq!(story.then(), ["app_unlocked"]);
}

#[test]
fn a_lock_that_is_lifted_leaves_the_pin() {
    let mut story = Story::rolled_back();
    story.does(OPERATOR, lock("audit"));
    // back to a commit from before the pin: the lock held it, the pin holds it on
    held(&story.does(GITHUB, pushed(2, 1)), "locked");
    assert_eq!(story.does(OPERATOR, unlock()), Answer::Done);
    assert_eq!(story.app().state(), AppState::Pinned);
}

#[test]
fn a_new_head_that_the_lock_held_resumes_when_it_is_lifted() {
    let mut story = Story::rolled_back();
    story.does(OPERATOR, lock("audit"));
    held(&story.does(GITHUB, pushed(2, 3)), "locked");
    assert_eq!(story.does(OPERATOR, unlock()), queued(4));
    assert_eq!(story.app().state(), AppState::Pinned);
    story.starts(4);
    assert_eq!(story.app().state(), AppState::Following);
}

#[test]
fn resuming_under_a_lock_deploys_when_the_lock_is_lifted() {
    let mut story = Story::rolled_back();
    story.does(OPERATOR, lock("audit"));
    assert_eq!(story.does(OPERATOR, resume()), Answer::Done);
    assert_eq!(story.then(), ["app_resumed"]);
    assert_eq!(story.does(OPERATOR, unlock()), queued(4));
}

// destroy

#[test]
fn destroying_ends_the_deploys_and_names_what_is_to_go() {
    let mut story = Story::new();
    let registered = Fact::HookRegistered {
        id: 501,
        url: "http://node/dploy".to_owned(),
    };
    story.does(OBSERVER, Command::Note(vec![registered]));
    story.does(GITHUB, pushed(1, 2));
    story.touches(2);
    story.does(GITHUB, pushed(2, 3));
    story.does(OPERATOR, destroy());
    assert_eq!(
        story.then(),
        [
            "destroy_requested",
            "deploy_cancelled #2",
            "deploy_superseded #3"
        ]
    );
    let destroying = story.app().destroying.as_ref().unwrap();
    assert_eq!(destroying.services, [service(WEB)]);
    assert_eq!(destroying.hook, Some(501));
    assert_eq!((story.running(), story.waiting()), (None, None));
    for command in [pushed(3, 4), rollback(1), destroy(), register(&shop(), 1)] {
        assert_eq!(story.is_refused(command), Refusal::Destroying);
    }
    let late = Fact::HookRegistered {
        id: 502,
        url: "http://node/dploy".to_owned(),
    };
    let late = story.is_refused(Command::Note(vec![late]));
    assert_eq!(late, Refusal::Destroying, "who made it takes it back");
}

#[test]
fn destroying_leaves_the_hook_that_another_app_uses_and_services_that_shall_stay() {
    let mut story = Story::new();
    let registered = Fact::HookRegistered {
        id: 501,
        url: "http://node/dploy".to_owned(),
    };
    story.does(OBSERVER, Command::Note(vec![registered]));
    story.repository_shared = true;
    story.does(
        OPERATOR,
        Command::Destroy {
            keep_services: true,
            override_lock: false,
        },
    );
    let destroying = story.app().destroying.as_ref().unwrap();
    assert_eq!((destroying.hook, destroying.services.len()), (None, 0));
}

#[test]
fn a_lock_refuses_a_destroy_until_somebody_overrides_it() {
    let mut story = Story::new();
    story.does(OPERATOR, lock("audit"));
    assert!(matches!(story.is_refused(destroy()), Refusal::Locked(_)));
    let command = Command::Destroy {
        keep_services: false,
        override_lock: true,
    };
    story.does(OPERATOR, command);
    assert_eq!(story.app().state(), AppState::Destroying);
}

#[test]
fn numbering_goes_on_when_a_destroyed_app_comes_back() {
    let mut story = Story::rolled_back();
    story.is_gone();
    assert_eq!(story.app().state(), AppState::Destroyed);
    for command in [pushed(2, 3), rollback(1), destroy()] {
        assert_eq!(story.is_refused(command), Refusal::UnknownApp);
    }
    assert_eq!(story.does(OPERATOR, register(&shop(), 1)), queued(4));
    let app = story.app();
    assert_eq!(app.state(), AppState::Following);
    assert!(app.services.is_empty() && app.live.is_none() && app.pin.is_none());
}

// the source

#[test]
fn a_renamed_repository_is_followed_and_said_once() {
    let mut story = Story::new();
    let follow = |name: &str, visibility| Command::Follow {
        repository: Some(name.parse().unwrap()),
        visibility,
    };
    let renamed = follow("acme/store", Visibility::Public);
    assert_eq!(story.does(OBSERVER, renamed.clone()), Answer::Done);
    assert_eq!(story.then(), ["app_changed"]);
    assert_eq!(story.does(OBSERVER, renamed), Answer::Unchanged);
    assert!(story.app().is_public());
    let hidden = Command::Follow {
        repository: None,
        visibility: Visibility::Unknown,
    };
    assert_eq!(story.does(OBSERVER, hidden), Answer::Done);
    assert_eq!(story.then(), ["app_changed"]);
    assert!(!story.app().is_public(), "unknown counts as private");
}

#[test]
fn what_was_of_a_private_repository_is_not_shown_with_another_one_of_the_same_name() {
    for (visibility, shown) in [(Visibility::Public, true), (Visibility::Private, false)] {
        let mut story = Story::new();
        let follow = Command::Follow {
            repository: None,
            visibility,
        };
        story.does(OBSERVER, follow);
        story.is_gone();
        let Command::Register(mut new) = register(&shop(), 1) else {
            unreachable!("it registers")
        };
        new.source.repository_id += 1;
        story.does(OPERATOR, Command::Register(new));
        assert_eq!(story.app().is_public(), shown, "{visibility:?}");
    }
}

#[test]
fn a_forged_request_belongs_to_no_app() {
    let mut story = Story::default();
    let refused = Command::Refused {
        route: "POST /dploy".to_owned(),
        reason: "the signature is wrong".to_owned(),
        count: 3,
    };
    story.does(GITHUB, refused);
    assert_eq!(story.then(), ["request_refused"]);
    assert_eq!(
        (&story.log[0].app, story.log[0].actor.as_str()),
        (&None, OBSERVER)
    );
}

#[test]
fn a_ping_that_overtakes_the_answer_to_who_registers_is_remembered() {
    let mut story = Story::new();
    let registered = |id| Fact::HookRegistered {
        id,
        url: "http://node/dploy".to_owned(),
    };
    let pinged = Fact::HookPinged {
        id: 7,
        delivery: None,
    };
    story.does(OBSERVER, Command::Note(vec![pinged]));
    story.does(OBSERVER, Command::Note(vec![registered(7)]));
    assert!(story.app().hook.pinged_at.is_some());
    story.does(OBSERVER, Command::Note(vec![registered(8)]));
    assert_eq!(
        story.app().hook.pinged_at,
        None,
        "another hook has to be pinged itself"
    );
}

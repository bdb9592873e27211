//! SIGKILL at any instant: what was acknowledged is there, what was begun is ended, and nothing happens twice.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::kill_bench::{Bench, Chance};
use crate::support::kill_sender::{Outcome, Pushed, Sender};
use crate::support::kill_verdict::{judge_hooks, judge_log, judge_marathon};
use test_kit::wait::until;

/// How often it is killed; `DPLOY_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text:?} is no number")),
    )
}

/// The seed; `DPLOY_KILL_SEED` brings an old one back.
fn chance() -> Chance {
    let fresh = || u64::try_from(uuid::Uuid::new_v4().as_u128() >> 64).unwrap_or_default();
    let seed = number("DPLOY_KILL_SEED").unwrap_or_else(fresh);
    eprintln!("DPLOY_KILL_SEED={seed}");
    Chance(seed)
}

/// Delivers each push; the outcomes come as they come.
fn deliver(sender: &Sender, pushes: Vec<(String, Pushed)>) -> JoinSet<(String, Outcome)> {
    let mut deliveries = JoinSet::new();
    for (guid, push) in pushes {
        let sender = sender.clone();
        deliveries.spawn(async move {
            let outcome = sender.deliver(&guid, &push).await;
            (guid, outcome)
        });
    }
    deliveries
}

async fn note_all(bench: &mut Bench, mut deliveries: JoinSet<(String, Outcome)>) {
    while let Some(delivered) = deliveries.join_next().await {
        let (guid, outcome) = delivered.unwrap();
        bench.ledger.note(&guid, outcome);
    }
}

/// While it starts.
async fn killed_while_starting(bench: &mut Bench, chance: &mut Chance) {
    bench.let_live(chance.millis(0, 250)).await;
    bench.hits += u32::from(!bench.listens());
    bench.kill().await;
}

/// Some time after pushes, of which GitHub tells one, we tell one, and we repeat what was not acknowledged.
async fn killed_after_pushes(bench: &mut Bench, chance: &mut Chance) {
    let sender = bench.ready().await;
    let mut pushes = bench.ledger.unacknowledged();
    let push = bench.push();
    pushes.push((bench.ledger.open(&push), push));
    let deliveries = deliver(&sender, pushes);
    bench.let_live(chance.millis(10, 400)).await;
    bench.kill().await;
    bench.hits += u32::from(bench.left_open().await);
    note_all(bench, deliveries).await;
}

/// The moment the first of two pushes is acknowledged.
async fn killed_at_the_answer(bench: &mut Bench) {
    let sender = bench.ready().await;
    let mut pushes = Vec::new();
    for _ in 0..2 {
        let push = bench.push_untold();
        pushes.push((bench.ledger.open(&push), push));
    }
    let mut deliveries = deliver(&sender, pushes);
    let first = deliveries.join_next().await;
    bench.kill().await;
    bench.hits += u32::from(bench.left_open().await);
    let (guid, outcome) = first.unwrap().unwrap();
    bench.ledger.note(&guid, outcome);
    note_all(bench, deliveries).await;
}

/// The moment Marathon has made a change whose answer gets lost.
async fn killed_at_the_put(bench: &mut Bench) {
    bench.ready().await;
    bench.trouble_marathon(Duration::ZERO, 1);
    bench.push();
    until("a change at Marathon", async || {
        if bench.reply_was_lost() {
            return Ok(());
        }
        let app = bench.json(&format!("{}/apps/shop", bench.url())).await?;
        Err(format!("no change yet; {app}"))
    })
    .await;
    bench.kill().await;
    bench.hits += u32::from(bench.left_open().await);
}

/// When all is done; and what it left is looked into.
async fn killed_at_rest(bench: &mut Bench) {
    bench.ready().await;
    bench.push();
    bench.settled().await;
    bench.kill().await;
    assert!(!bench.left_open().await, "all was done");
}

async fn round(bench: &mut Bench, chance: &mut Chance, number: u64) {
    if chance.below(5) == 0 {
        // while nobody listens
        bench.push();
    }
    bench.trouble_marathon(chance.millis(0, 40), 0);
    bench.start();
    match chance.below(10) {
        _ if number % 10 == 9 => killed_at_rest(bench).await,
        0..=1 => killed_while_starting(bench, chance).await,
        2..=4 => killed_at_the_answer(bench).await,
        5..=7 => killed_after_pushes(bench, chance).await,
        _ => killed_at_the_put(bench).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_instant_loses_nothing_and_doubles_nothing() {
    let (mut chance, began) = (chance(), Instant::now());
    let mut bench = Bench::new().await;
    for number in 0..number("DPLOY_KILL_ROUNDS").unwrap_or(ROUNDS) {
        round(&mut bench, &mut chance, number).await;
    }
    // one in ten is at rest by intention; of the others most have to hit something
    let (kills, hits) = (bench.kills, bench.hits);
    assert!(hits * 2 >= kills, "only {hits} of {kills} kills hit");
    bench.all_well();
    bench.start();
    let sender = bench.ready().await;
    let again = bench.ledger.unacknowledged();
    note_all(&mut bench, deliver(&sender, again)).await;
    assert!(bench.ledger.unacknowledged().is_empty());
    bench.settled().await;
    let events = bench.events(0).await.unwrap();
    judge_log(&events, &bench.ledger);
    judge_marathon(&bench, &events).await;
    judge_hooks(&bench, &events).await;
    bench.stop().await;
    bench.verify().await;
    let count = |outcome| bench.ledger.count(outcome);
    eprintln!(
        "{} kills, of which {} hit, {} pushes: {} queued, {} known, {} refused, {} unanswered; {} events in {:?}",
        bench.kills,
        bench.hits,
        bench.revisions["/shop/web"],
        count(Outcome::Queued),
        count(Outcome::Known),
        count(Outcome::Refused),
        count(Outcome::Unknown),
        events.len(),
        began.elapsed()
    );
    bench.end().await;
}

/// Where a kill is placed in the life of a deploy.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Behind this event, before the next one.
    Behind(&'static str),
    /// Behind `apply_intended`, when Marathon has made the change.
    Carried,
    /// There is none; but the answer of Marathon gets lost.
    LostReply,
}

const PLACES: [Place; 9] = [
    Place::Behind("deploy_queued"),
    Place::Behind("deploy_started"),
    Place::Behind("specs_read"),
    Place::Behind("plan_made"),
    Place::Behind("apply_intended"),
    Place::Carried,
    Place::LostReply,
    Place::Behind("apply_accepted"),
    Place::Behind("service_progressed"),
];

/// Between two events there is a call to one of the two; it takes so long that we come in time, and longer where we did not.
const SLOW: Duration = Duration::from_millis(150);

/// Pushes a commit and kills at this place. Says whether it hit, by what stands in the dead observer's file.
async fn kill_at(bench: &mut Bench, place: Place, slow: Duration) -> bool {
    let since = bench.events(0).await.unwrap().len();
    let since = i64::try_from(since).unwrap();
    bench.github.faults().slow(slow);
    bench.trouble_marathon(slow, u32::from(!matches!(place, Place::Behind(_))));
    bench.push();
    until(&format!("{place:?}"), async || {
        let there = match place {
            Place::Behind(kind) => {
                let events = bench.events(since).await?;
                events.iter().any(|e| e["kind"] == kind)
            }
            Place::Carried | Place::LostReply => bench.reply_was_lost(),
        };
        there.then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    let last: &[&str] = match place {
        Place::LostReply => return true,
        Place::Behind(kind) => &[kind],
        // what became of the call is as open when it is said that the answer did not come
        Place::Carried => &["apply_intended", "deploy_waiting"],
    };
    bench.kill().await;
    let lines = bench.autopsy().await;
    let deploy = lines.iter().filter_map(|l| l.deploy).max();
    let newest = lines.iter().rfind(|l| l.deploy == deploy);
    bench.all_well();
    bench.start();
    bench.ready().await;
    newest.is_some_and(|l| last.contains(&l.kind.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_two_events_of_a_deploy_is_made_good() {
    let began = Instant::now();
    let mut bench = Bench::new().await;
    bench.start();
    bench.ready().await;
    bench.settled().await;
    for place in PLACES {
        let mut hit = false;
        for times in 1..=8 {
            hit = kill_at(&mut bench, place, SLOW * times).await;
            bench.all_well();
            bench.settled().await;
            let events = bench.events(0).await.unwrap();
            let end = events.iter().rfind(|e| !e["deploy"].is_null()).unwrap();
            assert_eq!(end["kind"], "deploy_succeeded", "{place:?}: {end}");
            if hit {
                eprintln!("{place:?}: made good, at {:?}", began.elapsed());
                break;
            }
        }
        assert!(hit, "{place:?} was missed eight times");
    }
    let events = bench.events(0).await.unwrap();
    judge_log(&events, &bench.ledger);
    judge_marathon(&bench, &events).await;
    bench.stop().await;
    bench.verify().await;
    bench.end().await;
}

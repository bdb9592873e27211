//! The machine that finds the stories nobody told.
//!
//! A story is apps, and what happens to them: pushes, operators, strangers, trouble, kills. The observer is taken apart into its
//! steps and told what to do next, one step at a time, on a clock of its own; after each step what must hold is looked at.
//!
//! * `SIMULATION_SEED=12 cargo test --test suite simulation::one -- --ignored --nocapture` tells one story, step by step;
//!   `SIMULATION_KNOWN=name` tells one of `known/`, `SIMULATION_STORY=file` one that stands in a file; with `SIMULATION_WATCH=true`
//!   it shows what runs and rolls in Marathon after each step.
//! * `.ci/long simulation 60` tells stories for an hour on all cores and says what was visited.

mod acting;
mod alive;
mod branch;
mod calls;
mod campaign;
mod changes;
mod clock;
mod cluster;
mod counts;
mod coverage;
mod ending;
mod finding;
mod gates;
mod github;
mod incarnation;
mod invent;
mod judge;
mod kept_log;
mod known;
mod machine;
mod noticing;
mod outside;
mod reasons;
mod shrink;
mod story;
mod words;

use std::time::Duration;

use campaign::{Campaign, Limit};
use serde_json::json;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    // the last is of two apps, on a file, while questions are held
    for seed in [0, 1, 2, 3, 20_784_000_042] {
        let story = invent::story(seed);
        let (one, two) = (machine::tell(&story, &[]), machine::tell(&story, &[]));
        assert!(one.trace.lines().count() > 10);
        assert_eq!(one.trace, two.trace);
    }
}

#[test]
fn stories_that_are_known_to_hold_hold() {
    let known = known::all();
    let (failing, holding): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, k)| k.fails_today);
    let failing_today = known::failing_today();
    for (name, known) in holding {
        // what others are known to fail by may come in its way
        let mut overlooked = failing_today.clone();
        overlooked.retain(|check| *check != known.check);
        let told = machine::tell(&known.story, &overlooked);
        if let Some(finding) = told.finding {
            panic!(
                "{name} ({}) fails again: {:?}: {}\n{}",
                known.says, finding.check, finding.sentence, told.trace
            );
        }
    }
    println!(
        "{} stories are known to fail today and are not told:",
        failing.len()
    );
    for (name, known) in failing {
        println!("  {name}: {}", known.says);
    }
}

#[test]
fn stories_nobody_told_hold() {
    let limit = Limit {
        stories: 2000,
        time: Duration::from_mins(2),
        // other tests want a core too
        side_by_side: 1,
    };
    let known = known::failing_today();
    let campaign = Campaign::run(campaign::today(), limit, &known);
    println!(
        "{}\nwhat is known to fail today was overlooked: {known:?}",
        campaign.summary()
    );
    assert!(
        campaign.failed().is_empty(),
        "{}",
        campaign::tell_news(campaign.failed(), &known)
    );
}

/// A rollout without resources whose observer is killed more often than the deadline is long.
#[test]
fn a_restart_does_not_begin_a_deadline_anew() {
    let web = json!({"id": "/shop/web", "instances": 1, "strategy": [1.0, 1.0], "checked": true, "needs": null});
    let app = json!({"name": "shop", "repository": 1, "branch": "main", "prune": false, "group": false, "services": [web]});
    let push = json!({"push": {"app": 0, "change": {"version": "never"}, "told": "once"}});
    let mut acts = vec![json!({"at": 10, "do": push})];
    let kill = |at| json!({"at": at, "do": {"kill": {"away": 2}}});
    acts.extend((50..400).step_by(40).map(kill));
    let story = json!({"seed": 1, "apps": [app], "strange": [], "acts": acts});
    let told = machine::tell(&serde_json::from_value(story).unwrap(), &[]);
    assert!(told.finding.is_none(), "{}", told.trace);
    let ends = told.trace.lines().find(|l| l.contains("deploy_ending"));
    let at = ends.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    // of each 40 s at least 20 are kept, and it had begun at 10
    let in_time = at.is_some_and(|at| (10.0 + 60.0..10.0 + 3.5 * 60.0).contains(&at));
    assert!(in_time, "{ends:?}\n{}", told.trace);
}

#[test]
fn logs_of_earlier_releases_open_and_go_on() {
    let names = kept_log::names();
    assert!(names.len() > 15);
    let mut wrong = Vec::new();
    for name in names {
        let kept = kept_log::read(&name);
        let fails_today = kept.fails_today;
        let told = kept_log::go_on(&name, kept);
        let failed = told.finding.as_ref().map(|f| f.check);
        if failed != fails_today {
            let finding = told.finding.map(|f| f.sentence);
            let trace = told.trace;
            wrong.push(format!(
                "{name}: {failed:?} instead of {fails_today:?}: {finding:?}\n{trace}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "writes the logs of tests/data/logs that SIMULATION_LOG names, with this release"]
fn keep_logs() {
    let wanted = setting::<String>("SIMULATION_LOG").unwrap_or_default();
    for name in kept_log::names()
        .iter()
        .filter(|n| wanted.split(',').any(|w| w == *n))
    {
        kept_log::write(name);
    }
}

#[test]
#[ignore = "runs for as long as SIMULATION_MINUTES says; .ci/long simulation"]
fn for_hours() {
    let minutes = setting("SIMULATION_MINUTES").unwrap_or(60);
    let first = setting("SIMULATION_SEED").unwrap_or_else(campaign::today);
    let limit = Limit {
        stories: setting("SIMULATION_STORIES").unwrap_or(u64::MAX),
        time: Duration::from_mins(minutes),
        side_by_side: campaign::cores(),
    };
    let known = campaign::overlooked();
    let campaign = Campaign::run(first, limit, &known);
    println!("{}\n{}", campaign.summary(), campaign.visited());
    println!("overlooked: {known:?}");
    assert!(
        campaign.failed().is_empty(),
        "{}",
        campaign::tell_news(campaign.failed(), &known)
    );
}

#[test]
#[ignore = "tells the one story that SIMULATION_SEED, SIMULATION_KNOWN or SIMULATION_STORY names"]
fn one() {
    let story = campaign::chosen();
    let mut known = campaign::overlooked();
    // a story that is kept is told for its own sake
    if let Some(kept) = setting::<String>("SIMULATION_KNOWN") {
        let own = known::all().into_iter().find(|(name, _)| *name == kept);
        known.retain(|check| own.as_ref().is_none_or(|(_, k)| k.check != *check));
    }
    let told = machine::tell(&story, &known);
    println!("{}\n{}", words::story(&story), told.trace);
    let Some(finding) = told.finding else {
        return println!("it holds, after {} steps", told.steps);
    };
    println!("{:?}: {}", finding.check, finding.sentence);
    if setting::<bool>("SIMULATION_SHRINK").unwrap_or(false) {
        let (short, finding) = shrink::shrink(&story, &finding, &known);
        println!(
            "\nshorter:\n{}\n{:?}: {}",
            words::story(&short),
            finding.check,
            finding.sentence
        );
        println!("{}", serde_json::to_string(&short).unwrap());
    }
}

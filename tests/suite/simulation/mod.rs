//! The machine that finds the stories nobody told.
//!
//! A story is apps, and what happens to them: pushes, operators, strangers, trouble, kills. The observer is taken apart into its
//! steps and told what to do next, one step at a time, on a clock of its own; after each step what must hold is looked at.

mod branch;
mod clock;
mod cluster;
mod coverage;
mod github;
mod incarnation;
mod invent;
mod judge;
mod machine;
mod outside;
mod story;
mod words;

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..3 {
        let story = invent::story(seed);
        let (one, two) = (machine::tell(&story, false), machine::tell(&story, false));
        assert_eq!(one.trace, two.trace);
    }
}

#[test]
fn try_some() {
    let first: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let count: u64 = std::env::var("COUNT").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let verbose = std::env::var("TRACE").is_ok();
    let began = std::time::Instant::now();
    let mut steps = 0;
    for seed in first..first + count {
        let story = invent::story(seed);
        let told = machine::tell(&story, false);
        steps += told.steps;
        if verbose {
            println!("{}\n{}", words::story(&story), told.trace);
        }
        if let Some(finding) = told.finding {
            println!("{seed} {:?}: {}", finding.check, finding.sentence);
        }
    }
    println!("{count} stories, {steps} steps, {:?}", began.elapsed());
}

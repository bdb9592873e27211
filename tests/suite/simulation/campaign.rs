//! Many stories, on all cores.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::coverage::Coverage;
use super::judge::{Check, Finding};
use super::story::Story;
use super::{invent, known, machine, setting, shrink, words};

/// When to stop.
#[derive(Clone, Copy)]
pub struct Limit {
    pub stories: u64,
    pub time: Duration,
    /// How many are told side by side.
    pub side_by_side: usize,
}

/// As many as this machine has cores.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// What many stories came to.
#[derive(Default)]
pub struct Campaign {
    first: u64,
    stories: u64,
    steps: u64,
    passed: Duration,
    took: Duration,
    coverage: Coverage,
    failed: Vec<(u64, Finding)>,
}

/// A number for today: whoever runs it on the same day runs the same stories.
pub fn today() -> u64 {
    let day = dploy_observer::clock::system().now().as_second() / 86400;
    day.unsigned_abs() * 1_000_000
}

/// The story that the environment names.
pub fn chosen() -> Story {
    if let Some(name) = setting::<String>("SIMULATION_KNOWN") {
        let found = known::all().into_iter().find(|(n, _)| *n == name);
        return found
            .unwrap_or_else(|| panic!("there is no known/{name}.json"))
            .1
            .story;
    }
    if let Some(file) = setting::<String>("SIMULATION_STORY") {
        let text = std::fs::read_to_string(&file).unwrap();
        return serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    invent::story(setting("SIMULATION_SEED").unwrap_or(0))
}

/// The checks that are overlooked: those that the environment names, else those that are known to fail today.
pub fn overlooked() -> Vec<Check> {
    let Some(named) = setting::<String>("SIMULATION_OVERLOOK") else {
        return known::failing_today();
    };
    let word = |w: &str| serde_json::from_value(w.into()).unwrap_or_else(|e| panic!("{w}: {e}"));
    named
        .split(',')
        .filter(|w| !w.is_empty())
        .map(word)
        .collect()
}

impl Campaign {
    /// Tells the stories of these seeds, one after the other on each core.
    pub fn run(first: u64, limit: Limit, known: &[Check]) -> Self {
        let began = Instant::now();
        let next = AtomicU64::new(0);
        let sum = Mutex::new(Self {
            first,
            ..Self::default()
        });
        std::thread::scope(|scope| {
            for _ in 0..limit.side_by_side {
                scope.spawn(|| {
                    while began.elapsed() < limit.time {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= limit.stories {
                            return;
                        }
                        let seed = first + number;
                        let told = machine::tell(&invent::story(seed), known);
                        let mut sum = sum.lock().unwrap();
                        sum.stories += 1;
                        sum.steps += told.steps;
                        sum.passed += told.passed;
                        sum.coverage.add(&told.coverage);
                        sum.failed.extend(told.finding.map(|f| (seed, f)));
                    }
                });
            }
        });
        let mut sum = sum.into_inner().unwrap();
        sum.took = began.elapsed();
        sum.failed.sort_by_key(|(seed, _)| *seed);
        if setting::<bool>("SIMULATION_LIST").unwrap_or(false) {
            for (seed, finding) in &sum.failed {
                println!("{seed} {:?}: {}", finding.check, finding.sentence);
            }
        }
        sum
    }

    /// What came of it.
    pub fn summary(&self) -> String {
        let seconds = self.took.as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (stories, steps) = (self.stories as f64 / seconds, self.steps as f64 / seconds);
        let mut text = format!(
            "{} stories from seed {} in {seconds:.0} s, {:.0} h of their own time: {stories:.1} stories/s, {} steps, {steps:.0} steps/s; {} failed",
            self.stories,
            self.first,
            self.passed.as_secs_f64() / 3600.0,
            self.steps,
            self.failed.len()
        );
        let mut checks: BTreeMap<Check, Vec<u64>> = BTreeMap::new();
        for (seed, finding) in &self.failed {
            checks.entry(finding.check).or_default().push(*seed);
        }
        for (check, seeds) in checks {
            let _ = write!(
                text,
                "\n  {check:?}: {}, first seed {}",
                seeds.len(),
                seeds[0]
            );
        }
        text
    }

    /// Which phases, and which pairs, were visited how often.
    pub fn visited(&self) -> String {
        self.coverage.table()
    }

    /// What did not hold, by seed.
    pub fn failed(&self) -> &[(u64, Finding)] {
        &self.failed
    }
}

/// The first of them shrunk and told in sentences, the others by name.
pub fn tell_news(news: &[(u64, Finding)], known: &[Check]) -> String {
    let Some((seed, finding)) = news.first() else {
        return String::new();
    };
    let (story, shrunk) = shrink::shrink(&invent::story(*seed), finding, known);
    let mut text = format!(
        "{} stories fail in a way that is not known. Seed {seed}: {:?}: {}\nshrunk:\n{}\n{}: {}\n{}\n",
        news.len(),
        finding.check,
        finding.sentence,
        words::story(&story),
        "and then",
        shrunk.sentence,
        machine::tell(&story, known).trace
    );
    let _ = writeln!(
        text,
        "to keep it: tests/suite/simulation/known/<name>.json with {}",
        serde_json::to_string(&story).unwrap()
    );
    for (seed, finding) in news.iter().skip(1).take(20) {
        let _ = writeln!(text, "{seed} {:?}: {}", finding.check, finding.sentence);
    }
    text
}

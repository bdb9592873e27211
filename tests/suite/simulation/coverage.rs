//! What was visited: in which phase which trouble was met, and which wish.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use dploy_observer::history::{App, Phase};
use dploy_observer::id::AppId;

use super::judge::Judge;
use super::story::{Trouble, Wish};

/// The phases of an app's deploy.
pub const PHASES: &[&str] = &[
    "none",
    "queued",
    "reading",
    "planned",
    "calling",
    "rolling",
    "ending",
    "destroying",
];

/// Where the deploy of an app is.
pub fn phase(app: Option<&App>) -> &'static str {
    let Some(app) = app else { return "none" };
    if app.destroying.is_some() {
        return "destroying";
    }
    let Some(deploy) = &app.running else {
        return "none";
    };
    match &deploy.life {
        Phase::Queued => "queued",
        Phase::Reading => "reading",
        Phase::Planned => "planned",
        Phase::Calling { .. }
        | Phase::Ending {
            intent: Some(_), ..
        } => "calling",
        Phase::Rolling { .. } => "rolling",
        Phase::Ending { intent: None, .. } => "ending",
        Phase::Ended { .. } => "ended",
    }
}

/// How often what was met.
#[derive(Default, Clone)]
pub struct Coverage {
    pub phases: BTreeMap<&'static str, u64>,
    pub troubles: BTreeMap<(&'static str, Trouble), u64>,
    pub wishes: BTreeMap<(&'static str, &'static str), u64>,
    /// The disk refused at the last step.
    pub disk_refused: bool,
}

impl Coverage {
    /// A worker's step.
    pub fn step(&mut self, judge: &Judge, app: &AppId, trouble: &BTreeMap<Trouble, Duration>) {
        let phase = phase(judge.apps.get(app).and_then(Option::as_ref));
        *self.phases.entry(phase).or_default() += 1;
        for trouble in trouble.keys() {
            *self.troubles.entry((phase, *trouble)).or_default() += 1;
        }
    }

    /// An operator's wish.
    pub fn wish(&mut self, wish: &Wish, app: Option<&App>) {
        *self.wishes.entry((wish.name(), phase(app))).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.phases {
            *self.phases.entry(key).or_default() += count;
        }
        for (key, count) in &other.troubles {
            *self.troubles.entry(*key).or_default() += count;
        }
        for (key, count) in &other.wishes {
            *self.wishes.entry(*key).or_default() += count;
        }
    }

    /// How often each phase and each pair was visited, in thousandths of all steps.
    pub fn table(&self) -> String {
        let all: u64 = self.phases.values().sum::<u64>().max(1);
        let mut text = format!("{all} steps of workers; of a thousand, by phase:");
        for (phase, count) in &self.phases {
            let _ = write!(text, " {phase} {}", count * 1000 / all);
        }
        let _ = write!(text, "\nsteps by trouble and phase ({}):", PHASES.join(" "));
        for trouble in Trouble::ALL {
            let counts: Vec<String> = PHASES
                .iter()
                .map(|p| self.troubles.get(&(*p, *trouble)).unwrap_or(&0).to_string())
                .collect();
            let _ = write!(text, "\n  {:<22} {}", trouble.name(), counts.join(" "));
        }
        let _ = write!(text, "\nwishes by phase:");
        for wish in Wish::NAMES {
            let counts: Vec<String> = PHASES
                .iter()
                .map(|p| self.wishes.get(&(*wish, *p)).unwrap_or(&0).to_string())
                .collect();
            let _ = write!(text, "\n  {wish:<22} {}", counts.join(" "));
        }
        let holes = self.holes();
        let _ = write!(
            text,
            "\n{} pairs were never visited: {}",
            holes.len(),
            holes.join(", ")
        );
        text
    }

    /// The pairs that were never visited.
    pub fn holes(&self) -> Vec<String> {
        let pairs = PHASES
            .iter()
            .flat_map(|p| Trouble::ALL.iter().map(move |t| (*p, *t)));
        let troubles = pairs
            .filter(|pair| !self.troubles.contains_key(pair))
            .map(|(p, t)| format!("{p} × {}", t.name()));
        let pairs = Wish::NAMES
            .iter()
            .flat_map(|w| PHASES.iter().map(move |p| (*w, *p)));
        let wishes = pairs
            .filter(|pair| !self.wishes.contains_key(pair))
            .map(|(w, p)| format!("{w} × {p}"));
        troubles.chain(wishes).collect()
    }
}

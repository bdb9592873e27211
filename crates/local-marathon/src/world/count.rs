//! Counts of tasks, and `taskStats`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::instance::{Condition, Instance};
use crate::definition::app::App;

/// How many tasks are how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Launched, not heard of yet.
    pub staged: usize,
    /// Running.
    pub running: usize,
    /// All results good.
    pub healthy: usize,
    /// Some result bad.
    pub unhealthy: usize,
}

impl Counts {
    /// Counts these.
    pub fn of<'a>(instances: impl Iterator<Item = &'a Instance>) -> Self {
        let mut counts = Self::default();
        for instance in instances.filter(|i| i.condition.is_alive()) {
            counts.staged += usize::from(instance.condition == Condition::Provisioned);
            counts.running += usize::from(instance.condition == Condition::Running);
            counts.healthy += usize::from(instance.healthy() == Some(true));
            counts.unhealthy += usize::from(instance.healthy() == Some(false));
        }
        counts
    }
}

/// `taskStats` of an app.
pub fn render(app: &App, instances: &[Instance], now: Timestamp) -> Value {
    let mut json = json!({});
    let mut put = |key: &str, fits: &dyn Fn(&Instance) -> bool| {
        let tasks: Vec<&Instance> = instances
            .iter()
            .filter(|i| i.condition.is_alive() && fits(i))
            .collect();
        if !tasks.is_empty() {
            json[key] = summary(&tasks, now);
        }
    };
    put("startedAfterLastScaling", &|i| {
        i.task.as_ref().is_some_and(|t| t.staged >= app.scaled)
    });
    put("withLatestConfig", &|i| i.app.version >= app.configured);
    put("withOutdatedConfig", &|i| i.app.version < app.configured);
    put("totalSummary", &|_| true);
    json
}

#[expect(clippy::cast_precision_loss, reason = "a handful of tasks")]
fn summary(tasks: &[&Instance], now: Timestamp) -> Value {
    let counts = Counts::of(tasks.iter().copied());
    let mut json = json!({ "stats": { "counts": {
        "staged": counts.staged, "running": counts.running, "healthy": counts.healthy, "unhealthy": counts.unhealthy,
    } } });
    let started = tasks.iter().filter_map(|i| i.task.as_ref()?.started);
    let mut ages: Vec<f64> = started
        .map(|s| now.duration_since(s).as_secs_f64())
        .collect();
    ages.sort_by(f64::total_cmp);
    if !ages.is_empty() {
        let average = ages.iter().sum::<f64>() / ages.len() as f64;
        json["stats"]["lifeTime"] =
            json!({ "averageSeconds": average, "medianSeconds": ages[ages.len() / 2] });
    }
    json
}

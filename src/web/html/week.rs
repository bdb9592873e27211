//! How deploys went lately: a line of figures for a week, and a bar for each that the history shows.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};

use super::when;
use crate::api::DeployBody;
use crate::history::DeployState;

/// Height of the chart, in pixels.
const HEIGHT: f64 = 40.0;

/// A bar and the space behind it, in pixels.
const STEP: usize = 9;

/// So many deploys stand on a page.
const SHOWN: usize = 50;

/// A deploy as a bar.
struct Bar {
    x: usize,
    y: f64,
    height: f64,
    class: &'static str,
}

/// How deploys went lately.
#[derive(Template)]
#[template(path = "part/week.html")]
pub(super) struct Week {
    figures: Option<String>,
    bars: Vec<Bar>,
    width: usize,
}

impl HtmlSafe for Week {}

fn seconds(deploy: &DeployBody) -> Option<i64> {
    let from: Timestamp = deploy.started_at.as_deref()?.parse().ok()?;
    let to: Timestamp = deploy.ended_at.as_deref()?.parse().ok()?;
    Some(to.duration_since(from).as_secs().max(0))
}

/// The figures of those that ended within a week: how many, how many of them well, and how long in the middle.
fn figures(deploys: &[DeployBody], now: Timestamp) -> Option<String> {
    let week = SignedDuration::from_hours(7 * 24);
    let lately = |d: &&DeployBody| {
        let ended: Option<Timestamp> = d.ended_at.as_deref().and_then(|at| at.parse().ok());
        let counts = !matches!(d.state, DeployState::Superseded | DeployState::Cancelled);
        counts && ended.is_some_and(|at| now.duration_since(at) < week)
    };
    let lately: Vec<&DeployBody> = deploys.iter().filter(lately).collect();
    if lately.len() < 2 {
        return None;
    }
    let failed = lately
        .iter()
        .filter(|d| d.state == DeployState::Failed)
        .count();
    let mut took: Vec<i64> = lately.iter().filter_map(|d| seconds(d)).collect();
    took.sort_unstable();
    let well = (lately.len() - failed) * 100 / lately.len();
    let middle = took.get(took.len() / 2).copied().unwrap_or(0);
    // there may be more of them on the pages behind this one
    let of = if lately.len() >= SHOWN {
        "the last"
    } else {
        "7 days:"
    };
    Some(format!(
        "{of} {} deploys, {well} % well, half of them within {}",
        lately.len(),
        when::rough(middle)
    ))
}

/// How these deploys went, the newest first.
pub(super) fn week(deploys: &[DeployBody], now: Timestamp) -> Week {
    let ended = deploys.iter().filter(|d| d.state.ended()).rev();
    let bars: Vec<Bar> = ended
        .enumerate()
        .map(|(at, deploy)| {
            let took = seconds(deploy).unwrap_or(0);
            // seconds and hours in one picture
            #[expect(clippy::cast_precision_loss, reason = "a picture")]
            let height = (4.0 + 5.0 * (1.0 + took as f64).ln()).min(HEIGHT);
            Bar {
                x: at * STEP,
                y: HEIGHT - height,
                height,
                class: match deploy.state {
                    DeployState::Failed => "bad",
                    DeployState::Succeeded | DeployState::Unchanged => "ok",
                    _ => "quiet",
                },
            }
        })
        .collect();
    Week {
        figures: figures(deploys, now),
        width: bars.len() * STEP,
        bars,
    }
}

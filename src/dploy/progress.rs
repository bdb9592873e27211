//! One line a service while something rolls, whoever rolls it.

use super::terminal::{DIM, GREEN, RED, Shown, YELLOW, paint};
use crate::marathon::LiveApp;
use crate::secret::plain;

/// What a line says.
pub(super) struct Line<'a> {
    pub id: &'a str,
    pub change: &'a str,
    pub stage: &'a str,
    pub healthy: Option<u32>,
    pub wanted: Option<u32>,
    pub sentence: Option<&'a str>,
}

/// The line as a progress shows it.
pub(super) fn line(line: &Line<'_>) -> Shown {
    let (sign, style) = match line.stage {
        "healthy" => ('✔', GREEN),
        "crashing" | "unhealthy" | "missing" => ('✖', RED),
        "waiting" => ('…', YELLOW),
        _ => ('·', DIM),
    };
    let counts = match (line.healthy, line.wanted) {
        (Some(healthy), Some(wanted)) => format!("{healthy} of {wanted}"),
        _ => String::new(),
    };
    let text = format!(
        "{}  {}  {:<9} {:<9} {counts}",
        paint(style, sign),
        line.id,
        line.change,
        line.stage
    );
    let key = format!(
        "{} {} {}",
        line.id,
        line.stage,
        if line.stage == "healthy" { &counts } else { "" }
    );
    Shown {
        key,
        text: text.trim_end().to_owned(),
        below: line.sentence.map(|s| plain(s, 300)),
    }
}

/// How many old and new instances of each service are well.
pub(super) fn what_runs<'a>(apps: impl Iterator<Item = &'a LiveApp>) -> String {
    let count = |app: &LiveApp, current: bool| {
        app.tasks
            .iter()
            .filter(|t| app.is_well(t) && app.is_current(t) == current)
            .count()
    };
    let lines: Vec<String> = apps
        .map(|a| {
            format!(
                "{} runs {} old and {} new",
                a.id,
                count(a, false),
                count(a, true)
            )
        })
        .collect();
    if lines.is_empty() {
        return "nothing runs".to_owned();
    }
    lines.join(", ")
}

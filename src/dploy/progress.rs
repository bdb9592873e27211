//! What is seen while something rolls, whoever rolls it: on a terminal a line of what goes on and one of each service, drawn again in
//! place; elsewhere a line when it has changed.

use std::time::Duration;

use console::{measure_text_width, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{DIM, GREEN, RED, Terminal, YELLOW, paint};
use crate::marathon::LiveApp;
use crate::secret::plain;

/// Between two pictures of what turns.
const TURN: Duration = Duration::from_millis(120);

/// Columns of what turns and how long it does.
const TURNING: usize = 8;

/// What goes on.
#[derive(Default)]
pub(super) struct Stage {
    /// In words: `deploy #2  42216b8  following`.
    pub text: String,
    /// Why it waits.
    pub waiting: Option<String>,
    /// Said also where nothing is drawn again.
    pub said: bool,
    /// Seconds without progress after which it is given up.
    pub deadline: Option<u64>,
    /// What it is about, where there is room for it.
    pub about: Option<String>,
}

impl Stage {
    /// One of which there is nothing to say but this.
    pub fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The line as it is drawn, what matters most first.
    fn drawn(&self, lines: &[Shown]) -> String {
        let all = lines.iter().filter(|l| l.well.is_some()).count();
        let well = lines.iter().filter(|l| l.well == Some(true)).count();
        let mut parts = vec![self.text.clone()];
        if all > 0 {
            parts.push(format!("{well} of {all} services well"));
        }
        if let Some(seconds) = self.deadline {
            parts.push(paint(
                DIM,
                format!("fails after {seconds} s without progress"),
            ));
        }
        if let Some(about) = &self.about {
            parts.push(paint(DIM, plain(about, 200)));
        }
        parts.join("  ")
    }
}

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
        well: Some(line.stage == "healthy"),
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

/// A line of a progress.
pub(super) struct Shown {
    /// What a change is judged by where lines are not drawn again.
    key: String,
    text: String,
    /// A sentence that belongs to it: beside it in a pipe, below it on a terminal, where it has room.
    below: Option<String>,
    /// Of a service, whether it is well.
    well: Option<bool>,
}

impl Shown {
    fn of_stage(stage: &Stage) -> Self {
        Self {
            key: format!("{} {:?}", stage.text, stage.waiting),
            text: stage.text.clone(),
            below: stage.waiting.clone(),
            well: None,
        }
    }

    fn fit(&self, width: usize) -> Vec<String> {
        let mut lines = vec![cut(&self.text, width)];
        lines.extend(below(self.below.as_deref(), width));
        lines
    }
}

/// A sentence below its line, broken where it does not fit.
fn below(sentence: Option<&str>, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in sentence.iter().flat_map(|s| s.split_whitespace()) {
        let wide = measure_text_width(&line) + measure_text_width(word);
        if !line.is_empty() && wide + 6 > width {
            lines.push(cut(&format!("     {line}"), width));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(cut(&format!("     {line}"), width));
    }
    lines
}

/// A line that fits: what is drawn again must not wrap.
fn cut(line: &str, width: usize) -> String {
    truncate_str(line, width, "…").into_owned()
}

/// Lines that change while something goes on. On a terminal they are drawn again in place, below what turns as long as it does;
/// elsewhere a line is written when it has changed.
pub(super) struct Progress {
    terminal: Terminal,
    /// The keys of what was said last, where nothing is drawn.
    said: Vec<String>,
    drawn: Option<Drawn>,
}

/// What is on the screen.
struct Drawn {
    all: MultiProgress,
    turns: ProgressBar,
    lines: Vec<ProgressBar>,
    /// What stays when nothing turns any more.
    left: Vec<String>,
}

impl Progress {
    pub fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            said: Vec::new(),
            drawn: None,
        }
    }

    /// Shows this from now on.
    pub fn show(&mut self, stage: &Stage, lines: Vec<Shown>) {
        if self.terminal.redraws {
            let drawn = self.drawn.get_or_insert_with(Drawn::new);
            drawn.show(stage, &lines);
            return;
        }
        let before = std::mem::take(&mut self.said);
        let head = stage.said.then(|| Shown::of_stage(stage));
        for line in head.into_iter().chain(lines) {
            if !before.contains(&line.key) {
                let below = line.below.map_or_else(String::new, |b| format!("  {b}"));
                self.terminal
                    .note(format!("{}{below}", line.text).trim_end());
            }
            // what comes back later is news again
            self.said.push(line.key);
        }
    }

    /// That nobody says how it goes; what was seen last stays.
    pub fn waits(&mut self, why: &str) {
        let stage = Stage {
            waiting: Some(why.to_owned()),
            said: true,
            ..Stage::of("waiting")
        };
        match &self.drawn {
            Some(drawn) => drawn.waits(why),
            None => self.show(&stage, Vec::new()),
        }
    }

    /// What was shown stays and turns no more; the next lines begin below.
    pub fn keep(&mut self) {
        self.said.clear();
        if let Some(drawn) = self.drawn.take() {
            for line in drawn.end() {
                self.terminal.note(line);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.keep();
    }
}

/// Columns and rows of standard error.
fn room() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    let (columns, rows) = size.map_or((80, 24), |(w, h)| (w.0.into(), h.0.into()));
    // a terminal that does not know how large it is says 0
    let usual = |n: usize, usual: usize| if n == 0 { usual } else { n };
    (usual(columns, 80).saturating_sub(1), usual(rows, 24))
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Drawn {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let turns = all.add(ProgressBar::new_spinner());
        turns.set_style(style("{spinner} {elapsed} {msg}"));
        turns.enable_steady_tick(TURN);
        Self {
            all,
            turns,
            lines: Vec::new(),
            left: Vec::new(),
        }
    }

    fn show(&mut self, stage: &Stage, lines: &[Shown]) {
        let (width, rows) = room();
        let waiting = below(stage.waiting.as_deref(), width);
        let mut fitting: Vec<String> = waiting;
        // where there is no room for all, those that are well are left out
        let open = rows.saturating_sub(fitting.len() + 3).max(1);
        let mut hidden = 0;
        let all: Vec<Vec<String>> = lines.iter().map(|l| l.fit(width)).collect();
        let crowded = all.iter().map(Vec::len).sum::<usize>() > open;
        let (mut used, mut shown) = (0, Vec::new());
        for (line, fits) in lines.iter().zip(&all) {
            let skipped = crowded && line.well == Some(true) || used + fits.len() > open;
            if skipped {
                hidden += 1;
            } else {
                used += fits.len();
                shown.extend(fits.iter().cloned());
            }
        }
        fitting.extend(shown);
        if hidden > 0 {
            fitting.push(cut(&paint(DIM, format!("…  {hidden} more")), width));
        }
        let stage_line = cut(&stage.drawn(lines), width.saturating_sub(TURNING));
        self.turns.set_message(stage_line);
        self.draw(&fitting);
        self.left = all.into_iter().flatten().collect();
        if stage.said {
            let head = Shown::of_stage(stage).fit(width);
            self.left.splice(0..0, head);
        }
    }

    /// The lines below what turns.
    fn draw(&mut self, lines: &[String]) {
        while self.lines.len() > lines.len() {
            if let Some(bar) = self.lines.pop() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        while self.lines.len() < lines.len() {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style("{msg}"));
            self.lines.push(bar);
        }
        for (bar, line) in self.lines.iter().zip(lines) {
            if bar.message() != *line {
                bar.set_message(line.clone());
                bar.tick();
            }
        }
    }

    fn waits(&self, why: &str) {
        let why = format!("waiting: {}", paint(YELLOW, plain(why, 300)));
        let room = room().0.saturating_sub(TURNING);
        self.turns.set_message(cut(&why, room));
    }

    /// Takes it off the screen; answers what is to stay.
    fn end(self) -> Vec<String> {
        for bar in self.lines.iter().chain([&self.turns]) {
            bar.finish_and_clear();
        }
        // a screen that is gone is no error
        let _ = self.all.clear();
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_below_its_line_and_whole() {
        let shown = Shown {
            key: String::new(),
            text: "a".to_owned(),
            below: Some("one two three four".to_owned()),
            well: None,
        };
        assert_eq!(shown.fit(15), ["a", "     one two", "     three four"]);
    }

    #[test]
    fn a_line_that_is_drawn_again_never_wraps_and_keeps_its_style() {
        assert_eq!(cut("abc", 10), "abc");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut(&paint(RED, "abcd"), 4), paint(RED, "abcd"));
        let red = paint(RED, "abcdef");
        assert!(cut(&red, 4).ends_with("\u{1b}[0m"), "{red:?}");
        // each of these takes two columns
        assert_eq!(cut("商店商店", 8), "商店商店");
        assert_eq!(cut("商店商店", 6), "商店…");
        assert_eq!(measure_text_width(&cut("🎉🎉🎉", 4)), 3);
        let lines = below(Some("商店 商店 商店"), 12);
        assert_eq!(lines, ["     商店", "     商店", "     商店"]);
    }

    #[test]
    fn a_stage_says_what_matters_most_first() {
        let of = |well| Shown {
            key: String::new(),
            text: String::new(),
            below: None,
            well: Some(well),
        };
        let stage = Stage {
            deadline: Some(600),
            about: Some("a\u{202e} message".to_owned()),
            ..Stage::of("deploy #2")
        };
        let drawn = stage.drawn(&[of(true), of(false)]);
        let plain = console::strip_ansi_codes(&drawn).into_owned();
        assert_eq!(
            plain,
            "deploy #2  1 of 2 services well  fails after 600 s without progress  a message"
        );
    }
}

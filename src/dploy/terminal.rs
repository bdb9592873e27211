//! What people see: tables, questions, lines that are drawn again. Colours only on a terminal, and never with `NO_COLOR`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::secret::plain;

/// Good news.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// Bad news.
pub(super) const RED: Style = AnsiColor::Red.on_default();
/// What waits, and what to beware of.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// What is only beside the point.
pub(super) const DIM: Style = Style::new().dimmed();

/// A text in a style.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// An actor of the log as people are called: `operator:mh` is mh.
pub(super) fn who(actor: &str) -> &str {
    actor.split_once(':').map_or(actor, |(_, name)| name)
}

/// A column that is broken has room for so many characters.
const NARROWEST: usize = 12;

/// Where output goes.
#[derive(Clone, Copy)]
pub(super) struct Terminal {
    /// JSON instead of text.
    pub json: bool,
    /// Standard error is a terminal: lines can be drawn again.
    pub redraws: bool,
    /// Somebody can be asked.
    asks: bool,
}

impl Terminal {
    /// The terminal of this process.
    pub fn new(json: bool) -> Self {
        // where colours are not wanted, what moves the cursor is taken out too
        let escapes = anstream::AutoStream::choice(&std::io::stderr());
        let redraws = std::io::stderr().is_terminal() && escapes != anstream::ColorChoice::Never;
        Self {
            json,
            redraws: redraws && !json,
            asks: !json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        }
    }

    /// A line of the answer. A pipe whose reader has gone ends the program quietly.
    #[expect(
        clippy::unused_self,
        reason = "what prints is said by who has a terminal"
    )]
    pub fn say(self, line: impl std::fmt::Display) {
        if writeln!(anstream::stdout(), "{line}").is_err() {
            std::process::exit(0);
        }
    }

    /// A line beside the answer: progress, warnings, hints. A program reads none: with `-json` standard error is for what failed.
    pub fn note(self, line: impl std::fmt::Display) {
        if !self.json {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// Begins a screen anew, where there is one.
    #[expect(clippy::unused_self, reason = "as above")]
    pub fn clear(self) {
        use std::io::IsTerminal as _;
        if std::io::stdout().is_terminal() {
            let _ = write!(anstream::stdout(), "\x1b[2J\x1b[H");
        }
    }

    /// A hint for the next step.
    pub fn hint(self, line: impl std::fmt::Display) {
        self.note(paint(DIM, line));
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn data(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.say(serde_json::to_string_pretty(value)?);
        Ok(())
    }

    /// A table without lines. In a terminal its last column is broken where it does not fit, and nothing else: what stands before it
    /// is to be copied. Where the rest alone is too wide, each row is a paragraph. In a pipe nothing is broken.
    pub fn table(self, head: &[&str], mut rows: Vec<Vec<String>>) {
        for cell in rows.iter_mut().flatten() {
            *cell = plain(cell, 300);
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
            let last = head.len().saturating_sub(1);
            let widest = |column: usize| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                let cells = cells.map(|cell| console::measure_text_width(cell));
                cells.chain([head[column].len()]).max()
            };
            let before: usize = (0..last).filter_map(|c| widest(c).map(|w| w + 2)).sum();
            if before + NARROWEST > usize::from(width.0) {
                return self.paragraphs(head, &rows);
            }
            table
                .set_width(width.0)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_constraints(std::iter::repeat_n(ColumnConstraint::ContentWidth, last));
        }
        table.set_header(head);
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.say(table.trim_fmt());
    }

    /// The rows of a table one below the other: what its first column has, and below it the others by their names.
    fn paragraphs(self, head: &[&str], rows: &[Vec<String>]) {
        let names = head.iter().skip(1);
        let width = names.clone().map(|n| n.len()).max().unwrap_or(0);
        for row in rows {
            let first = row.first().map_or("", String::as_str);
            self.say(format!("{}  {first}", head[0]));
            for (name, cell) in names.clone().zip(row.iter().skip(1)) {
                if cell.is_empty() {
                    continue;
                }
                self.say(format!("  {name:<width$}  {cell}").trim_end());
            }
        }
    }

    /// The same where nobody is asked.
    pub fn unasking(mut self) -> Self {
        self.asks = false;
        self
    }

    /// Whether somebody can be asked.
    pub fn can_ask(self) -> bool {
        self.asks
    }

    /// Asks for a line. `None` at the end of input.
    #[expect(clippy::unused_self, reason = "as above")]
    pub fn ask(self, question: &str) -> Option<String> {
        let _ = write!(anstream::stderr(), "{question} ");
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(n) if n > 0 => Some(line.trim().to_owned()),
            _ => None,
        }
    }

    /// Asks a question whose default answer is no.
    pub fn agrees(self, question: &str) -> bool {
        let answer = self.ask(&format!("{question} [y/N]"));
        answer.is_some_and(|a| matches!(a.to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Every Ctrl-C from now on, also one that comes while nobody waits for it.
///
/// # Errors
/// When the system does not let us.
pub(super) fn interrupts() -> std::io::Result<Signal> {
    signal(SignalKind::interrupt())
}

/// Whether somebody wants what goes on to be cancelled; `None` where they do not want to look any longer. Ctrl-C is an
/// answer too: whoever waits for it has taken it from the system, and the question alone would never end.
pub(super) async fn cancels(
    terminal: Terminal,
    interrupts: &mut Signal,
    question: String,
) -> Option<bool> {
    if !terminal.can_ask() {
        return None;
    }
    let asked = tokio::task::spawn_blocking(move || {
        if terminal.agrees(&format!("\n{question}")) {
            return Some(true);
        }
        terminal.agrees("Go on looking?").then_some(false)
    });
    tokio::select! {
        answer = asked => answer.ok().flatten(),
        _ = interrupts.recv() => None,
    }
}

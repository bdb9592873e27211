//! What many pages show the same way: commits, icons, diffs, who did it.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::api::{AppBody, OpenDeploy, ServiceBody};
pub(super) use crate::event::count;
use crate::event::{CommitInfo, ResumeWhen};
use crate::history::AppState;
use crate::id::CommitId;
use crate::spec::Change;

/// A commit: the whole id is in the page, so that find-in-page and copy work; the stylesheet shows the first seven digits.
#[derive(Template)]
#[template(
    source = r#"<code class="sha" title="{{ id }}">{{ id }}</code>"#,
    ext = "html"
)]
pub(super) struct Commit<'a> {
    id: &'a str,
}

impl HtmlSafe for Commit<'_> {}

/// A commit.
pub(super) fn commit(id: &CommitId) -> Commit<'_> {
    Commit { id: id.as_str() }
}

/// A text in which names stand between backticks.
pub(super) struct Ticked<'a>(&'a str);

impl std::fmt::Display for Ticked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, part) in self.0.split('`').enumerate() {
            let part = askama::filters::escape(part, askama::filters::Html)
                .map_err(|_| std::fmt::Error)?;
            match place % 2 {
                0 => write!(f, "{part}")?,
                _ => write!(f, "<code>{part}</code>")?,
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Ticked<'_> {}

/// A text of ours, with its names as code.
pub(super) fn ticked(text: &str) -> Ticked<'_> {
    Ticked(text)
}

/// A drawing beside a word; never alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Icon {
    Check,
    Cross,
    Turning,
    Clock,
    Pin,
    Lock,
    Hold,
    Skip,
    Equal,
    Question,
    Warning,
    Info,
    Back,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Check => "M3 8.5l3.5 3.5L13 4.5",
            Self::Cross => "M4 4l8 8M12 4l-8 8",
            Self::Turning => "M13.5 8a5.5 5.5 0 1 1-1.8-4.1M13.5 1.5v3h-3",
            Self::Clock => "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 4.5V8l2.5 1.5",
            Self::Pin => "M8 10v5M4.5 10h7M5.5 1.5h5M6.5 1.5V6l-2 4M9.5 1.5V6l2 4",
            Self::Lock => "M3.5 7.5h9v6.5h-9zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
            Self::Hold => "M5.5 3.5v9M10.5 3.5v9",
            Self::Skip => "M3 4l5 4-5 4zM12.5 4v8",
            Self::Equal => "M3 6h10M3 10h10",
            Self::Question => "M5.5 6a2.5 2.5 0 1 1 3.4 2.3c-.6.3-.9.7-.9 1.4M8 12.6v.1",
            Self::Warning => "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.4v.1",
            Self::Info => "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0zM8 7.5v3.5M8 5v.1",
            Self::Back => "M6 3.5L2.5 7 6 10.5M2.5 7H10a3 3 0 0 1 0 6H7",
        }
    }
}

impl std::fmt::Display for Icon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            r#"<svg class="i" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="{}"/></svg>"#,
            self.path()
        )
    }
}

impl HtmlSafe for Icon {}

/// An icon by the name templates use.
pub(super) fn icon(name: &str) -> Icon {
    match name {
        "check" => Icon::Check,
        "cross" | "error" => Icon::Cross,
        "turning" => Icon::Turning,
        "clock" => Icon::Clock,
        "pin" => Icon::Pin,
        "lock" => Icon::Lock,
        "hold" => Icon::Hold,
        "skip" => Icon::Skip,
        "back" => Icon::Back,
        "warning" | "warn" => Icon::Warning,
        _ => Icon::Info,
    }
}

/// Fields that differ.
#[derive(Template)]
#[template(path = "part/diff.html")]
pub(super) struct Diff<'a> {
    fields: &'a [Change],
    hidden: bool,
}

impl HtmlSafe for Diff<'_> {}

/// Fields that differ; with `hidden`, a field without values had them withheld.
pub(super) fn diff(fields: &[Change], hidden: bool) -> Diff<'_> {
    Diff { fields, hidden }
}

/// The page of a commit, where it is an address a browser may follow.
pub(super) fn commit_url(info: &CommitInfo) -> Option<&str> {
    info.url
        .as_deref()
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// Who did it, in words: `ana (GitHub)`, `mh (operator)`, `observer`.
pub(super) fn who(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("github", name)) => format!("{name} (GitHub)"),
        Some(("operator", name)) => format!("{name} (operator)"),
        _ => actor.to_owned(),
    }
}

/// Whether instances of two versions are there, or a new one is not well yet: a rollout that one wants to watch.
pub(super) fn mixed(service: &ServiceBody) -> bool {
    let tasks = &service.runs.tasks;
    tasks.iter().any(|t| !t.current) || tasks.iter().any(|t| !t.healthy)
}

/// `new: 1 of 2 healthy, old: 3 of 3`.
pub(super) fn versions(service: &ServiceBody) -> String {
    let count = |current: bool| {
        let all = service.runs.tasks.iter().filter(|t| t.current == current);
        (all.clone().count(), all.filter(|t| t.healthy).count())
    };
    let ((new, well), (old, old_well)) = (count(true), count(false));
    match (new, old) {
        (_, 0) => format!("{well} of {new} new healthy"),
        (0, _) => format!("none new, old: {old_well} of {old} healthy"),
        _ => format!("new: {well} of {new} healthy, old: {old_well} of {old}"),
    }
}

/// `1 restart`, `2 restarts`.
pub(super) fn restarts(number: u32) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "restart")
}

/// `1 instance stops`, `2 instances stop`.
pub(super) fn stops(running: u32) -> String {
    if running == 1 {
        "1 instance stops".to_owned()
    } else {
        format!("{running} instances stop")
    }
}

/// The tone of a banner.
pub(super) fn tone(level: &str) -> &'static str {
    match level {
        "error" => "bad",
        "warn" => "warn",
        _ => "busy",
    }
}

/// Whether a pin ends by itself.
pub(super) fn resumes(when: ResumeWhen) -> bool {
    when == ResumeWhen::NextPush
}

/// Whether the head waits for a decision.
pub(super) fn held(app: &AppBody) -> bool {
    app.state == AppState::Held
}

/// Whether a destroy is under way.
pub(super) fn destroying(app: &AppBody) -> bool {
    app.state == AppState::Destroying
}

/// Whether the app is gone.
pub(super) fn destroyed(app: &AppBody) -> bool {
    app.state == AppState::Destroyed
}

/// The deploys that have not ended, in order.
pub(super) fn open(app: &AppBody) -> Vec<&OpenDeploy> {
    [&app.running, &app.waiting].into_iter().flatten().collect()
}

/// `2 of 3`: how many are healthy of those that are wanted, as far as it is known.
pub(super) fn instances(service: &ServiceBody) -> String {
    match (service.healthy, service.wanted.or(service.running)) {
        (Some(healthy), Some(all)) => format!("{healthy} of {all}"),
        (Some(healthy), None) => healthy.to_string(),
        (None, Some(all)) => format!("? of {all}"),
        (None, None) => "–".to_owned(),
    }
}

/// A page as text.
pub(super) fn render(page: &impl Template) -> String {
    page.render()
        .expect("a template that only writes texts renders")
}

//! `dploy why`: why a commit is, or is not, live.

use std::process::ExitCode;

use super::args::{Place, WhyArgs};
use super::failure::{Failure, Word};
use super::session::Session;
use super::show::{readable, time};
use super::terminal::{DIM, GREEN, YELLOW, paint, who};
use crate::api::{AppBody, AppPage};
use crate::secret::plain;

pub(super) async fn run(session: &Session, args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = readable(session).await?;
    let client = observer.client;
    let commit = match args.deploy.or(args.to.as_ref()) {
        Some(Place::Deploy(number)) => {
            let deploy = client.deploy(&workspace.app, number).await?;
            deploy.commit.to_string()
        }
        Some(Place::Commit(text)) => workspace.commit_called(&text).ok_or_else(|| {
            let why = format!(
                "{text:?} is no commit: write 4 digits of it or more, or a name that git knows; a deploy is -deploy 40, or '#40'"
            );
            Failure::of(Word::Usage, why)
        })?,
        None => anyhow::bail!("a commit is missing"),
    };
    let mut why = client.why(&commit).await?;
    if !session.global.all {
        why.lines.retain(|l| l.app == workspace.app.as_str());
    }
    if session.terminal.json {
        session.terminal.data(&why)?;
        return Ok(ExitCode::SUCCESS);
    }
    if why.lines.is_empty() {
        let page = client.app(&workspace.app).await?;
        let branch = page.map_or_else(String::new, |p| format!(" to {}", p.app.source.branch));
        session
            .terminal
            .say(format!("{commit} never came here; push it{branch}."));
        return Ok(ExitCode::SUCCESS);
    }
    let live = why.lines.iter().any(|l| l.live);
    let page = client.app(&workspace.app).await?;
    session.terminal.say(verdict(&commit, live, page.as_ref()));
    for line in &why.lines {
        session.terminal.say(format!(
            "{}  {}",
            paint(DIM, time(&line.at)),
            plain(&line.sentence, 500)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the commit is live, and if not, what stands in its way now.
fn verdict(commit: &str, live: bool, page: Option<&AppPage>) -> String {
    let short = commit.get(..7).unwrap_or(commit);
    if live {
        return paint(GREEN, format!("{short} is live."));
    }
    let app = page.map(|p| &p.app);
    let open = app.and_then(|a| {
        let open = [&a.running, &a.waiting].into_iter().flatten();
        open.into_iter()
            .find(|d| d.commit.as_str().starts_with(commit))
    });
    let why = match (open, app) {
        (Some(open), _) => format!("deploy {} is {}", open.deploy, open.state.word()),
        (None, Some(app)) => gate(app),
        (None, None) => String::new(),
    };
    let why = if why.is_empty() {
        why
    } else {
        format!(": {why}")
    };
    paint(YELLOW, format!("{short} is not live{why}."))
}

/// The lock, the pin, or the commit that runs instead.
fn gate(app: &AppBody) -> String {
    match (&app.lock, &app.pin, &app.live) {
        (Some(lock), ..) => format!(
            "{} locked the app: {}",
            who(&lock.by),
            plain(&lock.why(), 300)
        ),
        (None, Some(pin), _) => {
            let reason = pin
                .reason
                .as_deref()
                .map(|r| format!(": {}", plain(r, 300)));
            let reason = reason.unwrap_or_default();
            format!(
                "{} pinned the app to {}{reason}",
                who(&pin.by),
                pin.commit.short()
            )
        }
        (None, None, Some(live)) => {
            format!("{} runs, of deploy {}", live.commit.short(), live.deploy)
        }
        (None, None, None) => "nothing was deployed yet".to_owned(),
    }
}

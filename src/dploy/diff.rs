//! `dploy diff`: in what the specs of two deploys, or commits, differ, as the observer knows them.

use std::process::ExitCode;

use super::args::DiffArgs;
use super::failure::{CHANGES, Failure, Word};
use super::operate::place;
use super::preview::{field, hide, plural, style};
use super::session::Session;
use super::show::readable;
use super::terminal::{DIM, Terminal, paint};
use crate::api::DiffBody;
use crate::event::DeployRef;

pub(super) async fn run(session: &Session, args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = readable(session).await?;
    let places = args.places();
    if places.len() > 2 {
        return Err(Failure::of(Word::Usage, "two deploys are compared, and no more").into());
    }
    let texts = places.iter().map(|p| place(session, &workspace, p));
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    let side = |at: usize| texts.get(at).map(String::as_str);
    let asked = session.asks(&observer, async |client| {
        client.diff(&workspace.app, side(0), side(1)).await
    });
    let mut body = asked.await?;
    for service in &mut body.services {
        let diff = std::mem::take(&mut service.diff);
        service.diff = diff.into_iter().map(hide).collect();
    }
    if session.terminal.json {
        session.terminal.data(&body)?;
    } else {
        show(session.terminal, &body);
    }
    Ok(if args.detailed_exitcode && !body.services.is_empty() {
        CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

fn show(terminal: Terminal, body: &DiffBody) {
    let name = |d: &DeployRef| match d.deploy {
        Some(number) => format!("{} ({number})", d.commit.short()),
        None => d.commit.short().to_owned(),
    };
    let from = body.from.as_ref().map_or("nothing".to_owned(), name);
    terminal.say(format!("{}: from {from} to {}", body.app, name(&body.to)));
    for service in &body.services {
        let word = paint(style(&service.change), format!("{:<9}", service.change));
        terminal.say(format!("{word}  {}", service.id));
        for change in &service.diff {
            let values = change.from.is_some() || change.to.is_some();
            // who has no token is told which fields, and not of what to what
            let withheld = if values { "" } else { ": only for operators" };
            terminal.say(format!("             {}{withheld}", field(change)));
        }
    }
    let same = u32::try_from(body.unchanged).unwrap_or(u32::MAX);
    if same > 0 || body.services.is_empty() {
        let line = format!("unchanged  {same} {}", plural(same, "service"));
        terminal.say(paint(DIM, line));
    }
}

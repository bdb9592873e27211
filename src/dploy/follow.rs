//! Following a deploy of the observer to its end.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::failure::{FAILED, Failure, HELD, Word};
use super::progress::{self, Line};
use super::terminal::{GREEN, Progress, RED, Shown, Terminal, YELLOW, cancels, interrupts, paint};
use crate::api::{ActBody, DeployBody};
use crate::client::{Client, ClientError};
use crate::history::DeployState;
use crate::id::{AppId, DeployNumber};
use crate::secret::plain;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// The observer may be silent for so many looks in a row, as while it is started again.
const SILENT: u32 = 120;

/// Follows a deploy until it has ended; a deploy that was superseded leads to the one that overtook it.
///
/// # Errors
/// When the observer is silent for a minute, or somebody does not want to look any longer.
pub(super) async fn deploy(
    terminal: Terminal,
    observer: &Client,
    app: &AppId,
    number: DeployNumber,
) -> anyhow::Result<ExitCode> {
    let (mut number, mut silent) = (number, 0);
    let mut interrupts = interrupts()?;
    let mut progress = Progress::new(terminal);
    loop {
        match observer.deploy(app, number).await {
            Ok(deploy) if deploy.state.ended() => {
                progress.show(lines(&deploy));
                if let Some(next) = superseded_by(&deploy) {
                    terminal.note(format!("{number} was overtaken by {next}"));
                    progress.keep();
                    number = next;
                    continue;
                }
                return ended(terminal, &deploy);
            }
            Ok(deploy) => {
                silent = 0;
                progress.show(lines(&deploy));
            }
            Err(ClientError::Unreachable(..)) if silent < SILENT => silent += 1,
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = interrupts.recv() => {
                progress.keep();
                interrupted(terminal, &mut interrupts, observer, app, number).await?;
            }
        }
    }
}

fn superseded_by(deploy: &DeployBody) -> Option<DeployNumber> {
    let by = deploy.superseded_by.as_ref()?;
    by.deploy
        .filter(|_| deploy.state == DeployState::Superseded)
}

/// Ctrl-C: to cancel is one thing, to look away another.
async fn interrupted(
    terminal: Terminal,
    interrupts: &mut Signal,
    observer: &Client,
    app: &AppId,
    number: DeployNumber,
) -> anyhow::Result<()> {
    let Some(cancelled) = cancels(terminal, interrupts, format!("Cancel deploy {number}?")).await
    else {
        let why = format!("stopped looking; deploy {number} goes on, `dploy status` shows how");
        return Err(Failure::of(Word::Interrupted, why).into());
    };
    if cancelled {
        let body = ActBody {
            deploy: Some(number.0.into()),
            ..ActBody::default()
        };
        observer.act(app, "cancel", &body).await?;
    }
    Ok(())
}

fn lines(deploy: &DeployBody) -> Vec<Shown> {
    let (commit, state) = (deploy.commit.short(), deploy.state.word());
    let head = format!("deploy {}  {commit}  {state}", deploy.deploy);
    let waiting = deploy.waiting.as_ref().map(|w| plain(&w.sentence, 300));
    let mut lines = Shown::alone(head, waiting);
    // while the commit is read there is nothing to say of services
    let services = deploy.services.iter().flatten();
    lines.extend(services.filter(|s| s.state.is_some()).map(|s| {
        progress::line(&Line {
            id: s.id.as_str(),
            change: s.change.as_deref().unwrap_or_default(),
            stage: s.state.as_deref().unwrap_or_default(),
            healthy: s.healthy,
            wanted: s.wanted.or(s.healthy),
            sentence: s.sentence.as_deref(),
        })
    }));
    lines
}

/// The end in words, and as an exit code.
fn ended(terminal: Terminal, deploy: &DeployBody) -> anyhow::Result<ExitCode> {
    if terminal.json {
        terminal.data(deploy)?;
    }
    let what = format!("{} of {}", deploy.deploy, deploy.commit.short());
    let sentence = deploy.failure.as_ref().map_or_else(
        || deploy.sentence.clone().unwrap_or_default(),
        |failure| format!("{}: {}", failure.code, failure.sentence),
    );
    let said = format!("{what} {}", deploy.state.word());
    let (style, failure) = match (deploy.state, &deploy.failure) {
        (DeployState::Succeeded | DeployState::Unchanged, _) => (GREEN, None),
        (DeployState::Superseded, _) => (YELLOW, Some(Word::Superseded.word())),
        (DeployState::Cancelled, None) => (RED, Some(Word::Cancelled.word())),
        (_, Some(failure)) => (RED, Some(failure.code.as_str())),
        (_, None) => (RED, Some(Word::Error.word())),
    };
    if !terminal.json {
        let word = paint(style, &said);
        terminal.say(format!("{word}: {}", plain(&sentence, 1000)));
    }
    let exit = if deploy.state == DeployState::Superseded {
        HELD
    } else {
        FAILED
    };
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(code) => {
            let detail = format!("{said}: {sentence}");
            Err(Failure::new(code, exit, detail).told().into())
        }
    }
}

//! The dashboard of the app, in a browser.

use std::process::ExitCode;

use super::session::Session;
use super::show::readable;

/// Says where the dashboard of the app is, and opens it where somebody sits in front of it.
pub(super) async fn run(session: &Session) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = readable(session).await?;
    let url = format!("{}/apps/{}", observer.client.base(), workspace.app);
    if session.terminal.json {
        session.terminal.data(&serde_json::json!({"url": url}))?;
        return Ok(ExitCode::SUCCESS);
    }
    session.terminal.say(&url);
    if session.terminal.can_ask() {
        let program = if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        };
        let opened = std::process::Command::new(program)
            .arg(&url)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        if opened.is_err() {
            session
                .terminal
                .hint("No browser could be opened from here.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

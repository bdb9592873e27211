//! Logs: text or JSON, on standard error.

use std::io::IsTerminal;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Starts logging as the settings say.
///
/// # Errors
/// When the level is none.
pub(super) fn start(settings: &Settings) -> anyhow::Result<()> {
    let level = settings.loglevel.to_ascii_lowercase();
    if !["error", "warn", "warning", "info", "debug", "trace"].contains(&level.as_str()) {
        anyhow::bail!("DPLOY_LOGLEVEL={:?} is no level; one of error, warn, info, debug, trace", settings.loglevel);
    }
    let level = if level == "warning" { "warn".to_owned() } else { level };
    let filter = EnvFilter::try_new(format!("{level},sqlx=warn,hyper=warn,reqwest=warn,h2=warn")).context("the log level")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if settings.log_format == "json" {
        logs.json().try_init()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).with_target(false).try_init()
    };
    drop(started);
    Ok(())
}

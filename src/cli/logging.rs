//! Logs: text or JSON, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::repeats::Repeats;
use crate::settings::Settings;

/// Libraries that say more than a person wants to know.
const TALKATIVE: [&str; 4] = ["sqlx", "hyper", "reqwest", "h2"];

/// Starts logging as the settings say.
///
/// # Errors
/// When the level is none.
pub(super) fn start(settings: &Settings) -> anyhow::Result<()> {
    let level = match settings.loglevel.to_ascii_lowercase().as_str() {
        "error" => LevelFilter::ERROR,
        "warn" | "warning" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => anyhow::bail!(
            "DPLOY_LOGLEVEL={:?} is no level; one of error, warn, info, debug, trace",
            settings.loglevel
        ),
    };
    let quiet = TALKATIVE.map(|library| (library, level.min(LevelFilter::WARN)));
    let filter = Targets::new().with_default(level).with_targets(quiet);
    let filter = filter.and(Repeats::default());
    let lines = layer().with_writer(std::io::stderr);
    let lines = if settings.log_format == "json" {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        lines.with_filter(filter).boxed()
    } else {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let lines = lines.with_ansi(colours).with_target(false);
        lines.with_filter(filter).boxed()
    };
    // whoever started it before, as tests do, goes on
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}

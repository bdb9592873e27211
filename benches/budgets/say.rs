//! How figures are written.

use std::time::Duration;

/// A line of the table.
pub fn line(what: &str, figure: &str, beside: &str) {
    println!("  {what:<58} {figure:>16}   {beside}");
}

/// How often a second.
#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub fn rate(times: usize, took: Duration) -> f64 {
    times as f64 / took.as_secs_f64()
}

/// The middle and the worst but one percent.
pub fn percentiles(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort_unstable();
    let at = |share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
    (at(50), at(99))
}

pub fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub fn kilobytes(bytes: usize) -> String {
    format!("{:.0} kB", bytes as f64 / 1e3)
}

//! What the observer costs, each time beside a yardstick of the same run: `cargo bench --bench budgets -- <what>`.
//!
//! A figure alone says more of the machine than of the program; a ratio of two that were taken side by side is worth comparing.

#![expect(
    clippy::unwrap_used,
    reason = "where what it stands on is missing nothing is measured"
)]

mod acknowledge;
#[expect(dead_code, reason = "shared with the tests")]
#[path = "../../tests/suite/support/data_folder.rs"]
mod data_folder;
#[expect(dead_code, reason = "shared with the tests")]
#[path = "../../tests/suite/support/fleet.rs"]
mod fleet;
mod log;
mod pages;
mod process;
mod say;

/// Each row of the table, and what it takes to measure it.
const ROWS: [(&str, &str); 4] = [
    (
        "acknowledge",
        "durable acknowledgements of webhooks, at 64 connections and at one",
    ),
    (
        "pages",
        "pages and lists at a thousand apps, beside one app",
    ),
    (
        "log",
        "verify and rebuild, beside a plain walk of the chain",
    ),
    (
        "idle",
        "a thousand apps and nothing happening: processor and memory",
    ),
];

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if let Some(other) = wanted
        .iter()
        .find(|w| ROWS.iter().all(|(name, _)| name != w))
    {
        eprintln!("there is no {other}; there are:");
        for (name, says) in ROWS {
            eprintln!("  {name:<12} {says}");
        }
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (name, says) in ROWS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        println!("\n{name}: {says}");
        match name {
            "acknowledge" => runtime.block_on(acknowledge::run()),
            "pages" => runtime.block_on(pages::run()),
            "log" => runtime.block_on(log::run()),
            _ => runtime.block_on(pages::idle()),
        }
    }
}

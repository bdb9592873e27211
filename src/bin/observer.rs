//! `observer`: push-to-deploy for Marathon.

use std::process::ExitCode;

fn main() -> ExitCode {
    dploy_observer::cli::run(std::env::args_os())
}

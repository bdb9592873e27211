//! `dploy`: deploys an app to Marathon, launches its observer and operates it.

use std::process::ExitCode;

fn main() -> ExitCode {
    dploy_observer::dploy::run(std::env::args_os())
}

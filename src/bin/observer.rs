//! The observer's command line.

fn main() {}

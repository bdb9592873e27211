//! A Marathon that runs services as real processes on this machine.

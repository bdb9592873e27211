//! The tiny web server that tasks of the local world run.

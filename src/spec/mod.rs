//! App specs: reading the JSON of a commit, flattening groups to services, comparing two specs.

mod canonical;
mod covers;
mod diff;
mod group;
mod locate;
mod warning;

pub use canonical::{canonical, rendering, sha256_hex};
pub use covers::deviation;
pub use diff::{Change, diff, diff_of_running, in_shape_of};
pub use group::{File, Service, SpecError, flatten};
pub use warning::warnings;

/// The label that says which app a service belongs to; the original's, and constant.
pub const LABEL_APP: &str = "DPLOY";
/// The label that carries the spec hash: `1:<hash>`.
pub const LABEL_SPEC: &str = "DPLOY_SPEC";

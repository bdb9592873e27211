//! What was looked at before it is done, and whether it still is what would be done.

use sha2::{Digest, Sha256};

use super::command::{Refusal, Target};
use super::state::App;
use crate::event::Cause;
use crate::id::ServiceId;

/// The token of a plan: it changes with target specs, what it is limited to, pin, lock, last deploy and drift, never with counts.
#[must_use]
pub fn plan_token(app: &App, target_specs: &str, only: Option<&ServiceId>) -> String {
    let drift: Vec<&ServiceId> = app.drift.iter().map(|d| &d.id).collect();
    let text = format!(
        "{target_specs}\n{only:?}\n{:?}\n{:?}\n{}\n{drift:?}",
        app.pin, app.lock, app.last_deploy
    );
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// What the plan token of a rollback, a deploy or a redeploy is of: each pins in its own way.
#[must_use]
pub fn aimed(specs: &str, cause: Cause) -> String {
    format!("{specs} {}", cause.word())
}

/// What was looked at must still be what would be done.
pub(super) fn as_planned(app: &App, target: &Target, cause: Cause) -> Result<(), Refusal> {
    let token = || plan_token(app, &aimed(&target.specs, cause), target.only.as_ref());
    match &target.plan {
        Some(plan) if *plan != token() => Err(Refusal::PlanStale),
        _ => Ok(()),
    }
}

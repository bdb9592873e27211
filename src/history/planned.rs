//! What was looked at before it is done, and whether it still is what would be done.

use sha2::{Digest, Sha256};

use super::command::{Refusal, Target};
use super::state::App;
use crate::event::Cause;
use crate::id::ServiceId;

/// The token of a plan: it changes with target specs, what it is limited to, pin, lock, last deploy and drift, never with counts; it is
/// of one app.
#[must_use]
pub fn plan_token(app: &App, target_specs: &str, only: Option<&ServiceId>) -> String {
    let drift: Vec<&ServiceId> = app.drift.iter().map(|d| &d.id).collect();
    let text = format!(
        "{}\n{target_specs}\n{only:?}\n{:?}\n{:?}\n{}\n{drift:?}",
        app.id, app.pin, app.lock, app.last_deploy
    );
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// What the plan token of a rollback, a deploy or a redeploy is of. On a page one chooses when the pin ends and what becomes of counts,
/// each with its words: there it is of either (`chosen` is false); to a program both were shown as it asked for them.
#[must_use]
pub fn aimed(target: &Target, cause: Cause, chosen: bool) -> String {
    let choice = chosen.then(|| format!("{:?} {:?}", target.resume, target.scale));
    format!(
        "{} {} {} {} {}",
        target.specs,
        cause.word(),
        target.to.commit,
        target.force,
        choice.unwrap_or_default()
    )
}

/// What was looked at must still be what would be done.
pub(super) fn as_planned(app: &App, target: &Target, cause: Cause) -> Result<(), Refusal> {
    let Some(plan) = &target.plan else {
        return Ok(());
    };
    let token = |chosen| plan_token(app, &aimed(target, cause, chosen), target.only.as_ref());
    if *plan == token(true) || *plan == token(false) {
        Ok(())
    } else {
        Err(Refusal::PlanStale)
    }
}

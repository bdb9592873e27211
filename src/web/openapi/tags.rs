//! The parts of the API.

pub(super) const APPS: &str = "Apps";
pub(super) const ACTIONS: &str = "Actions";
pub(super) const LOG: &str = "The log";
pub(super) const HOOK: &str = "Webhook";
pub(super) const ACCESS: &str = "Access";
pub(super) const SELF: &str = "The observer";

/// The parts of the API.
pub(super) const TAGS: &[(&str, &str)] = &[
    (APPS, "What there is, what runs, what happened to it."),
    (
        ACTIONS,
        "What operators do. `{}` is a body; an `Idempotency-Key` makes it safe to send again; `dry_run` shows the plan, whose token `plan` acts \
         only on what was looked at.",
    ),
    (LOG, "Each push, deploy and action, in order."),
    (HOOK, "How GitHub tells of pushes."),
    (ACCESS, "Tokens and sessions."),
    (SELF, "Whether it works, and how it is described."),
];

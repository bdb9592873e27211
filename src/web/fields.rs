//! Which fields each action takes, and which service it is about: what an action does not take is refused, never ignored.

use super::error::Failure;
use crate::api::ProblemCode;
use crate::history::App;
use crate::id::ServiceId;

/// Which commit or deploy is meant.
const PLACE: &[&str] = &["to", "commit", "deploy"];

/// How it is deployed.
const DEPLOY: &[&str] = &[
    "reason",
    "resume",
    "scale",
    "plan",
    "dry_run",
    "override_lock",
    "service",
];

/// The fields of an action; `None` where there is no such action.
pub(super) fn fields(action: &str) -> Option<Vec<&'static str>> {
    let parts: &[&[&str]] = match action {
        "rollback" => &[PLACE, DEPLOY],
        "deploy" | "redeploy" => &[PLACE, DEPLOY, &["force"]],
        "cancel" => &[PLACE, &["reason"]],
        "resume" | "unlock" => &[&["reason", "plan", "dry_run"]],
        "lock" => &[&["reason", "until"]],
        "scale" => &[&["service", "instances", "override_lock", "plan", "dry_run"]],
        "adopt" => &[&["services", "from", "plan", "dry_run"]],
        _ => return None,
    };
    Some(parts.concat())
}

/// Refuses fields that an action does not take; whoever sent them expects something of them.
pub(super) fn takes(action: &str, given: &[String]) -> Result<(), Failure> {
    let Some(taken) = fields(action) else {
        return Ok(());
    };
    let Some(other) = given.iter().find(|f| !taken.contains(&f.as_str())) else {
        return Ok(());
    };
    let why = format!(
        "{}: {action} does not take it; it takes {}",
        crate::secret::plain(other, 100),
        taken.join(", ")
    );
    Err(Failure::unprocessable(ProblemCode::Invalid, why).hint("nothing was done"))
}

/// The one service that an action is about, by its path or by its body; an action on the whole app is not asked for by a service.
pub(super) fn one_service(
    app: &App,
    action: &str,
    path: Option<ServiceId>,
    body: Option<String>,
) -> Result<Option<ServiceId>, Failure> {
    let invalid = |why: String| Failure::unprocessable(ProblemCode::Invalid, why);
    let body: Option<ServiceId> = body
        .map(|id| id.parse().map_err(|e| invalid(format!("service: {e}"))))
        .transpose()?;
    if let Some(service) = &path
        && fields(action).is_some_and(|taken| !taken.contains(&"service"))
    {
        return Err(invalid(format!(
            "{action} is of a whole app, and {service} is one service of {0}; POST /apps/{0}/{action}",
            app.id
        ))
        .hint("nothing was done"));
    }
    match (path, body) {
        (Some(path), Some(body)) if path != body => Err(invalid(format!(
            "service: is {body}, and the path says {path}"
        ))),
        (path, body) => Ok(path.or(body)),
    }
}

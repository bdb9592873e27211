//! Which services an app's deploy may touch: not the observer's own, not another app's, not those outside of what is allowed, and of
//! what runs only what carries our label.

use std::collections::BTreeMap;

use super::{Obstacle, Running, fails};
use crate::history::{App, another};
use crate::id::{AppId, ServiceId};
use crate::secret::plain;
use crate::sentence::Code;

/// Which services this observer may touch.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Prefixes of ids; none: all.
    pub allowed: Vec<String>,
    /// The observer's own id in Marathon.
    pub own: Option<String>,
    /// Services that belong to other apps, by name where it may be said.
    pub taken: BTreeMap<ServiceId, Option<AppId>>,
}

/// Whether this observer may touch a service for the app at all, whatever its label says.
///
/// # Errors
/// Why not.
pub fn allowed(id: &ServiceId, bounds: &Bounds) -> Result<(), Obstacle> {
    if bounds.own.as_deref() == Some(id.as_str()) {
        return Err(fails(
            Code::Own,
            format!("{id} is this observer itself; change the id"),
        ));
    }
    if let Some(other) = bounds.taken.get(id) {
        return Err(fails(
            Code::OfAnotherApp,
            format!("{id} belongs to {}; change the id", another(other.as_ref())),
        ));
    }
    let within = |prefix: &String| {
        let prefix = prefix.trim_end_matches('/');
        id.as_str() == prefix
            || id
                .as_str()
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    if !bounds.allowed.is_empty() && !bounds.allowed.iter().any(within) {
        let allowed = bounds.allowed.join(", ");
        return Err(fails(
            Code::NotAllowed,
            format!(
                "{id} is outside of what this observer may touch ({allowed}, DPLOY_OBSERVER_ALLOW_IDS)"
            ),
        ));
    }
    Ok(())
}

/// Whose a service is that does not carry our label, and how it becomes ours.
pub(super) fn not_ours(app: &App, id: &ServiceId, live: &Running) -> String {
    match &live.app {
        None => format!(
            "{id} exists in Marathon and was not made by dploy; adopt it (POST /apps/{}/adopt) or change the id",
            app.id
        ),
        // of an app that those who see this one do not hear of
        Some(other) if other.is_empty() => {
            format!(
                "{id} is of another app of this observer, by its label; if that app is gone, take it over (POST /apps/{}/adopt with its name as \"from\"), else change the id",
                app.id
            )
        }
        Some(other) => {
            let other = plain(other, 80);
            format!(
                "{id} is of the app {other}, by its label; if that app is gone, take it over (POST /apps/{}/adopt with {{\"from\": \"{other}\"}}), else change the id",
                app.id
            )
        }
    }
}

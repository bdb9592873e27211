//! Groups that are left when their last service is gone: Marathon makes them by itself, and never takes them away. And a group that
//! never is: in a dry run Marathon says what it would refuse.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::error::MarathonError;
use crate::id::ServiceId;

/// So many groups are looked at.
const MOST: usize = 10;

impl Client {
    /// The groups of these services that hold nothing any more, each without the empty ones below it. They are not removed:
    /// who removes a group removes what somebody put into it meanwhile.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn empty_groups(
        &self,
        services: impl IntoIterator<Item = &ServiceId>,
    ) -> Result<Vec<String>, MarathonError> {
        let ids: BTreeSet<&str> = services.into_iter().map(ServiceId::as_str).collect();
        let tops: BTreeSet<&str> = ids.iter().filter_map(|id| top(id)).collect();
        let mut found = Vec::new();
        for top in tops.into_iter().take(MOST) {
            let path = format!("/v2/groups{top}");
            match self.call(Method::GET, &path, None, &[]).await {
                Ok(group) => outermost(&group, &ids, &mut found),
                Err(MarathonError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Whether Marathon would take a spec. It is asked for the dry run of a group that nobody has, with this one app and without what it
    /// depends on: nothing is stored, and no lock is looked at (recorded of Marathon 1.8). Where groups may not be touched, nothing
    /// is known, and that is no error.
    ///
    /// # Errors
    /// [`MarathonError::Refused`] with the reason.
    pub async fn would_take(&self, spec: &Value) -> Result<(), MarathonError> {
        let id = spec["id"].as_str().unwrap_or_default().to_owned();
        // below the service's own top group, which roles and rights go by
        let top = top(&id).unwrap_or_default();
        let group = format!("{top}/dploy-dryrun-{}", std::process::id());
        let mut app = spec.clone();
        app["id"] = format!("{group}/app").into();
        if let Some(app) = app.as_object_mut() {
            app.remove("dependencies");
        }
        let body = serde_json::json!({ "id": group, "apps": [app] }).to_string();
        let path = format!("/v2/groups{group}?dryRun=true");
        match self.call(Method::PUT, &path, Some(&body), &[id]).await {
            // of the other refusals, such as of a proxy, none is about the spec
            Err(MarathonError::Refused(why))
                if ["(HTTP 422)", "(HTTP 400)"]
                    .iter()
                    .any(|s| why.sentence.ends_with(s)) =>
            {
                Err(MarathonError::Refused(why))
            }
            _ => Ok(()),
        }
    }
}

/// `/shop` of `/shop/store/web`; none of `/web`.
fn top(id: &str) -> Option<&str> {
    let end = id.get(1..)?.find('/')?;
    id.get(..=end)
}

fn parts<'a>(group: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    group[name].as_array().into_iter().flatten()
}

fn is_empty(group: &Value) -> bool {
    let holds = |name| parts(group, name).next().is_some();
    !holds("apps") && !holds("pods") && parts(group, "groups").all(is_empty)
}

fn outermost(group: &Value, services: &BTreeSet<&str>, found: &mut Vec<String>) {
    let id = group["id"].as_str().unwrap_or_default();
    let held = |service: &&&str| service.strip_prefix(id).is_some_and(|r| r.starts_with('/'));
    if id.is_empty() || !services.iter().any(|s| held(&s)) {
        return;
    }
    if is_empty(group) {
        found.push(id.to_owned());
    } else {
        parts(group, "groups").for_each(|g| outermost(g, services, found));
    }
}

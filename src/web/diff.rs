//! `GET /apps/{id}/diff`: in what the specs of two deploys differ, or of two commits.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::error::Failure;
use super::negotiate::json;
use super::people::Viewer;
use super::target::{Resolved, Wanted, place};
use crate::access::Role;
use crate::api::{DiffBody, DiffService, ProblemCode};
use crate::history::{App, Deploy, DeployState};
use crate::id::{DeployNumber, ServiceId};
use crate::spec::{Service, diff};

/// Of so many deploys the last that went well is looked for.
const RECENT: i64 = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    /// A deploy as `#40`, or a commit; else what was deployed before `to`.
    from: Option<String>,
    /// The same; else what is live, and without `from` the last deploy.
    to: Option<String>,
}

pub(super) async fn show(
    State(web): State<Web>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(between): Query<Between>,
) -> Result<Response, Failure> {
    let app = web.app_shown(&viewer, &name).await?;
    let operator = viewer.may(Role::Operator, &app);
    let given = |text: Option<String>| text.as_deref().map(place).transpose();
    let (from, to) = (given(between.from)?, given(between.to)?);
    let to = match to {
        Some(to) => to,
        None => Wanted::Deploy(web.usual(&app, from.is_some()).await?),
    };
    let to = web.compared(&app, &to, operator).await?;
    let from = match from {
        Some(from) => Some(web.compared(&app, &from, operator).await?),
        None => match web.before(&app, &to).await? {
            Some(number) => Some(
                web.compared(&app, &Wanted::Deploy(number), operator)
                    .await?,
            ),
            None => None,
        },
    };
    let old = from.as_ref().map_or(&[][..], |f| &f.commit.services);
    let (services, unchanged) = web.differing(old, &to.commit.services, operator);
    let body = DiffBody {
        app: app.id,
        from: from.map(|from| from.to),
        to: to.to,
        services,
        unchanged,
    };
    Ok(json(StatusCode::OK, &body))
}

/// What is not there is nothing that cannot be gone back to.
fn missing(failure: Failure) -> Failure {
    if failure.0.is(ProblemCode::NotRollbackable) {
        return Failure::missing(failure.0.detail);
    }
    failure
}

impl Web {
    /// What is compared where nobody says what: what is live, or else what the last deploy was of.
    async fn usual(&self, app: &App, live: bool) -> Result<DeployNumber, Failure> {
        if live && let Some(live) = &app.live {
            return Ok(live.deploy);
        }
        let deploys = self.context.store.deploys(&app.id, None, RECENT).await?;
        let newest = deploys.iter().find(|d| d.files.is_some());
        let none = || Failure::missing(format!("nothing of {} was deployed yet", app.id));
        newest.map(|d| d.number).ok_or_else(none)
    }

    /// The last deploy before this one that went well.
    async fn before(&self, app: &App, to: &Resolved) -> Result<Option<DeployNumber>, Failure> {
        let Some(number) = to.to.deploy.or(to.specs_of) else {
            return Ok(app.live.as_ref().map(|live| live.deploy));
        };
        let earlier = self.context.store.deploys(&app.id, Some(number), RECENT);
        let well = |d: &&Deploy| {
            let good = matches!(d.state(), DeployState::Succeeded | DeployState::Unchanged);
            good && d.files.is_some()
        };
        Ok(earlier.await?.iter().find(well).map(|d| d.number))
    }

    /// A side of the comparison. For whoever is no operator GitHub is not asked: what was never read here is not there.
    async fn compared(
        &self,
        app: &App,
        wanted: &Wanted,
        operator: bool,
    ) -> Result<Resolved, Failure> {
        if !operator {
            let store = &self.context.store;
            let commit = match wanted {
                Wanted::Deploy(number) => {
                    let deploy = store.deploy(&app.id, *number).await?;
                    deploy.map(|d| d.wanted.commit.to_string())
                }
                Wanted::Commit(text) => Some(text.clone()),
                Wanted::Head => app.head.as_ref().map(|h| h.commit.to_string()),
            };
            let mut read = false;
            if let Some(commit) = commit {
                let deploys = store.deploys_of(&app.id, &commit).await?;
                read = deploys.iter().any(|d| d.files.is_some());
            }
            if !read {
                let why = format!("the specs of {} were never read here", wanted.word());
                return Err(Failure::missing(why));
            }
        }
        self.resolve(app, wanted).await.map_err(missing)
    }

    /// The services that differ, as this viewer may see them, and how many do not.
    fn differing(
        &self,
        old: &[Service],
        new: &[Service],
        operator: bool,
    ) -> (Vec<DiffService>, usize) {
        let by_id = |services: &[Service]| -> BTreeMap<ServiceId, Service> {
            let each = services.iter().map(|s| (s.id.clone(), s.clone()));
            each.collect()
        };
        let (old, new) = (by_id(old), by_id(new));
        let ids: BTreeSet<&ServiceId> = old.keys().chain(new.keys()).collect();
        let (mut services, mut unchanged) = (Vec::new(), 0);
        for id in ids {
            let (change, fields) = match (old.get(id), new.get(id)) {
                (Some(old), Some(new)) => ("update", diff(&old.spec, &new.spec)),
                (None, _) => ("create", Vec::new()),
                (_, None) => ("remove", Vec::new()),
            };
            if change == "update" && fields.is_empty() {
                unchanged += 1;
                continue;
            }
            services.push(DiffService {
                id: id.clone(),
                change: change.to_owned(),
                diff: fields
                    .into_iter()
                    .map(|c| self.shown(c, operator))
                    .collect(),
            });
        }
        (services, unchanged)
    }
}

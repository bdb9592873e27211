//! Plans of what deploys nothing: a scaling, a destroy, no change at all.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use super::Web;
use super::error::Failure;
use crate::api::{PlanBody, PlanInstances, PlanService, ProblemCode};
use crate::event::DeployRef;
use crate::history::App;
use crate::id::ServiceId;
use crate::rollout;
use crate::spec::Change;

/// A plan that changes nothing.
pub(super) fn unchanged(app: &App) -> PlanBody {
    let live = app.live.as_ref().map(|l| DeployRef {
        deploy: Some(l.deploy),
        commit: l.commit.clone(),
    });
    PlanBody {
        app: app.id.clone(),
        from: live.clone(),
        to: live,
        undoes: Vec::new(),
        services: Vec::new(),
        warnings: Vec::new(),
        also: Vec::new(),
        plan: String::new(),
    }
}

pub(super) fn no_marathon(why: impl std::fmt::Display) -> Failure {
    Failure::new(
        StatusCode::BAD_GATEWAY,
        ProblemCode::Marathon,
        why.to_string(),
    )
    .hint("the plan needs Marathon; without a plan it can be asked for all the same")
}

pub(super) async fn scaled(
    web: &Web,
    app: &App,
    service: &ServiceId,
    new: u32,
) -> Result<PlanBody, Failure> {
    let live = web.context.marathon.app(service).await;
    let live = live
        .map_err(no_marathon)?
        .ok_or_else(|| Failure::missing(format!("{service} does not run")))?;
    if !rollout::is_of(&live, &app.id) {
        let why = format!(
            "{service} does not carry the label of {}; it is not scaled",
            app.id
        );
        return Err(Failure::unprocessable(ProblemCode::Invalid, why));
    }
    let spec = app.services.get(service).and_then(|s| s.instances);
    let change = Change {
        path: "/instances".to_owned(),
        from: Some(live.instances.into()),
        to: Some(new.into()),
    };
    let services = vec![PlanService {
        id: service.clone(),
        change: if live.instances == new {
            "unchanged"
        } else {
            "scale"
        }
        .to_owned(),
        diff: if live.instances == new {
            Vec::new()
        } else {
            vec![change]
        },
        instances: PlanInstances {
            running: live.instances,
            spec,
            after: new,
        },
    }];
    Ok(PlanBody {
        services,
        ..unchanged(app)
    })
}

/// What a destroy leaves of the services.
pub(super) async fn gone(web: &Web, app: &App, keep_services: bool) -> Result<PlanBody, Failure> {
    let counts = web.counts(app).await;
    let counts = counts.ok_or_else(|| no_marathon(web.context.marathon.silence()))?;
    let ids: BTreeSet<&ServiceId> = app.services.keys().chain(&app.orphans).collect();
    let services = ids.into_iter().map(|id| {
        let live = counts.get(id);
        let running = live.map_or(0, |l| l.instances);
        let stays = keep_services || live.is_some_and(|l| !rollout::is_of(l, &app.id));
        PlanService {
            id: id.clone(),
            change: match live {
                None => "missing",
                Some(_) if stays => "left",
                Some(_) => "remove",
            }
            .to_owned(),
            diff: Vec::new(),
            instances: PlanInstances {
                running,
                spec: app.services.get(id).and_then(|s| s.instances),
                after: if stays { running } else { 0 },
            },
        }
    });
    Ok(PlanBody {
        services: services.collect(),
        to: None,
        ..unchanged(app)
    })
}

impl Web {
    /// What becomes of the webhook of an app that is destroyed.
    pub(super) async fn hook_goes(&self, app: &App) -> Result<Option<String>, Failure> {
        let Some(id) = app.hook.id else {
            return Ok(None);
        };
        let repository = &app.source.repository;
        let apps = self.context.store.apps_of(app.source.repository_id).await?;
        let others = apps
            .iter()
            .any(|a| a.id != app.id && a.destroying.is_none());
        Ok(Some(if others {
            format!("the webhook {id} of {repository} stays: other apps need it")
        } else {
            format!("the webhook {id} of {repository} is removed")
        }))
    }
}

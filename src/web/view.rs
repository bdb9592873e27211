//! From state to the bodies that pages and API show. Anonymous viewers see an allow-list.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Web;
use super::error::Failure;
use super::html::{DiffLine, EventLine};
use super::running::{Sight, fill, see, services};
use crate::api::{
    AppBody, AppPage, DeployBody, HookBody, PlanBody, PlanInstances, PlanService, SettingBody,
};
use crate::deployer::Preview;
use crate::event::{Action, CommitInfo, DeployRef, Event, summary};
use crate::history::{App, Deploy, DeployState};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};
use crate::plan::Step;
use crate::secret::{fingerprint, hide_secrets, looks_secret};
use crate::spec::{Change, Service, diff, diff_of_running};

/// Fields whose values anybody may see.
const OPEN_FIELDS: &[&str] = &["/container/docker/image", "/instances", "/cpus", "/mem"];

impl Web {
    pub(super) async fn message(&self, app: &AppId, commit: &CommitId) -> Option<CommitInfo> {
        self.context
            .store
            .push_of(app, commit)
            .await
            .ok()
            .flatten()
            .and_then(|p| p.push.commit)
    }

    pub(super) async fn hook(&self, app: &App) -> Result<HookBody, Failure> {
        let polled = self.context.store.observed(&app.id, "polled").await?;
        Ok(HookBody {
            id: app.hook.id,
            url: app.hook.url.clone(),
            registered_at: app.hook.registered_at.clone(),
            pinged_at: app.hook.pinged_at.clone(),
            failure: app.hook.failure.clone(),
            polled_at: polled.map(|(_, at)| at),
        })
    }

    /// Who looks at what runs.
    pub(super) fn sight<'a>(&'a self, app: &'a AppId, operator: bool) -> Sight<'a> {
        Sight {
            app,
            redactor: self.context.store.log().redactor(),
            operator,
            marathon: self.context.marathon.base(),
        }
    }

    pub(super) async fn app_page(
        &self,
        app: &App,
        before: Option<u32>,
        operator: bool,
    ) -> Result<AppPage, Failure> {
        let looked = self.looked(app).await;
        let services = services(app, looked.as_ref(), &self.sight(&app.id, operator));
        let mut shown = AppBody::from(app);
        see(&mut shown, app, &services, looked.as_ref());
        let deploys = self
            .context
            .store
            .deploys(&app.id, before.map(crate::id::DeployNumber), 51)
            .await?;
        let next = (deploys.len() > 50).then(|| deploys[49].number.0.to_string());
        let mut bodies = Vec::new();
        for deploy in deploys.iter().take(50) {
            let message = self.message(&app.id, &deploy.wanted.commit).await;
            bodies.push(DeployBody::of(&app.id, deploy, message));
        }
        Ok(AppPage {
            app: shown,
            services,
            deploys: bodies,
            next,
            hook: self.hook(app).await?,
            settings: self.app_settings(app),
            orphans: app.orphans.clone(),
            drift: app.drift.clone(),
        })
    }

    fn app_settings(&self, app: &App) -> BTreeMap<String, SettingBody> {
        let mut shown: BTreeMap<String, SettingBody> = [
            "poll",
            "deadline",
            "settle",
            "allow-ids",
            "marathon-url",
            "public-url",
            "github-api",
        ]
        .into_iter()
        .filter_map(|name| {
            self.settings.get(name).map(|s| {
                (
                    name.to_owned(),
                    SettingBody {
                        value: s.value.clone(),
                        from: s.from.to_owned(),
                    },
                )
            })
        })
        .collect();
        let looked_up = shown.get("marathon-url").is_none_or(|s| s.value.is_empty());
        if let Some(value) = self.context.marathon.base().filter(|_| looked_up) {
            let from = "Mesos-DNS".to_owned();
            shown.insert("marathon-url".to_owned(), SettingBody { value, from });
        }
        if let Some(deadline) = app.settings.deadline {
            shown.insert(
                "deadline".to_owned(),
                SettingBody {
                    value: deadline.to_string(),
                    from: "dploy.app".to_owned(),
                },
            );
        }
        let from = if app.settings.prune {
            "dploy.app"
        } else {
            "default"
        };
        shown.insert(
            "prune".to_owned(),
            SettingBody {
                value: app.settings.prune.to_string(),
                from: from.to_owned(),
            },
        );
        shown
    }

    pub(super) async fn deploy_body(
        &self,
        app: &App,
        deploy: &Deploy,
        operator: bool,
    ) -> DeployBody {
        let message = self.message(&app.id, &deploy.wanted.commit).await;
        let mut body = DeployBody::of(&app.id, deploy, message).with_services(deploy);
        if !deploy.state().ended()
            && let Some(looked) = self.looked(app).await
        {
            let sight = self.sight(&app.id, operator);
            for service in body.services.iter_mut().flatten() {
                // before its call, what runs says nothing of this deploy
                if deploy.changes(&service.id) && !deploy.called_for(&service.id) {
                    service.state = Some("waiting".to_owned());
                }
                if looked.look.apps.contains_key(&service.id) {
                    fill(service, &looked.look, &sight);
                }
            }
        }
        body
    }

    /// The fields that a plan changes, as this viewer may see them.
    pub(super) fn changes(&self, step: &Step, preview: &Preview, operator: bool) -> Vec<Change> {
        let id = &step.planned.id;
        let Some(service) = preview.commit.services.iter().find(|s| s.id == *id) else {
            return Vec::new();
        };
        let applied = preview.old_specs.get(id);
        // by hand, or before there was a log: what runs is what differs
        let by_hand = step.planned.change == Action::Drifted || applied.is_none();
        let fields = match (preview.live.get(id).filter(|_| by_hand), applied) {
            (Some(running), _) => diff_of_running(&running.definition, &service.spec),
            (None, Some(applied)) => diff(applied, &service.spec),
            (None, None) => Vec::new(),
        };
        fields
            .into_iter()
            .map(|c| self.shown(c, operator))
            .collect()
    }

    /// A change as this viewer may see it: values of secret-looking keys are fingerprints, of others than the
    /// open ones nothing for anonymous viewers.
    pub(super) fn shown(&self, mut change: Change, operator: bool) -> Change {
        let secret = |value: &str| format!("•••• {}", fingerprint(&self.fingerprint, value));
        let seen = operator || OPEN_FIELDS.contains(&change.path.as_str());
        let hides = change.path.split('/').any(looks_secret);
        if !seen && !hides {
            return Change {
                path: change.path,
                from: None,
                to: None,
            };
        }
        for value in [&mut change.from, &mut change.to].into_iter().flatten() {
            hide_secrets(&change.path, value, &secret);
        }
        change
    }

    /// The answer to a dry run.
    pub(super) async fn plan_body(
        &self,
        app: &App,
        to: &DeployRef,
        preview: &Preview,
    ) -> Result<PlanBody, Failure> {
        let services = preview
            .plan
            .steps
            .iter()
            .map(|step| PlanService {
                id: step.planned.id.clone(),
                change: step.planned.change.word().to_owned(),
                diff: self.changes(step, preview, true),
                instances: PlanInstances {
                    running: step.running,
                    spec: step.planned.instances,
                    after: step.after,
                },
            })
            .collect();
        Ok(PlanBody {
            app: app.id.clone(),
            from: app.live.as_ref().map(|l| DeployRef {
                deploy: Some(l.deploy),
                commit: l.commit.clone(),
            }),
            to: Some(to.clone()),
            also: Vec::new(),
            undoes: self.undoes(app, to).await?,
            services,
            warnings: preview.plan.warnings.clone(),
            plan: preview.token.clone(),
        })
    }

    /// The commits that were deployed after the target and would be undone, newest first.
    async fn undoes(&self, app: &App, to: &DeployRef) -> Result<Vec<CommitId>, Failure> {
        let Some(since) = to.deploy else {
            return Ok(Vec::new());
        };
        let later = self.context.store.deploys(&app.id, None, 200).await?;
        // what was gone back to in between is older than the target
        let older = later.iter().filter(|d| d.number < since);
        let older: std::collections::BTreeSet<&CommitId> =
            older.map(|d| &d.wanted.commit).collect();
        let mut undone: Vec<CommitId> = Vec::new();
        for deploy in later.iter().filter(|d| d.number > since && d.touched) {
            let commit = &deploy.wanted.commit;
            if *commit != to.commit && !older.contains(commit) && !undone.contains(commit) {
                undone.push(commit.clone());
            }
        }
        Ok(undone)
    }

    /// What a deploy changed, field by field, against what the nearest deploy before it left of each service: of one
    /// that failed too.
    pub(super) async fn deploy_diff(
        &self,
        app: &App,
        deploy: &Deploy,
        operator: bool,
    ) -> Result<Vec<DiffLine>, Failure> {
        let (Some(files), Some(plan)) = (&deploy.files, &deploy.plan) else {
            return Ok(Vec::new());
        };
        let earlier = self
            .context
            .store
            .deploys(&app.id, Some(deploy.number), 50)
            .await?;
        let read = |files: Vec<crate::event::SpecFile>| async move {
            self.context
                .stored_commit(&app.id, files)
                .await
                .map(|c| c.services)
                .unwrap_or_default()
        };
        let new = read(files.clone()).await;
        let mut specs_of: BTreeMap<DeployNumber, Vec<Service>> = BTreeMap::new();
        let mut lines = Vec::new();
        for p in plan.iter().filter(|p| p.change != Action::Unchanged) {
            let before = earlier.iter().find(|d| left(d, &p.id));
            if let Some((d, files)) = before.and_then(|d| d.files.clone().map(|f| (d, f)))
                && !specs_of.contains_key(&d.number)
            {
                specs_of.insert(d.number, read(files).await);
            }
            let old = before.and_then(|d| specs_of.get(&d.number));
            let spec = |from: &[Service]| {
                let found = from.iter().find(|s| s.id == p.id);
                found.map(|s| s.spec.clone())
            };
            let fields = match (old.and_then(|o| spec(o)), spec(&new)) {
                (Some(a), Some(b)) => diff(&a, &b)
                    .into_iter()
                    .map(|c| self.shown(c, operator))
                    .collect(),
                _ => Vec::new(),
            };
            lines.push(DiffLine {
                service: p.id.to_string(),
                change: p.change.word().to_owned(),
                fields,
                hidden: !operator,
            });
        }
        Ok(lines)
    }
}

/// Whether a deploy left a service as its specs say, or as far as it came: one that failed before its call did not.
fn left(deploy: &Deploy, id: &ServiceId) -> bool {
    let well = matches!(
        deploy.state(),
        DeployState::Succeeded | DeployState::Unchanged
    ) && deploy.wanted.only.as_ref().is_none_or(|o| o == id);
    deploy.files.is_some() && (well || deploy.called_for(id))
}

/// An event as pages show it.
pub(super) fn line(event: &Event) -> EventLine {
    let summary = event.fact().map_or_else(|e| e.to_string(), |f| summary(&f));
    let payload = serde_json::from_str::<Value>(event.payload.get())
        .ok()
        .and_then(|v| serde_json::to_string_pretty(&v).ok());
    EventLine {
        seq: event.seq,
        at: event.at.clone(),
        app: event.app.as_ref().map(ToString::to_string),
        kind: event.kind.clone(),
        actor: event.actor.clone(),
        deploy: event.deploy.map(|d| d.0),
        summary,
        payload: payload.unwrap_or_default(),
        hash: event.hash.clone(),
        prev_hash: event.prev_hash.clone(),
    }
}

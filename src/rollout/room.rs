//! Taking a rollout over, or ending it, without losing what is healthy. Marathon counts starting, crashing and never
//! launched instances like running ones when it kills, and once no deployment holds an app it kills surplus tasks,
//! healthy ones first. So under the rollout's own lock what is not healthy is wiped, we look again, and only then comes
//! the one call that goes on or ends it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::look::{Look, look};
use crate::id::ServiceId;
use crate::marathon::{Client, LiveApp, MarathonError, Task, Watched, kept};

/// How often what turns bad meanwhile is wiped again.
const ROUNDS: usize = 3;

/// What is written down around the calls that change Marathon here.
pub trait Journal: Sync {
    /// Why it cannot go on.
    type Error: From<MarathonError> + Send;

    /// Before these tasks are wiped.
    fn wiping(&self, tasks: &[String]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// After it.
    fn wiped(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What wiping came to.
pub enum Wiped {
    /// Only healthy tasks are left.
    Clean,
    /// These services have instances that cannot be named, or keep data that a wipe would destroy.
    Left(BTreeSet<ServiceId>),
}

/// What was found, and done, about rollouts of ours that still hold the services.
pub struct Room {
    /// A deployment of ours holds at least one of them and is to be overridden.
    pub held: bool,
    /// Active instances, by service, that could not be wiped: Marathon would count them when it kills.
    pub surplus: BTreeMap<ServiceId, u32>,
}

/// Takes away what is not healthy of these services: never with `scale=true`, never where there are persistent volumes.
///
/// # Errors
/// When Marathon does not answer, or the journal cannot be written.
pub async fn wipe<J: Journal>(
    marathon: &Client,
    watched: &Watched,
    ids: &BTreeSet<ServiceId>,
    journal: &J,
) -> Result<Wiped, J::Error> {
    let mut left = BTreeSet::new();
    for _ in 0..ROUNDS {
        if ids.is_empty() {
            break;
        }
        let look = look(marathon, ids.clone()).await?;
        left = ids
            .iter()
            .filter(|id| {
                look.apps
                    .get(id)
                    .is_some_and(|a| unnameable(watched, a, &look))
            })
            .cloned()
            .collect();
        let bad: Vec<String> = ids
            .iter()
            .filter(|id| !left.contains(*id))
            .filter_map(|id| look.apps.get(id))
            .flat_map(|app| bad_tasks(watched, app, &look))
            .collect();
        if bad.is_empty() {
            break;
        }
        journal.wiping(&bad).await?;
        marathon.wipe(&bad).await?;
        journal.wiped().await?;
    }
    Ok(if left.is_empty() {
        Wiped::Clean
    } else {
        Wiped::Left(left)
    })
}

/// The tasks that are not well, and the never launched instances by the name their first task would have.
fn bad_tasks(watched: &Watched, app: &LiveApp, look: &Look) -> Vec<String> {
    let mut bad: Vec<String> = app
        .tasks
        .iter()
        .filter(|t| !app.is_well(t))
        .map(|t| t.id.clone())
        .collect();
    if look.hidden(app) > 0 {
        bad.extend(
            never_launched(watched, app)
                .into_iter()
                .map(|i| format!("{i}._app.1")),
        );
    }
    bad
}

fn never_launched(watched: &Watched, app: &LiveApp) -> Vec<String> {
    let listed: BTreeSet<&str> = app.tasks.iter().map(Task::instance).collect();
    let heard = watched.never_launched(&app.id);
    heard
        .into_iter()
        .filter(|i| !listed.contains(i.as_str()))
        .collect()
}

fn unnameable(watched: &Watched, app: &LiveApp, look: &Look) -> bool {
    let known = u32::try_from(never_launched(watched, app).len()).unwrap_or(u32::MAX);
    look.hidden(app) > known || (app.has_volumes() && app.tasks.iter().any(|t| !app.is_well(t)))
}

/// Makes room for a call that changes these services: rollouts of ours that still hold them are cleared of what is not
/// healthy, under their own lock.
///
/// # Errors
/// When Marathon does not answer, or the journal cannot be written.
pub async fn make_room<J: Journal>(
    marathon: &Client,
    watched: &Watched,
    ids: &BTreeSet<ServiceId>,
    is_ours: impl Fn(&str) -> bool + Send,
    journal: &J,
) -> Result<Room, J::Error> {
    let seen = look(marathon, ids.clone()).await?;
    let mut all = ids.clone();
    let mut held = false;
    for deployment in seen.holding(ids).filter(|d| is_ours(&d.id)) {
        held = true;
        let affected = &deployment.affected_apps;
        all.extend(affected.iter().filter_map(|a| a.parse().ok()));
    }
    let unwell: BTreeSet<ServiceId> = all
        .into_iter()
        .filter(|id| seen.apps.get(id).is_none_or(|a| needs_care(a, &seen)))
        .collect();
    if !held {
        let coverable = |a: &LiveApp| {
            let well = a.tasks.iter().filter(|t| a.is_well(t)).count();
            u32::try_from(well).unwrap_or(0) >= a.instances && seen.hidden(a) == 0
        };
        let (wipeable, rest): (BTreeSet<_>, BTreeSet<_>) = unwell
            .into_iter()
            .partition(|id| seen.apps.get(id).is_some_and(coverable));
        wipe(marathon, watched, &wipeable, journal).await?;
        let surplus = surplus(&seen, &rest);
        return Ok(Room { held, surplus });
    }
    let surplus = match wipe(marathon, watched, &unwell, journal).await? {
        Wiped::Left(left) => surplus(&look(marathon, left.clone()).await?, &left),
        Wiped::Clean => BTreeMap::new(),
    };
    Ok(Room { held, surplus })
}

fn needs_care(app: &LiveApp, look: &Look) -> bool {
    app.tasks.iter().any(|t| !app.is_well(t)) || look.hidden(app) > 0
}

fn surplus(look: &Look, ids: &BTreeSet<ServiceId>) -> BTreeMap<ServiceId, u32> {
    ids.iter()
        .filter_map(|id| {
            let app = look.apps.get(id)?;
            let active = u32::try_from(app.tasks.len())
                .unwrap_or(u32::MAX)
                .saturating_add(look.hidden(app));
            Some((id.clone(), active))
        })
        .collect()
}

/// The body with the smallest number of instances, at least the wanted one, of which the upgrade keeps all `active`
/// ones; and whether that is more than wanted.
#[must_use]
pub fn with_room(body: &Value, wanted: u32, active: Option<u32>) -> (Value, bool) {
    let Some(active) = active else {
        return (body.clone(), false);
    };
    let keeps = body
        .pointer("/upgradeStrategy/minimumHealthCapacity")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    let enough = (wanted..=wanted.saturating_add(active.saturating_mul(20)))
        .find(|n| kept(*n, keeps) >= active)
        .unwrap_or(wanted);
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut() {
        map.insert("instances".to_owned(), enough.into());
    }
    (body, enough != wanted)
}

//! Marathon says that something happened: those whose part of the picture changed go on at once, and nobody else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::worker::Awake;
use crate::context::Context;
use crate::id::AppId;
use crate::marathon::{Others, Parts};
use crate::spec::LABEL_APP;

/// Follows Marathon's events as long as anybody is at work.
pub(super) async fn attend(context: &Context, awake: &Mutex<BTreeMap<AppId, Awake>>) {
    let mut heard = context.watch.changes();
    let mut parts = Parts::default();
    while heard.changed().await.is_ok() {
        // events come in bursts; one look serves them all
        tokio::time::sleep(context.timing.burst()).await;
        let nobody = awake.lock().is_ok_and(|map| map.is_empty());
        if nobody {
            // who comes meanwhile may wait for what is not looked at now
            parts.changed(LABEL_APP, None);
            continue;
        }
        let seen = context.picture.since(context.picture.moment()).await.ok();
        let changed = parts.changed(LABEL_APP, seen.as_deref());
        let next = context.turns.first();
        let goes_on = |app: &AppId| match changed.others {
            Others::All => true,
            Others::Next if next.as_deref() == Some(app.as_str()) => true,
            Others::Next | Others::Nobody => changed.apps.contains(app.as_str()),
        };
        let Ok(map) = awake.lock() else { return };
        let woken = map.iter().filter(|(app, _)| goes_on(app));
        woken.for_each(|(_, at_work)| at_work.notify.notify_one());
    }
}

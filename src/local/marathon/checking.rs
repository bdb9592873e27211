//! Making the health checks and readiness checks of what runs.

use std::sync::Arc;
use std::time::Duration;

use super::app::{App, ReadinessCheck};
use super::engine::{Engine, lock};
use super::instance::Readiness;
use super::probe::{self, Place};
use super::world::Launch;

/// Shortest pause between two checks, for apps that ask for none.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);

impl Engine {
    /// The health checks of one version of an app, on a timer of their own.
    pub(super) async fn keep_checking(self: &Arc<Self>, app: &Arc<App>, index: usize) {
        let Some(check) = app.health_checks().into_iter().nth(index) else {
            return;
        };
        let interval = self.look(|w| w.real(check.interval)).max(SHORTEST_INTERVAL);
        let timeout = self.look(|w| w.real(check.timeout)).max(SHORTEST_INTERVAL);
        while self
            .stopping
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            let Some(targets) = self.look(|world| world.targets(&app.id, app.version, &check))
            else {
                break;
            };
            for target in targets {
                let (engine, check) = (Arc::clone(self), check.clone());
                self.tasks.spawn(async move {
                    let sandbox = engine.sandbox(&target.task);
                    let tools = engine.options.tools.as_deref();
                    let place = Place {
                        http: &engine.http,
                        sandbox: &sandbox,
                        tools,
                    };
                    let looked = probe::look(&check, &target, &place, timeout);
                    if let Some(result) = engine.stopping.run_until_cancelled(looked).await {
                        engine.with(|world| world.health_result(&target.task, index, result));
                    }
                });
            }
        }
        lock(&self.watched).remove(&(app.id.clone(), app.version));
    }

    /// The readiness checks of a task, until it is ready or gone.
    pub(super) async fn keep_asking(self: &Arc<Self>, check: &ReadinessCheck, target: &Launch) {
        let (interval, timeout) = self.look(|w| (w.real(check.interval), w.real(check.timeout)));
        let task = &target.task;
        loop {
            let result = ask(&self.http, check, target, timeout).await;
            if self.stopping.is_cancelled()
                || self.with(|world| world.readiness_result(task, result))
            {
                return;
            }
            if self
                .stopping
                .run_until_cancelled(tokio::time::sleep(interval.max(SHORTEST_INTERVAL)))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}

async fn ask(
    http: &reqwest::Client,
    check: &ReadinessCheck,
    target: &Launch,
    timeout: Duration,
) -> Readiness {
    let mut result = Readiness {
        name: check.name.clone(),
        ready: false,
        last: None,
    };
    let Some(port) = target.ports.get(check.port) else {
        return result;
    };
    let asked = async {
        let response = probe::get(http, target.host, *port, &check.path)
            .await
            .ok()?;
        Some((response.status().as_u16(), probe::body(response).await))
    };
    if let Ok(Some((status, body))) = tokio::time::timeout(timeout, asked).await {
        result.ready = check.codes.contains(&u64::from(status));
        if check.keep_last {
            result.last = Some((status, String::new(), body));
        }
    }
    result
}

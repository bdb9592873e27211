//! After each step: what was written to the log, whom it concerns, and whether everything holds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dploy_observer::id::AppId;
use dploy_observer::store::EventFilter;
use serde_json::Value;

use super::judge::Check;
use super::machine::Machine;
use super::outside::BLURRED;
use super::story::Trouble;

impl Machine {
    pub(super) fn after(&mut self) {
        self.listen();
        self.notice();
        let now = self.now();
        let disk = self.outside.lock().has(Trouble::DiskRefuses);
        if !disk && self.coverage.disk_refused {
            self.coverage.disk_refused = false;
            self.disk(false);
        } else if disk {
            self.coverage.disk_refused = true;
        }
        let mut inside = self.outside.lock();
        inside.adopted.clone_from(&self.judge.adopted);
        let destroyed = self.judge.apps.values().flatten().filter(|a| a.destroyed);
        inside.destroyed = destroyed.map(|a| a.id.to_string()).collect();
        inside.doomed = self.judge.doomed(now);
        let calls = std::mem::take(&mut inside.calls);
        let mut findings = std::mem::take(&mut inside.findings);
        // a call that comes when nobody waits for it any more is like a stranger's hand
        for service in std::mem::take(&mut inside.came_late) {
            self.judge.touch(&service, now);
        }
        if !calls.is_empty() {
            findings.extend(self.judge.live(&inside.cluster, &self.contents));
        }
        let shown = self.shown.take().map(|old| (old, inside.cluster.shown()));
        drop(inside);
        for call in calls {
            let _ = writeln!(self.trace, "{:9.3} {call}", now.as_secs_f64());
        }
        if let Some((old, new)) = shown {
            for line in new.iter().filter(|l| !old.contains(l)) {
                let _ = writeln!(self.trace, "{:9.3}     {line}", now.as_secs_f64());
            }
            self.shown = Some(new);
        }
        findings.extend(self.judge.acknowledged());
        self.found(findings);
    }

    /// Reads what was written to the log, wakes whom it concerns, and compares with a fresh fold.
    pub(super) fn notice(&mut self) {
        let Some(alive) = &mut self.alive else { return };
        let (mut touched, mut read) = (Vec::new(), false);
        loop {
            match alive.touched.try_recv() {
                Ok(by) => {
                    // a worker is not woken by what it knows of
                    let known = alive.slots.get(&by.app).and(alive.seen.get(&by.app));
                    if known.is_none_or(|seen| by.seq > seen.load(Ordering::SeqCst)) {
                        touched.push(by.app);
                    }
                    read = true;
                }
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        if !read && *alive.context.store.head().borrow() == self.judge.last_seq {
            return;
        }
        let store = alive.context.store.clone();
        let filter = EventFilter {
            since: Some(self.judge.last_seq),
            limit: 5000,
            ..EventFilter::default()
        };
        let events = alive.run(store.events(&filter)).unwrap();
        let outside = Arc::clone(&self.outside);
        let now = outside.now();
        let found = {
            let mut inside = outside.lock();
            if inside.has(Trouble::MarathonSlow) || inside.has(Trouble::QuestionsHeld) {
                inside.blurred_until = now + BLURRED;
            }
            self.judge.blurred_until = inside.blurred_until;
            let arrivals = std::mem::take(&mut inside.arrivals);
            self.judge.calls.arrive(arrivals, &inside.cluster);
            for branch in &self.branches {
                if let Ok(id) = branch.shape.name.parse() {
                    self.judge.branches.insert(id, branch.commits.clone());
                }
            }
            let mut found = self
                .judge
                .read(&events, &inside.cluster, &self.contents, now);
            found.extend(self.judge.hookless(&events, &inside.github));
            found
        };
        for event in &events {
            let app = event.app.as_ref().map_or("-", |a| a.as_str());
            let number = event
                .deploy
                .map(|d| format!(" #{}", d.0))
                .unwrap_or_default();
            let payload: Value = serde_json::from_str(event.payload.get()).unwrap();
            let said = payload["sentence"].as_str().unwrap_or_default().to_owned();
            let _ = writeln!(
                self.trace,
                "{:9.3}   {app}{number} {} {said}",
                now.as_secs_f64(),
                event.kind
            );
        }
        self.found(found);
        touched.sort();
        touched.dedup();
        for app in &touched {
            self.compare(app);
            self.wake(app);
            if let Some(alive) = &self.alive {
                alive.run(alive.schedule.hear(app));
            }
        }
    }

    pub(super) fn compare(&mut self, app: &AppId) {
        let Some(alive) = &self.alive else { return };
        let stored = alive.run(alive.context.store.app(app)).unwrap();
        let folded = self.judge.apps.get(app).cloned().flatten();
        if stored != folded {
            self.fail(
                Check::ProjectionDiffers,
                format!("the stored state of {app} is not what its events fold to"),
            );
        }
    }
}

//! The observer in a story: it starts, works step by step, hears of Marathon, and is killed.

use std::sync::Arc;
use std::time::Duration;

use dploy_observer::deployer::{self, Due, Worker};
use dploy_observer::id::AppId;

use super::acting::block_on;
use super::incarnation::{Incarnation, Slot, Step};
use super::judge::Check;
use super::machine::Machine;
use super::story::Trouble;

impl Machine {
    pub(super) fn start(&mut self) {
        match Incarnation::begin(&self.outside, &self.kept) {
            Ok(alive) => self.alive = Some(alive),
            Err(why) => self.fail(
                Check::Damaged,
                format!("the observer does not start: {why}"),
            ),
        }
        self.note("the observer starts");
        let owing = self.alive.as_ref().map(|alive| {
            let owing = alive.run(deployer::owing(&alive.context));
            owing.unwrap_or_default()
        });
        owing.iter().flatten().for_each(|app| self.wake(app));
    }

    pub(super) fn kill(&mut self, away: u32) {
        if let Some(alive) = self.alive.take() {
            alive.kill();
        }
        self.outside.lock().held.clear();
        self.back_at = self.now() + Duration::from_secs(away.into());
    }

    pub(super) fn wake(&mut self, app: &AppId) {
        let now = self.now().max(self.rests_until);
        let Some(alive) = &mut self.alive else { return };
        if let Some(slot) = alive.slots.get_mut(app) {
            return slot.wake(now, now);
        }
        let worker = Worker::new(alive.context.clone(), app.clone());
        alive.seen.insert(app.clone(), worker.seen());
        let fresh = Slot::Resting(Box::new(worker), now, false);
        alive.slots.insert(app.clone(), fresh);
    }

    pub(super) fn work(&mut self, app: &AppId) {
        let Some(alive) = &mut self.alive else { return };
        let Some(Slot::Resting(mut worker, _, woken)) = alive.slots.remove(app) else {
            return;
        };
        self.coverage
            .step(&self.judge, app, &self.outside.lock().trouble);
        let work = Box::pin(async move {
            let next = worker.step().await;
            (*worker, next)
        });
        let step = Step { work, waits: false };
        self.go_on(app, Slot::Calling(step, woken));
    }

    pub(super) fn go_on(&mut self, app: &AppId, slot: Slot) {
        let Slot::Calling(mut step, woken) = slot else {
            return;
        };
        self.outside.lock().acting = Some(app.to_string());
        let Some(alive) = &mut self.alive else { return };
        let done = alive.go_on(&mut step, &self.outside);
        let now = self.outside.now();
        let at_once = now.max(self.rests_until);
        let told = match done {
            None => {
                alive.slots.insert(app.clone(), Slot::Calling(step, woken));
                "waits for a call".to_owned()
            }
            Some((worker, next)) => {
                let due = match next {
                    Due::After(pause) if !woken => Some(now + pause),
                    Due::Never if !woken => None,
                    Due::After(_) | Due::Now | Due::Never => Some(at_once),
                };
                if let Some(due) = due {
                    alive
                        .slots
                        .insert(app.clone(), Slot::Resting(Box::new(worker), due, false));
                }
                match due {
                    Some(due) => {
                        format!("rests for {:.3} s", due.saturating_sub(now).as_secs_f64())
                    }
                    None => "is done".to_owned(),
                }
            }
        };
        self.outside.lock().acting = None;
        self.note(&format!("{app} {told}"));
    }

    /// Calls that were held go on, one after the other: who waits for a picture that another is taking waits on as long as a call
    /// of that is held.
    pub(super) fn release(&mut self) {
        let now = self.now();
        loop {
            let Some(released) = self.outside.lock().release(now) else {
                return;
            };
            let released: Option<AppId> = released.parse().ok();
            let calling = |(_, slot): &(&AppId, &Slot)| matches!(slot, Slot::Calling(..));
            let slots = self.alive.iter().flat_map(|a| &a.slots);
            let all: Vec<AppId> = slots.filter(calling).map(|(id, _)| id.clone()).collect();
            let (first, then): (Vec<AppId>, Vec<AppId>) = all
                .into_iter()
                .partition(|id| Some(id) == released.as_ref());
            for app in first.into_iter().chain(then) {
                let slots = self.alive.as_mut().map(|a| &mut a.slots);
                if let Some(slot) = slots.and_then(|s| s.remove(&app)) {
                    self.go_on(&app, slot);
                }
            }
        }
    }

    pub(super) fn arrive_late(&mut self, n: usize) {
        let late = self.outside.lock().late.remove(n);
        let outside = Arc::clone(&self.outside);
        if let Some(alive) = &self.alive {
            alive.run(outside.deliver(&late.call, true));
        } else {
            block_on(outside.deliver(&late.call, true));
        }
    }

    pub(super) fn hear(&mut self) {
        let now = self.now();
        let burst = self
            .alive
            .as_ref()
            .map_or(Duration::ZERO, |a| a.context.timing.burst());
        let Some(alive) = &mut self.alive else { return };
        while alive.stream.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, event)) = alive.stream.pop_front() else {
                break;
            };
            alive.ear.hear(&event);
        }
        let soon = (now + burst).max(self.rests_until);
        for slot in alive.slots.values_mut() {
            slot.wake(now, soon);
        }
    }

    /// What Marathon told goes on its way, or does not.
    pub(super) fn listen(&mut self) {
        let now = self.now();
        let mut inside = self.outside.lock();
        let events = inside.cluster.events();
        let (cut, shuffled) = (
            inside.has(Trouble::StreamCut) || inside.has(Trouble::MarathonAway),
            inside.has(Trouble::StreamShuffled),
        );
        drop(inside);
        let Some(alive) = self.alive.as_mut().filter(|_| !cut) else {
            return;
        };
        for event in events {
            let due = now + Duration::from_millis(self.choice.u64(1..400));
            if shuffled {
                let again = due + Duration::from_millis(self.choice.u64(0..5000));
                alive.stream.push_back((again, event.clone()));
            }
            alive.stream.push_back((due, event));
        }
        if shuffled {
            alive.stream.make_contiguous().sort_by_key(|(due, _)| *due);
        } else {
            let mut last = Duration::ZERO;
            for (due, _) in &mut alive.stream {
                last = last.max(*due);
                *due = last;
            }
        }
    }
}

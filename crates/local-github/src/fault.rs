//! Faults on demand: what goes wrong at GitHub, switched on by a test or by `POST /local/faults`.
//!
//! | JSON | effect |
//! |---|---|
//! | `{"down": true}` | REST calls answer 503; git and deliveries go on, so that pushes can be made meanwhile |
//! | `{"slow_ms": 500}` | each REST call answers that much later |
//! | `{"rate_limited": true}` | REST calls answer 403 with `x-ratelimit-remaining: 0` |
//! | `{"secondary_limited": true}` | REST calls answer 403 with `retry-after` and words about a secondary rate limit |
//! | `{"deliveries": {"lose": 1}}` | the next deliveries are neither attempted nor recorded |
//! | `{"deliveries": {"delay_ms": 500, "times": 1}}` | the next deliveries come later, and may be overtaken |
//! | `{"deliveries": {"double": 1}}` | the next deliveries are sent twice |
//! | `{"deliveries": {"reorder": 3}}` | the next deliveries are held until there are three, then sent last one first |
//! | `{"deliveries": {"forge": 1}}` | the next deliveries carry a wrong signature |
//! | `{"lag": 2}` | the next reads of a head that just moved answer the old one, of its commit or tree 404 |
//! | `{"reset": true}` | all is well again; held deliveries go out |
//!
//! Several may stand in one body. `delivery` faults are for pushes: pings and redeliveries are exempt.
//! Where several wait, a delivery takes the first of: lose, reorder, delay, double, forge.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The body of `POST /local/faults`; what is absent stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// REST calls answer 503.
    pub down: Option<bool>,
    /// Milliseconds by which REST calls answer later; 0 is none.
    pub slow_ms: Option<u64>,
    /// REST calls answer that the rate limit is used up.
    pub rate_limited: Option<bool>,
    /// REST calls answer that there were too many at once.
    pub secondary_limited: Option<bool>,
    /// What happens to the next deliveries.
    pub deliveries: Option<DeliveryOrder>,
    /// How many reads still show the state before the last push.
    pub lag: Option<u32>,
    /// Forget all faults first.
    pub reset: Option<bool>,
}

/// What happens to the next deliveries, each with how many.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryOrder {
    /// Neither attempted nor recorded.
    pub lose: Option<u32>,
    /// Sent that many milliseconds later.
    pub delay_ms: Option<u64>,
    /// How many are delayed; 1 when absent.
    pub times: Option<u32>,
    /// Sent twice.
    pub double: Option<u32>,
    /// Held until there are so many, then sent in reverse.
    pub reorder: Option<u32>,
    /// Sent with a wrong signature.
    pub forge: Option<u32>,
}

/// The faults in force: counts go down as they are used.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Active {
    pub down: bool,
    pub slow_ms: u64,
    pub rate_limited: bool,
    pub secondary_limited: bool,
    pub lose: u32,
    pub delay_ms: u64,
    pub times: u32,
    pub double: u32,
    pub reorder: u32,
    pub forge: u32,
    pub lag: u32,
}

/// What happens to one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Send,
    Lose,
    Delay(Duration),
    Double,
    /// Held; `last` when it is the one the others waited for.
    Hold {
        last: bool,
    },
    Forge,
}

/// The switchboard of the faults, shared by the server and by tests in the same process.
#[derive(Debug)]
pub struct Faults {
    active: Mutex<Active>,
    resets: watch::Sender<u64>,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            active: Mutex::default(),
            resets: watch::Sender::new(0),
        }
    }

    /// Does what `POST /local/faults` does with the same body.
    pub fn apply(&self, order: &Order) {
        if order.reset == Some(true) {
            self.reset();
        }
        let mut active = self.lock();
        set(&mut active.down, order.down);
        set(&mut active.slow_ms, order.slow_ms);
        set(&mut active.rate_limited, order.rate_limited);
        set(&mut active.secondary_limited, order.secondary_limited);
        set(&mut active.lag, order.lag);
        if let Some(deliveries) = &order.deliveries {
            set(&mut active.lose, deliveries.lose);
            set(&mut active.double, deliveries.double);
            set(&mut active.reorder, deliveries.reorder);
            set(&mut active.forge, deliveries.forge);
            if let Some(delay) = deliveries.delay_ms {
                active.delay_ms = delay;
                active.times = deliveries.times.unwrap_or(1);
            }
        }
    }

    /// REST calls answer 503, or no longer.
    pub fn down(&self, down: bool) {
        self.lock().down = down;
    }

    /// REST calls answer that much later.
    pub fn slow(&self, by: Duration) {
        self.lock().slow_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    }

    /// REST calls answer that the rate limit is used up, or no longer.
    pub fn rate_limited(&self, limited: bool) {
        self.lock().rate_limited = limited;
    }

    /// The next `n` deliveries are neither attempted nor recorded.
    pub fn lose(&self, n: u32) {
        self.lock().lose = n;
    }

    /// The next `n` deliveries are sent that much later.
    pub fn delay(&self, by: Duration, n: u32) {
        let mut active = self.lock();
        active.delay_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        active.times = n;
    }

    /// The next `n` deliveries are sent twice.
    pub fn double(&self, n: u32) {
        self.lock().double = n;
    }

    /// The next `n` deliveries are held until all are there, then sent in reverse.
    pub fn reorder(&self, n: u32) {
        self.lock().reorder = n;
    }

    /// The next `n` deliveries carry a wrong signature.
    pub fn forge(&self, n: u32) {
        self.lock().forge = n;
    }

    /// The next `n` reads of what was just pushed show the state before.
    pub fn lag(&self, n: u32) {
        self.lock().lag = n;
    }

    /// All is well again; held deliveries go out.
    pub fn reset(&self) {
        *self.lock() = Active::default();
        self.resets.send_modify(|n| *n += 1);
    }

    /// What is in force, for `GET /local/faults`.
    pub(super) fn active(&self) -> Active {
        self.lock().clone()
    }

    /// Tells of each reset, so that held deliveries can be let go.
    pub(super) fn resets(&self) -> watch::Receiver<u64> {
        self.resets.subscribe()
    }

    pub(super) fn is_down(&self) -> bool {
        self.lock().down
    }

    pub(super) fn is_rate_limited(&self) -> bool {
        self.lock().rate_limited
    }

    pub(super) fn is_secondary_limited(&self) -> bool {
        self.lock().secondary_limited
    }

    pub(super) fn slowness(&self) -> Duration {
        Duration::from_millis(self.lock().slow_ms)
    }

    /// Decides what happens to one delivery, and counts it.
    pub(super) fn next_fate(&self) -> Fate {
        let mut active = self.lock();
        if take(&mut active.lose) {
            Fate::Lose
        } else if take(&mut active.reorder) {
            let last = active.reorder == 0;
            Fate::Hold { last }
        } else if take(&mut active.times) {
            Fate::Delay(Duration::from_millis(active.delay_ms))
        } else if take(&mut active.double) {
            Fate::Double
        } else if take(&mut active.forge) {
            Fate::Forge
        } else {
            Fate::Send
        }
    }

    /// Whether this read is one that lags; counts it.
    pub(super) fn take_lag(&self) -> bool {
        take(&mut self.lock().lag)
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set<T: Copy>(field: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *field = wanted;
    }
}

fn take(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_with_several_faults_is_understood_and_used_up() {
        let faults = Faults::new();
        let order: Order = serde_json::from_str(
            r#"{"down":true,"lag":1,"deliveries":{"lose":1,"delay_ms":5,"reorder":2}}"#,
        )
        .unwrap();
        faults.apply(&order);
        assert!(faults.is_down());
        assert!(faults.take_lag() && !faults.take_lag());
        let fates: Vec<Fate> = (0..5).map(|_| faults.next_fate()).collect();
        assert_eq!(
            fates,
            [
                Fate::Lose,
                Fate::Hold { last: false },
                Fate::Hold { last: true },
                Fate::Delay(Duration::from_millis(5)),
                Fate::Send
            ]
        );
    }

    #[test]
    fn an_unknown_fault_is_refused() {
        assert!(serde_json::from_str::<Order>(r#"{"dwon":true}"#).is_err());
    }
}

//! How much strangers may ask: so many requests of an address, and so many tokens that are not ours.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

use super::error::Failure;
use crate::api::ProblemCode;
use crate::clock::SharedClock;

/// Wrong tokens that an address may show at once.
const TRIES: u32 = 10;

/// After those, one in so many seconds.
const TRY: u64 = 6;

/// So many seconds' worth of requests may come at once: a page and what it links to.
const BURST: u32 = 10;

/// Addresses that are remembered before those are forgotten that asked for nothing lately.
const MANY: usize = 10_000;

/// What is remembered of addresses.
pub struct Patience {
    asked: Option<DefaultKeyedRateLimiter<IpAddr>>,
    tried: DefaultKeyedRateLimiter<IpAddr>,
    silenced: Mutex<HashMap<IpAddr, Duration>>,
    clock: SharedClock,
}

/// The host behind an address: whoever has one of IPv6 has the 64 bits behind its network as well.
#[must_use]
pub fn host_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

fn limiter(quota: Quota) -> DefaultKeyedRateLimiter<IpAddr> {
    RateLimiter::keyed(quota)
}

fn too_many(what: &str, wait: Duration) -> Failure {
    let seconds = wait.as_secs() + 1;
    let why = format!("{what} from this address; try again in {seconds} s");
    Failure::new(StatusCode::TOO_MANY_REQUESTS, ProblemCode::TooMany, why).after(seconds)
}

impl Patience {
    /// With so many requests a second of an address that nobody is known at; 0: as many as come.
    #[must_use]
    pub fn new(a_second: u32, clock: SharedClock) -> Self {
        let number = |n: u32| NonZeroU32::new(n.max(1)).unwrap_or(NonZeroU32::MIN);
        let asked =
            Quota::per_second(number(a_second)).allow_burst(number(a_second.saturating_mul(BURST)));
        let tried = Quota::with_period(Duration::from_secs(TRY))
            .unwrap_or(Quota::per_minute(number(TRIES)));
        Self {
            asked: (a_second > 0).then(|| limiter(asked)),
            tried: limiter(tried.allow_burst(number(TRIES))),
            silenced: Mutex::default(),
            clock,
        }
    }

    fn wait(until: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Duration {
        until.wait_time_from(DefaultClock::default().now())
    }

    /// Refuses an address that asked too often.
    pub(super) fn may_ask(&self, peer: Option<IpAddr>) -> Result<(), Failure> {
        let (Some(asked), Some(peer)) = (&self.asked, peer) else {
            return Ok(());
        };
        if asked.len() > MANY {
            asked.retain_recent();
        }
        let checked = asked.check_key(&host_of(peer));
        checked.map_err(|until| too_many("too many requests", Self::wait(&until)))
    }

    /// Refuses an address that showed too many wrong tokens: not even a right one is looked at.
    pub(super) fn may_try(&self, peer: Option<IpAddr>) -> Result<(), Failure> {
        let Some(peer) = peer.map(host_of) else {
            return Ok(());
        };
        let now = self.clock.elapsed();
        let silenced = self.silenced.lock().unwrap_or_else(PoisonError::into_inner);
        let until = silenced.get(&peer).filter(|until| **until > now);
        until.map_or(Ok(()), |until| {
            Err(too_many("too many wrong tokens", until.saturating_sub(now)))
        })
    }

    /// Notes a wrong token.
    pub(super) fn tried_in_vain(&self, peer: Option<IpAddr>) {
        let Some(peer) = peer.map(host_of) else {
            return;
        };
        if self.tried.len() > MANY {
            self.tried.retain_recent();
        }
        let Err(until) = self.tried.check_key(&peer) else {
            return;
        };
        let now = self.clock.elapsed();
        let mut silenced = self.silenced.lock().unwrap_or_else(PoisonError::into_inner);
        silenced.retain(|_, until| *until > now);
        silenced.insert(peer, now + Self::wait(&until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_slow_down_their_address_and_no_other() {
        let patience = Patience::new(0, crate::clock::system());
        let (one, other): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..=TRIES {
            patience.may_try(Some(one)).unwrap();
            patience.tried_in_vain(Some(one));
        }
        let refused = patience.may_try(Some(one)).unwrap_err();
        assert_eq!(refused.0.status, 429);
        patience.may_try(Some(other)).unwrap();
        patience.may_ask(Some(one)).unwrap();
    }

    #[test]
    fn a_stranger_may_ask_so_often_and_no_more() {
        let patience = Patience::new(2, crate::clock::system());
        let all: Vec<IpAddr> = (0..30u32)
            .map(|n| IpAddr::V6((u128::from(n) | 0x2001_0db8 << 96).into()))
            .collect();
        let allowed = all.iter().filter(|p| patience.may_ask(Some(**p)).is_ok());
        let allowed = allowed.count();
        assert!(
            (20..26).contains(&allowed),
            "{allowed} of 30 requests of one network"
        );
    }
}

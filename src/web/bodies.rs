//! Room for the bodies of webhooks: so many bytes at once, and so many bodies of one address. Small ones need none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Failure;
use super::patience::host_of;
use crate::api::ProblemCode;

/// Bodies up to so many bytes take no room: as many as there may be connections have theirs.
const SMALL: usize = 64 * 1024;

/// MiB that large bodies have together: twice the largest that GitHub sends, and a little.
const ROOM: usize = 56;

/// Large bodies of one address.
const OF_PEER: usize = 2;

/// How long one waits for room.
const WAIT: Duration = Duration::from_secs(5);

/// Who has room.
#[derive(Clone)]
pub struct Bodies {
    room: Arc<Semaphore>,
    peers: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM)),
            peers: Arc::default(),
        }
    }
}

/// Room for one body, until this is dropped.
pub(super) struct Room {
    bodies: Bodies,
    peer: Option<IpAddr>,
    bytes: Option<OwnedSemaphorePermit>,
}

fn busy() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        ProblemCode::Busy,
        "too many bodies are being received; deliver again",
    )
}

impl Bodies {
    fn count(&self, peer: IpAddr, act: impl FnOnce(&mut usize)) -> usize {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let has = peers.entry(peer).or_default();
        act(has);
        let has = *has;
        if has == 0 {
            peers.remove(&peer);
        }
        has
    }

    /// Room for a body of this size.
    pub(super) async fn room(&self, peer: Option<IpAddr>, bytes: usize) -> Result<Room, Failure> {
        let mut room = Room {
            bodies: self.clone(),
            peer: None,
            bytes: None,
        };
        if bytes <= SMALL {
            return Ok(room);
        }
        if let Some(peer) = peer.map(host_of) {
            let has = self.count(peer, |has| *has += 1);
            room.peer = Some(peer);
            if has > OF_PEER {
                return Err(busy());
            }
        }
        let mebibytes = u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.room).acquire_many_owned(mebibytes);
        let permits = tokio::time::timeout(WAIT, permits).await;
        room.bytes = Some(permits.map_err(|_| busy())?.map_err(|_| busy())?);
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.bytes.take());
        if let Some(peer) = self.peer {
            self.bodies.count(peer, |has| *has -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Room, if there is any now.
    fn now(bodies: &Bodies, peer: Option<IpAddr>, bytes: usize) -> Option<Result<Room, Failure>> {
        bodies.room(peer, bytes).now_or_never()
    }

    #[tokio::test]
    async fn one_address_and_many_bytes_find_no_room_and_small_ones_always_do() {
        const LARGE: usize = 26 * 1024 * 1024;
        let bodies = Bodies::default();
        let peer = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        let one = now(&bodies, peer(1), LARGE).unwrap().unwrap();
        let _two = now(&bodies, peer(1), LARGE).unwrap().unwrap();
        let third = now(&bodies, peer(1), 2 * SMALL);
        assert!(third.is_some_and(|r| r.is_err()), "a third of one address");
        assert!(now(&bodies, peer(2), LARGE).is_none(), "it waits for room");
        for _ in 0..100 {
            drop(now(&bodies, peer(1), SMALL).unwrap().unwrap());
        }
        drop(one);
        now(&bodies, peer(2), LARGE).unwrap().unwrap();
        assert!(bodies.peers.lock().unwrap().len() == 1);
    }
}

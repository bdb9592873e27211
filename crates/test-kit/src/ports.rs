//! Ports of this machine that no other test has: each local Marathon gets a block of its own for its tasks.
//!
//! Two Marathons that share a range race: both find a port free, and the task that binds it second dies. A block cannot be shared, in
//! this process or another one: who has it holds the lock of its file, which the system gives back with the process at the latest.
//! The blocks lie below 32768, from where the system gives ports to others, and below 31000, where a Marathon's default range begins.

use std::fs::File;
use std::ops::Range;

use local_marathon::Resources;

const FIRST: u16 = 12_000;
const BLOCKS: u16 = 60;
/// As many as any test has tasks at once on both agents, and [`Ports::spare`].
const SIZE: u16 = 300;

/// A block of ports, until it is dropped.
pub struct Ports {
    first: u16,
    _lock: File,
}

impl Ports {
    /// # Panics
    /// When each block is taken.
    pub fn take() -> Self {
        let folder = std::env::temp_dir().join("dploy-test-ports");
        std::fs::create_dir_all(&folder).unwrap();
        let free = (0..BLOCKS).find_map(|block| {
            let lock = File::create(folder.join(block.to_string())).ok()?;
            lock.try_lock().ok()?;
            let first = FIRST + block * SIZE;
            Some(Self { first, _lock: lock })
        });
        free.unwrap_or_else(|| {
            let folder = folder.display();
            panic!("all {BLOCKS} blocks of ports are taken: who holds the locks in {folder}?")
        })
    }

    /// What a Marathon has, with these ports for its tasks.
    pub fn resources(&self) -> Resources {
        let half = self.first + SIZE / 2;
        let ports: [Range<u16>; 2] = [self.first + 1..half, half..self.first + SIZE];
        Resources {
            ports,
            ..Resources::default()
        }
    }

    /// The port that no agent has: for a server that is started again at its old address.
    pub fn spare(&self) -> u16 {
        self.first
    }
}

#[test]
fn two_blocks_have_no_port_in_common() {
    let (one, two) = (Ports::take(), Ports::take());
    let all = |ports: &Ports| {
        let [first, second] = ports.resources().ports;
        let mut all: Vec<u16> = first.chain(second).collect();
        all.push(ports.spare());
        all
    };
    let (one_has, two_has) = (all(&one), all(&two));
    assert_eq!(one_has.len(), usize::from(SIZE));
    assert!(one_has.iter().all(|p| !two_has.contains(p)));
    assert!(two_has.iter().all(|p| *p < 31_000));
}

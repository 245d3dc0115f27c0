//! Copies that finish later.
//!
//! `cp.async` never copies by itself: it queues a copy, and the launch's [`AsyncPolicy`] decides when it
//! *lands*, which is when its source is read and its destination written. A program that waits where it must
//! cannot tell the policies apart; one that does not, can. Groups are counted lane by lane, since a warp whose
//! lanes diverged may commit in some of them only (PTX ISA §9.7.9.25.3).

use super::lanes;
use crate::alu::lanes::LANES;
use std::collections::VecDeque;

/// When asynchronous work takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsyncPolicy {
    /// At once.
    #[default]
    Eager,
    /// Only when a wait forces it.
    Lazy,
    /// At any time in between, drawn from this seed.
    Random(u64),
}

/// The copies of one `cp.async`, lane by lane.
#[derive(Clone)]
pub(crate) struct Copy {
    pub mask: u32,
    /// Shared address.
    pub to: [u32; LANES],
    /// Global address.
    pub from: [u64; LANES],
    /// Bytes that are read; the rest of `bytes` becomes zero.
    pub read: [u8; LANES],
    pub bytes: u8,
    /// Group that each lane's copy belongs to.
    group: [u32; LANES],
}

impl Copy {
    pub fn new(bytes: u8, mask: u32) -> Copy {
        Copy { mask, to: [0; LANES], from: [0; LANES], read: [0; LANES], bytes, group: [0; LANES] }
    }
}

/// A warp's copies on their way, oldest first.
pub(crate) struct CopyQueue {
    policy: AsyncPolicy,
    seed: u64,
    random: u64,
    pending: VecDeque<Copy>,
    /// Groups that each lane has committed.
    committed: [u32; LANES],
}

impl CopyQueue {
    pub fn new(policy: AsyncPolicy) -> CopyQueue {
        CopyQueue { policy, seed: 0, random: 0, pending: VecDeque::new(), committed: [0; LANES] }
    }

    /// Makes this warp's draws its own.
    pub fn seed(&mut self, block: u64, warp: u32) {
        if let AsyncPolicy::Random(seed) = self.policy {
            self.seed = seed ^ block.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (warp as u64) << 48;
            self.random = self.seed;
        }
    }

    pub fn reset(&mut self) {
        self.pending.clear();
        self.committed = [0; LANES];
    }

    /// splitmix64
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Takes a copy that was just issued; gives it back if it lands at once.
    pub fn issue(&mut self, mut copy: Copy) -> Option<Copy> {
        let at_once = match self.policy {
            AsyncPolicy::Eager => true,
            AsyncPolicy::Lazy => false,
            AsyncPolicy::Random(_) => self.draw() & 3 == 0,
        };
        if at_once {
            return Some(copy);
        }
        copy.group = self.committed;
        self.pending.push_back(copy);
        None
    }

    /// Closes the open group of these lanes.
    pub fn commit(&mut self, mask: u32) {
        for lane in lanes(mask) {
            self.committed[lane] += 1;
        }
    }

    /// What must land before these lanes go on, if at most `allowed` of their groups may be on their way.
    pub fn wait(&mut self, mask: u32, allowed: u32) -> Vec<Copy> {
        let mut landing = Vec::new();
        for copy in &mut self.pending {
            let mut now = 0;
            for lane in lanes(copy.mask & mask) {
                if (copy.group[lane] as u64 + allowed as u64) < self.committed[lane] as u64 {
                    now |= 1 << lane;
                }
            }
            if now != 0 {
                landing.push(Copy { mask: now, ..copy.clone() });
                copy.mask &= !now;
            }
        }
        self.pending.retain(|c| c.mask != 0);
        landing
    }

    /// What happens to land now, between two turns of the warp.
    pub fn poll(&mut self) -> Vec<Copy> {
        let mut landing = Vec::new();
        if let AsyncPolicy::Random(_) = self.policy {
            for _ in 0..self.pending.len() {
                let draw = self.draw();
                if let Some(copy) = self.pending.pop_front() {
                    if draw & 1 == 0 { landing.push(copy) } else { self.pending.push_back(copy) }
                }
            }
        }
        landing
    }
}

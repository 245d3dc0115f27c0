//! A warp's `cp.async` on their way.
//!
//! Under the sanitizer a copy stays queued until it is waited for even if it has landed: only then may others rely on
//! it.
//!
//! Groups of `cp.async` are counted lane by lane, since a warp whose lanes diverged may commit in some of them only
//! (PTX ISA §9.7.9.25.3).

use super::MOST;
use crate::alu::lanes::LANES;
use crate::exec::lanes;
use crate::exec::order::View;
use crate::exec::policy::{AsyncPolicy, Landing};
use std::collections::VecDeque;

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
}

impl Copy {
    pub fn new(bytes: u8, mask: u32) -> Copy {
        Copy { mask, to: [0; LANES], from: [0; LANES], read: [0; LANES], bytes }
    }
}

/// `cp.async.mbarrier.arrive`: what happens once the copies before it have landed.
#[derive(Clone)]
pub(crate) struct Arrival {
    pub mask: u32,
    /// Shared address of each lane's mbarrier.
    pub at: [u32; LANES],
    pub pc: u32,
    /// What who waits for it may rely on.
    pub view: Option<Box<View>>,
}

/// What waits in a queue.
enum Work {
    Copy(Box<Copy>),
    Arrival(Box<Arrival>),
}

struct Entry {
    work: Work,
    /// Lanes that were not waited for.
    mask: u32,
    landed: bool,
    /// Which copy of the warp it is.
    number: u64,
    /// Group that each lane's copy belongs to.
    group: [u32; LANES],
}

/// What is to be done now.
pub(crate) enum Due {
    Copy(Box<Copy>),
    Arrival(Arrival),
}

/// A warp's copies on their way, oldest first.
pub(crate) struct CopyQueue {
    landing: Landing,
    pending: VecDeque<Entry>,
    /// Groups that each lane has committed.
    committed: [u32; LANES],
    /// Copies so far.
    issued: u64,
    /// Keep what has landed until it is waited for.
    keep: bool,
}

impl CopyQueue {
    pub fn new(policy: AsyncPolicy) -> CopyQueue {
        CopyQueue {
            landing: Landing::new(policy),
            pending: VecDeque::new(),
            committed: [0; LANES],
            issued: 0,
            keep: false,
        }
    }

    pub fn seed(&mut self, cluster: u64, warp: u32) {
        self.landing.seed(cluster, warp);
    }

    pub fn reset(&mut self, keep: bool) {
        self.pending.clear();
        self.committed = [0; LANES];
        self.issued = 0;
        self.keep = keep;
    }

    /// The number that the next copy will have.
    pub fn next_number(&self) -> u64 {
        self.issued + 1
    }

    /// Takes a copy that was just issued; gives it back if it lands at once.
    pub fn issue(&mut self, copy: Copy) -> Option<Copy> {
        self.issued += 1;
        let landed = self.landing.at_once();
        if landed && !self.keep {
            return Some(copy);
        }
        self.pending.push_back(Entry {
            mask: copy.mask,
            landed,
            number: self.issued,
            group: self.committed,
            work: Work::Copy(Box::new(copy.clone())),
        });
        landed.then_some(copy)
    }

    /// Takes an arrival; gives it back if nothing before it is on its way and it happens at once.
    pub fn arrive(&mut self, arrival: Arrival) -> Option<Arrival> {
        if self.is_clear(self.pending.len(), arrival.mask) && self.landing.at_once() {
            return Some(arrival);
        }
        self.pending.push_back(Entry {
            mask: arrival.mask,
            landed: false,
            number: self.issued,
            group: self.committed,
            work: Work::Arrival(Box::new(arrival)),
        });
        None
    }

    /// Whether no work of these lanes among the first `before` is still to land.
    fn is_clear(&self, before: usize, mask: u32) -> bool {
        self.pending.iter().take(before).all(|e| e.landed || e.mask & mask == 0)
    }

    /// Closes the open group of these lanes.
    pub fn commit(&mut self, mask: u32) {
        for lane in lanes(mask) {
            self.committed[lane] += 1;
        }
    }

    /// What must land before these lanes go on, if at most `allowed` of their groups may be on their way.
    pub fn wait(&mut self, mask: u32, allowed: u32) -> Vec<Due> {
        let mut landing = Vec::new();
        for at in 0..self.pending.len() {
            let entry = &mut self.pending[at];
            let mut now = 0;
            for lane in lanes(entry.mask & mask) {
                if (entry.group[lane] as u64 + allowed as u64) < self.committed[lane] as u64 {
                    now |= 1 << lane;
                }
            }
            if now == 0 {
                continue;
            }
            match &entry.work {
                Work::Copy(copy) => {
                    if !entry.landed {
                        landing.push(Due::Copy(Box::new(Copy { mask: now, ..(**copy).clone() })));
                    }
                    entry.mask &= !now;
                }
                // It is not waited for by this, but all that it waits for has landed now.
                Work::Arrival(arrival) => {
                    let arrival = (**arrival).clone();
                    if self.is_clear(at, arrival.mask) {
                        self.pending[at].mask = 0;
                        landing.push(Due::Arrival(arrival));
                    }
                }
            }
        }
        self.pending.retain(|e| e.mask != 0);
        landing
    }

    /// The last copy such that it and all before it were waited for.
    pub fn complete(&self) -> u64 {
        let first = self.pending.iter().find(|e| matches!(e.work, Work::Copy(_)));
        first.map_or(self.issued, |e| e.number - 1)
    }

    /// What happens to land now, between two turns of the warp.
    pub fn poll(&mut self) -> Vec<Due> {
        let mut landing = Vec::new();
        // A kernel that never waits must not fill the host's memory: the oldest land after all.
        let over = self.pending.len().saturating_sub(MOST);
        if over > 0 {
            (0..over).for_each(|at| self.land(at, &mut landing));
            self.pending.drain(..over);
        }
        if !self.landing.polls() || self.pending.is_empty() {
            return landing;
        }
        for at in 0..self.pending.len() {
            if self.pending[at].landed || !self.landing.now() {
                continue;
            }
            self.land(at, &mut landing);
        }
        self.settle();
        landing
    }

    /// Lands what nobody waits for, up to the first arrival at an mbarrier: somebody waits for that.
    pub fn force(&mut self) -> Vec<Due> {
        let mut landing = Vec::new();
        let is_arrival = |e: &Entry| matches!(e.work, Work::Arrival(_)) && !e.landed;
        if let Some(arrival) = self.pending.iter().position(is_arrival) {
            (0..=arrival).for_each(|at| self.land(at, &mut landing));
            self.settle();
        }
        landing
    }

    fn land(&mut self, at: usize, landing: &mut Vec<Due>) {
        let entry = &self.pending[at];
        if entry.landed {
            return;
        }
        match &entry.work {
            Work::Copy(copy) => {
                landing.push(Due::Copy(Box::new(Copy { mask: entry.mask, ..(**copy).clone() })));
            }
            Work::Arrival(arrival) if self.is_clear(at, arrival.mask) => {
                landing.push(Due::Arrival((**arrival).clone()));
            }
            Work::Arrival(_) => return,
        }
        self.pending[at].landed = true;
    }

    /// Forgets what has landed and need not be waited for.
    fn settle(&mut self) {
        let keep = self.keep;
        self.pending.retain(|e| !e.landed || (keep && matches!(e.work, Work::Copy(_))));
    }
}

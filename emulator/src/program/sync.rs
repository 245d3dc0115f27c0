//! Barriers of blocks, clusters and memory.

use super::memory::Address;
use super::{Condition, Pred, Reg};
use crate::address::Space;

/// A barrier of the block.
#[derive(Debug)]
pub struct Barrier {
    /// Which of the sixteen.
    pub id: Reg,
    /// Threads that take part, where given.
    pub count: Option<Reg>,
    /// Whether the warp waits.
    pub kind: BarrierKind,
}

/// What is done at a barrier.
#[derive(Debug)]
pub enum BarrierKind {
    /// Arrive and wait.
    Sync,
    /// Arrive and go on.
    Arrive,
    /// Wait, with the number of threads whose predicate holds.
    Popc(Reg, Condition),
    /// Wait, with whether all threads' predicates hold.
    All(Pred, Condition),
    /// Wait, with whether any thread's predicate holds.
    Any(Pred, Condition),
}

/// `mbarrier.*` on an object in shared memory.
#[derive(Debug)]
pub struct Mbarrier {
    /// Where it is.
    pub at: Address,
    /// Shared, or generic.
    pub space: Space,
    /// What is done.
    pub kind: MbarrierKind,
    /// Whether writes before it are seen by who waits, and writes before an arrival by who it waits for: not so
    /// with `.relaxed`.
    pub ordered: bool,
}

/// Low bits of the state that an arrival gives: arrivals that are pending. Its phase is above them.
pub const PENDING_BITS: u32 = 20;

/// What is done with an mbarrier.
#[derive(Debug)]
pub enum MbarrierKind {
    /// `init`, with the number of arrivals.
    Init { count: Reg },
    /// `inval`
    Inval,
    /// `arrive`, `arrive_drop`, with `.expect_tx` and `.noComplete`.
    Arrive { state: Option<Reg>, count: Option<Reg>, expect: Option<Reg>, drop: bool, no_complete: bool },
    /// `expect_tx`
    Expect { bytes: Reg },
    /// `complete_tx`: nothing but the count.
    Complete { bytes: Reg },
    /// `test_wait`, and `try_wait`, which may put the thread to sleep.
    Wait { done: Pred, phase: Phase, sleeps: bool },
}

impl Mbarrier {
    /// `test_wait` or `try_wait`
    pub fn is_wait(&self) -> bool {
        matches!(self.kind, MbarrierKind::Wait { .. })
    }
}

/// Which phase of an mbarrier is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// The one in which an arrival gave this state.
    State(Reg),
    /// The one with this parity.
    Parity(Reg),
}

/// `barrier.cluster`
#[derive(Clone, Copy, Debug)]
pub struct ClusterBarrier {
    /// `arrive` rather than `wait`.
    pub arrives: bool,
    /// `.release` or `.acquire` rather than `.relaxed`.
    pub ordered: bool,
}

//! Which leaves are evicted next: their order, and who waits to be let back in.

use super::node::Use;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Which idle blocks are evicted first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Eviction {
    /// Those used longest ago.
    #[default]
    Lru,
    /// Those matched least often, and of these the ones used longest ago.
    Lfu,
    /// Those never matched since they were stored, then the others; in both, those used longest ago. A burst of prompts
    /// that nobody repeats does not push out what is shared.
    SegmentedLru,
}

impl Eviction {
    /// The lowest goes first. Grows with every use.
    pub(super) fn rank(self, used: Use) -> u64 {
        let last = u64::from(used.last);
        match self {
            Eviction::Lru => last,
            Eviction::Lfu => u64::from(used.hits) << 32 | last,
            Eviction::SegmentedLru => u64::from(used.hits > 0) << 32 | last,
        }
    }
}

/// Leaves in the order of their ranks, and who waits to be let back in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Rank, node, its generation.
    pub heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// By the block that was held: the leaf that ended in it.
    pub waiting: HashMap<u32, (u32, u32)>,
}

impl Queue {
    pub fn bytes(&self) -> usize {
        self.heap.capacity() * 16 + self.waiting.capacity() * 16
    }

    pub fn waits_for(&self, block: u32, place: u32) -> bool {
        self.waiting.get(&block).is_some_and(|(waiting, _)| *waiting == place)
    }
}

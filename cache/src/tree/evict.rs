//! Which cached blocks go when memory is needed.
//!
//! Only the last block of a leaf can go, and only if nobody but the tree holds it. Within a node blocks are used less the
//! deeper they lie, so a leaf is worth as much as its last block. Leaves wait in a heap under the rank they had when
//! they were put there; ranks only grow, so a leaf that comes up with an old rank is put back with its new one, and
//! nobody has to look for it when it is used. A leaf that comes up while a sequence holds its end leaves the heap, and
//! the pool tells when that end becomes idle. So every idle block can be evicted, and the pool's count of them is what can
//! be had.

use super::PrefixTree;
use super::events::Listener;
use super::node::{NONE, Use};
use crate::pool::BlockPool;
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
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// By the block that was held: the leaf that ended in it.
    waiting: HashMap<u32, (u32, u32)>,
}

impl Queue {
    pub fn bytes(&self) -> usize {
        self.heap.capacity() * 16 + self.waiting.capacity() * 16
    }

    pub fn waits_for(&self, block: u32, place: u32) -> bool {
        self.waiting.get(&block).is_some_and(|(waiting, _)| *waiting == place)
    }
}

impl PrefixTree {
    /// Takes idle blocks out of the tree, least wanted first, until `count` have become free or no more can.
    /// Gives how many did.
    pub fn evict(&mut self, pool: &mut BlockPool, count: usize) -> usize {
        self.evict_telling(pool, count, None)
    }

    /// As [`PrefixTree::evict`], and tells `who` of every run of blocks before it is let go.
    pub(crate) fn evict_telling(
        &mut self,
        pool: &mut BlockPool,
        count: usize,
        mut who: Listener<'_>,
    ) -> usize {
        let mut evicted = 0;
        while evicted < count {
            self.let_back(pool);
            let Some(place) = self.next_leaf(pool) else {
                if pool.idle_blocks() > 0 && self.uncover(pool) {
                    continue;
                }
                break;
            };
            // The leaf goes down to what the next best is worth.
            let limit = self.queue.heap.peek().map_or(u64::MAX, |Reverse((rank, ..))| *rank);
            let node = &self.nodes[place];
            let (len, wanted) = (node.blocks.len(), count - evicted);
            let goes =
                |at: &usize| !pool_holds(pool, node.blocks[*at]) && self.policy.rank(node.uses[*at]) <= limit;
            let run = (0..len).rev().take(wanted).take_while(goes).count();
            evicted += run;
            self.cut_tail(pool, place, len - run, &mut who);
        }
        self.stats.evicted_blocks += evicted as u64;
        evicted
    }

    /// Puts a leaf into the queue if it is not there.
    pub(super) fn enqueue(&mut self, place: u32) {
        let node = &mut self.nodes[place];
        let Some(used) = node.uses.last() else { return };
        if !node.queued && node.first_child == NONE {
            node.queued = true;
            self.queue.heap.push(Reverse((self.policy.rank(*used), place, node.generation)));
        }
    }

    /// Leaves whose ends have become idle are candidates again.
    fn let_back(&mut self, pool: &mut BlockPool) {
        while let Some(block) = pool.take_woken() {
            if let Some((place, generation)) = self.queue.waiting.remove(&block)
                && self.nodes[place].generation == generation
            {
                self.enqueue(place);
            }
        }
    }

    /// The leaf of the lowest rank whose last block is idle, out of the queue.
    fn next_leaf(&mut self, pool: &mut BlockPool) -> Option<u32> {
        while let Some(Reverse((rank, place, generation))) = self.queue.heap.pop() {
            let node = &mut self.nodes[place];
            if node.generation != generation {
                continue;
            }
            node.queued = false;
            let (Some(block), Some(used), true) = (node.blocks.last(), node.uses.last(), node.is_leaf())
            else {
                continue;
            };
            if self.policy.rank(*used) > rank {
                self.enqueue(place);
            } else if pool_holds(pool, *block) {
                pool.watch(*block);
                self.queue.waiting.insert(*block, (place, generation));
            } else {
                return Some(place);
            }
        }
        None
    }

    /// Takes the held end of a leaf out of the tree where idle blocks lie before it; whoever holds it keeps it. `false` if
    /// there is no such leaf.
    ///
    /// Whoever holds a block mostly holds those before it. A fork that kept its own blocks while its sibling took the
    /// tree's for them does not.
    fn uncover(&mut self, pool: &mut BlockPool) -> bool {
        let is_idle = |block: &u32| !pool_holds(pool, *block);
        let covered = |(place, generation): &&(u32, u32)| {
            let node = &self.nodes[*place];
            if node.generation != *generation || node.queued || !node.is_leaf() {
                return false;
            }
            let mut at = *place;
            while !self.is_root(at) {
                if self.nodes[at].blocks.iter().any(is_idle) {
                    return true;
                }
                at = self.nodes[at].parent;
            }
            false
        };
        // The one used longest ago; the number decides where that is the same, so that runs repeat.
        let age = |(place, _): &&(u32, u32)| (self.nodes[*place].uses.last().map(|used| used.last), *place);
        let Some((place, _)) = self.queue.waiting.values().filter(covered).min_by_key(age).copied() else {
            return false;
        };
        let keep = self.nodes[place].blocks.iter().rposition(is_idle).map_or(0, |last| last + 1);
        self.cut_tail(pool, place, keep, &mut None);
        true
    }

    /// Lets go of a leaf's blocks from the `keep`th on; without any left the leaf goes too.
    pub(super) fn cut_tail(&mut self, pool: &mut BlockPool, place: u32, keep: usize, who: &mut Listener<'_>) {
        let block_size = self.block_size;
        self.tell_removed(place, keep, who);
        let node = &mut self.nodes[place];
        for block in node.blocks.drain(keep..).rev() {
            pool.uncache(block);
        }
        node.uses.truncate(keep);
        if keep > 0 {
            node.tokens.truncate(keep * block_size);
            self.enqueue(place);
            return;
        }
        self.remove_leaf(place);
    }

    /// Takes away a leaf that has no blocks left. Its parent may have become a leaf, or have one child left.
    fn remove_leaf(&mut self, place: u32) {
        let parent = self.nodes[place].parent;
        self.forget(place);
        self.nodes.unlink(place);
        self.nodes.remove(place);
        let only = self.nodes[parent].first_child;
        if self.is_root(parent) {
            if only == NONE {
                self.remove_root(parent);
            }
        } else if only == NONE {
            self.enqueue(parent);
        } else if self.nodes[only].next == NONE {
            self.join(parent, only);
        }
    }
}

/// Whether anybody besides the tree holds a block.
fn pool_holds(pool: &BlockPool, block: u32) -> bool {
    pool.count(block) > 1
}

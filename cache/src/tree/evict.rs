//! Which cached blocks go when memory is needed.
//!
//! Only the last block of a leaf can go, and only if nobody but the tree holds it. Within a node blocks are used less the
//! deeper they lie, so a leaf is worth as much as its last block. Leaves wait in a heap under the rank they had when
//! they were put there; ranks only grow, so a leaf that comes up with an old rank is put back with its new one, and
//! nobody has to look for it when it is used. A leaf that comes up while a sequence holds its end leaves the heap, and
//! the pool tells when that end becomes idle. So every idle block can be evicted, and the pool's count of them is what can
//! be had.

use super::event::Listener;
use super::node::NONE;
use super::prefix_tree::PrefixTree;
use crate::pool::BlockPool;
use std::cmp::Reverse;

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

    /// Evicts every idle block; gives how many.
    pub fn clear(&mut self, pool: &mut BlockPool) -> usize {
        self.evict(pool, usize::MAX)
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

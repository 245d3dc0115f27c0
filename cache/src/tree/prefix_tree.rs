//! The tree itself: its nodes, how they are found, and how their shape changes.
//!
//! What looks for prefixes in it, puts blocks into it and takes them out again is in files of its own, each with its part
//! of [`PrefixTree`]'s methods; they keep the tree's shape by what is here.

use super::event::PrefixEvent;
use super::lock::Locks;
use super::node::{Arena, NONE};
use super::queue::{Eviction, Queue};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// What a tree has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefixStats {
    /// Prefixes looked for.
    pub lookups: u64,
    /// Tokens looked for.
    pub asked_tokens: u64,
    /// Tokens found.
    pub hit_tokens: u64,
    /// Blocks ever stored.
    pub stored_blocks: u64,
    /// Blocks ever evicted.
    pub evicted_blocks: u64,
}

impl PrefixStats {
    /// Tokens found of those looked for; 0 of none.
    pub fn hit_rate(&self) -> f64 {
        if self.asked_tokens == 0 { 0.0 } else { self.hit_tokens as f64 / self.asked_tokens as f64 }
    }
}

/// A radix tree over token ids, in whole blocks. Its blocks belong to one [`BlockPool`](crate::BlockPool), the same at every call.
#[derive(Debug)]
pub struct PrefixTree {
    pub(super) block_size: usize,
    pub(super) policy: Eviction,
    pub(super) nodes: Arena,
    /// Every node that is no root, by parent and first block.
    pub(super) children: HashTable<u32>,
    pub(super) hasher: DefaultHashBuilder,
    pub(super) roots: HashMap<Box<str>, u32>,
    pub(super) names: HashMap<u32, Box<str>>,
    pub(super) queue: Queue,
    pub(super) locks: Locks,
    pub(super) events: Option<Vec<PrefixEvent>>,
    pub(super) clock: u32,
    pub(super) stats: PrefixStats,
}

impl PrefixTree {
    /// An empty tree over blocks of `block_size` tokens, of which there is at least 1.
    pub fn new(block_size: usize, policy: Eviction) -> PrefixTree {
        PrefixTree {
            block_size: block_size.max(1),
            policy,
            nodes: Arena::default(),
            children: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            roots: HashMap::new(),
            names: HashMap::new(),
            queue: Queue::default(),
            locks: Locks::default(),
            events: None,
            clock: 0,
            stats: PrefixStats::default(),
        }
    }

    /// Tokens of a block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Nodes, roots among them.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// What has been looked for, found, stored and evicted.
    pub fn stats(&self) -> PrefixStats {
        self.stats
    }

    /// Bytes of host memory that the tree takes.
    pub fn bytes(&self) -> usize {
        self.nodes.bytes() + self.children.capacity() * 5 + self.queue.bytes()
    }

    pub(super) fn child(&self, parent: u32, page: &[u32]) -> Option<u32> {
        let is = |place: &u32| {
            let node = &self.nodes[*place];
            node.parent == parent && node.tokens[..self.block_size] == *page
        };
        self.children.find(self.key(parent, page), is).copied()
    }

    fn key(&self, parent: u32, page: &[u32]) -> u64 {
        self.hasher.hash_one((parent, page))
    }

    /// The time, one later than the last. Before the clock runs over all times are halved, which keeps their order.
    pub(super) fn tick(&mut self) -> u32 {
        if self.clock == u32::MAX {
            for place in self.nodes.places().collect::<Vec<_>>() {
                self.nodes[place].uses.iter_mut().for_each(|used| used.last /= 2);
            }
            self.clock /= 2;
            self.requeue();
        }
        self.clock += 1;
        self.clock
    }

    /// Ranks have become lower: the queue is made anew.
    fn requeue(&mut self) {
        self.queue = Queue::default();
        for place in self.nodes.places().collect::<Vec<_>>() {
            self.nodes[place].queued = false;
            self.enqueue(place);
        }
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

    /// Cuts a node in two; gives the new one, which has its first `at` blocks and is the other's parent.
    pub(super) fn split(&mut self, place: u32, at: usize) -> u32 {
        self.forget(place);
        let parent = self.nodes[place].parent;
        self.nodes.unlink(place);
        let upper = self.nodes.add(parent);
        let tokens_at = at * self.block_size;
        let node = &mut self.nodes[place];
        let (tokens, blocks, uses) = (
            cut_front(&mut node.tokens, tokens_at),
            cut_front(&mut node.blocks, at),
            cut_front(&mut node.uses, at),
        );
        let above = &mut self.nodes[upper];
        (above.tokens, above.blocks, above.uses) = (tokens, blocks, uses);
        self.nodes.link(parent, upper);
        self.nodes.link(upper, place);
        self.remember(upper);
        self.remember(place);
        upper
    }

    /// Makes one node of a node and its only child, in the child's place.
    pub(super) fn join(&mut self, place: u32, child: u32) {
        self.forget(place);
        self.forget(child);
        let parent = self.nodes[place].parent;
        self.nodes.unlink(child);
        self.nodes.unlink(place);
        let node = &mut self.nodes[place];
        let (mut tokens, mut blocks, mut uses) = (
            std::mem::take(&mut node.tokens),
            std::mem::take(&mut node.blocks),
            std::mem::take(&mut node.uses),
        );
        let below = &mut self.nodes[child];
        tokens.append(&mut below.tokens);
        blocks.append(&mut below.blocks);
        uses.append(&mut below.uses);
        (below.tokens, below.blocks, below.uses) = (tokens, blocks, uses);
        self.nodes.remove(place);
        self.nodes.link(parent, child);
        self.remember(child);
    }

    /// Enters a node in the table of children.
    pub(super) fn remember(&mut self, place: u32) {
        let key = self.key_of(place);
        let (nodes, hasher, block_size) = (&self.nodes, &self.hasher, self.block_size);
        self.children.insert_unique(key, place, |place| {
            let node = &nodes[*place];
            hasher.hash_one((node.parent, &node.tokens[..block_size]))
        });
    }

    /// Takes a node out of the table of children.
    pub(super) fn forget(&mut self, place: u32) {
        let key = self.key_of(place);
        if let Ok(entry) = self.children.find_entry(key, |other| *other == place) {
            entry.remove();
        }
    }

    fn key_of(&self, place: u32) -> u64 {
        let node = &self.nodes[place];
        self.key(node.parent, &node.tokens[..self.block_size])
    }

    pub(super) fn is_root(&self, place: u32) -> bool {
        self.nodes[place].parent == NONE
    }

    pub(super) fn add_root(&mut self, namespace: &str) -> u32 {
        let root = self.nodes.add(NONE);
        self.roots.insert(namespace.into(), root);
        self.names.insert(root, namespace.into());
        root
    }

    /// A namespace without blocks leaves nothing behind.
    pub(super) fn remove_root(&mut self, root: u32) {
        if let Some(name) = self.names.remove(&root) {
            self.roots.remove(&name);
        }
        self.nodes.remove(root);
    }
}

/// Takes the first `at` elements out of a vector.
fn cut_front<T>(vector: &mut Vec<T>, at: usize) -> Vec<T> {
    let rest = vector.split_off(at);
    let mut front = std::mem::replace(vector, rest);
    front.shrink_to_fit();
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::BlockPool;

    #[test]
    fn the_clock_runs_over() {
        let (mut tree, mut pool) = (PrefixTree::new(1, Eviction::Lru), BlockPool::new(16));
        let store = |tree: &mut PrefixTree, pool: &mut BlockPool, token: u32| {
            let block = pool.alloc().expect("a block");
            tree.insert(pool, "", &[token], &[block]).expect("a block that is held");
            pool.release(block).expect("a block that is held");
        };
        (0..4).for_each(|token| store(&mut tree, &mut pool, token));
        tree.clock = u32::MAX - 2;
        (4..12).for_each(|token| store(&mut tree, &mut pool, token));
        assert!(tree.clock < u32::MAX / 2 + 16);
        // The order is what it was.
        for token in 0..12 {
            tree.audit(&pool).expect("a good tree");
            assert_eq!(
                (tree.peek("", &[token]), tree.evict(&mut pool, 1), tree.peek("", &[token])),
                (1, 1, 0)
            );
        }
    }
}

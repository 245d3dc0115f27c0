//! A radix tree of prefixes over token ids, in whole blocks.
//!
//! Finished sequences leave their blocks here. Whoever comes with the same first tokens, under the same namespace (an
//! adapter, a tenant), takes the blocks instead of computing them; when memory is needed, blocks that nobody holds are
//! evicted from the ends of the tree ([`Eviction`]).
//!
//! - A node ends only where prompts part: a prompt that ends inside a node leaves it whole, a leaf that a prompt goes
//!   beyond grows, and a node whose children are gone but one is joined with it. So a match takes as many steps as there
//!   were real choices, however many prompts have ended on the way.
//! - Children are found through one hash table for the whole tree, by parent and first block.
//! - The tree keeps no counts of who uses what: [`BlockPool`] does, and a block may be evicted when the tree alone holds
//!   it.
//!
//! The design of nodes, locks and namespaces follows SGLang's RadixAttention (arXiv 2312.07104, §3).

mod events;
mod evict;
mod lock;
mod node;
mod show;

pub(crate) use events::Removed;
pub use events::{PrefixEvent, block_hash, namespace_hash};
pub use evict::Eviction;
pub use lock::{LockId, NotLocked};

use crate::pool::{BlockError, BlockId, BlockPool};
use evict::Queue;
use hashbrown::{DefaultHashBuilder, HashTable};
use lock::Locks;
use node::{Arena, NONE, Use};
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// What cannot be put into a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// Fewer blocks than the tokens fill.
    #[error("{tokens} tokens fill {whole} blocks of {block_size}, and {blocks} blocks were given")]
    Blocks {
        /// Tokens given.
        tokens: usize,
        /// Blocks that they fill.
        whole: usize,
        /// Tokens of a block.
        block_size: usize,
        /// Blocks given.
        blocks: usize,
    },
    /// A block that holds other tokens in the tree.
    #[error("block {0} is in the tree under other tokens: a block holds one run of tokens")]
    Cached(u32),
    /// An id that names no held block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// What [`PrefixTree::insert`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Blocks that were in the tree already; the caller's own of them were not stored.
    pub existing: usize,
    /// Blocks that are new in the tree.
    pub stored: usize,
    /// Blocks of the caller that gave way to the tree's own, where it took those instead.
    pub replaced: usize,
}

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

/// A radix tree over token ids, in whole blocks. Its blocks belong to one [`BlockPool`], the same at every call.
#[derive(Debug)]
pub struct PrefixTree {
    block_size: usize,
    policy: Eviction,
    nodes: Arena,
    /// Every node that is no root, by parent and first block.
    children: HashTable<u32>,
    hasher: DefaultHashBuilder,
    roots: HashMap<Box<str>, u32>,
    names: HashMap<u32, Box<str>>,
    queue: Queue,
    locks: Locks,
    events: Option<Vec<PrefixEvent>>,
    clock: u32,
    stats: PrefixStats,
}

/// How far some tokens are in the tree.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// The last node that was entered; the root if none.
    node: u32,
    /// Blocks of that node that match.
    within: usize,
    /// Blocks that match, from the root on.
    blocks: usize,
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

    /// Finds the longest cached prefix of `tokens`, in whole blocks; appends its blocks to `into` and gives its length
    /// in tokens. The blocks are not held: retain them, or [`PrefixTree::lock`] the prefix, before anything is evicted.
    pub fn match_prefix(
        &mut self,
        pool: &BlockPool,
        namespace: &str,
        tokens: &[u32],
        into: &mut Vec<BlockId>,
    ) -> usize {
        let Some(walk) = self.find(namespace, tokens) else { return 0 };
        let first = into.len();
        self.each_run(walk, |run| into.extend(run.iter().rev().filter_map(|block| pool.id_of(*block))));
        into[first..].reverse();
        walk.blocks * self.block_size
    }

    /// As [`PrefixTree::match_prefix`], by number; whoever asked holds the blocks from now on.
    pub(crate) fn match_and_hold(
        &mut self,
        pool: &mut BlockPool,
        namespace: &str,
        tokens: &[u32],
        into: &mut Vec<u32>,
    ) -> usize {
        let Some(walk) = self.find(namespace, tokens) else { return 0 };
        let first = into.len();
        into.resize(first + walk.blocks, 0);
        let mut end = into.len();
        self.each_run(walk, |run| {
            into[end - run.len()..end].copy_from_slice(run);
            end -= run.len();
        });
        into[first..].iter().for_each(|block| pool.hold(*block));
        walk.blocks * self.block_size
    }

    /// How many tokens of `tokens` are cached, without a trace in the statistics or in what is evicted next.
    pub fn peek(&self, namespace: &str, tokens: &[u32]) -> usize {
        let root = self.roots.get(namespace);
        root.map_or(0, |root| self.walk(*root, tokens).blocks * self.block_size)
    }

    /// Puts the whole blocks of `tokens` into the tree, of which `blocks` holds the keys and values. Blocks that are in
    /// the tree already stay as they are, and the caller's own stay the caller's; the tree holds each new one once more.
    ///
    /// # Errors
    /// Fewer blocks than the tokens fill, or a block that cannot be stored; nothing was changed.
    pub fn insert(
        &mut self,
        pool: &mut BlockPool,
        namespace: &str,
        tokens: &[u32],
        blocks: &[BlockId],
    ) -> Result<Inserted, InsertError> {
        blocks.iter().try_for_each(|id| pool.check(*id))?;
        let mut numbers: Vec<u32> = blocks.iter().map(|id| id.index).collect();
        self.insert_blocks(pool, namespace, tokens, &mut numbers, false)
    }

    /// As [`PrefixTree::insert`], by number. With `adopt`, blocks that are in the tree already take the place of the
    /// caller's in `blocks`, who holds them instead of its own from then on.
    pub(crate) fn insert_blocks(
        &mut self,
        pool: &mut BlockPool,
        namespace: &str,
        tokens: &[u32],
        blocks: &mut [u32],
        adopt: bool,
    ) -> Result<Inserted, InsertError> {
        let block_size = self.block_size;
        let whole = tokens.len() / block_size;
        if blocks.len() < whole {
            let (tokens, blocks) = (tokens.len(), blocks.len());
            return Err(InsertError::Blocks { tokens, whole, block_size, blocks });
        }
        if whole == 0 {
            return Ok(Inserted::default());
        }
        let tokens = &tokens[..whole * block_size];
        let known = self.roots.get(namespace).map(|root| self.walk(*root, tokens));
        let existing = known.map_or(0, |walk| walk.blocks);
        self.cache_all(pool, &blocks[existing..whole])?;
        let mut replaced = 0;
        if let (Some(walk), true) = (known, adopt) {
            let mut end = existing;
            self.each_run(walk, |run| {
                replaced += adopt_run(pool, run, &mut blocks[end - run.len()..end]);
                end -= run.len();
            });
        }
        let walk = known.unwrap_or_else(|| Walk { node: self.add_root(namespace), within: 0, blocks: 0 });
        let now = self.tick();
        self.touch(walk, now, 0);
        if existing < whole {
            self.store(walk, &tokens[existing * block_size..], &blocks[existing..whole], now);
        }
        let stored = whole - existing;
        self.stats.stored_blocks += stored as u64;
        Ok(Inserted { existing, stored, replaced })
    }

    /// Evicts every idle block; gives how many.
    pub fn clear(&mut self, pool: &mut BlockPool) -> usize {
        self.evict(pool, usize::MAX)
    }

    // Walking.

    /// [`PrefixTree::walk`] for somebody who will use what is found.
    fn find(&mut self, namespace: &str, tokens: &[u32]) -> Option<Walk> {
        self.stats.lookups += 1;
        self.stats.asked_tokens += tokens.len() as u64;
        let root = *self.roots.get(namespace)?;
        let walk = self.walk(root, tokens);
        if walk.blocks > 0 {
            let now = self.tick();
            self.touch(walk, now, 1);
        }
        self.stats.hit_tokens += (walk.blocks * self.block_size) as u64;
        Some(walk)
    }

    /// Follows `tokens` down from a root.
    fn walk(&self, root: u32, mut tokens: &[u32]) -> Walk {
        let mut walk = Walk { node: root, within: 0, blocks: 0 };
        while let Some(page) = tokens.get(..self.block_size) {
            let Some(child) = self.child(walk.node, page) else { break };
            let node = &self.nodes[child];
            let within = node.common_blocks(tokens, self.block_size);
            walk = Walk { node: child, within, blocks: walk.blocks + within };
            if within < node.blocks.len() {
                break;
            }
            tokens = &tokens[within * self.block_size..];
        }
        walk
    }

    fn child(&self, parent: u32, page: &[u32]) -> Option<u32> {
        let is = |place: &u32| {
            let node = &self.nodes[*place];
            node.parent == parent && node.tokens[..self.block_size] == *page
        };
        self.children.find(self.key(parent, page), is).copied()
    }

    fn key(&self, parent: u32, page: &[u32]) -> u64 {
        self.hasher.hash_one((parent, page))
    }

    /// Gives the blocks that a walk found, node by node, the last node's first.
    fn each_run(&self, walk: Walk, mut run: impl FnMut(&[u32])) {
        let (mut place, mut within) = (walk.node, walk.within);
        while !self.is_root(place) {
            run(&self.nodes[place].blocks[..within]);
            place = self.nodes[place].parent;
            within = self.nodes[place].blocks.len();
        }
    }

    /// What a walk found was used now.
    fn touch(&mut self, walk: Walk, now: u32, hits: u32) {
        let (mut place, mut within) = (walk.node, walk.within);
        while place != NONE {
            let node = &mut self.nodes[place];
            for used in &mut node.uses[..within] {
                *used = Use { last: now, hits: used.hits.saturating_add(hits) };
            }
            place = node.parent;
            within = if place == NONE { 0 } else { self.nodes[place].blocks.len() };
        }
    }

    /// The time, one later than the last. Before the clock runs over all times are halved, which keeps their order.
    fn tick(&mut self) -> u32 {
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

    // Growing.

    /// The tree holds all of these, or none.
    fn cache_all(&self, pool: &mut BlockPool, blocks: &[u32]) -> Result<(), InsertError> {
        for (done, block) in blocks.iter().enumerate() {
            if pool.is_cached(*block) {
                for block in &blocks[..done] {
                    pool.uncache(*block);
                }
                return Err(InsertError::Cached(*block));
            }
            pool.cache(*block);
        }
        Ok(())
    }

    /// Puts blocks after the end of a walk.
    fn store(&mut self, walk: Walk, tokens: &[u32], blocks: &[u32], now: u32) {
        let mut place = walk.node;
        let len = self.nodes[place].blocks.len();
        if walk.within < len {
            place = self.split(place, walk.within);
        }
        let grows = !self.is_root(place) && self.nodes[place].is_leaf();
        if !grows {
            let parent = place;
            place = self.nodes.add(parent);
            self.nodes.link(parent, place);
        }
        let node = &mut self.nodes[place];
        let from = node.blocks.len();
        node.tokens.extend_from_slice(tokens);
        node.blocks.extend_from_slice(blocks);
        node.uses.resize(node.blocks.len(), Use { last: now, hits: 0 });
        if !grows {
            self.remember(place);
        }
        self.enqueue(place);
        self.tell_stored(place, from);
    }

    /// Cuts a node in two; gives the new one, which has its first `at` blocks and is the other's parent.
    fn split(&mut self, place: u32, at: usize) -> u32 {
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
    fn join(&mut self, place: u32, child: u32) {
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
    fn remember(&mut self, place: u32) {
        let key = self.key_of(place);
        let (nodes, hasher, block_size) = (&self.nodes, &self.hasher, self.block_size);
        self.children.insert_unique(key, place, |place| {
            let node = &nodes[*place];
            hasher.hash_one((node.parent, &node.tokens[..block_size]))
        });
    }

    /// Takes a node out of the table of children.
    fn forget(&mut self, place: u32) {
        let key = self.key_of(place);
        if let Ok(entry) = self.children.find_entry(key, |other| *other == place) {
            entry.remove();
        }
    }

    fn key_of(&self, place: u32) -> u64 {
        let node = &self.nodes[place];
        self.key(node.parent, &node.tokens[..self.block_size])
    }

    fn is_root(&self, place: u32) -> bool {
        self.nodes[place].parent == NONE
    }

    fn add_root(&mut self, namespace: &str) -> u32 {
        let root = self.nodes.add(NONE);
        self.roots.insert(namespace.into(), root);
        self.names.insert(root, namespace.into());
        root
    }

    /// A namespace without blocks leaves nothing behind.
    fn remove_root(&mut self, root: u32) {
        if let Some(name) = self.names.remove(&root) {
            self.roots.remove(&name);
        }
        self.nodes.remove(root);
    }

    fn next_serial(&mut self) -> u64 {
        // Of all trees, so that a lock of one is never taken for another's.
        static SERIALS: AtomicU64 = AtomicU64::new(0);
        SERIALS.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks every invariant: for tests.
    #[doc(hidden)]
    pub fn audit(&self, pool: &BlockPool) -> Result<(), String> {
        let mut cached = 0;
        let mut seen = std::collections::HashSet::new();
        for place in self.nodes.places() {
            let node = &self.nodes[place];
            if self.is_root(place) {
                if !node.blocks.is_empty() || node.is_leaf() || !self.names.contains_key(&place) {
                    return Err(format!("root {place} has blocks, or no children, or no name"));
                }
                continue;
            }
            cached += node.blocks.len();
            let same = node.tokens.len() == node.blocks.len() * self.block_size;
            if !same || node.blocks.is_empty() || node.blocks.len() != node.uses.len() {
                return Err(format!(
                    "node {place} has {} blocks, {} tokens",
                    node.blocks.len(),
                    node.tokens.len()
                ));
            }
            if self.child(node.parent, &node.tokens[..self.block_size]) != Some(place) {
                return Err(format!("node {place} is not found from its parent"));
            }
            let first = node.first_child;
            if first != NONE && self.nodes[first].next == NONE {
                return Err(format!("node {place} has one child"));
            }
            let worn = |pair: &[Use]| pair[1].last > pair[0].last || pair[1].hits > pair[0].hits;
            if node.uses.windows(2).any(worn) {
                return Err(format!("node {place}: a block was used more than the one before it"));
            }
            if let Some(block) = node.blocks.iter().find(|b| !pool.is_cached(**b) || !seen.insert(**b)) {
                return Err(format!("block {block} of node {place} is not held by the tree, or twice"));
            }
            let waits = node.blocks.last().is_some_and(|block| pool.count(*block) > 1);
            if node.is_leaf() && !node.queued && !waits {
                // Woken but not yet let back in: its block is still waited for.
                let block = node.blocks.last().copied().unwrap_or(NONE);
                if !self.queue.waits_for(block, place) {
                    return Err(format!("leaf {place} can be evicted and is in no queue"));
                }
            }
        }
        if cached != pool.cached_blocks() || self.children.len() != self.nodes.len() - self.roots.len() {
            return Err(format!("{cached} blocks in nodes, {} cached in the pool", pool.cached_blocks()));
        }
        Ok(())
    }
}

/// Takes the first `at` elements out of a vector.
fn cut_front<T>(vector: &mut Vec<T>, at: usize) -> Vec<T> {
    let rest = vector.split_off(at);
    let mut front = std::mem::replace(vector, rest);
    front.shrink_to_fit();
    front
}

/// Whoever has `own` holds `run` instead; gives how many blocks that changes.
fn adopt_run(pool: &mut BlockPool, run: &[u32], own: &mut [u32]) -> usize {
    if run == own {
        return 0;
    }
    let mut replaced = 0;
    for (block, own) in run.iter().zip(own).filter(|(block, own)| block != own) {
        pool.hold(*block);
        pool.let_go(*own);
        *own = *block;
        replaced += 1;
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Looking for prefixes, and locking what is found.

use super::lock::{LockId, NotLocked};
use super::node::{NONE, Use};
use super::prefix_tree::PrefixTree;
use crate::pool::{BlockId, BlockPool};

/// How far some tokens are in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// The last node that was entered; the root if none.
    pub node: u32,
    /// Blocks of that node that match.
    pub within: usize,
    /// Blocks that match, from the root on.
    pub blocks: usize,
}

impl PrefixTree {
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

    /// [`PrefixTree::walk`] for somebody who will use what is found.
    pub(super) fn find(&mut self, namespace: &str, tokens: &[u32]) -> Option<Walk> {
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
    pub(super) fn walk(&self, root: u32, mut tokens: &[u32]) -> Walk {
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

    /// Gives the blocks that a walk found, node by node, the last node's first.
    pub(super) fn each_run(&self, walk: Walk, mut run: impl FnMut(&[u32])) {
        let (mut place, mut within) = (walk.node, walk.within);
        while !self.is_root(place) {
            run(&self.nodes[place].blocks[..within]);
            place = self.nodes[place].parent;
            within = self.nodes[place].blocks.len();
        }
    }

    /// What a walk found was used now.
    pub(super) fn touch(&mut self, walk: Walk, now: u32, hits: u32) {
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

    /// Locks what is cached of `tokens`, in whole blocks, so that it is not evicted. Gives the lock and how many tokens
    /// it covers, which may be none.
    pub fn lock(&mut self, pool: &mut BlockPool, namespace: &str, tokens: &[u32]) -> (LockId, usize) {
        let mut blocks = Vec::new();
        let covered = self.match_and_hold(pool, namespace, tokens, &mut blocks);
        (self.locks.add(blocks), covered)
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// The lock is not held; nothing was changed.
    pub fn unlock(&mut self, pool: &mut BlockPool, lock: LockId) -> Result<(), NotLocked> {
        for block in self.locks.remove(lock)? {
            pool.let_go(block);
        }
        Ok(())
    }

    /// Locks that are held.
    pub fn locks(&self) -> usize {
        self.locks.count()
    }
}

//! Blocks of the host: of sequences that are swapped out, and of prefixes that were evicted from the device.
//!
//! An evicted block is found by a keyed 128-bit hash of its namespace, its tokens and all before them. Prefixes are here on
//! sufferance: the one used longest ago goes when room is needed.

use crate::error::CacheError;
use crate::pool::BlockPool;
use crate::slot::BlockMove;
use crate::tree::Removed;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// A hash of a block with all before it.
type Key = [u64; 2];

#[derive(Clone, Copy, Debug)]
struct Kept {
    block: u32,
    /// When it was last stored or found.
    last: u64,
}

/// Host blocks and the prefixes in them.
#[derive(Debug)]
pub(crate) struct HostTier {
    pool: BlockPool,
    prefixes: HashMap<Key, Kept>,
    by_age: BTreeMap<u64, Key>,
    /// Prefixes that are still being written, by host block: not to be found yet, nor to give way.
    arriving: HashMap<u32, Key>,
    hashers: [RandomState; 2],
    clock: u64,
    /// Tokens that sequences got back.
    pub restored_tokens: u64,
}

impl HostTier {
    pub fn new(blocks: usize) -> HostTier {
        HostTier {
            pool: BlockPool::new(blocks),
            prefixes: HashMap::new(),
            by_age: BTreeMap::new(),
            arriving: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            clock: 0,
            restored_tokens: 0,
        }
    }

    pub fn pool(&self) -> &BlockPool {
        &self.pool
    }

    /// Blocks that hold evicted prefixes.
    pub fn prefix_blocks(&self) -> usize {
        self.prefixes.len()
    }

    fn root(&self, namespace: &str) -> Key {
        [0, 1].map(|i| self.hashers[i].hash_one(namespace))
    }

    fn next(&self, key: Key, tokens: &[u32]) -> Key {
        [0, 1].map(|i| self.hashers[i].hash_one((key[i], tokens)))
    }

    /// Keeps what leaves the device, as far as there is room; the copies are added to `saves`.
    pub fn keep(&mut self, run: Removed<'_>, block_size: usize, saves: &mut Vec<BlockMove>) {
        let mut key =
            run.prefix.chunks_exact(block_size).fold(self.root(run.namespace), |key, b| self.next(key, b));
        for (from, tokens) in run.blocks.iter().zip(run.tokens.chunks_exact(block_size)) {
            key = self.next(key, tokens);
            if self.prefixes.contains_key(&key) {
                self.touch(key);
                continue;
            }
            // What comes after a block that is not kept is of no use.
            let Some(to) = self.take() else { return };
            self.arriving.insert(to, key);
            saves.push(BlockMove { from: *from, to });
        }
    }

    /// A save has been made: the prefix can be found.
    pub fn kept(&mut self, block: u32) {
        if let Some(key) = self.arriving.remove(&block) {
            // Another may have come the same way meanwhile.
            if self.prefixes.contains_key(&key) {
                self.pool.let_go(block);
                return;
            }
            self.prefixes.insert(key, Kept { block, last: 0 });
            self.touch(key);
        }
    }

    /// A save could not be made.
    pub fn forget(&mut self, block: u32) {
        if self.arriving.remove(&block).is_some() {
            self.pool.let_go(block);
        }
    }

    /// The host blocks that continue `tokens` from its block `from` on, as far as they are here.
    pub fn find(&self, namespace: &str, tokens: &[u32], from: usize, block_size: usize) -> Vec<u32> {
        self.find_keys(namespace, tokens, from, block_size).into_iter().map(|(_, block)| block).collect()
    }

    fn find_keys(&self, namespace: &str, tokens: &[u32], from: usize, block_size: usize) -> Vec<(Key, u32)> {
        if self.prefixes.is_empty() {
            return Vec::new();
        }
        let (before, after) = tokens.split_at((from * block_size).min(tokens.len()));
        let mut key = before.chunks_exact(block_size).fold(self.root(namespace), |key, b| self.next(key, b));
        let mut found = Vec::new();
        for block in after.chunks_exact(block_size) {
            key = self.next(key, block);
            let Some(kept) = self.prefixes.get(&key) else { break };
            found.push((key, kept.block));
        }
        found
    }

    /// As [`HostTier::find`]; the blocks are held until let go.
    pub fn hold_found(
        &mut self,
        namespace: &str,
        tokens: &[u32],
        from: usize,
        block_size: usize,
    ) -> Vec<u32> {
        let found = self.find_keys(namespace, tokens, from, block_size);
        for (key, block) in &found {
            self.touch(*key);
            self.pool.hold(*block);
        }
        found.into_iter().map(|(_, block)| block).collect()
    }

    fn touch(&mut self, key: Key) {
        if let Some(kept) = self.prefixes.get_mut(&key) {
            self.clock += 1;
            self.by_age.remove(&kept.last);
            kept.last = self.clock;
            self.by_age.insert(kept.last, key);
        }
    }

    /// `count` blocks for sequences; prefixes give way.
    pub fn take_many(&mut self, count: usize) -> Result<Vec<u32>, CacheError> {
        let yielding = self.prefixes.values().filter(|kept| self.pool.count(kept.block) == 1).count();
        let free = self.pool.free_blocks() + yielding;
        if free < count {
            return Err(CacheError::OutOfHostBlocks { needed: count, free, total: self.pool.total() });
        }
        Ok((0..count).filter_map(|_| self.take()).collect())
    }

    /// A block; the prefix used longest ago that nobody reads gives way.
    fn take(&mut self) -> Option<u32> {
        if let Some(block) = self.pool.take() {
            return Some(block);
        }
        let (last, key) =
            self.by_age.iter().map(|(last, key)| (*last, *key)).find(|(_, key)| {
                self.prefixes.get(key).is_some_and(|kept| self.pool.count(kept.block) == 1)
            })?;
        self.by_age.remove(&last);
        let kept = self.prefixes.remove(&key)?;
        self.pool.let_go(kept.block);
        self.pool.take()
    }

    pub fn hold(&mut self, block: u32) {
        self.pool.hold(block);
    }

    pub fn let_go(&mut self, block: u32) {
        self.pool.let_go(block);
    }

    pub fn audit(&self) -> Result<(), String> {
        self.pool.audit()?;
        let blocks: HashSet<u32> = self.prefixes.values().map(|kept| kept.block).collect();
        if blocks.len() != self.prefixes.len() || self.by_age.len() != self.prefixes.len() {
            return Err("a host block holds two prefixes, or one has no age".into());
        }
        match blocks.iter().find(|block| self.pool.count(**block) == 0) {
            Some(block) => Err(format!("host block {block} holds a prefix and is free")),
            None => Ok(()),
        }
    }
}

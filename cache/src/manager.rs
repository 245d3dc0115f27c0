//! Blocks lent to sequences: the whole bookkeeping of a paged cache, without a device.
//!
//! Sequences share blocks: with those they were forked from, and through the prefix tree with all that begin alike. A
//! block that others hold is never written: whoever appends to a shared last block gets a copy first.

use crate::error::CacheError;
use crate::host::HostTier;
use crate::id::SequenceId;
use crate::pool::BlockPool;
use crate::sequence::{ON_HOST, Residence, Sequences, check_len};
use crate::slot::{BlockMove, extend_slots};
use crate::tree::{Eviction, Inserted, LockId, PrefixTree, Removed};
use crate::under_way::{Pending, Swaps};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a [`BlockManager`] is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerOptions {
    /// Physical blocks on the device.
    pub blocks: usize,
    /// Tokens of a block.
    pub block_size: usize,
    /// Blocks on the host, for sequences that are swapped out and prefixes that are evicted. 0: no swap.
    pub host_blocks: usize,
    /// Which idle blocks are evicted first.
    pub eviction: Eviction,
}

/// Blocks, sequences and the prefix tree.
#[derive(Debug)]
pub struct BlockManager {
    pub(crate) pool: BlockPool,
    pub(crate) tree: PrefixTree,
    pub(crate) sequences: Sequences,
    pub(crate) host: HostTier,
    pub(crate) swaps: Swaps,
    pub(crate) pending: Pending,
    pub(crate) block_size: usize,
}

/// A sequence that begins with what was cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The sequence; it has `cached` tokens.
    pub id: SequenceId,
    /// Tokens whose keys and values it has already, a multiple of the block size.
    pub cached: usize,
    /// Tokens after those that are on the host, which [`BlockManager::restore`] brings back.
    pub on_host: usize,
}

impl BlockManager {
    /// A manager of free blocks.
    ///
    /// # Errors
    /// A block size of 0, or more blocks than a table can name.
    pub fn new(options: ManagerOptions) -> Result<BlockManager, CacheError> {
        static MANAGERS: AtomicU32 = AtomicU32::new(0);
        let ManagerOptions { blocks, block_size, host_blocks, eviction } = options;
        if block_size == 0 {
            return Err(CacheError::BlockSize);
        }
        if let Some(blocks) = [blocks, host_blocks].into_iter().find(|blocks| *blocks > i32::MAX as usize) {
            return Err(CacheError::TooManyBlocks(blocks));
        }
        Ok(BlockManager {
            pool: BlockPool::new(blocks),
            tree: PrefixTree::new(block_size, eviction),
            sequences: Sequences::new(MANAGERS.fetch_add(1, Ordering::Relaxed)),
            host: HostTier::new(host_blocks),
            swaps: Swaps::default(),
            pending: Pending::default(),
            block_size,
        })
    }

    /// Tokens of a block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Blocks free, held and idle.
    pub fn pool(&self) -> &BlockPool {
        &self.pool
    }

    /// The prefix tree.
    pub fn tree(&self) -> &PrefixTree {
        &self.tree
    }

    /// Blocks of the host.
    pub fn host_pool(&self) -> &BlockPool {
        self.host.pool()
    }

    /// Sequences that are not freed.
    pub fn sequences(&self) -> usize {
        self.sequences.count()
    }

    /// A new sequence without tokens.
    pub fn create(&mut self) -> SequenceId {
        self.sequences.add()
    }

    /// A new sequence for a prompt, with the blocks that are cached of it. All but the last token of the prompt is looked
    /// for: the last is always computed, since its output is wanted.
    ///
    /// # Errors
    /// A prompt of 2^31 tokens or more.
    pub fn admit(&mut self, namespace: &str, prompt: &[u32]) -> Result<Admitted, CacheError> {
        check_len(prompt.len())?;
        let id = self.sequences.add();
        let sought = &prompt[..prompt.len().saturating_sub(1)];
        let sequence = self.sequences.at(id.place);
        let cached = self.tree.match_and_hold(&mut self.pool, namespace, sought, &mut sequence.blocks);
        sequence.len = cached as u32;
        let on_host = self.host.find(namespace, sought, cached / self.block_size, self.block_size).len();
        Ok(Admitted { id, cached, on_host: on_host * self.block_size })
    }

    /// Tokens of a sequence.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn len(&self, id: SequenceId) -> Result<usize, CacheError> {
        Ok(self.sequences.get(id)?.len as usize)
    }

    /// Physical blocks of a sequence on the device, in the order of its tokens.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device.
    pub fn blocks(&self, id: SequenceId) -> Result<&[u32], CacheError> {
        let sequence = self.sequences.get(id)?;
        sequence.check_here(id)?;
        Ok(&sequence.blocks)
    }

    /// Where a sequence is.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn residence(&self, id: SequenceId) -> Result<Residence, CacheError> {
        Ok(self.sequences.get(id)?.residence)
    }

    /// A number that changes when entries that [`BlockManager::blocks`] had already are changed, and not when entries are
    /// added: who has the entries needs but the new ones while it stays.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn epoch(&self, id: SequenceId) -> Result<u32, CacheError> {
        Ok(self.sequences.get(id)?.epoch)
    }

    /// The slots of some tokens of a sequence, by position.
    ///
    /// # Errors
    /// There is no such sequence, it is not on the device, or it has not so many tokens.
    pub fn slots(&self, id: SequenceId, tokens: Range<usize>) -> Result<Vec<i64>, CacheError> {
        let blocks = self.blocks(id)?;
        let len = self.len(id)?;
        if tokens.start > tokens.end || tokens.end > len {
            return Err(CacheError::PastEnd { start: tokens.start, end: tokens.end, len });
        }
        let mut slots = Vec::with_capacity(tokens.len());
        extend_slots(&mut slots, blocks, tokens, self.block_size);
        Ok(slots)
    }

    /// The last blocks of sequences on the device that are not full, and how many tokens each has.
    pub fn partial_blocks(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        let here = self.sequences.live().filter(|sequence| sequence.residence == Residence::Device);
        here.filter_map(|sequence| {
            let tokens = sequence.len as usize % self.block_size;
            sequence.blocks.last().filter(|_| tokens > 0).map(|block| (*block, tokens))
        })
    }

    /// A sequence that shares every block of another; what either appends the other does not see.
    ///
    /// # Errors
    /// There is no such sequence, or it is not on the device.
    pub fn fork(&mut self, id: SequenceId) -> Result<SequenceId, CacheError> {
        let parent = self.sequences.on_device(id)?;
        parent.room = 0;
        let (blocks, len) = (parent.blocks.clone(), parent.len);
        blocks.iter().for_each(|block| self.pool.hold(*block));
        let child = self.sequences.add();
        let sequence = self.sequences.at(child.place);
        (sequence.blocks, sequence.len) = (blocks, len);
        Ok(child)
    }

    /// Takes the last tokens of a sequence back, down to `len`; blocks that none of its tokens lie in are let go.
    ///
    /// # Errors
    /// There is no such sequence, it is not on the device, or it is shorter.
    pub fn truncate(&mut self, id: SequenceId, len: usize) -> Result<(), CacheError> {
        let block_size = self.block_size;
        let sequence = self.sequences.on_device(id)?;
        if len > sequence.len as usize {
            return Err(CacheError::Truncate { len: sequence.len as usize, to: len });
        }
        for block in sequence.blocks.drain(len.div_ceil(block_size)..).rev() {
            self.pool.let_go(block);
            sequence.epoch += 1;
        }
        (sequence.len, sequence.room) = (len as u32, 0);
        Ok(())
    }

    /// Lets a sequence go, wherever it is.
    ///
    /// # Errors
    /// There is no such sequence, or it is being swapped.
    pub fn free(&mut self, id: SequenceId) -> Result<(), CacheError> {
        if self.sequences.get(id)?.residence == Residence::Moving {
            return Err(CacheError::Moving(id));
        }
        // The last first, so that a pool that hands out the latest hands them out in order.
        for block in self.sequences.remove(id)?.into_iter().rev() {
            if block & ON_HOST != 0 {
                self.host.let_go(block & !ON_HOST);
            } else {
                self.pool.let_go(block);
            }
        }
        Ok(())
    }

    /// Puts the whole blocks of a sequence into the prefix tree, for others that begin alike. `tokens` are its token ids
    /// from the first on, as many as have their keys and values written. Where the tree has such blocks already the
    /// sequence takes those instead of its own, which become free.
    ///
    /// # Errors
    /// There is no such sequence, it is not on the device, or it has not so many tokens.
    pub fn publish(
        &mut self,
        id: SequenceId,
        namespace: &str,
        tokens: &[u32],
    ) -> Result<Inserted, CacheError> {
        let sequence = self.sequences.on_device(id)?;
        if tokens.len() > sequence.len as usize {
            return Err(CacheError::Tokens { given: tokens.len(), len: sequence.len as usize });
        }
        let inserted =
            self.tree.insert_blocks(&mut self.pool, namespace, tokens, &mut sequence.blocks, true)?;
        // A last block that was given up for the tree's full one has no room to write in.
        if inserted.replaced > 0 {
            (sequence.epoch, sequence.room) = (sequence.epoch + 1, 0);
        }
        Ok(inserted)
    }

    /// [`BlockManager::publish`], then [`BlockManager::free`]: the sequence is done, its blocks stay until memory is needed.
    ///
    /// # Errors
    /// As both; nothing was changed.
    pub fn finish(
        &mut self,
        id: SequenceId,
        namespace: &str,
        tokens: &[u32],
    ) -> Result<Inserted, CacheError> {
        let inserted = self.publish(id, namespace, tokens)?;
        self.free(id)?;
        Ok(inserted)
    }

    /// How many tokens of a prompt are cached on the device, without a trace in statistics or recency.
    pub fn peek(&self, namespace: &str, tokens: &[u32]) -> usize {
        self.tree.peek(namespace, tokens)
    }

    /// Keeps what is cached of `tokens` from being evicted; gives the lock and the tokens that it covers.
    pub fn lock(&mut self, namespace: &str, tokens: &[u32]) -> (LockId, usize) {
        self.tree.lock(&mut self.pool, namespace, tokens)
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// The lock is not held.
    pub fn unlock(&mut self, lock: LockId) -> Result<(), CacheError> {
        Ok(self.tree.unlock(&mut self.pool, lock)?)
    }

    /// Takes up to `count` idle blocks out of the prefix tree at once, without keeping them on the host; gives how many
    /// became free.
    pub fn evict(&mut self, count: usize) -> usize {
        self.tree.evict(&mut self.pool, count)
    }

    /// Begins to record what the tree stores and removes.
    pub fn record_events(&mut self) {
        self.tree.record_events();
    }

    /// What the tree has stored and removed since the last call.
    pub fn take_events(&mut self) -> Vec<crate::tree::PrefixEvent> {
        self.tree.take_events()
    }

    /// Sees to it that `count` blocks are free, evicting idle ones, which go to the host if there is room: those copies
    /// are added to `saves`, and are to be made before the blocks are written.
    #[inline]
    pub(crate) fn make_room(&mut self, count: usize, saves: &mut Vec<BlockMove>) -> Result<(), CacheError> {
        let Some(lacking) = count.checked_sub(self.pool.free_blocks()).filter(|lacking| *lacking > 0) else {
            return Ok(());
        };
        if lacking > self.pool.idle_blocks() {
            return Err(self.pool.out_of_blocks(count).into());
        }
        self.evict_keeping(lacking, saves);
        if self.pool.free_blocks() < count {
            return Err(self.pool.out_of_blocks(count).into());
        }
        Ok(())
    }

    /// Evicts idle blocks, and keeps them on the host as far as there is room; gives how many became free.
    pub(crate) fn evict_keeping(&mut self, count: usize, saves: &mut Vec<BlockMove>) -> usize {
        let BlockManager { pool, tree, host, block_size, .. } = self;
        if host.pool().total() == 0 {
            return tree.evict(pool, count);
        }
        let mut keep = |run: Removed<'_>| host.keep(run, *block_size, saves);
        tree.evict_telling(pool, count, Some(&mut keep))
    }

    /// Checks every invariant: for tests.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<(), String> {
        self.pool.audit()?;
        self.tree.audit(&self.pool)?;
        self.host.audit()
    }
}

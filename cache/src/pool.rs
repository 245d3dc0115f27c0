//! A pool of numbered blocks with reference counts.
//!
//! A block is free (count 0, on the free list) or held by as many as its count says. Taking and giving back are O(1).
//! The free list is a stack, so a block just freed, still warm in a cache, goes out first.
//!
//! One of the holders may be a [`PrefixTree`](crate::PrefixTree). A block that the tree alone holds is *idle*: it is of
//! use to whoever comes with the same tokens, and can be had back when memory is needed. The pool counts idle blocks, so
//! whether a request can be met is known without asking the tree.

use std::sync::atomic::{AtomicU32, Ordering};

/// A block that somebody holds, or held: an id says which time the block was lent, so an old one is not taken for a new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockId {
    pub(crate) index: u32,
    generation: u32,
    pool: u32,
}

impl BlockId {
    /// The block's number: what a block table holds.
    pub fn index(self) -> u32 {
        self.index
    }
}

/// Blocks asked for that cannot be had; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "out of blocks: {needed} needed, {free} free and {idle} reclaimable of {total}: free or swap out a sequence, or wait"
)]
pub struct OutOfBlocks {
    /// Blocks asked for.
    pub needed: usize,
    /// Blocks free.
    pub free: usize,
    /// Blocks that only a prefix tree holds, and gives up when asked to.
    pub idle: usize,
    /// Blocks of the pool.
    pub total: usize,
}

/// An id that names no held block of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The block was freed, and perhaps lent again, since the id was given out.
    #[error("block {0} was freed: its id is of an earlier loan")]
    Freed(u32),
    /// The id is of another pool.
    #[error("block {0} belongs to another pool")]
    Foreign(u32),
    /// The count is full.
    #[error("block {0} is held {MAX_REFERENCES} times: it cannot be held once more")]
    TooManyReferences(u32),
}

/// What letting go of a block did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Nobody holds it: it is free.
    Freed,
    /// Only a prefix tree holds it.
    Idle,
    /// Others hold it.
    Held,
}

/// How often a block can be held.
pub const MAX_REFERENCES: u32 = COUNT;

const COUNT: u32 = (1 << 30) - 1;
/// One of the holders is a prefix tree.
const CACHED: u32 = 1 << 31;
/// Whoever looks for idle blocks wants to hear when this one becomes idle.
const WATCHED: u32 = 1 << 30;

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// The count, with [`CACHED`] and [`WATCHED`].
    state: u32,
    generation: u32,
}

/// Numbered blocks, free or held.
#[derive(Debug)]
pub struct BlockPool {
    blocks: Vec<Block>,
    free: Vec<u32>,
    idle: usize,
    cached: usize,
    woken: Vec<u32>,
    number: u32,
}

impl BlockPool {
    /// A pool of `blocks` free blocks, numbered from 0.
    ///
    /// Tables hold block numbers as i32, so a pool has at most 2^31 - 1 of them; what is beyond is left out.
    pub fn new(blocks: usize) -> BlockPool {
        static POOLS: AtomicU32 = AtomicU32::new(0);
        let blocks = blocks.min(i32::MAX as usize) as u32;
        BlockPool {
            blocks: vec![Block::default(); blocks as usize],
            free: (0..blocks).rev().collect(),
            idle: 0,
            cached: 0,
            woken: Vec::new(),
            number: POOLS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// All blocks.
    pub fn total(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that nobody holds.
    pub fn free_blocks(&self) -> usize {
        self.free.len()
    }

    /// Blocks that only a prefix tree holds.
    pub fn idle_blocks(&self) -> usize {
        self.idle
    }

    /// Blocks that a prefix tree holds, alone or with others.
    pub fn cached_blocks(&self) -> usize {
        self.cached
    }

    /// A free block, now held once.
    #[inline]
    pub fn alloc(&mut self) -> Option<BlockId> {
        let index = self.take()?;
        Some(self.id(index))
    }

    /// `count` free blocks, each now held once, at the end of `into`; or none at all. Idle blocks are not touched: whoever
    /// owns the prefix tree evicts them first.
    ///
    /// # Errors
    /// There are not so many free; the pool and `into` are as they were.
    #[inline]
    pub fn alloc_many(&mut self, count: usize, into: &mut Vec<BlockId>) -> Result<(), OutOfBlocks> {
        let rest = self.free.len().checked_sub(count).ok_or_else(|| self.out_of_blocks(count))?;
        let (blocks, pool) = (&mut self.blocks, self.number);
        into.extend(self.free.drain(rest..).rev().map(|index| {
            let block = &mut blocks[index as usize];
            block.state = 1;
            BlockId { index, generation: block.generation, pool }
        }));
        Ok(())
    }

    /// How many hold the block of an id.
    ///
    /// # Errors
    /// The block was freed, or belongs to another pool.
    pub fn references(&self, id: BlockId) -> Result<u32, BlockError> {
        self.check(id)?;
        Ok(self.count(id.index))
    }

    /// Whether only a prefix tree holds the block of an id.
    ///
    /// # Errors
    /// The block was freed, or belongs to another pool.
    pub fn is_idle(&self, id: BlockId) -> Result<bool, BlockError> {
        self.check(id)?;
        Ok(self.is_cached(id.index) && self.count(id.index) == 1)
    }

    /// Holds a held block once more.
    ///
    /// # Errors
    /// The block was freed, or belongs to another pool, or is held too often; nothing was changed.
    #[inline]
    pub fn retain(&mut self, id: BlockId) -> Result<(), BlockError> {
        self.check(id)?;
        if self.count(id.index) == MAX_REFERENCES {
            return Err(BlockError::TooManyReferences(id.index));
        }
        self.hold(id.index);
        Ok(())
    }

    /// Lets go of a held block. It is free when nobody holds it.
    ///
    /// # Errors
    /// The block was freed, or belongs to another pool; nothing was changed.
    #[inline]
    pub fn release(&mut self, id: BlockId) -> Result<Released, BlockError> {
        self.check(id)?;
        // The tree lets go of its blocks itself.
        let block = self.blocks[id.index as usize];
        if block.state & CACHED != 0 && block.state & COUNT == 1 {
            return Err(BlockError::Freed(id.index));
        }
        Ok(self.let_go(id.index))
    }

    /// Lets go of many blocks, in order.
    ///
    /// # Errors
    /// Some block was freed already, or belongs to another pool, or is named more often than it is held; those before it
    /// have been let go.
    #[inline]
    pub fn release_many(&mut self, ids: &[BlockId]) -> Result<(), BlockError> {
        ids.iter().try_for_each(|id| self.release(*id).map(drop))
    }

    /// The id of a held block by its number, `None` if it is free or no block of the pool.
    pub fn id_of(&self, index: u32) -> Option<BlockId> {
        (self.blocks.get(index as usize)?.state & COUNT > 0).then(|| self.id(index))
    }

    #[inline]
    pub(crate) fn check(&self, id: BlockId) -> Result<(), BlockError> {
        let block = self.blocks.get(id.index as usize).filter(|_| id.pool == self.number);
        let block = block.ok_or(BlockError::Foreign(id.index))?;
        if block.generation != id.generation || block.state == 0 {
            return Err(BlockError::Freed(id.index));
        }
        Ok(())
    }

    pub(crate) fn out_of_blocks(&self, needed: usize) -> OutOfBlocks {
        OutOfBlocks { needed, free: self.free.len(), idle: self.idle, total: self.total() }
    }

    fn id(&self, index: u32) -> BlockId {
        BlockId { index, generation: self.blocks[index as usize].generation, pool: self.number }
    }

    // By number, for those in this crate who hold what they name.

    #[inline]
    pub(crate) fn take(&mut self) -> Option<u32> {
        let index = self.free.pop()?;
        self.blocks[index as usize].state = 1;
        Some(index)
    }

    /// How many hold a block; 0 of a free one.
    #[inline]
    pub(crate) fn count(&self, index: u32) -> u32 {
        self.blocks[index as usize].state & COUNT
    }

    #[inline]
    pub(crate) fn is_cached(&self, index: u32) -> bool {
        self.blocks[index as usize].state & CACHED != 0
    }

    #[inline]
    pub(crate) fn hold(&mut self, index: u32) {
        let block = &mut self.blocks[index as usize];
        debug_assert!(block.state & COUNT > 0, "block {index} is free");
        self.idle -= usize::from(block.state & (CACHED | COUNT) == CACHED | 1);
        block.state += 1;
    }

    #[inline]
    pub(crate) fn let_go(&mut self, index: u32) -> Released {
        let block = &mut self.blocks[index as usize];
        debug_assert!(block.state & COUNT > 0, "block {index} is free");
        block.state -= 1;
        if block.state & COUNT == 0 {
            block.state = 0;
            block.generation = block.generation.wrapping_add(1);
            self.free.push(index);
            return Released::Freed;
        }
        if block.state & (CACHED | COUNT) == CACHED | 1 {
            self.idle += 1;
            if block.state & WATCHED != 0 {
                block.state &= !WATCHED;
                self.woken.push(index);
            }
            return Released::Idle;
        }
        Released::Held
    }

    /// The tree holds a block besides whoever holds it.
    pub(crate) fn cache(&mut self, index: u32) {
        let block = &mut self.blocks[index as usize];
        debug_assert!(block.state & COUNT > 0 && block.state & CACHED == 0);
        block.state = (block.state + 1) | CACHED;
        self.cached += 1;
    }

    /// The tree lets go of a block.
    pub(crate) fn uncache(&mut self, index: u32) -> Released {
        let block = &mut self.blocks[index as usize];
        debug_assert!(block.state & CACHED != 0);
        self.idle -= usize::from(block.state & COUNT == 1);
        self.cached -= 1;
        block.state &= !(CACHED | WATCHED);
        self.let_go(index)
    }

    /// Has [`BlockPool::take_woken`] tell when a block that is not idle becomes so.
    pub(crate) fn watch(&mut self, index: u32) {
        self.blocks[index as usize].state |= WATCHED;
    }

    /// A watched block that has become idle since.
    pub(crate) fn take_woken(&mut self) -> Option<u32> {
        self.woken.pop()
    }

    /// Counts what there is anew: for tests.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<(), String> {
        let held = self.blocks.iter().filter(|b| b.state & COUNT > 0).count();
        let idle = self.blocks.iter().filter(|b| b.state & (CACHED | COUNT) == CACHED | 1).count();
        let cached = self.blocks.iter().filter(|b| b.state & CACHED != 0).count();
        let mut seen = vec![false; self.total()];
        for index in &self.free {
            if std::mem::replace(&mut seen[*index as usize], true) {
                return Err(format!("block {index} is free twice"));
            }
            if self.blocks[*index as usize].state != 0 {
                return Err(format!("block {index} is free and held"));
            }
        }
        if held + self.free.len() != self.total() {
            return Err(format!("{held} held and {} free of {}", self.free.len(), self.total()));
        }
        if (idle, cached) != (self.idle, self.cached) {
            return Err(format!("{idle} idle, {cached} cached; counted {} and {}", self.idle, self.cached));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_and_go() {
        let mut pool = BlockPool::new(3);
        let mut ids = Vec::new();
        pool.alloc_many(2, &mut ids).unwrap();
        assert_eq!(ids.iter().map(|id| id.index()).collect::<Vec<_>>(), [0, 1]);
        let error = pool.alloc_many(2, &mut ids).unwrap_err();
        assert!(error.to_string().starts_with("out of blocks: 2 needed, 1 free and 0 reclaimable of 3"));
        assert_eq!((pool.free_blocks(), ids.len()), (1, 2));
        pool.retain(ids[1]).unwrap();
        assert_eq!(pool.references(ids[1]), Ok(2));
        assert_eq!(pool.release(ids[1]), Ok(Released::Held));
        assert_eq!(pool.release(ids[1]), Ok(Released::Freed));
        assert_eq!(pool.alloc().map(BlockId::index), Some(1));
        assert_eq!(pool.alloc().map(BlockId::index), Some(2));
        assert_eq!(pool.alloc(), None);
        pool.alloc_many(0, &mut ids).unwrap();
        pool.audit().unwrap();
    }

    #[test]
    fn old_and_foreign_ids_are_refused() {
        let (mut pool, mut other) = (BlockPool::new(2), BlockPool::new(2));
        let (mine, theirs) = (pool.alloc().unwrap(), other.alloc().unwrap());
        assert_eq!(pool.retain(theirs), Err(BlockError::Foreign(0)));
        assert_eq!(pool.release(theirs), Err(BlockError::Foreign(0)));
        pool.release(mine).unwrap();
        assert_eq!(pool.release(mine), Err(BlockError::Freed(0)));
        // Lent again under the same number: the old id is still an old one.
        let again = pool.alloc().unwrap();
        assert_eq!(again.index(), mine.index());
        assert_eq!(pool.retain(mine), Err(BlockError::Freed(0)));
        assert_eq!(pool.references(mine), Err(BlockError::Freed(0)));
        assert_eq!(pool.release_many(&[again, again]), Err(BlockError::Freed(0)));
        assert_eq!(pool.free_blocks(), 2);
        assert_eq!(pool.id_of(0), None);
    }

    #[test]
    fn idle_blocks_are_counted() {
        let mut pool = BlockPool::new(2);
        let id = pool.alloc().unwrap();
        pool.cache(id.index);
        assert_eq!((pool.idle_blocks(), pool.cached_blocks()), (0, 1));
        pool.watch(id.index);
        assert_eq!(pool.release(id), Ok(Released::Idle));
        assert_eq!((pool.idle_blocks(), pool.take_woken(), pool.take_woken()), (1, Some(0), None));
        // What only the tree holds cannot be let go by others.
        assert_eq!(pool.release(id), Err(BlockError::Freed(0)));
        pool.retain(id).unwrap();
        assert_eq!(pool.idle_blocks(), 0);
        assert_eq!(pool.uncache(id.index), Released::Held);
        assert_eq!(pool.release(id), Ok(Released::Freed));
        assert_eq!((pool.idle_blocks(), pool.free_blocks()), (0, 2));
        pool.audit().unwrap();
    }
}

//! A pool of numbered blocks with reference counts.
//!
//! A block is either free (count 0, on the free list) or held by as many as its count says. Taking and giving
//! back are O(1); the free list is a stack, so that a block just freed, still warm in a cache, goes out first.

/// No block is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of blocks: {needed} needed, {free} of {total} free")]
pub struct OutOfBlocks {
    /// Blocks asked for.
    pub needed: usize,
    /// Blocks free.
    pub free: usize,
    /// Blocks of the pool.
    pub total: usize,
}

/// Numbered blocks, free or held.
#[derive(Clone, Debug)]
pub struct BlockPool {
    counts: Vec<u32>,
    free: Vec<u32>,
}

impl BlockPool {
    /// A pool of `blocks` free blocks, numbered from 0.
    ///
    /// Tables hold block numbers as i32, so a pool has at most 2^31 - 1 of them; what is beyond is left out.
    pub fn new(blocks: usize) -> BlockPool {
        let blocks = blocks.min(i32::MAX as usize) as u32;
        BlockPool { counts: vec![0; blocks as usize], free: (0..blocks).rev().collect() }
    }

    /// All blocks.
    pub fn total(&self) -> usize {
        self.counts.len()
    }

    /// Blocks that nobody holds.
    pub fn free_blocks(&self) -> usize {
        self.free.len()
    }

    /// A free block, now held once.
    pub fn alloc(&mut self) -> Option<u32> {
        let block = self.free.pop()?;
        self.counts[block as usize] = 1;
        Some(block)
    }

    /// `count` free blocks, each now held once, or none at all.
    ///
    /// # Errors
    /// There are not so many; the pool is as it was.
    pub fn alloc_many(&mut self, count: usize) -> Result<Vec<u32>, OutOfBlocks> {
        if count > self.free.len() {
            return Err(OutOfBlocks { needed: count, free: self.free.len(), total: self.total() });
        }
        Ok((0..count).filter_map(|_| self.alloc()).collect())
    }

    /// How many hold a block; 0 of a free one, and of a number that is no block.
    pub fn references(&self, block: u32) -> u32 {
        self.counts.get(block as usize).copied().unwrap_or(0)
    }

    /// Holds a held block once more. `false`, and nothing happens, if it is free or no block.
    pub fn retain(&mut self, block: u32) -> bool {
        match self.counts.get_mut(block as usize) {
            Some(count) if *count > 0 && *count < u32::MAX => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    /// Lets go of a held block; it is free when nobody holds it. `false`, and nothing happens, if it is free
    /// already or no block.
    pub fn release(&mut self, block: u32) -> bool {
        match self.counts.get_mut(block as usize) {
            Some(count) if *count > 0 => {
                *count -= 1;
                if *count == 0 {
                    self.free.push(block);
                }
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_and_go() {
        let mut pool = BlockPool::new(3);
        assert_eq!(pool.alloc_many(2).unwrap(), [0, 1]);
        assert_eq!(pool.alloc_many(2).unwrap_err().to_string(), "out of blocks: 2 needed, 1 of 3 free");
        assert_eq!(pool.free_blocks(), 1);
        assert!(pool.retain(1));
        assert_eq!(pool.references(1), 2);
        assert!(pool.release(1) && pool.release(1));
        assert!(!pool.release(1) && !pool.retain(1) && !pool.release(99) && !pool.retain(99));
        assert_eq!(pool.alloc(), Some(1));
        assert_eq!(pool.alloc(), Some(2));
        assert_eq!(pool.alloc(), None);
        assert!(pool.alloc_many(0).unwrap().is_empty());
    }
}

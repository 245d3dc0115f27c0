//! Sequences and the blocks that hold their tokens.
//!
//! A token at position `i` of a sequence lies in its block `i / block_size`, at `i mod block_size`; its *slot*
//! is `physical block * block_size + i mod block_size`, as in a `slot_mapping`.

use super::pool::{BlockPool, OutOfBlocks};
use crate::args::{ArgsError, BlockTable, Pool, PoolLayout};
use crate::device::Device;
use crate::tensor::{HostElement, Tensor, TensorError};
use flashpage_codegen::program::DType;
use std::collections::HashMap;

/// A sequence of a cache. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(u64);

/// What a cache cannot do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// No blocks left; the cache is as it was.
    #[error(transparent)]
    OutOfBlocks(#[from] OutOfBlocks),
    /// No such sequence, or freed.
    #[error("there is no sequence {}: it was freed, or belongs to another cache", .0.0)]
    NoSequence(SequenceId),
    /// A block size that kernels are not made for.
    #[error("blocks of {0} tokens: the block size must be a multiple of 8")]
    BlockSize(usize),
    /// A sequence longer than a table can say.
    #[error("the sequence would have {0} tokens: a table holds lengths below 2^31")]
    TooLong(usize),
    /// Rows that are not whole tokens.
    #[error("{given} numbers are not {tokens} tokens of {kv_heads} heads of {head_dim}")]
    Rows {
        /// Numbers given.
        given: usize,
        /// Slots given.
        tokens: usize,
        /// Heads of the cache.
        kv_heads: usize,
        /// Numbers per head.
        head_dim: usize,
    },
    /// A slot that is not in the pool.
    #[error("slot {slot} is past the pool's {slots} slots")]
    Slot {
        /// The slot.
        slot: usize,
        /// How many there are.
        slots: usize,
    },
    /// The table could not be made.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// A tensor could not be made or written.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

#[derive(Clone, Debug, Default)]
struct Sequence {
    blocks: Vec<u32>,
    len: usize,
}

/// A paged KV cache: one pool of keys, one of values, and the sequences in them.
#[derive(Debug)]
pub struct PagedCache {
    pool: BlockPool,
    sequences: HashMap<SequenceId, Sequence>,
    next: u64,
    keys: Tensor,
    values: Tensor,
    block_size: usize,
    kv_heads: usize,
    head_dim: usize,
    layout: PoolLayout,
}

impl PagedCache {
    /// A cache of `blocks` blocks on `device`. Unused memory is NaN, so that a kernel that reads it is seen.
    ///
    /// # Errors
    /// A block size that is no multiple of 8, or no room on the device.
    pub fn new(
        device: &Device,
        dtype: DType,
        blocks: usize,
        block_size: usize,
        kv_heads: usize,
        head_dim: usize,
        layout: PoolLayout,
    ) -> Result<PagedCache, CacheError> {
        if block_size == 0 || !block_size.is_multiple_of(8) {
            return Err(CacheError::BlockSize(block_size));
        }
        let shape = match layout {
            PoolLayout::Nhd => [blocks, block_size, kv_heads, head_dim],
            PoolLayout::Hnd => [blocks, kv_heads, block_size, head_dim],
        };
        Ok(PagedCache {
            pool: BlockPool::new(blocks),
            sequences: HashMap::new(),
            next: 0,
            keys: Tensor::filled_nan(device, dtype, &shape)?,
            values: Tensor::filled_nan(device, dtype, &shape)?,
            block_size,
            kv_heads,
            head_dim,
            layout,
        })
    }

    /// A new sequence without tokens.
    pub fn create(&mut self) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, Sequence::default());
        id
    }

    fn get(&self, id: SequenceId) -> Result<&Sequence, CacheError> {
        self.sequences.get(&id).ok_or(CacheError::NoSequence(id))
    }

    /// Tokens of a sequence.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn len(&self, id: SequenceId) -> Result<usize, CacheError> {
        Ok(self.get(id)?.len)
    }

    /// Physical blocks of a sequence, in the order of its tokens.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn blocks(&self, id: SequenceId) -> Result<&[u32], CacheError> {
        Ok(&self.get(id)?.blocks)
    }

    /// Makes room for `count` more tokens and tells the slot of each.
    ///
    /// # Errors
    /// Out of blocks, and the cache is as it was; or there is no such sequence.
    pub fn append(&mut self, id: SequenceId, count: usize) -> Result<Vec<usize>, CacheError> {
        let block_size = self.block_size;
        let sequence = self.sequences.get_mut(&id).ok_or(CacheError::NoSequence(id))?;
        let end = sequence.len.saturating_add(count);
        if end > i32::MAX as usize {
            return Err(CacheError::TooLong(end));
        }
        let more = end.div_ceil(block_size) - sequence.blocks.len();
        sequence.blocks.extend(self.pool.alloc_many(more)?);
        let slots = (sequence.len..end)
            .map(|i| sequence.blocks[i / block_size] as usize * block_size + i % block_size)
            .collect();
        sequence.len = end;
        Ok(slots)
    }

    /// Gives a sequence's blocks back.
    ///
    /// # Errors
    /// There is no such sequence.
    pub fn free(&mut self, id: SequenceId) -> Result<(), CacheError> {
        let sequence = self.sequences.remove(&id).ok_or(CacheError::NoSequence(id))?;
        for block in sequence.blocks {
            self.pool.release(block);
        }
        Ok(())
    }

    /// Writes rows of keys and values into their slots: `[slots, kv_heads, head_dim]`, from the host.
    ///
    /// # Errors
    /// Another number of rows than slots, a slot outside the pool, another element type, or the device failed.
    pub fn write<T: HostElement>(&self, slots: &[usize], keys: &[T], values: &[T]) -> Result<(), CacheError> {
        let line = self.head_dim;
        let row = self.kv_heads * line;
        for given in [keys.len(), values.len()] {
            if given != slots.len() * row {
                let (tokens, kv_heads, head_dim) = (slots.len(), self.kv_heads, self.head_dim);
                return Err(CacheError::Rows { given, tokens, kv_heads, head_dim });
            }
        }
        let total = self.pool.total() * self.block_size;
        if let Some(slot) = slots.iter().find(|slot| **slot >= total) {
            return Err(CacheError::Slot { slot: *slot, slots: total });
        }
        if row == 0 {
            return Ok(());
        }
        for (index, slot) in slots.iter().enumerate() {
            let (block, offset) = (slot / self.block_size, slot % self.block_size);
            for head in 0..self.kv_heads {
                let at = match self.layout {
                    PoolLayout::Nhd => (block * self.block_size + offset) * self.kv_heads + head,
                    PoolLayout::Hnd => (block * self.kv_heads + head) * self.block_size + offset,
                };
                let from = index * row + head * line;
                self.keys.write(at * line, &keys[from..from + line])?;
                self.values.write(at * line, &values[from..from + line])?;
            }
        }
        Ok(())
    }

    /// The block table of these sequences, in this order. Entries past a sequence's last block are -1.
    ///
    /// # Errors
    /// There is no such sequence, or no room on the device.
    pub fn table(&self, device: &Device, ids: &[SequenceId]) -> Result<BlockTable, CacheError> {
        let sequences = ids.iter().map(|id| self.get(*id)).collect::<Result<Vec<_>, _>>()?;
        let width = sequences.iter().map(|s| s.blocks.len()).max().unwrap_or(0);
        let mut entries = Vec::with_capacity(width * sequences.len());
        for sequence in &sequences {
            entries.extend(sequence.blocks.iter().map(|block| *block as i32));
            entries.resize(entries.len() + width - sequence.blocks.len(), -1);
        }
        let seq_lens: Vec<i32> = sequences.iter().map(|s| s.len as i32).collect();
        Ok(BlockTable::new(device, &entries, width, &seq_lens)?)
    }

    /// The keys, as a launch argument.
    pub fn keys(&self) -> Pool<'_> {
        Pool { tensor: &self.keys, layout: self.layout }
    }

    /// The values, as a launch argument.
    pub fn values(&self) -> Pool<'_> {
        Pool { tensor: &self.values, layout: self.layout }
    }

    /// Blocks free and held.
    pub fn pool(&self) -> &BlockPool {
        &self.pool
    }

    /// Tokens per block.
    pub fn block_size(&self) -> usize {
        self.block_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(layout: PoolLayout) -> PagedCache {
        PagedCache::new(&Device::emulator(), DType::F32, 4, 8, 2, 2, layout).unwrap()
    }

    #[test]
    fn sequences_grow_block_by_block() {
        let mut cache = cache(PoolLayout::Nhd);
        let (a, b) = (cache.create(), cache.create());
        assert_eq!(cache.append(a, 3).unwrap(), [0, 1, 2]);
        assert_eq!(cache.append(b, 1).unwrap(), [8]);
        assert_eq!(cache.append(a, 6).unwrap(), [3, 4, 5, 6, 7, 16]);
        let device = Device::emulator();
        let table = cache.table(&device, &[b, a]).unwrap();
        assert_eq!((table.width(), table.seq_lens()), (2, &[1, 9][..]));
        assert_eq!((table.row(0), table.row(1)), (&[1, -1][..], &[0, 2][..]));
        // Two blocks are missing: nothing changes.
        let error = cache.append(b, 24).unwrap_err();
        assert_eq!(error.to_string(), "out of blocks: 3 needed, 1 of 4 free");
        assert_eq!(
            (cache.len(b).unwrap(), cache.blocks(b).unwrap(), cache.pool().free_blocks()),
            (1, &[1][..], 1)
        );
        cache.free(a).unwrap();
        assert_eq!(cache.pool().free_blocks(), 3);
        assert!(matches!(cache.append(a, 1), Err(CacheError::NoSequence(_))));
        assert_eq!(cache.append(b, 24).unwrap().len(), 24);
        assert!(matches!(cache.append(b, usize::MAX), Err(CacheError::TooLong(_))));
    }

    #[test]
    fn rows_lie_where_the_layout_says() {
        for (layout, expected) in [
            // Block 0, token 1: two heads of two numbers; head 1 follows at once, or eight tokens later.
            (PoolLayout::Nhd, [4, 5, 6, 7]),
            (PoolLayout::Hnd, [2, 3, 18, 19]),
        ] {
            let cache = cache(layout);
            cache.write(&[1], &[1f32, 2.0, 3.0, 4.0], &[5f32, 6.0, 7.0, 8.0]).unwrap();
            for (pool, first) in [(cache.keys(), 1.0), (cache.values(), 5.0)] {
                let host = pool.tensor.to_vec::<f32>().unwrap();
                let written: Vec<usize> = (0..host.len()).filter(|i| !host[*i].is_nan()).collect();
                assert_eq!(written, expected);
                assert_eq!(host[expected[3]], first + 3.0);
            }
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let cache = cache(PoolLayout::Nhd);
        let table: [(Result<(), CacheError>, &str); 4] = [
            (cache.write(&[1, 2], &[1f32; 4], &[1f32; 8]), "4 numbers are not 2 tokens of 2 heads of 2"),
            (cache.write(&[32], &[1f32; 4], &[1f32; 4]), "slot 32 is past the pool's 32 slots"),
            (cache.write(&[0], &[1i32; 4], &[1i32; 4]), "the tensor holds f32, and was read as i32"),
            (
                PagedCache::new(&Device::emulator(), DType::F32, 4, 12, 2, 2, PoolLayout::Nhd).map(|_| ()),
                "blocks of 12 tokens: the block size must be a multiple of 8",
            ),
        ];
        for (result, expected) in table {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }
}

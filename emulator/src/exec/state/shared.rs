//! Shared memory of a cluster's blocks.
//!
//! The block of rank `r` has its bytes at `r << 24` of the shared window, for itself as for the others, so an address
//! says whose memory it is in.

use crate::address::RANK_SHIFT;
use crate::memory::{Span, Storage};

/// Shared memory of the blocks of one cluster.
pub(crate) struct Shared {
    blocks: Vec<Storage>,
}

impl Shared {
    /// For so many blocks of so many bytes, if the host has room for them.
    pub fn new(blocks: u32, bytes: u32) -> Option<Shared> {
        let blocks = (0..blocks).map(|_| Storage::new(bytes as usize)).collect::<Option<_>>()?;
        Some(Shared { blocks })
    }

    pub fn reset(&mut self) {
        self.blocks.iter_mut().for_each(Storage::reset);
    }

    /// `count` bytes at `address`, if they are all there.
    #[inline(always)]
    pub fn span(&self, address: u64, count: u32) -> Option<Span> {
        let block = self.blocks.get((address >> RANK_SHIFT) as usize)?;
        block.span(address & ((1 << RANK_SHIFT) - 1), count)
    }

    /// Where an address lies that should not have been accessed.
    #[cold]
    pub fn describe(&self, address: u64) -> String {
        let bytes = self.blocks.first().map_or(0, Storage::len);
        let rank = address >> RANK_SHIFT;
        if rank as usize >= self.blocks.len() {
            return format!(
                "is in no block's shared memory: the cluster has {} of {bytes} bytes",
                self.blocks.len()
            );
        }
        match rank {
            0 => format!("is past the end of the block's {bytes} bytes of shared memory"),
            _ => format!(
                "is past the end of the {bytes} bytes of shared memory of block {rank} of the cluster"
            ),
        }
    }
}

//! Where tokens lie in blocks, and blocks to copy.
//!
//! A token at position `i` of a sequence lies in its block `i / block_size`, at `i mod block_size`; its *slot* is
//! `physical block * block_size + i mod block_size`, as in a `slot_mapping`.

use std::ops::Range;

/// A block's worth of keys and values to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockMove {
    /// Block to read.
    pub from: u32,
    /// Block to write.
    pub to: u32,
}

/// The slot of a position.
#[inline]
pub(crate) fn slot(blocks: &[u32], position: usize, block_size: usize) -> i64 {
    i64::from(blocks[position / block_size]) * block_size as i64 + (position % block_size) as i64
}

/// The slots of positions, block by block.
#[inline]
pub(crate) fn extend_slots(slots: &mut Vec<i64>, blocks: &[u32], positions: Range<usize>, block_size: usize) {
    let mut at = positions.start;
    while at < positions.end {
        let first = slot(blocks, at, block_size);
        let count = (block_size - at % block_size).min(positions.end - at);
        slots.extend(first..first + count as i64);
        at += count;
    }
}

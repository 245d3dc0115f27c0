//! The end of a sequence inside a tile.
//!
//! A bulk copy knows nothing of sequences: what lies past the end of one is the next one's, or the rest of a block,
//! and may be NaN. Its scores are masked, but 0 · NaN is NaN, so those rows of V are zeroed once they have come. Rows
//! of blocks that do not exist were not copied at all; `wgmma` reads them from K too, so they are zeroed there too.

use super::barrier::{CONSUMERS, FULL, Position, WARPGROUP, Which};
use super::{Block, Hopper};
use crate::lower::instance::{Extent, Instance};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Type, Word};

impl Hopper<'_> {
    /// Zeroes the rows of the tile in slot `at` of a ring that lie past the sequence's end, if any do. By all consumers.
    pub(super) fn zero_tail(
        &mut self,
        block: &Block,
        instance: &Instance,
        which: Which,
        tile: &Reg,
        at: &Position,
    ) {
        self.b.comment("rows past the sequence's end become zero");
        let cols = self.schedule.cols;
        let start = self.tile_start(instance, tile);
        let left = self.b.sub(Type::U32, "r", &instance.kv_len, &start);
        let whole = self.b.setp(Word::Ge, Type::U32, "p", &left, cols);
        let done = self.b.label("whole_tile");
        self.b.guarded(&whole, false, |b| b.bra(&done));
        let barriers = self.slot_barriers(block, which, at);
        self.wait(&barriers, FULL, &at.parity);
        let slot = self.slot_address(block, which, at);
        let threads = self.schedule.consumers() * WARPGROUP;
        self.zero_rows(&block.thread, threads, self.column_panels(), &left, &slot, "past_end");
        self.fence_proxy_async();
        self.meet(CONSUMERS, threads);
        self.b.place(&done);
    }

    /// First column of a tile.
    pub(super) fn tile_start(&mut self, extent: &Extent, tile: &Reg) -> Reg {
        let cols = self.schedule.cols;
        match &extent.col_begin {
            None => self.b.mul_lo(Type::U32, "r", tile, cols),
            Some(begin) => self.b.mad_lo(Type::U32, "r", tile, cols, begin),
        }
    }

    /// Shared address of a ring's slot.
    pub(super) fn slot_address(&mut self, block: &Block, which: Which, at: &Position) -> Reg {
        let bytes = self.schedule.kv_tile_bytes();
        let first = match which {
            Which::Keys => self.schedule.keys_offset(),
            Which::Values => self.schedule.values_offset(),
        };
        let slot = self.b.mad_lo(Type::U32, "r", &at.stage, bytes, &block.shared);
        self.b.add(Type::U32, "r", &slot, first)
    }
}

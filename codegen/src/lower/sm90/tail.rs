//! The end of a sequence inside a tile.
//!
//! A bulk copy knows nothing of sequences: what lies past the end of one is the next one's, or the rest of a block,
//! and may be NaN. Its scores are masked, but 0 · NaN is NaN, so those rows of V are zeroed once they have come. Rows
//! of blocks that do not exist were not copied at all; `wgmma` reads them from K too, so they are zeroed there too.

use super::Hopper;
use super::consumer::Consumer;
use super::flow::Flow;
use crate::lower::instance::Extent;
use crate::plan::View;
use crate::schedule::WARPGROUP;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::Type;

impl Hopper<'_> {
    /// Zeroes the rows of a tile from `left` on, by all consumers.
    pub(super) fn clear_rows(&mut self, flow: &mut Flow<Consumer>, of: View, left: &Reg) {
        let at = self.slot(flow, of).at;
        let slot = self.slot_address(&flow.block, of.buffer, &at);
        let threads = self.roles.consumers() * WARPGROUP;
        self.zero_rows(&flow.block.thread, threads, self.panels(of.buffer), left, &slot, "past_end");
    }

    /// First column of a tile.
    pub(super) fn tile_start(&mut self, extent: &Extent, tile: &Reg) -> Reg {
        let cols = self.schedule.cols;
        match &extent.col_begin {
            None => self.b.mul_lo(Type::U32, "r", tile, cols),
            Some(begin) => self.b.mad_lo(Type::U32, "r", tile, cols, begin),
        }
    }
}

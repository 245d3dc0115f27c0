//! The end of a sequence inside a tile.
//!
//! A bulk copy knows nothing of sequences: what lies past the end of one is the next one's, or the rest of a block,
//! and may be NaN. Its scores are masked, but 0 · NaN is NaN, so those rows of V are zeroed once they have come. Rows
//! of blocks that do not exist were not copied at all; `wgmma` reads them from K too, so they are zeroed there too. Of a V whose keys lie
//! along memory bytes are zeroed, wherever the keys have their places.

use super::Hopper;
use super::consumer::Consumer;
use super::flow::Flow;
use crate::layout::key_groups::KeyGroups;
use crate::layout::swizzle::CHUNK;
use crate::layout::transposed_copy::{KEYS_OF_CHUNK, key_at};
use crate::lower::instance::Extent;
use crate::plan::{Layout, View};
use crate::schedule::WARPGROUP;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Hopper<'_> {
    /// Zeroes the rows of a tile from `left` on, by all consumers.
    pub(super) fn clear_rows(&mut self, flow: &mut Flow<Consumer>, of: View, left: &Reg) {
        let at = self.slot(flow, of).at;
        let slot = self.slot_address(&flow.block, of.buffer, &at);
        let threads = self.roles.consumers() * WARPGROUP;
        if let Some(Layout::Groups(groups)) = self.plan.shared(of.buffer).layout {
            return self.zero_keys(&flow.block.thread, threads, groups, left, &slot);
        }
        self.zero_rows(&flow.block.thread, threads, self.panels(of.buffer), left, &slot, "past_end");
    }

    /// Zeroes the keys of a tile from `left` on, whose numbers lie along memory: of the group in which they begin some bytes of every chunk,
    /// and all of those behind it.
    fn zero_keys(&mut self, thread: &Reg, threads: usize, groups: KeyGroups, left: &Reg, tile: &Reg) {
        let b = &mut self.b;
        let first = b.div(Type::U32, "r", left, KEYS_OF_CHUNK);
        let exist = b.rem(Type::U32, "exist", left, KEYS_OF_CHUNK);
        // Of each word the bytes whose keys exist.
        let kept: [Reg; 4] = std::array::from_fn(|word| {
            let of_word = b.mov(Type::B32, "kept", 0);
            for byte in 0..4 {
                let exists = b.setp(Word::Gt, Type::U32, "p", &exist, key_at(4 * word + byte));
                let mask = b.selp(Type::B32, "r", 0xffi64 << (8 * byte), 0, &exists);
                b.or(Type::B32, &of_word, &of_word, &mask);
            }
            of_word
        });
        let chunk = b.mad_lo(Type::U32, "chunk", &first, groups.numbers, thread);
        let behind = b.mad_lo(Type::U32, "behind", &first, groups.numbers, groups.numbers);
        let (top, done) = (b.label("past_end"), b.label("past_end_done"));
        b.place(&top);
        let past = b.setp(Word::Ge, Type::U32, "p", &chunk, groups.groups() * groups.numbers);
        b.guarded(&past, false, |b| b.bra(&done));
        let at = b.mad_lo(Type::U32, "r", &chunk, CHUNK, tile);
        let is_partial = b.setp(Word::Lt, Type::U32, "p", &chunk, &behind);
        let words: [Reg; 4] = std::array::from_fn(|_| self.b.mov(Type::B32, "x", 0));
        // What lies behind may be anything, and is not read.
        self.b.set_guard(Some(&is_partial));
        self.move_chunk(Opcode::Ld, Space::Shared, words.each_ref(), &at, 0);
        self.b.set_guard(None);
        for (word, kept) in words.iter().zip(&kept) {
            self.b.and(Type::B32, word, word, kept);
        }
        self.move_chunk(Opcode::St, Space::Shared, words.each_ref(), &at, 0);
        let b = &mut self.b;
        b.add(Type::U32, &chunk, &chunk, threads);
        b.bra(&top);
        b.place(&done);
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

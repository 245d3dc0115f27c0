//! The list of row tiles, and how blocks walk it.
//!
//! The longest come first: row tiles from a sequence's end, which see the most columns under a causal mask. Within
//! one, heads are next to each other, so that blocks at work together read the same K and V. Blocks take tiles there
//! and back, like a plough: who took the longest of one round takes the shortest of the next.
//!
//! A planned kernel walks a list in device memory instead.

use super::Hopper;
use crate::abi::Meaning;
use crate::lower::instance::Work;
use flashpage_ptx::ast::{Axis, Name};
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Special, Type, Word};

/// A walk along the list.
pub(super) struct Walk {
    /// First tile of this round.
    round: Reg,
    /// This block's tile within the round.
    place: Reg,
    /// Whether the next round is taken in the other direction.
    is_there_and_back: bool,
    /// Where the next tile is taken.
    top: Name,
    /// Where a tile ends.
    pub next: Name,
    done: Name,
}

impl Hopper<'_> {
    /// Begins the walk. Gives the first tile, and every later one after [`Hopper::next_work`].
    pub(super) fn begin_walk(&mut self) -> (Walk, Work) {
        if self.spec.work.is_planned() {
            return self.begin_list();
        }
        let row_tiles = self.param(Meaning::RowTiles);
        let head_blocks = self.param(Meaning::HeadBlocks);
        let sequences = self.param(Meaning::Sequences);
        let b = &mut self.b;
        let in_a_row = b.mul_lo(Type::U32, "r", &head_blocks, &sequences);
        let total = b.mul_lo(Type::U32, "tiles", &in_a_row, &row_tiles);
        let (walk, index) = self.rounds(&total, true);
        let b = &mut self.b;
        let rest = b.div(Type::U32, "r", &index, &head_blocks);
        let whole = b.mul_lo(Type::U32, "r", &rest, &head_blocks);
        let head_block = b.sub(Type::U32, "head_block", &index, &whole);
        let from_end = b.div(Type::U32, "r", &rest, &sequences);
        let whole = b.mul_lo(Type::U32, "r", &from_end, &sequences);
        let sequence = b.sub(Type::U32, "sequence", &rest, &whole);
        let last = b.sub(Type::U32, "r", &row_tiles, 1);
        let row_tile = b.sub(Type::U32, "row_tile", &last, &from_end);
        (walk, Work::Tile { sequence, head_block, row_tile })
    }

    /// Begins the walk along a work list, whose maker has put its items in a good order for rounds of one direction.
    fn begin_list(&mut self) -> (Walk, Work) {
        let items = self.items();
        let (walk, index) = self.rounds(&items, false);
        (walk, Work::Item(self.item(&index)))
    }

    /// Rounds over `total` tiles, each of as many as there are blocks. Gives the index of this block's tile.
    fn rounds(&mut self, total: &Reg, is_there_and_back: bool) -> (Walk, Reg) {
        let b = &mut self.b;
        let round = b.mov(Type::U32, "round", 0);
        let place = b.special("place", Special::Ctaid, Some(Axis::X));
        let (top, next, done) = (b.label("tile"), b.label("tile_done"), b.label("tiles_done"));
        b.place(&top);
        b.comment("");
        b.comment("the next tile of rows");
        let over = b.setp(Word::Ge, Type::U32, "p", &round, total);
        b.guarded(&over, false, |b| b.bra(&done));
        let index = b.add(Type::U32, "r", &round, &place);
        let none = b.setp(Word::Ge, Type::U32, "p", &index, total);
        b.guarded(&none, false, |b| b.bra(&next));
        (Walk { round, place, is_there_and_back, top, next, done }, index)
    }

    /// Ends the work on one tile and goes on to the next, or on after the last.
    pub(super) fn next_work(&mut self, walk: &Walk) {
        let b = &mut self.b;
        b.place(&walk.next);
        let blocks = b.special("r", Special::Nctaid, Some(Axis::X));
        b.add(Type::U32, &walk.round, &walk.round, &blocks);
        if walk.is_there_and_back {
            let last = b.sub(Type::U32, "r", &blocks, 1);
            b.sub(Type::U32, &walk.place, &last, &walk.place);
        }
        b.bra(&walk.top);
        b.place(&walk.done);
    }
}

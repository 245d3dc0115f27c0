//! The list of row tiles, in which order, and how blocks take them.
//!
//! Tiles are done in sections: all pairs of a sequence and a head block if the L2 cache holds their K and V, else so many
//! that it holds those of two sections, since one begins while the one before ends. In a section the longest tiles come
//! first: row tiles from a sequence's end, which see the most columns under a causal mask. Within one row tile pairs are
//! next to each other, so blocks at work together read the same K and V.
//!
//! A block's first tile is its own number, every other is taken from a counter in memory, so that who is done early does
//! more. The producer takes them, one ahead of the consumers, and works out which tile that is. The counter wraps round to
//! 0 when the last block finds nothing left, ready for the next launch.
//!
//! A planned kernel walks a list in device memory, whose maker has balanced it: there block `i` takes the items `i`,
//! `i + blocks`, …

use super::Hopper;
use crate::abi::{Divisor, Meaning};
use crate::lower::instance::Assignment;
use flashpage_ptx::ast::{Axis, Name};
use flashpage_ptx::builder::{Builder, Reg, address, space, ty, word};
use flashpage_ptx::division::ReciprocalRegs;
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};

/// The producer's walk along the list.
pub(super) struct Walk {
    /// Where the next tile is taken.
    top: Name,
    /// Where a tile ends.
    pub next: Name,
    done: Name,
    /// Index of this tile.
    index: Reg,
    /// Of the next one, as far as it is known: what the counter gave, in the first lane.
    counted: Option<Reg>,
}

/// The same of a producer whose warps all copy: its first warp takes a tile between two that all copy.
pub(super) struct Taking {
    /// Where a tile is taken: where the one that was turns out to lie past its sequence's end, another.
    pub again: Name,
    total: Reg,
    counter: Option<Reg>,
    /// What is a grid's blocks below the next index: in the first lane.
    behind: Reg,
}

impl Hopper<'_> {
    /// Begins the walk of such a producer.
    pub(super) fn taking(&mut self) -> Taking {
        let (total, counter) = self.tiles();
        let b = &mut self.b;
        let index = b.special("r", Special::Ctaid, Some(Axis::X));
        let blocks = b.special("r", Special::Nctaid, Some(Axis::X));
        let behind = b.sub(Type::U32, "behind", &index, &blocks);
        Taking { again: b.label("take"), total, counter, behind }
    }

    /// Takes the next tile, from the label `again` on. `over` leaves where there is none.
    pub(super) fn take(
        &mut self,
        taking: &Taking,
        first_lane: &Reg,
        over: impl FnOnce(&mut Builder),
    ) -> Assignment {
        let Taking { again, total, counter, behind } = taking;
        let b = &mut self.b;
        b.place(again);
        let blocks = b.special("r", Special::Nctaid, Some(Axis::X));
        let known = b.shfl(Word::Idx, Type::U32, "r", behind, 0);
        let index = b.add(Type::U32, "index", &known, &blocks);
        let is_over = b.setp(Word::Ge, Type::U32, "over", &index, total);
        b.guarded(&is_over, false, over);
        match counter {
            Some(counter) => self.count(counter, &index, total, first_lane, behind),
            None => _ = self.b.mov(Type::U32, behind, &index),
        }
        self.decode(&index)
    }

    /// How many tiles there are, and what counts those that are taken.
    fn tiles(&mut self) -> (Reg, Option<Reg>) {
        if self.spec.work.is_planned() {
            return (self.items(), None);
        }
        let (row_tiles, pairs) = (self.param(Meaning::RowTiles), self.pairs());
        let total = self.b.mul_lo(Type::U32, "tiles", &pairs, &row_tiles);
        (total, Some(self.param(Meaning::TileCounter)))
    }

    /// Begins the walk. Gives the first tile, and every later one after [`Hopper::next_taken`].
    pub(super) fn begin_taking(&mut self, first_lane: &Reg) -> (Walk, Assignment) {
        let b = &mut self.b;
        let index = b.special("index", Special::Ctaid, Some(Axis::X));
        let (total, counter) = self.tiles();
        let b = &mut self.b;
        let (top, next, done) = (b.label("tile"), b.label("tile_done"), b.label("tiles_done"));
        b.place(&top);
        b.stage("the next tile of rows");
        let over = b.setp(Word::Ge, Type::U32, "over", &index, &total);
        let counted = counter.map(|counter| {
            let counted = self.b.mov(Type::U32, "counted", 0);
            self.count(&counter, &index, &total, first_lane, &counted);
            counted
        });
        self.b.guarded(&over, false, |b| b.bra(&done));
        let work = self.decode(&index);
        (Walk { top, next, done, index, counted }, work)
    }

    /// Pairs of a sequence and a head block.
    fn pairs(&mut self) -> Reg {
        let (head_blocks, sequences) = (self.param(Meaning::HeadBlocks), self.param(Meaning::Sequences));
        self.b.mul_lo(Type::U32, "pairs", &head_blocks, &sequences)
    }

    /// Takes the number of another tile, which is not looked at before this one has been copied.
    fn count(&mut self, counter: &Reg, index: &Reg, total: &Reg, first_lane: &Reg, counted: &Reg) {
        let b = &mut self.b;
        let last = b.sub(Type::U32, "r", total, 1);
        let takes = b.setp_and(Word::Lt, Type::U32, "p", index, total, first_lane);
        b.guarded(&takes, false, |b| {
            // Every tile asks once, so the answers are 0 to total - 1, and the last leaves 0 behind.
            let mods = [space(Space::Global), word(Word::Inc), ty(Type::U32)];
            b.op(Opcode::Atom, &mods, Type::U32, counted, vec![address(counter, 0), (&last).into()]);
        });
    }

    /// Which tile that is.
    fn decode(&mut self, index: &Reg) -> Assignment {
        if self.spec.work.is_planned() {
            return Assignment::Item(self.item(index));
        }
        let (row_tiles, head_blocks) = (self.param(Meaning::RowTiles), self.param(Meaning::HeadBlocks));
        let (section, pairs) = (self.param(Meaning::Section), self.pairs());
        let by = |k: &Self, divisor| k.reciprocal(divisor);
        let (by_tiles, by_heads) = (by(self, Divisor::SectionTiles), by(self, Divisor::HeadBlocks));
        let (by_section, by_last) = (by(self, Divisor::Section), by(self, Divisor::LastSection));
        let b = &mut self.b;
        let whole = b.mul_lo(Type::U32, "r", &section, &row_tiles);
        let number = b.quotient("r", index, &by_tiles);
        let before = b.mul_lo(Type::U32, "r", &number, &whole);
        let within = b.sub(Type::U32, "r", index, &before);
        let first = b.mul_lo(Type::U32, "r", &number, &section);
        b.comment("the last section may have fewer pairs");
        let left = b.sub(Type::U32, "r", &pairs, &first);
        let is_whole = b.setp(Word::Ge, Type::U32, "p", &left, &section);
        let width = b.selp(Type::U32, "r", &section, &left, &is_whole);
        let multiplier = b.selp(Type::U32, "r", &by_section.multiplier, &by_last.multiplier, &is_whole);
        let shift = b.selp(Type::U32, "r", &by_section.shift, &by_last.shift, &is_whole);
        let from_end = b.quotient("r", &within, &ReciprocalRegs { multiplier, shift });
        let before = b.mul_lo(Type::U32, "r", &from_end, &width);
        let pair = b.sub(Type::U32, "r", &within, &before);
        let pair = b.add(Type::U32, "r", &pair, &first);
        let sequence = b.quotient("sequence", &pair, &by_heads);
        let before = b.mul_lo(Type::U32, "r", &sequence, &head_blocks);
        let head_block = b.sub(Type::U32, "head_block", &pair, &before);
        let last = b.sub(Type::U32, "r", &row_tiles, 1);
        let row_tile = b.sub(Type::U32, "row_tile", &last, &from_end);
        Assignment::Tile { sequence, head_block, row_tile }
    }

    /// Ends the work on one tile and goes on to the next, or on after the last.
    pub(super) fn next_taken(&mut self, walk: &Walk) {
        let b = &mut self.b;
        b.place(&walk.next);
        let blocks = b.special("r", Special::Nctaid, Some(Axis::X));
        let behind = match &walk.counted {
            Some(counted) => b.shfl(Word::Idx, Type::U32, "r", counted, 0),
            None => walk.index.clone(),
        };
        b.add(Type::U32, &walk.index, &behind, &blocks);
        b.bra(&walk.top);
        b.place(&walk.done);
    }
}

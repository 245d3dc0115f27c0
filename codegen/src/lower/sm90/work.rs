//! The list of row tiles, in which order, and how blocks take them.
//!
//! Tiles are done in sections: as many pairs of a sequence and a head block as have K and V that the L2 cache holds. In a
//! section the longest tiles come first: row tiles from a sequence's end, which see the most columns under a causal mask.
//! Within one row tile pairs are next to each other, so blocks at work together read the same K and V.
//!
//! A block's first tile is its own number, every other is taken from a counter in memory, so that who is done early does
//! more. The producer takes them, one ahead of the consumers, works out which tile that is and writes it to shared memory:
//! consumers divide nothing. The counter wraps round to 0 when the last block finds nothing left, ready for the next
//! launch.
//!
//! A planned kernel walks a list in device memory, whose maker has balanced it: there block `i` takes the items `i`,
//! `i + blocks`, …

use super::barrier::{EMPTY, FULL};
use super::{Block, Hopper};
use crate::abi::Meaning;
use crate::lower::instance::Work;
use flashpage_ptx::ast::{Axis, Name};
use flashpage_ptx::builder::{Reg, address, space, ty, vector, word};
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};

/// A walk along the list, of either role.
pub(super) struct Walk {
    /// Where the next tile is taken.
    top: Name,
    /// Where a tile ends.
    pub next: Name,
    done: Name,
    /// The producer's.
    taken: Option<Taken>,
}

/// How the producer comes by tiles.
struct Taken {
    /// Index of this tile.
    index: Reg,
    /// Of the next one, as far as it is known: what the counter gave, in the first lane.
    counted: Option<Reg>,
}

impl Hopper<'_> {
    /// Begins the producer's walk. Gives the first tile, and every later one after [`Hopper::next_work`]; tells consumers
    /// of each, and of the end.
    pub(super) fn begin_taking(&mut self, block: &Block, first_lane: &Reg) -> (Walk, Work) {
        let b = &mut self.b;
        let index = b.special("index", Special::Ctaid, Some(Axis::X));
        let parity = b.mov(Type::U32, "next_parity", 1);
        let (total, counter) = if self.spec.work.is_planned() {
            (self.items(), None)
        } else {
            let (row_tiles, pairs) = (self.param(Meaning::RowTiles), self.pairs());
            let total = self.b.mul_lo(Type::U32, "tiles", &pairs, &row_tiles);
            (total, Some(self.param(Meaning::TileCounter)))
        };
        let b = &mut self.b;
        let (top, next, done) = (b.label("tile"), b.label("tile_done"), b.label("tiles_done"));
        b.place(&top);
        b.comment("");
        b.comment("the next tile of rows");
        let over = b.setp(Word::Ge, Type::U32, "over", &index, &total);
        let counted = counter.map(|counter| self.count(&counter, &index, &total, first_lane));
        let (work, words) = self.decode(&index);
        self.tell(block, &words, &over, &parity, first_lane);
        self.b.guarded(&over, false, |b| b.bra(&done));
        (Walk { top, next, done, taken: Some(Taken { index, counted }) }, work)
    }

    /// Pairs of a sequence and a head block.
    fn pairs(&mut self) -> Reg {
        let (head_blocks, sequences) = (self.param(Meaning::HeadBlocks), self.param(Meaning::Sequences));
        self.b.mul_lo(Type::U32, "pairs", &head_blocks, &sequences)
    }

    /// Takes the number of another tile, which is not looked at before this one has been copied.
    fn count(&mut self, counter: &Reg, index: &Reg, total: &Reg, first_lane: &Reg) -> Reg {
        let b = &mut self.b;
        let counted = b.mov(Type::U32, "counted", 0);
        let last = b.sub(Type::U32, "r", total, 1);
        let takes = b.setp_and(Word::Lt, Type::U32, "p", index, total, first_lane);
        b.guarded(&takes, false, |b| {
            // Every tile asks once, so the answers are 0 to total - 1, and the last leaves 0 behind.
            let mods = [space(Space::Global), word(Word::Inc), ty(Type::U32)];
            b.op(Opcode::Atom, &mods, Type::U32, &counted, vec![address(counter, 0), (&last).into()]);
        });
        counted
    }

    /// Which tile that is, and the words that say so.
    fn decode(&mut self, index: &Reg) -> (Work, Vec<Reg>) {
        if self.spec.work.is_planned() {
            return (Work::Item(self.item(index)), vec![index.clone()]);
        }
        let (row_tiles, head_blocks) = (self.param(Meaning::RowTiles), self.param(Meaning::HeadBlocks));
        let (section, pairs) = (self.param(Meaning::Section), self.pairs());
        let b = &mut self.b;
        let whole = b.mul_lo(Type::U32, "r", &section, &row_tiles);
        let number = b.div(Type::U32, "r", index, &whole);
        let before = b.mul_lo(Type::U32, "r", &number, &whole);
        let within = b.sub(Type::U32, "r", index, &before);
        let first = b.mul_lo(Type::U32, "r", &number, &section);
        let left = b.sub(Type::U32, "r", &pairs, &first);
        // The last section may have fewer; past the end of the list there are none, and any number does.
        let width = b.min(Type::U32, "r", &left, &section);
        let width = b.max(Type::U32, "r", &width, 1);
        let from_end = b.div(Type::U32, "r", &within, &width);
        let before = b.mul_lo(Type::U32, "r", &from_end, &width);
        let pair = b.sub(Type::U32, "r", &within, &before);
        let pair = b.add(Type::U32, "r", &pair, &first);
        let sequence = b.div(Type::U32, "sequence", &pair, &head_blocks);
        let before = b.mul_lo(Type::U32, "r", &sequence, &head_blocks);
        let head_block = b.sub(Type::U32, "head_block", &pair, &before);
        let last = b.sub(Type::U32, "r", &row_tiles, 1);
        let row_tile = b.sub(Type::U32, "row_tile", &last, &from_end);
        let words = vec![sequence.clone(), head_block.clone(), row_tile.clone()];
        (Work::Tile { sequence, head_block, row_tile }, words)
    }

    /// Writes which tile is next, or that none is, once consumers have read the one before.
    fn tell(&mut self, block: &Block, words: &[Reg], over: &Reg, parity: &Reg, first_lane: &Reg) {
        let pair = self.next_barriers(block);
        self.wait(&pair, EMPTY, parity);
        let is_over = self.b.selp(Type::U32, "r", 1, 0, over);
        self.b.xor(Type::B32, parity, parity, 1);
        let at = address(&block.barriers, self.next_offset());
        let (width, words) = next_words(words, &is_over);
        self.b.set_guard(Some(first_lane));
        let mods = [space(Space::Shared), word(width), ty(Type::B32)];
        self.b.emit(Opcode::St, &mods, vec![at, vector(&words)]);
        self.b.set_guard(None);
        self.arrive(&pair, FULL, first_lane, 1);
    }

    /// Begins a consumer's walk. Gives the first tile, and every later one after [`Hopper::next_work`].
    pub(super) fn begin_walk(&mut self, block: &Block, first_lane: &Reg) -> (Walk, Work) {
        let b = &mut self.b;
        let parity = b.mov(Type::U32, "next_parity", 0);
        let (top, next, done) = (b.label("tile"), b.label("tile_done"), b.label("tiles_done"));
        b.place(&top);
        b.comment("");
        b.comment("the next tile of rows");
        let pair = self.next_barriers(block);
        self.wait(&pair, FULL, &parity);
        let b = &mut self.b;
        b.xor(Type::B32, &parity, &parity, 1);
        let at = address(&block.barriers, self.next_offset());
        let is_planned = self.spec.work.is_planned();
        let b = &mut self.b;
        let names: &[&str] =
            if is_planned { &["item_index"] } else { &["sequence", "head_block", "row_tile"] };
        let words: Vec<Reg> = names.iter().map(|name| b.reg(Type::U32, name)).collect();
        let is_over = b.reg(Type::U32, "r");
        let (width, read) = next_words(&words, &is_over);
        let mods = [space(Space::Shared), word(width), ty(Type::B32)];
        b.emit(Opcode::Ld, &mods, vec![vector(&read), at]);
        b.emit(Opcode::Bar, &[word(Word::Warp), word(Word::Sync)], vec![(-1).into()]);
        self.arrive(&pair, EMPTY, first_lane, 1);
        let b = &mut self.b;
        let over = b.setp(Word::Ne, Type::U32, "p", &is_over, 0);
        b.guarded(&over, false, |b| b.bra(&done));
        let work = match &words[..] {
            [sequence, head_block, row_tile] => Work::Tile {
                sequence: sequence.clone(),
                head_block: head_block.clone(),
                row_tile: row_tile.clone(),
            },
            index => Work::Item(self.item(&index[0])),
        };
        (Walk { top, next, done, taken: None }, work)
    }

    /// Ends the work on one tile and goes on to the next, or on after the last.
    pub(super) fn next_work(&mut self, walk: &Walk) {
        let b = &mut self.b;
        b.place(&walk.next);
        if let Some(Taken { index, counted }) = &walk.taken {
            let blocks = b.special("r", Special::Nctaid, Some(Axis::X));
            let behind = match counted {
                Some(counted) => b.shfl(Word::Idx, Type::U32, "r", counted, 0),
                None => index.clone(),
            };
            b.add(Type::U32, index, &behind, &blocks);
        }
        b.bra(&walk.top);
        b.place(&walk.done);
    }

    /// The pair of barriers of what is next.
    fn next_barriers(&mut self, block: &Block) -> Reg {
        let pairs = self.schedule.barriers() / 2;
        self.b.add(Type::U32, "r", &block.barriers, super::barrier::PAIR * (pairs - 1))
    }

    /// Byte offset of what is next from the barriers.
    fn next_offset(&self) -> i64 {
        (self.schedule.next_offset() - self.schedule.barriers_offset()) as i64
    }
}

/// The words in shared memory that say what is next: which tile, then whether there is none.
fn next_words<'r>(words: &'r [Reg], is_over: &'r Reg) -> (Word, Vec<&'r Reg>) {
    let all: Vec<&Reg> = words.iter().chain([is_over]).collect();
    (if all.len() == 2 { Word::V2 } else { Word::V4 }, all)
}

//! The transposer: two warps that make of a tile of V by rows one by columns, for products of 8 bits
//! ([`crate::layout::transposed_copy`]).
//!
//! It learns what an item covers where consumers do. Its lanes read a word of each of sixteen keys and write four chunks, each the keys of one
//! number. Four words are four numbers of four keys; two permutations of bytes make of two words two numbers of two keys, and two of these
//! make a number's four keys: eight instructions for sixteen bytes. Which number comes first is the lane's own, so selectors are registers.

use super::flow::{Flow, RoleFlow};
use super::tile_info::TileInfo;
use super::{Block, Hopper};
use crate::layout::lane::LANES;
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::layout::transposed_copy::{KEYS_OF_CHUNK, NUMBERS, TransposedCopy, key_at};
use crate::lower::instance::Extent;
use crate::plan::attention::VALUE_ROWS;
use crate::plan::{Compute, Condition, Function, Meeting, Named, Node, Step, View};
use crate::schedule::TRANSPOSERS;
use flashpage_ptx::ast::Name;
use flashpage_ptx::builder::{Reg, address, space, ty};
use flashpage_ptx::words::{Opcode, Space, Type, Word};
use std::rc::Rc;

/// Threads of the role.
const THREADS: usize = TRANSPOSERS * LANES;

/// The lower halves of two registers, and the upper ones.
const HALVES: [i64; 2] = [0x5410, 0x7632];

/// What a warp of this role carries beside what every role does.
pub(super) struct Transposer {
    /// Of the role's.
    thread: Reg,
    share: Share,
    /// After the last item.
    done: Name,
    /// What was read of the item.
    info: Option<TileInfo>,
    extent: Option<Rc<Extent>>,
    /// The tile of columns.
    tile: Option<Reg>,
    /// The leftmost of the item.
    leftmost: Option<Reg>,
    /// Rows of the tile that exist.
    left: Option<Reg>,
}

/// What of every tile a lane transposes.
struct Share {
    copy: TransposedCopy,
    /// Its chunk of keys in the first round.
    chunk: Reg,
    /// Where its word of the first key lies in the rows, but for the phase, in the first round.
    word: Reg,
    /// What upper lanes add, to take the keys of a pair in the other order; a register of zero in lower ones.
    other: Option<Reg>,
    /// Where its four numbers' chunks lie in the tile in the first round, in the order in which it writes them.
    places: [Reg; NUMBERS],
    /// What takes the bytes of its first two numbers from two keys' words, and those of the others.
    selectors: [Reg; 2],
}

impl Transposer {
    fn tile(&self) -> Reg {
        self.tile.clone().expect("columns have been begun")
    }
}

impl Hopper<'_> {
    pub(super) fn transposer(&mut self, block: Block) {
        self.b.stage("TRANSPOSER: two warps make V by columns of V by rows");
        let role = self.role("transposer");
        let first_lane = self.b.setp(Word::Eq, Type::U32, "first_lane", &block.lane, 0);
        // They are the last of their warpgroup.
        let thread = self.b.and(Type::B32, "of_role", &block.thread, THREADS as i64 - 1);
        let first = self.roles.first_transposer();
        let warp = self.b.sub(Type::U32, "of_role", &block.warp, first);
        let columns = self.first_position(0);
        let copy = self.roles.transposed_copy().expect("a plan with such a role has something to transpose");
        let share = self.share_of_columns(copy, &block.lane, &warp);
        let place = self.first_place(false);
        let transposer = Transposer {
            thread,
            share,
            done: self.b.label("tiles_done"),
            info: None,
            extent: None,
            tile: None,
            leftmost: None,
            left: None,
        };
        let mut flow = Flow::new(block, first_lane, columns, place, transposer);
        self.walk(&mut flow, &role.body);
    }

    /// What a lane transposes, as far as it is the same of all tiles.
    fn share_of_columns(&mut self, copy: TransposedCopy, lane: &Reg, warp: &Reg) -> Share {
        let span = copy.tile.span;
        let in_warp = self.of_lane("r", lane, copy.word());
        let own_chunk = self.of_lane("r", lane, copy.chunk());
        let turned = self.of_lane("turned", lane, copy.turned());
        let b = &mut self.b;
        let of_row = copy.warps_of_row();
        let (beside, part) = match of_row {
            1 => (warp.clone(), None),
            _ => {
                let beside = b.shr(Type::U32, "r", warp, of_row.ilog2() as i32);
                (beside, Some(b.and(Type::B32, "r", warp, of_row as i64 - 1)))
            }
        };
        let chunks = copy.round_chunks() * of_row / copy.warps;
        let chunk = b.mad_lo(Type::U32, "chunk", &beside, chunks, &own_chunk);
        // The lanes of a warp lie in one panel, or in panels that follow each other.
        let along = b.mul_lo(Type::U32, "r", &in_warp, NUMBERS);
        let (number, first) = match &part {
            None => (along.clone(), along),
            Some(part) => {
                let number = b.mad_lo(Type::U32, "r", part, copy.lanes_of_row() * NUMBERS, &along);
                (number, b.mad_lo(Type::U32, "r", part, copy.word_offset(copy.lanes_of_row()), &along))
            }
        };
        let word = b.mad_lo(Type::U32, "word", &chunk, copy.chunk_stride(), &first);
        let other = copy.is_interleaved().then(|| b.mul_lo(Type::U32, "other", &own_chunk, copy.rows.span));
        // The chunk's place in its span, and its panel's.
        let of_span = span / CHUNK;
        let in_span = b.and(Type::B32, "r", &chunk, of_span as i64 - 1);
        let panel = b.shr(Type::U32, "r", &chunk, of_span.ilog2() as i32);
        let panel = b.mul_lo(Type::U32, "panel", &panel, copy.tile.panel_stride());
        let places = std::array::from_fn(|turn| {
            let own = self.b.xor(Type::B32, "r", &turned, turn as i64);
            let number = self.b.add(Type::U32, "number", &number, &own);
            let in_eight = self.b.and(Type::B32, "r", &number, PERIOD as i64 - 1);
            let phase = self.phase_of(in_eight, span);
            let b = &mut self.b;
            let swizzled = b.xor(Type::B32, "r", &phase, &in_span);
            let at = b.mad_lo(Type::U32, "r", &swizzled, CHUNK, &panel);
            b.mad_lo(Type::U32, "place", &number, span, &at)
        });
        // Of words x and y the bytes a and b, of which b is a with its lowest bit turned: x.a, y.a, x.b, y.b; upper lanes, whose x is
        // the later key, y.a, x.a, y.b, x.b.
        let second_word = match other {
            None => self.b.mov(Type::U32, "r", 0x4040),
            Some(_) => {
                let turned = self.b.mul_lo(Type::U32, "r", &own_chunk, 0x4444);
                self.b.xor(Type::B32, "r", &turned, 0x4040)
            }
        };
        let selectors = [0, 2].map(|turn| {
            let b = &mut self.b;
            let first = b.xor(Type::B32, "r", &turned, turn);
            let second = b.xor(Type::B32, "r", &first, 1);
            let low = b.mad_lo(Type::U32, "r", &first, 0x11, &second_word);
            b.mad_lo(Type::U32, "selector", &second, 0x1100, &low)
        });
        Share { copy, chunk, word, other, places, selectors }
    }

    /// Reads what was told.
    fn read_of_columns(&mut self, flow: &mut Flow<Transposer>) {
        let (info, extent) = self.told_item(&flow.block, &flow.place, &flow.role.done);
        (flow.role.info, flow.role.extent) = (Some(info), Some(Rc::new(extent)));
    }

    /// Emits `then` for an item that sees a column.
    fn where_columns_come(&mut self, flow: &mut Flow<Transposer>, then: &[Node]) {
        let info = flow.role.info.as_ref().expect("an item has been read");
        let (tile, first) = (self.b.sub(Type::S32, "tile", &info.tiles_end(), 1), info.first_tile());
        let nothing = self.b.setp(Word::Lt, Type::S32, "p", &tile, &first);
        let done = self.b.label("tile_done");
        self.b.guarded(&nothing, false, |b| b.bra(&done));
        (flow.role.tile, flow.role.leftmost) = (Some(tile), Some(first));
        self.walk(flow, then);
        self.b.place(&done);
    }

    /// Emits `then` for a tile in which the sequence ends.
    fn where_keys_end(&mut self, flow: &mut Flow<Transposer>, then: &[Node]) {
        let extent = flow.role.extent.clone().expect("an item has been read");
        let (cols, start) = (self.schedule.cols, self.tile_start(&extent, &flow.role.tile()));
        let left = self.b.sub(Type::U32, "r", &extent.kv_len, &start);
        let whole = self.b.setp(Word::Ge, Type::U32, "p", &left, cols);
        let done = self.b.label("whole_tile");
        self.b.guarded(&whole, false, |b| b.bra(&done));
        flow.role.left = Some(left);
        flow.inside(|flow| self.walk(flow, then));
        self.b.place(&done);
    }

    /// Transposes a tile. In the last round some warps may have no keys.
    fn transpose(&mut self, flow: &mut Flow<Transposer>, to: View, from: View) {
        let [rows, tile] = [from, to].map(|view| {
            let at = self.slot(flow, view).at;
            self.slot_address(&flow.block, view.buffer, &at)
        });
        let Share { copy, chunk, word, other, places, selectors } = &flow.role.share;
        let word = self.b.add(Type::U32, "from", word, &rows);
        let targets = places.each_ref().map(|place| self.b.add(Type::U32, "target", place, &tile));
        // One more address for each other phase that keys have.
        let mut sources: Vec<((usize, usize), Reg)> = Vec::new();
        for round in 0..copy.rounds() {
            let done = self.b.label("transposed");
            if round + 1 == copy.rounds() && !copy.is_even() {
                let chunk = self.b.add(Type::U32, "r", chunk, round * copy.round_chunks());
                let past = self.b.setp(Word::Ge, Type::U32, "p", &chunk, copy.chunks());
                self.b.guarded(&past, false, |b| b.bra(&done));
            }
            let words: [Reg; KEYS_OF_CHUNK] = std::array::from_fn(|key| {
                let (xor, add) = copy.key_step(key);
                let turn = (xor, if other.is_some() { key % 2 } else { 0 });
                if !sources.iter().any(|(known, _)| *known == turn) {
                    let turned = if xor == 0 {
                        word.clone()
                    } else {
                        self.b.xor(Type::B32, "from", &word, xor as i64)
                    };
                    let source = match other {
                        None => turned,
                        Some(other) if key % 2 == 0 => self.b.add(Type::U32, "from", &turned, other),
                        Some(other) => self.b.sub(Type::U32, "from", &turned, other),
                    };
                    sources.push((turn, source));
                }
                let (_, source) = sources.iter().find(|(known, _)| *known == turn).expect("one for each");
                let at = add + round * copy.round_chunks() * copy.chunk_stride();
                let mods = [space(Space::Shared), ty(Type::B32)];
                self.b.op(Opcode::Ld, &mods, Type::B32, "x", vec![address(source, at as i64)])
            });
            self.write_columns(&words, (*copy, round), selectors, &targets);
            self.b.place(&done);
        }
    }

    /// Writes the four numbers of sixteen keys' words.
    fn write_columns(
        &mut self,
        words: &[Reg; KEYS_OF_CHUNK],
        (copy, round): (TransposedCopy, usize),
        selectors: &[Reg; 2],
        targets: &[Reg; NUMBERS],
    ) {
        let (xor, add) = copy.step(round);
        for (pair, selector) in selectors.iter().enumerate() {
            let mut numbers = [Vec::new(), Vec::new()];
            for place in (0..KEYS_OF_CHUNK).step_by(4) {
                let [low, high] = [0, 2].map(|half| {
                    let [x, y] = [0, 1].map(|byte| &words[key_at(place + half + byte)]);
                    self.b.prmt("x", x, y, selector)
                });
                for (number, halves) in numbers.iter_mut().zip(HALVES) {
                    number.push(self.b.prmt("x", &low, &high, halves));
                }
            }
            for (number, target) in numbers.iter().zip(&targets[2 * pair..]) {
                let target = if xor == 0 {
                    target.clone()
                } else {
                    self.b.xor(Type::B32, "target", target, xor as i64)
                };
                let chunk: [&Reg; 4] = std::array::from_fn(|word| &number[word]);
                self.move_chunk(Opcode::St, Space::Shared, chunk, &target, add as i64);
            }
        }
    }
}

impl RoleFlow for Transposer {
    const READS_AND_FILLS: bool = true;

    fn step(k: &mut Hopper<'_>, flow: &mut Flow<Transposer>, step: &Step) {
        match step {
            Step::Transpose { to, from } => k.transpose(flow, *to, *from),
            Step::Meet(Meeting::Transposers) => {
                let barrier = *k.plan.named(Named::Meet(Meeting::Transposers), 0);
                k.meet(barrier.number, barrier.threads);
            }
            Step::Compute(Compute { what: Function::Read, .. }) => k.read_of_columns(flow),
            Step::Compute(Compute { what: Function::ClearRows, .. }) => {
                let left = flow.role.left.clone().expect("what exists of a tile was asked");
                let at = k.slot(flow, View::now(VALUE_ROWS)).at;
                let rows = k.slot_address(&flow.block, VALUE_ROWS, &at);
                let panels = k.panels(VALUE_ROWS);
                k.zero_rows(&flow.role.thread, THREADS, panels, &left, &rows, "past_end");
            }
            other => unreachable!("no transposer's: {other:?}"),
        }
    }

    fn items(k: &mut Hopper<'_>, flow: &mut Flow<Transposer>, next: &[Node], each: &[Node], last: &[Node]) {
        let done = flow.role.done.clone();
        k.told_items(flow, [next, each, last], &done);
    }

    fn columns(
        k: &mut Hopper<'_>,
        flow: &mut Flow<Transposer>,
        first: &[Node],
        each: &[Node],
        last: &[Node],
    ) {
        let tiles =
            |role: &Transposer| (role.tile(), role.leftmost.clone().expect("columns have been begun"));
        k.right_to_left(flow, [first, each, last], tiles, |k, flow, _| k.advance(&flow.columns));
    }

    fn branch(k: &mut Hopper<'_>, flow: &mut Flow<Transposer>, when: Condition, then: &[Node], _: &[Node]) {
        match when {
            Condition::SeesColumns => k.where_columns_come(flow, then),
            Condition::EndsInTile => k.where_keys_end(flow, then),
            other => unreachable!("no transposer asks whether {other}"),
        }
    }
}

//! Tiles of f32, and K and V of 8 bits, made into factors of products where they lie ([`crate::layout::converted`]): each number of f32
//! rounded to tf32, or split into two of bf16, and each of 8 bits widened.
//!
//! A warp converts the rows that its lanes have copied, so that it is done once for all warps that read them, and no meeting is
//! needed beside the one that says that a tile has come.

use super::copy::{InRing, RowsOf};
use super::{Ampere, SHARED};
use crate::layout::converted::{GROUP_CHUNK, GROUP_CHUNKS, GROUPS, group_row};
use crate::layout::lane::{LaneMap, field};
use crate::layout::swizzle::{CHUNK, PERIOD, Swizzle};
use crate::lower::instance::Instance;
use crate::plan::View;
use crate::plan::attention::{KEYS, QUERY};
use crate::schedule::{F32Products, Products};
use flashpage_ptx::builder::{Reg, ty, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};
use std::ops::Range;

/// Words of a chunk.
const WORDS: usize = 4;

/// Groups that a lane asks for at once: as many as have a register for each of their numbers beside all that a kernel keeps.
const AT_ONCE: usize = 4;

/// Which of the lanes of a row a lane is.
const OF_ROW: LaneMap = LaneMap(&[field(0, 2, 1)]);

/// Where a lane converts.
pub(super) struct Converting {
    /// In a K slot at offset 0, the first rows that the warp copies.
    keys: Groups,
    /// In a V slot at offset 0.
    values: Groups,
}

/// A lane's first group of a row: its two chunks.
#[derive(Clone)]
struct Groups {
    chunks: [Reg; GROUP_CHUNKS],
    swizzle: Swizzle,
    /// Whether the lane has a group at a row's end, which all of them together do not fill.
    at_end: Option<Reg>,
}

impl Ampere<'_> {
    /// Where this lane converts tiles of K and V: rows of the warp.
    pub(super) fn converting(&mut self, instance: &Instance) -> Converting {
        self.b.comment("where this lane converts");
        let (qk, v) = (self.ring.qk_row(), self.ring.v_row());
        let warp = self.b.shr(Type::U32, "r", &instance.thread, 5);
        let first_row = self.b.mul_lo(Type::U32, "r", &warp, PERIOD);
        let keys = self.groups(instance, qk, (&first_row, qk.row_bytes));
        let values = if qk == v { keys.clone() } else { self.groups(instance, v, (&first_row, v.row_bytes)) };
        Converting { keys, values }
    }

    /// Makes factors of this warp's rows of a tile.
    pub(super) fn convert(
        &mut self,
        instance: &Instance,
        ring: &InRing,
        converting: &Converting,
        tile: View,
    ) {
        if tile.buffer == QUERY {
            return self.convert_query(instance);
        }
        let groups = if tile.buffer == KEYS { &converting.keys } else { &converting.values };
        let slot = self.slot_offset(tile.buffer, 0);
        let pass_bytes = self.pass_rows() * groups.swizzle.row_bytes;
        let passes = self.ring.cols / self.pass_rows();
        let chunks = groups.chunks.each_ref().map(|at| match &ring.stage {
            None => self.b.mov(Type::U32, "r", at),
            Some(stage) => self.b.add(Type::U32, "r", at, stage),
        });
        let at = Groups { chunks, ..groups.clone() };
        self.repeat(&at, (passes, pass_bytes), |k| k.convert_row(&at, slot));
    }

    /// Does something so many times, each so many bytes further on. Unrolled, ptxas asks for all of a tile at first, and spills
    /// what it has no registers for.
    fn repeat(&mut self, at: &Groups, (times, bytes): (usize, usize), each: impl FnOnce(&mut Self)) {
        if times == 1 {
            return each(self);
        }
        let left = self.b.mov(Type::U32, "r", times);
        let top = self.b.label("convert");
        self.b.place(&top);
        self.b.do_not_unroll();
        each(self);
        for chunk in &at.chunks {
            self.b.add(Type::U32, chunk, chunk, bytes);
        }
        self.b.sub(Type::U32, &left, &left, 1);
        let more = self.b.setp(Word::Ne, Type::U32, "p", &left, 0);
        self.b.guarded(&more, false, |b| b.bra(&top));
    }

    fn convert_query(&mut self, instance: &Instance) {
        let swizzle = self.ring.qk_row();
        let pitch = self.row_pitch();
        let groups = self.groups(instance, swizzle, (&instance.warp_row, pitch));
        for first in (0..self.ring.rows_per_warp()).step_by(PERIOD) {
            // Where all warps have the same rows, eight are one's: those that it has copied.
            let whose = first / PERIOD % self.ring.split;
            let part = instance.columns_part.clone();
            let others = part.map(|part| self.b.setp(Word::Ne, Type::U32, "p", &part, whose));
            let done = self.b.label("converted");
            if let Some(others) = &others {
                self.b.guarded(others, false, |b| b.bra(&done));
            }
            self.convert_row(&groups, first * swizzle.row_bytes);
            if others.is_some() {
                self.b.place(&done);
            }
        }
    }

    /// This lane's groups of rows behind `first_row`, of which there is one every `pitch` bytes.
    fn groups(&mut self, instance: &Instance, swizzle: Swizzle, first_row: (&Reg, usize)) -> Groups {
        let row = self.of_lane("r", &instance.lane, group_row(swizzle.span()));
        let chunk = self.of_lane("r", &instance.lane, GROUP_CHUNK);
        let phase = self.phase_of(row.clone(), swizzle.span());
        let chunk = self.b.xor(Type::B32, "r", &chunk, &phase);
        let shared = self.b.shared_address("r", SHARED);
        let place = self.b.mad_lo(Type::U32, "r", &chunk, CHUNK, &shared);
        let rows = RowsOf::new(&mut self.b, swizzle, first_row, &row);
        let first = rows.at(&mut self.b, "group_at", &place);
        let second = self.b.xor(Type::B32, "group_at", &first, CHUNK);
        let left = swizzle.row_bytes % GROUPS / (GROUP_CHUNKS * CHUNK);
        let at_end = (left > 0).then(|| {
            let of_row = self.of_lane("r", &instance.lane, OF_ROW);
            self.b.setp(Word::Lt, Type::U32, "p", &of_row, left)
        });
        Groups { chunks: [first, second], swizzle, at_end }
    }

    /// Converts this lane's groups of a row, so far behind the first one's.
    fn convert_row(&mut self, groups: &Groups, offset: usize) {
        let row_bytes = groups.swizzle.row_bytes;
        let (pieces, bytes) = (row_bytes / (AT_ONCE * GROUPS), AT_ONCE * GROUPS);
        if pieces < 2 {
            return self.convert_groups(groups, offset, 0..row_bytes);
        }
        let chunks = groups.chunks.each_ref().map(|at| self.b.mov(Type::U32, "r", at));
        let at = Groups { chunks, ..groups.clone() };
        self.repeat(&at, (pieces, bytes), |k| k.convert_groups(&at, offset, 0..bytes));
        self.convert_groups(groups, offset, pieces * bytes..row_bytes);
    }

    /// The same of these bytes of it.
    fn convert_groups(&mut self, groups: &Groups, offset: usize, bytes: Range<usize>) {
        for along in bytes.step_by(GROUPS) {
            let is_whole = along + GROUPS <= groups.swizzle.row_bytes;
            let guard = groups.at_end.as_ref().filter(|_| !is_whole);
            let at = (offset + along) as i64;
            let factors = if self.ring.widens {
                let words = self.chunk_of(&groups.chunks[0], at, guard);
                self.widen(&words)
            } else {
                let numbers = groups.chunks.each_ref().map(|from| self.chunk_of(from, at, guard));
                self.factors(&numbers)
            };
            self.b.set_guard(guard);
            for (to, factor) in groups.chunks.iter().zip(&factors) {
                self.move_chunk(Opcode::St, Space::Shared, factor.each_ref(), to, at);
            }
            self.b.set_guard(None);
        }
    }

    /// A chunk, if the lane has one.
    fn chunk_of(&mut self, from: &Reg, at: i64, guard: Option<&Reg>) -> [Reg; WORDS] {
        let words: [Reg; WORDS] = std::array::from_fn(|_| match guard {
            // Who widens branches by what is there.
            Some(_) if self.ring.widens => self.b.mov(Type::B32, "x", 0),
            _ => self.b.reg(Type::B32, "x"),
        });
        self.b.set_guard(guard);
        self.move_chunk(Opcode::Ld, Space::Shared, words.each_ref(), from, at);
        self.b.set_guard(None);
        words
    }

    /// What becomes of a group of f32.
    fn factors(&mut self, numbers: &[[Reg; WORDS]; GROUP_CHUNKS]) -> [[Reg; WORDS]; GROUP_CHUNKS] {
        if self.ring.products == Products::F32(F32Products::Tf32) {
            return numbers.each_ref().map(|of| of.each_ref().map(|x| self.round_to_tf32("x", x)));
        }
        let [[x0, x1, x2, x3], [x4, x5, x6, x7]] = numbers;
        let pairs = [(x0, x1), (x2, x3), (x4, x5), (x6, x7)];
        let split = pairs.map(|(first, second)| self.split_pair("x", first, second));
        [0, 1].map(|part| split.each_ref().map(|of| of[part].clone()))
    }

    /// The nearest tf32 number, the greater of two.
    pub(super) fn round_to_tf32(&mut self, group: &str, x: &Reg) -> Reg {
        let mods = [word(Word::Rna), ty(Type::Tf32), ty(Type::F32)];
        self.b.op(Opcode::Cvt, &mods, Type::B32, group, vec![x.into()])
    }
}

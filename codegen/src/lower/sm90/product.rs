//! The two products by `wgmma`: S = Q Kᵀ with both factors in shared memory, O += P V with P in registers.
//!
//! Products are asynchronous. `fence` comes before the first product that uses registers which other instructions
//! have written, `commit` closes a group, `wait` leaves at most so many groups in flight; until then nothing touches
//! what a product reads or writes.

use super::barrier::{Position, Which};
use super::{Block, Hopper};
use crate::layout::fragment::K;
use crate::layout::swizzle::CHUNK;
use crate::lower::kernel::State;
use crate::program::DType;
use crate::schedule::WARPGROUP_ROWS;
use flashpage_ptx::ast::{Mod, Operand};
use flashpage_ptx::builder::{Reg, ty, vector, word};
use flashpage_ptx::words::{Opcode, Type, Word};

/// Descriptors of the factors in shared memory, in halves, and what the products share.
pub(super) struct Factors {
    query_low: Reg,
    query_high: Reg,
    keys_low: Reg,
    values_low: Reg,
    /// Of K and V.
    high: Reg,
    /// False: a product that starts from nothing.
    fresh: Reg,
    /// True: one that adds.
    add: Reg,
    /// P as the A factor: `[k16 step][register]`.
    probabilities: Vec<[Reg; 4]>,
}

impl Hopper<'_> {
    /// Descriptors of this warpgroup's rows of Q, and of the first slots of K and V.
    pub(super) fn factors(&mut self, block: &Block, warpgroup: &Reg) -> Factors {
        let (rows, cols) = (self.row_panels(), self.column_panels());
        let (keys, values) = (self.schedule.keys_offset(), self.schedule.values_offset());
        self.b.comment("descriptors: Q of this warpgroup, K and V of the first slots");
        let b = &mut self.b;
        let mine = b.mad_lo(Type::U32, "r", warpgroup, WARPGROUP_ROWS * rows.span, &block.shared);
        let query_low = b.shr(Type::U32, "query_low", &mine, CHUNK.ilog2() as i32);
        let mut slot = |group: &str, offset: usize, leading: u32| {
            let at = b.add(Type::U32, "r", &block.shared, offset);
            let start = b.shr(Type::U32, "r", &at, CHUNK.ilog2() as i32);
            b.or(Type::B32, group, &start, leading)
        };
        let keys_low = slot("keys_low", keys, 0);
        let values_low = slot("values_low", values, cols.descriptor_low());
        // One register where the orders of both are the same.
        let query_high = self.b.mov(Type::U32, "high", rows.descriptor_high());
        let high = match rows.descriptor_high() == cols.descriptor_high() {
            true => query_high.clone(),
            false => self.b.mov(Type::U32, "high", cols.descriptor_high()),
        };
        let fresh = self.b.setp(Word::Ne, Type::S32, "fresh", 0, 0);
        let add = self.b.setp(Word::Eq, Type::S32, "add", 0, 0);
        let probabilities = (0..self.schedule.cols / K)
            .map(|_| std::array::from_fn(|_| self.b.reg(Type::B32, "pf")))
            .collect();
        Factors { query_low, query_high, keys_low, values_low, high, fresh, add, probabilities }
    }

    /// Begins S = Q Kᵀ for the tile in slot `at`.
    pub(super) fn issue_scores(&mut self, state: &State, factors: &Factors, at: &Position) {
        self.b.comment("S = Q Kt");
        let (rows, cols) = (self.row_panels(), self.column_panels());
        let keys = self.slot_low(Which::Keys, factors, at);
        let d = accumulators(&state.scores);
        for step in 0..self.schedule.head_dim / K {
            let a = self.descriptor(&factors.query_low, &factors.query_high, rows.along_row(step));
            let b = self.descriptor(&keys, &factors.high, cols.along_row(step));
            let scale = if step == 0 { &factors.fresh } else { &factors.add };
            // Both factors as they are: their depth runs along rows of memory.
            let operands = vec![
                vector(&d),
                (&a).into(),
                (&b).into(),
                scale.into(),
                1.into(),
                1.into(),
                0.into(),
                0.into(),
            ];
            self.product(self.schedule.cols, operands);
        }
        self.commit();
    }

    /// Begins O += P V for the tile in slot `at`.
    pub(super) fn issue_output(&mut self, state: &State, factors: &Factors, at: &Position) {
        self.b.comment("O += P V");
        let cols = self.column_panels();
        let values = self.slot_low(Which::Values, factors, at);
        let d = accumulators(&state.acc);
        for (step, a) in factors.probabilities.iter().enumerate() {
            let b = self.descriptor(&values, &factors.high, cols.along_rows(step));
            let operands = vec![
                vector(&d),
                vector(&a.each_ref()),
                (&b).into(),
                (&factors.add).into(),
                1.into(),
                1.into(),
                // V is transposed: its depth runs over rows of memory.
                1.into(),
            ];
            self.product(self.schedule.head_dim, operands);
        }
        self.commit();
    }

    /// Rounds the probabilities into the A factor: an accumulator's two blocks of eight columns, in pairs, are a
    /// block of sixteen of it (`fragment`).
    pub(super) fn round_probabilities(&mut self, state: &State, factors: &Factors) {
        let packed = self.packed();
        for (step, a) in factors.probabilities.iter().enumerate() {
            for (block, half) in [(2 * step, 0), (2 * step + 1, 2)] {
                let s = &state.scores[0][block];
                self.b.pack(packed, &a[half], &s[1], &s[0]);
                self.b.pack(packed, &a[half + 1], &s[3], &s[2]);
            }
        }
    }

    /// Lower half of the descriptor of a ring's slot.
    fn slot_low(&mut self, which: Which, factors: &Factors, at: &Position) -> Reg {
        let first = if which == Which::Keys { &factors.keys_low } else { &factors.values_low };
        let chunks = self.schedule.kv_tile_bytes() / CHUNK;
        self.b.mad_lo(Type::U32, "r", &at.stage, chunks, first)
    }

    /// The descriptor that begins `chunks` behind `low`. The sum stays within the start's bits; added as 64 bits it costs
    /// less in ptxas's code than a new pair of halves.
    fn descriptor(&mut self, low: &Reg, high: &Reg, chunks: usize) -> Reg {
        let halves = vector(&[low, high]);
        let first = self.b.op(Opcode::Mov, &[ty(Type::B64)], Type::B64, "desc", vec![halves]);
        if chunks == 0 { first } else { self.b.add(Type::S64, "desc", &first, chunks) }
    }

    fn product(&mut self, n: usize, operands: Vec<Operand>) {
        let element = if self.spec.dtype == DType::Bf16 { Type::Bf16 } else { Type::F16 };
        let mods = [
            word(Word::MmaAsync),
            word(Word::Sync),
            word(Word::Aligned),
            Mod::Shape { m: 64, n: n as u16, k: 16 },
            ty(Type::F32),
            ty(element),
            ty(element),
        ];
        self.b.emit(Opcode::Wgmma, &mods, operands);
    }

    pub(super) fn fence_products(&mut self) {
        self.b.emit(Opcode::Wgmma, &[word(Word::Fence), word(Word::Sync), word(Word::Aligned)], vec![]);
    }

    fn commit(&mut self) {
        self.b.emit(Opcode::Wgmma, &[word(Word::CommitGroup), word(Word::Sync), word(Word::Aligned)], vec![]);
    }

    /// Waits until at most `groups` groups are in flight.
    pub(super) fn wait_products(&mut self, groups: usize) {
        let mods = [word(Word::WaitGroup), word(Word::Sync), word(Word::Aligned)];
        self.b.emit(Opcode::Wgmma, &mods, vec![groups.into()]);
    }
}

/// A warp's accumulators of 16 rows as `wgmma` takes them.
fn accumulators(grid: &[Vec<[Reg; 4]>]) -> Vec<&Reg> {
    grid[0].iter().flatten().collect()
}

//! The online softmax of a lane's rows, in units of log2.
//!
//! Per row: the running maximum times `scale · log2(e)` and the lane's own part of the row sum. A probability
//! costs one FFMA and one `ex2`; the sum crosses lanes once, in the epilogue. The maximum starts at a large
//! negative number and not at minus infinity, so that rows with nothing kept need no special case: their
//! probabilities are `ex2(-inf) = 0`, their sum is 0. A score below -2^126 in these units counts as masked.

use super::instance::Instance;
use super::kernel::{Kernel, State};
use crate::abi::Meaning;
use crate::program::ParamId;
use crate::schedule::Rescale;
use flashpage_ptx::ast::{Mod, Operand};
use flashpage_ptx::builder::{Reg, address, space, ty, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

/// Where the running maximum starts: -2^126.
const NOTHING_SEEN: f32 = -8.507_059e37;

/// Running softmax of a lane: one entry per row slot, `2 * row block + upper half`.
pub(super) struct Softmax {
    /// Running maximum, scaled.
    pub max: Vec<Reg>,
    /// This lane's part of the sum.
    pub sum: Vec<Reg>,
    /// `scale · log2(e)`
    pub factor: Reg,
}

impl Kernel<'_> {
    pub(super) fn softmax(&mut self) -> Softmax {
        let slots = 2 * self.row_blocks();
        let factor = match &self.attention.scale {
            None => self.b.mov(Type::F32, "log2e", std::f32::consts::LOG2_E),
            Some(scale) => {
                let scale = self.memoised_uniform(scale);
                self.b.mul(Type::F32, "scale_log2e", scale, std::f32::consts::LOG2_E)
            }
        };
        let max = (0..slots).map(|_| self.b.mov(Type::F32, "max", NOTHING_SEEN)).collect();
        let sum = (0..slots).map(|_| self.b.mov(Type::F32, "sum", 0.0f32)).collect();
        Softmax { max, sum, factor }
    }

    /// Turns the scores of the current tile into unnormalised probabilities and rescales what came before.
    pub(super) fn softmax_step(&mut self, state: &State) {
        self.b.comment("online softmax");
        let slots = state.softmax.max.len();
        let maxima: Vec<Reg> = (0..slots).map(|slot| self.tile_maximum(state, slot)).collect();
        match self.schedule.rescale {
            Rescale::Always => self.rescale(state, &maxima),
            Rescale::Grown { threshold } => {
                let mut any: Option<Reg> = None;
                for (maximum, max) in maxima.iter().zip(&state.softmax.max) {
                    let growth = self.b.sub(Type::F32, "f", maximum, max);
                    let grown = self.b.setp(Word::Gt, Type::F32, "p", &growth, threshold);
                    any = Some(match any {
                        None => grown,
                        Some(other) => self.b.or(Type::Pred, "p", &grown, &other),
                    });
                }
                let any = any.expect("a lane has rows");
                let mods = [word(Word::Sync), word(Word::Any), ty(Type::Pred)];
                let operands = vec![(&any).into(), Operand::Int(-1)];
                let vote = self.b.op(Opcode::Vote, &mods, Type::Pred, "p", operands);
                let kept = self.b.label("maximum_kept");
                self.b.guarded(&vote, true, |b| b.bra(&kept));
                self.rescale(state, &maxima);
                self.b.place(&kept);
            }
        }
        for slot in 0..slots {
            let offset = self.b.neg(Type::F32, "f", &state.softmax.max[slot]);
            for score in row(&state.scores, slot) {
                self.b.fma(score, score, &state.softmax.factor, &offset);
                self.b.approx(Opcode::Ex2, score, score);
            }
        }
        for slot in 0..slots {
            let sum = &state.softmax.sum[slot];
            for score in row(&state.scores, slot) {
                self.b.add(Type::F32, sum, sum, score);
            }
        }
    }

    /// The scaled maximum of a row over this tile, the same in all four lanes of the row.
    ///
    /// It is rounded upwards: `score · factor - maximum` is exact before it is rounded, so for the row's largest
    /// score it is what the maximum was rounded by. That is far from 0 where scores are huge, as in a tile
    /// masked by adding -1e9; were it above 0, its exponential could be infinite, which no rescaling mends.
    fn tile_maximum(&mut self, state: &State, slot: usize) -> Reg {
        let scores: Vec<&Reg> = row(&state.scores, slot).collect();
        let mut maximum = self.b.max(Type::F32, "f", scores[0], scores[1]);
        for score in &scores[2..] {
            maximum = self.b.max(Type::F32, "f", &maximum, *score);
        }
        let maximum = self.across_row(Opcode::Max, maximum);
        let mods = [word(Word::Rp), ty(Type::F32)];
        let operands = vec![(&maximum).into(), (&state.softmax.factor).into()];
        self.b.op(Opcode::Mul, &mods, Type::F32, "f", operands)
    }

    /// Moves the running maxima on and multiplies sums and accumulators by 2^(old - new).
    fn rescale(&mut self, state: &State, maxima: &[Reg]) {
        for (slot, maximum) in maxima.iter().enumerate() {
            let (max, sum) = (&state.softmax.max[slot], &state.softmax.sum[slot]);
            let new = self.b.max(Type::F32, "f", maximum, max);
            let change = self.b.sub(Type::F32, "f", max, &new);
            let factor = self.b.approx(Opcode::Ex2, "f", &change);
            self.b.mov(Type::F32, max, &new);
            self.b.mul(Type::F32, sum, sum, &factor);
            for element in row(&state.acc, slot) {
                self.b.mul(Type::F32, element, element, &factor);
            }
        }
    }

    /// `lse = (max + log2(sum)) ln 2`, by the first lane of each row. Minus infinity where the sum is 0.
    pub(super) fn store_lse(&mut self, instance: &Instance, state: &State, sums: &[Reg], param: ParamId) {
        self.b.stage("store the log-sum-exp");
        let base = self.param(Meaning::Pointer(param));
        let q_heads = self.param(Meaning::QueryHeads);
        let lane_in_row = self.b.and(Type::B32, "r", &instance.lane, 3);
        let first = self.b.setp(Word::Eq, Type::U32, "p", &lane_in_row, 0);
        let sources = self.slot_rows(instance);
        for (slot, source) in sources.iter().enumerate() {
            let log = self.b.approx(Opcode::Lg2, "f", &sums[slot]);
            let total = self.b.add(Type::F32, "f", &state.softmax.max[slot], &log);
            let lse = self.b.mul(Type::F32, "lse", &total, std::f32::consts::LN_2);
            let token = self.of_row("r", &instance.lane_token, source);
            let head = self.of_row("r", &instance.lane_head, source);
            let token = self.b.add(Type::U32, "r", &token, &instance.q_begin);
            let row_bytes = self.b.shl(Type::B32, "r", &q_heads, 2);
            let at = self.b.mad_wide("rd", &token, &row_bytes, &base);
            let at = self.b.mad_wide("rd", &head, 4, &at);
            let row = self.b.add(Type::U32, "r", &instance.warp_row, source);
            let row = self.b.add(Type::U32, "r", &row, &instance.row0);
            let store = self.b.setp_and(Word::Lt, Type::U32, "p", &row, &instance.end, &first);
            self.b.guarded(&store, false, |b| {
                let mods = [space(Space::Global), ty(Type::F32)];
                b.emit(Opcode::St, &mods, vec![address(&at, 0), (&lse).into()]);
            });
        }
    }

    /// Combines the four lanes that hold parts of one row.
    pub(super) fn across_row(&mut self, op: Opcode, value: Reg) -> Reg {
        let mut value = value;
        for distance in [1, 2] {
            let other = self.b.shfl(Word::Bfly, Type::F32, "f", &value, distance);
            value =
                self.b.op(op, &[Mod::Ty(Type::F32)], Type::F32, "f", vec![(&value).into(), (&other).into()]);
        }
        value
    }

    /// For each row slot, its row within the warp's rows as a register: `lane / 4 + 16 block + 8 half`.
    pub(super) fn slot_rows(&mut self, instance: &Instance) -> Vec<Reg> {
        let quad = self.b.shr(Type::U32, "r", &instance.lane, 2);
        (0..2 * self.row_blocks()).map(|slot| self.b.add(Type::U32, "r", &quad, slot * 8)).collect()
    }
}

/// The registers of one row slot in a grid of accumulator blocks.
pub(super) fn row(grid: &[Vec<[Reg; 4]>], slot: usize) -> impl Iterator<Item = &Reg> {
    let half = slot % 2 * 2;
    grid[slot / 2].iter().flat_map(move |block| &block[half..half + 2])
}

//! The online softmax of a lane's rows, in units of log2.
//!
//! Per row: the running maximum times `scale · log2(e)` and the lane's own part of the row sum. A probability
//! costs one FFMA and one `ex2`; the sum crosses lanes once, in the epilogue. The maximum starts at a large
//! negative number and not at minus infinity, so that rows with nothing kept need no special case: their
//! probabilities are `ex2(-inf) = 0`, their sum is 0. A score below -2^126 in these units counts as masked.
//!
//! Where scores may be huge ([`Attention::has_huge_scores`](crate::analysis::attention::Attention::has_huge_scores)), one that
//! stands alone must be told from its neighbours exactly, and the product of a huge score and the factor, rounded, is off by
//! more than the exponential bears. There the maximum is that of scores as they are, and is subtracted before the factor
//! multiplies: an instruction more a score. It starts at the lowest number, which such scores may be.

use super::instance::Instance;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use super::state::{Softmax, State, row};
use crate::abi::Meaning;
use crate::layout::fragment::{FIRST_ROW, SLOTS, slot_row};
use crate::program::{LogBase, ParamId};
use crate::schedule::{Products, Sums};
use flashpage_ptx::ast::Mod;
use flashpage_ptx::builder::{Reg, address, space, ty, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};
use std::f32::consts::{LN_2, LOG2_E};

/// Where the running maximum starts: -2^126.
const NOTHING_SEEN: f32 = -8.507_059e37;

/// Coefficients of `2^f` on [-1/2, 1/2] beside the constant 1, which keeps `2^0` exact; minimax in relative error.
const EXP2_COEFFICIENTS: [f32; 4] = [0.693_124_2, 0.240_241, 0.055_906_43, 0.009_582_856];

impl Kernel<'_> {
    /// Accumulators in registers and a softmax that has seen nothing.
    pub(super) fn state(&mut self, uniforms: &Uniforms) -> State {
        let (rows, cols, dims) =
            (self.row_blocks(), self.schedule.cols / 8, self.schedule.output_columns() / 8);
        let adds_products = self.schedule.roles().is_some_and(|roles| roles.sums == Sums::TwoLevels);
        let mut grid = |group: &str, blocks: usize| -> Vec<Vec<[Reg; 4]>> {
            (0..rows)
                .map(|_| (0..blocks).map(|_| std::array::from_fn(|_| self.b.reg(Type::F32, group))).collect())
                .collect()
        };
        let scores = grid("s", cols);
        let acc = grid("acc", dims);
        let products = if adds_products { grid("pv", dims) } else { Vec::new() };
        let softmax = self.softmax(uniforms);
        State { scores, acc, products, softmax }
    }

    fn softmax(&mut self, uniforms: &Uniforms) -> Softmax {
        let slots = 2 * self.row_blocks();
        let factor = match &self.attention.scale {
            None => self.b.mov(Type::F32, "log2e", std::f32::consts::LOG2_E),
            Some(scale) => {
                let scale = self.hoisted(scale, uniforms);
                self.b.mul(Type::F32, "scale_log2e", scale, std::f32::consts::LOG2_E)
            }
        };
        let nothing = if self.subtracts_first() { f32::MIN } else { NOTHING_SEEN };
        let max = (0..slots).map(|_| self.b.mov(Type::F32, "max", nothing)).collect();
        let sum = (0..slots).map(|_| self.b.mov(Type::F32, "sum", 0.0f32)).collect();
        Softmax { max, sum, factor }
    }

    /// Whether the maximum is subtracted from scores before they are scaled.
    pub(super) fn subtracts_first(&self) -> bool {
        self.attention.has_huge_scores()
    }

    /// A difference of maxima or scores in units of log2.
    fn scaled(&mut self, difference: Reg, factor: &Reg) -> Reg {
        if self.subtracts_first() { self.b.mul(Type::F32, "f", &difference, factor) } else { difference }
    }

    /// The running maxima and the row sums of each row slot: none, where there is no softmax.
    fn slots_with_maxima(&self, state: &State) -> usize {
        if self.attention.normalised { state.softmax.max.len() } else { 0 }
    }

    /// The maximum of each row slot over this tile, scaled where it is not subtracted first.
    pub(super) fn tile_maxima(&mut self, state: &State) -> Vec<Reg> {
        (0..self.slots_with_maxima(state)).map(|slot| self.tile_maximum(state, slot)).collect()
    }

    /// Whether the maximum of any row of the warp has grown by more than `threshold`.
    pub(super) fn any_grown(&mut self, state: &State, maxima: &[Reg], threshold: f32) -> Reg {
        let mut any: Option<Reg> = None;
        for (maximum, max) in maxima.iter().zip(&state.softmax.max) {
            let growth = self.b.sub(Type::F32, "f", maximum, max);
            let growth = self.scaled(growth, &state.softmax.factor);
            let grown = self.b.setp(Word::Gt, Type::F32, "p", &growth, threshold);
            any = Some(match any {
                None => grown,
                Some(other) => self.b.or(Type::Pred, "p", &grown, &other),
            });
        }
        let any = any.expect("a lane has rows");
        self.b.vote_any("p", &any)
    }

    /// Scores to probabilities, `2^(score · factor - max)`, in place; `polynomials` of every 16 on the FMA pipe.
    pub(super) fn exponentials(&mut self, state: &State, polynomials: usize) {
        for slot in 0..self.slots_with_maxima(state) {
            let offset = self.b.neg(Type::F32, "f", &state.softmax.max[slot]);
            for (index, score) in row(&state.scores, slot).enumerate() {
                if self.subtracts_first() {
                    self.b.add(Type::F32, score, score, &offset);
                    match self.lifted() {
                        0.0 => self.b.mul(Type::F32, score, score, &state.softmax.factor),
                        lifted => self.b.fma(score, score, &state.softmax.factor, lifted),
                    };
                } else {
                    self.b.fma(score, score, &state.softmax.factor, &offset);
                }
                // Spread evenly: where the running count of polynomials steps up.
                if (index + 1) * polynomials / 16 > index * polynomials / 16 {
                    self.exponential_by_polynomial(score);
                } else {
                    self.b.approx(Opcode::Ex2, score, score);
                }
            }
        }
    }

    /// `x = 2^x` for x up to some hundred, without the special-function unit: to the nearest integer `n` and a
    /// fraction `f` in [-1/2, 1/2], a polynomial for `2^f`, and `n` added to its exponent. Its relative error is
    /// below 3e-6; from -127 down the result is 0.
    fn exponential_by_polynomial(&mut self, x: &Reg) {
        // Adding 3 · 2^22 leaves no bits for a fraction: the low bits of the sum are the rounded integer.
        const ROUND: f32 = 12_582_912.0;
        let b = &mut self.b;
        b.max(Type::F32, x, x, -127.0f32);
        let shifted = b.add(Type::F32, "e", x, ROUND);
        let whole = b.sub(Type::F32, "e", &shifted, ROUND);
        b.sub(Type::F32, x, x, &whole);
        let [c1, c2, c3, c4] = EXP2_COEFFICIENTS;
        let p = b.mov(Type::F32, "e", c4);
        for c in [c3, c2, c1, 1.0] {
            b.fma(&p, &p, x, c);
        }
        let exponent = b.op(Opcode::Mov, &[ty(Type::B32)], Type::B32, "r", vec![(&shifted).into()]);
        let exponent = b.shl(Type::B32, "r", &exponent, 23);
        let bits = b.op(Opcode::Mov, &[ty(Type::B32)], Type::B32, "r", vec![(&p).into()]);
        let bits = b.add(Type::U32, "r", &bits, &exponent);
        b.op(Opcode::Mov, &[ty(Type::B32)], Type::F32, x, vec![(&bits).into()]);
    }

    /// Adds the probabilities to the lane's row sums.
    pub(super) fn add_to_sums(&mut self, state: &State) {
        for (slot, sum) in state.softmax.sum.iter().enumerate().take(self.slots_with_maxima(state)) {
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
        if self.subtracts_first() {
            return maximum;
        }
        let mods = [word(Word::Rp), ty(Type::F32)];
        let mut operands = vec![(&maximum).into(), (&state.softmax.factor).into()];
        match self.lifted() {
            0.0 => self.b.op(Opcode::Mul, &mods, Type::F32, "f", operands),
            lifted => {
                operands.push((-lifted).into());
                self.b.op(Opcode::Fma, &mods, Type::F32, "f", operands)
            }
        }
    }

    /// The logarithm of what the probability of a row's greatest score is, of base 2. Of e4m3 the least number is 2^-9, and probabilities
    /// below half of it would be lost: so they are lifted, and with them the row's sum. The scaled maximum is less by it, so that nothing else
    /// has to know; where maxima are those of scores as they are, sums and accumulators come down at last.
    ///
    /// With what a maximum may have grown by ([`Rescale::GROWN_OF_BYTES`](crate::schedule::Rescale::GROWN_OF_BYTES)) they stay below 448, the
    /// most that e4m3 has. Where the program weighs probabilities, room is left for a factor of 16.
    pub(super) fn lifted(&self) -> f32 {
        match self.schedule.products {
            Products::Bytes if self.attention.weights.is_empty() => 8.0,
            Products::Bytes => 4.0,
            _ => 0.0,
        }
    }

    /// Moves the running maxima on and multiplies sums and accumulators by 2^(old - new).
    pub(super) fn rescale(&mut self, state: &State, maxima: &[Reg]) {
        for (slot, maximum) in maxima.iter().enumerate() {
            let factor = self.b.reg(Type::F32, "f");
            self.move_maximum(state, slot, maximum, &factor);
            self.scale_row(state, slot, &factor);
        }
    }

    /// Moves a running maximum on and multiplies its sum by 2^(old - new), which goes to `factor`.
    pub(super) fn move_maximum(&mut self, state: &State, slot: usize, maximum: &Reg, factor: &Reg) {
        let (max, sum) = (&state.softmax.max[slot], &state.softmax.sum[slot]);
        let new = self.b.max(Type::F32, "f", maximum, max);
        let change = self.b.sub(Type::F32, "f", max, &new);
        let change = self.scaled(change, &state.softmax.factor);
        self.b.approx(Opcode::Ex2, factor, &change);
        self.b.mov(Type::F32, max, &new);
        self.b.mul(Type::F32, sum, sum, factor);
    }

    /// Adds the products of a tile to the accumulators.
    pub(super) fn add_products(&mut self, state: &State) {
        let elements =
            |grid: &[Vec<[Reg; 4]>]| grid.iter().flatten().flatten().cloned().collect::<Vec<Reg>>();
        for (sum, product) in elements(&state.acc).iter().zip(elements(&state.products)) {
            self.b.add(Type::F32, sum, sum, &product);
        }
    }

    /// Multiplies a row of the accumulators.
    pub(super) fn scale_row(&mut self, state: &State, slot: usize, factor: &Reg) {
        for element in row(&state.acc, slot) {
            self.b.mul(Type::F32, element, element, factor);
        }
    }

    /// `lse = (max + log2(sum)) ln 2`, or without that factor where it is of base 2, by the first lane of each row. Minus infinity where the sum is 0.
    pub(super) fn store_lse(&mut self, instance: &Instance, state: &State, sums: &[Reg], param: ParamId) {
        self.b.stage("store the log-sum-exp");
        let base = self.param(Meaning::Pointer(param));
        let q_heads = self.param(Meaning::QueryHeads);
        let first = self.stores_of_row(instance);
        let sources = self.slot_rows(&instance.lane);
        for (slot, source) in sources.iter().enumerate() {
            let lse = self.log_sum_exp(self.attention.lse_base, state, sums, slot);
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

    /// `(max + log2(sum)) ln 2` of a row slot, or `max + log2(sum) ln 2` where the maximum is in natural units.
    pub(super) fn log_sum_exp(&mut self, base: LogBase, state: &State, sums: &[Reg], slot: usize) -> Reg {
        let log = self.b.approx(Opcode::Lg2, "f", &sums[slot]);
        if self.subtracts_first() {
            let max = &state.softmax.max[slot];
            return match base {
                LogBase::E => self.b.fma("lse", &log, LN_2, max),
                LogBase::Two => self.b.fma("lse", max, LOG2_E, &log),
            };
        }
        let total = self.b.add(Type::F32, "f", &state.softmax.max[slot], &log);
        match base {
            LogBase::E => self.b.mul(Type::F32, "lse", &total, LN_2),
            LogBase::Two => total,
        }
    }

    /// What a row's accumulators are multiplied by at last: 1 over the row's sum, and 0 for a row that kept no column.
    pub(super) fn inverse(&mut self, sum: &Reg) -> Reg {
        let seen = self.b.setp(Word::Neu, Type::F32, "p", sum, 0.0f32);
        let inverse = self.b.approx(Opcode::Rcp, "f", sum);
        self.b.selp(Type::F32, "f", &inverse, 0.0f32, &seen)
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

    /// For each row slot, its row within the warp's rows as a register.
    pub(super) fn slot_rows(&mut self, lane: &Reg) -> Vec<Reg> {
        let first = self.of_lane("r", lane, FIRST_ROW);
        (0..SLOTS * self.row_blocks())
            .map(|slot| self.b.add(Type::U32, "r", &first, slot_row(slot)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::EXP2_COEFFICIENTS;

    /// The error that `exponential_by_polynomial` states, of the coefficients alone.
    #[test]
    fn exponentials_are_close() {
        let [c1, c2, c3, c4] = EXP2_COEFFICIENTS.map(f64::from);
        for step in -5000..=5000 {
            let f = f64::from(step) / 10000.0;
            let power = 1.0 + f * (c1 + f * (c2 + f * (c3 + f * c4)));
            assert!((power / f.exp2() - 1.0).abs() < 3e-6, "2^{f}");
        }
    }
}

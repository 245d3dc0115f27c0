//! What becomes of a row's maximum and sum when all columns have been, before anything is divided or stored.
//!
//! - Where maxima are those of scores as they are, they come to be in natural units, as the log-sum-exp is.
//! - Without a softmax there is nothing to divide by: sums are 1.
//! - Sinks are taken in: a score more of each row, of a column that holds no value. It joins the maximum and the sum, and the
//!   accumulators are scaled to the new maximum. Of the items of a planned kernel that share a row, one counts them.
//! - What all values are multiplied by, their scale, multiplies the accumulators first; what the output is, last.
//! - What a kernel over other keys gave is taken in alike, its log-sum-exp as a score whose value is its output. So a kernel
//!   that begins where another ended pays for it here, and nothing in the loop.

use super::instance::Instance;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use super::state::{self, State};
use crate::abi::Meaning;
use crate::layout::fragment::slot_col;
use crate::program::{DType, Expr, LogBase, ParamId, Resumed};
use flashpage_ptx::builder::{Reg, address, space, ty, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};
use std::f32::consts::{LN_2, LOG2_E};

impl Kernel<'_> {
    /// Rows as they are finished: gives their sums, of which `sums` are those of all columns.
    pub(super) fn finish_rows(
        &mut self,
        instance: &Instance,
        state: &State,
        uniforms: &Uniforms,
        sums: Vec<Reg>,
    ) -> Vec<Reg> {
        self.scale_accumulators(instance, state, uniforms, self.attention.value_factor.as_ref());
        let sums = self.joined_rows(instance, state, uniforms, sums);
        self.scale_accumulators(instance, state, uniforms, self.attention.output_factor.as_ref());
        sums
    }

    /// Multiplies the accumulators by what is the same for all of an item.
    fn scale_accumulators(
        &mut self,
        instance: &Instance,
        state: &State,
        uniforms: &Uniforms,
        factor: Option<&Expr>,
    ) {
        let Some(factor) = factor else { return };
        self.b.stage("what all of O is multiplied by");
        let factor = self.uniform_value(factor, &instance.extent, &mut uniforms.clone());
        let factor = self.b.mov(Type::F32, "factor", factor);
        for slot in 0..2 * state.acc.len() {
            self.scale_row(state, slot, &factor);
        }
    }

    fn joined_rows(
        &mut self,
        instance: &Instance,
        state: &State,
        uniforms: &Uniforms,
        sums: Vec<Reg>,
    ) -> Vec<Reg> {
        if !self.attention.normalised {
            self.add_earlier(instance, state);
            return sums.iter().map(|_| self.b.mov(Type::F32, "one", 1.0f32)).collect();
        }
        let sums = if self.subtracts_first() { self.let_down(state, sums) } else { sums };
        if self.subtracts_first() && self.attention.scale.is_some() {
            let scale = self.b.mul(Type::F32, "f", &state.softmax.factor, LN_2);
            for max in &state.softmax.max {
                self.b.mul(Type::F32, max, max, &scale);
            }
        }
        let joined = self.join_sinks(instance, state, uniforms, sums);
        self.join_earlier(instance, state, joined)
    }

    /// Sums and accumulators as probabilities up to 1 make them, which have been lifted.
    fn let_down(&mut self, state: &State, sums: Vec<Reg>) -> Vec<Reg> {
        if self.lifted() == 0.0 {
            return sums;
        }
        let factor = self.b.mov(Type::F32, "f", (-self.lifted()).exp2());
        for slot in 0..sums.len() {
            self.scale_row(state, slot, &factor);
        }
        sums.iter().map(|sum| self.b.mul(Type::F32, "f", sum, &factor)).collect()
    }

    fn join_sinks(
        &mut self,
        instance: &Instance,
        state: &State,
        uniforms: &Uniforms,
        sums: Vec<Reg>,
    ) -> Vec<Reg> {
        let Some(sink) = self.attention.sink.as_ref() else { return sums };
        self.b.stage("sinks: a score more of each row");
        let logits = self.of_rows(instance, sink, uniforms);
        let counts = self.counts(instance);
        let mut with = Vec::new();
        for (slot, (logit, sum)) in logits.iter().zip(&sums).enumerate() {
            let mut logit = logit.clone();
            if !self.subtracts_first() {
                logit = self.b.mul(Type::F32, "sink", &logit, LOG2_E);
            }
            if let Some(counts) = &counts {
                logit = self.b.selp(Type::F32, "sink", &logit, f32::NEG_INFINITY, counts);
            }
            with.push(self.join(state, slot, &logit, sum).0);
        }
        with
    }

    /// Whether this item counts what joins its rows; none where there are no items that share rows.
    fn counts(&mut self, instance: &Instance) -> Option<Reg> {
        instance.has_sinks.as_ref().map(|flag| self.b.setp(Word::Ne, Type::S32, "p", flag, 0))
    }

    /// Takes a score into a row's maximum and sum, in the units of its maximum: gives the sum, and what the score weighs in it.
    fn join(&mut self, state: &State, slot: usize, logit: &Reg, sum: &Reg) -> (Reg, Reg) {
        let max = &state.softmax.max[slot];
        let new = self.b.max(Type::F32, "f", max, logit);
        let [factor, own] = [max, logit].map(|old| {
            let mut change = self.b.sub(Type::F32, "f", old, &new);
            if self.subtracts_first() {
                change = self.b.mul(Type::F32, "f", &change, LOG2_E);
            }
            self.b.approx(Opcode::Ex2, "f", &change)
        });
        let with = self.b.fma("f", sum, &factor, &own);
        self.b.mov(Type::F32, max, &new);
        self.scale_row(state, slot, &factor);
        (with, own)
    }

    /// What a kernel over other keys gave joins as one score more of each row, the log-sum-exp, whose value is the output. A row
    /// that kept no key there has minus infinity, and its output is not read.
    fn join_earlier(&mut self, instance: &Instance, state: &State, sums: Vec<Reg>) -> Vec<Reg> {
        let Some(Resumed { param, base }) = self.attention.lse_before else { return sums };
        self.b.stage("what came before: its log-sum-exps, and its O by what they weigh");
        let lse_base = self.param(Meaning::Pointer(param));
        let q_heads = self.param(Meaning::QueryHeads);
        let row_bytes = self.b.shl(Type::B32, "r", &q_heads, 2);
        let rows = self.slot_rows(&instance.lane);
        let counts = self.counts(instance);
        // In the units of the maximum.
        let unit = match (self.subtracts_first(), base) {
            (false, LogBase::E) => Some(LOG2_E),
            (true, LogBase::Two) => Some(LN_2),
            (false, LogBase::Two) | (true, LogBase::E) => None,
        };
        let mut with = Vec::new();
        for (slot, (source, sum)) in rows.iter().zip(&sums).enumerate() {
            let row = self.row_before(instance, source, counts.as_ref());
            let at = self.b.mad_wide("rd", &row.token, &row_bytes, &lse_base);
            let at = self.b.mad_wide("rd", &row.head, 4, &at);
            let lse = self.b.mov(Type::F32, "lse_before", f32::NEG_INFINITY);
            self.b.guarded(&row.counts, false, |b| {
                let mods = [space(Space::Global), ty(Type::F32)];
                b.emit(Opcode::Ld, &mods, vec![(&lse).into(), address(&at, 0)]);
            });
            let seen = self.b.setp(Word::Neu, Type::F32, "p", &lse, f32::NEG_INFINITY);
            let logit = match unit {
                Some(unit) => self.b.mul(Type::F32, "lse_before", &lse, unit),
                None => lse,
            };
            let (sum, weight) = self.join(state, slot, &logit, sum);
            with.push(sum);
            if let Some(output) = self.attention.output_before {
                self.add_before(instance, state, slot, output, &row, &seen, Some(&weight));
            }
        }
        with
    }

    /// Adds what the accumulators begin with, of attention without a softmax.
    fn add_earlier(&mut self, instance: &Instance, state: &State) {
        let Some(output) = self.attention.output_before else { return };
        self.b.stage("what came before: its O");
        for (slot, source) in self.slot_rows(&instance.lane).iter().enumerate() {
            let row = self.row_before(instance, source, None);
            let counts = row.counts.clone();
            self.add_before(instance, state, slot, output, &row, &counts, None);
        }
    }

    /// Where a row of the warp lies in tensors of rows.
    fn row_before(&mut self, instance: &Instance, source: &Reg, counts: Option<&Reg>) -> RowBefore {
        let token = self.of_row("r", &instance.lane_token, source);
        let head = self.of_row("r", &instance.lane_head, source);
        let token = self.b.add(Type::U32, "r", &token, &instance.q_begin);
        let row = self.b.add(Type::U32, "r", &instance.warp_row, source);
        let row = self.b.add(Type::U32, "r", &row, &instance.row0);
        let counts = match counts {
            Some(counts) => self.b.setp_and(Word::Lt, Type::U32, "p", &row, &instance.end, counts),
            None => self.b.setp(Word::Lt, Type::U32, "p", &row, &instance.end),
        };
        RowBefore { token, head, counts }
    }

    /// Adds this lane's numbers of a row of an earlier output, where `seen`, times what they weigh.
    #[allow(clippy::too_many_arguments)]
    fn add_before(
        &mut self,
        instance: &Instance,
        state: &State,
        slot: usize,
        output: ParamId,
        row: &RowBefore,
        seen: &Reg,
        weight: Option<&Reg>,
    ) {
        let dtype = self.spec.output;
        let base = self.param(Meaning::Pointer(output));
        let base = self.b.mad_wide("rd", &instance.lane_col, dtype.bytes(), &base);
        let base = self.at_own_columns(instance, base, dtype.bytes());
        let strides = (Meaning::TokenStride(output), Meaning::HeadStride(output));
        let from = self.row_address(&base, strides, &row.token, &row.head);
        let elements: Vec<Reg> = state::row(&state.acc, slot).cloned().collect();
        for (block, pair) in elements.chunks(2).enumerate() {
            let at = (slot_col(2 * block) * dtype.bytes()) as i64;
            let before = self.pair_before(dtype, &from, at, seen);
            for (element, before) in pair.iter().zip(&before) {
                match weight {
                    Some(weight) => self.b.fma(element, before, weight, element),
                    None => self.b.add(Type::F32, element, element, before),
                };
            }
        }
    }

    /// Two neighbours of an output as f32, and zeros where not `seen`.
    fn pair_before(&mut self, dtype: DType, from: &Reg, at: i64, seen: &Reg) -> [Reg; 2] {
        if dtype == DType::F32 {
            let pair = [0, 1].map(|_| self.b.mov(Type::F32, "before", 0.0f32));
            let mods = [space(Space::Global), word(Word::V2), ty(Type::F32)];
            self.b.set_guard(Some(seen));
            self.b.emit(Opcode::Ld, &mods, vec![vector(&[&pair[0], &pair[1]]), address(from, at)]);
            self.b.set_guard(None);
            return pair;
        }
        let both = self.b.mov(Type::B32, "before", 0);
        self.b.set_guard(Some(seen));
        self.b.emit(
            Opcode::Ld,
            &[space(Space::Global), ty(Type::B32)],
            vec![(&both).into(), address(from, at)],
        );
        self.b.set_guard(None);
        if dtype == DType::F16 {
            let high = self.b.shr(Type::U32, "r", &both, 16);
            return [&both, &high].map(|number| {
                let half = self.b.cvt(&[], Type::U16, Type::U32, "h", number);
                self.b.cvt(&[], Type::F32, Type::F16, "before", &half)
            });
        }
        // A bf16 is the upper half of an f32.
        let low = self.b.shl(Type::B32, "r", &both, 16);
        let high = self.b.and(Type::B32, "r", &both, -0x1_0000);
        [low, high]
            .map(|wide| self.b.op(Opcode::Mov, &[ty(Type::B32)], Type::F32, "before", vec![(&wide).into()]))
    }
}

/// A row of tensors that have one for each query and query head.
struct RowBefore {
    token: Reg,
    head: Reg,
    /// Whether there is such a row, and this is where it counts.
    counts: Reg,
}

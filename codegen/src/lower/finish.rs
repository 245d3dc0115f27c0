//! What becomes of a row's maximum and sum when all columns have been, before anything is divided or stored.
//!
//! - Where maxima are those of scores as they are, they come to be in natural units, as the log-sum-exp is.
//! - Without a softmax there is nothing to divide by: sums are 1.
//! - Sinks are taken in: a score more of each row, of a column that holds no value. It joins the maximum and the sum, and the
//!   accumulators are scaled to the new maximum. Of the items of a planned kernel that share a row, one counts them.

use super::instance::Instance;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use super::state::State;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Type, Word};
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
        if !self.attention.normalised {
            return sums.iter().map(|_| self.b.mov(Type::F32, "one", 1.0f32)).collect();
        }
        if self.subtracts_first() && self.attention.scale.is_some() {
            let scale = self.b.mul(Type::F32, "f", &state.softmax.factor, LN_2);
            for max in &state.softmax.max {
                self.b.mul(Type::F32, max, max, &scale);
            }
        }
        let Some(sink) = self.attention.sink.as_ref() else { return sums };
        self.b.stage("sinks: a score more of each row");
        let logits = self.of_rows(instance, sink, uniforms);
        let counts = instance.has_sinks.as_ref().map(|flag| self.b.setp(Word::Ne, Type::S32, "p", flag, 0));
        let mut with = Vec::new();
        for (slot, (logit, sum)) in logits.iter().zip(&sums).enumerate() {
            let mut logit = logit.clone();
            if !self.subtracts_first() {
                logit = self.b.mul(Type::F32, "sink", &logit, LOG2_E);
            }
            if let Some(counts) = &counts {
                logit = self.b.selp(Type::F32, "sink", &logit, f32::NEG_INFINITY, counts);
            }
            let max = &state.softmax.max[slot];
            let new = self.b.max(Type::F32, "f", max, &logit);
            let [factor, own] = [max, &logit].map(|old| {
                let mut change = self.b.sub(Type::F32, "f", old, &new);
                if self.subtracts_first() {
                    change = self.b.mul(Type::F32, "f", &change, LOG2_E);
                }
                self.b.approx(Opcode::Ex2, "f", &change)
            });
            with.push(self.b.fma("f", sum, &factor, &own));
            self.b.mov(Type::F32, max, &new);
            self.scale_row(state, slot, &factor);
        }
        with
    }
}

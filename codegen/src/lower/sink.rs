//! Sinks: a score more of each row, of a column that holds no value. They are taken in when all columns have been: into the
//! running maximum and the row's sum, after that has crossed lanes, and the accumulators are scaled to the new maximum.
//!
//! Of the items of a planned kernel that share a row, one counts them.

use super::instance::Instance;
use super::kernel::Kernel;
use super::scalar::Uniforms;
use super::state::State;
use flashpage_ptx::builder::Reg;
use flashpage_ptx::words::{Opcode, Type, Word};

impl Kernel<'_> {
    /// The row sums with sinks among them, if the program has any.
    pub(super) fn with_sinks(
        &mut self,
        instance: &Instance,
        state: &State,
        uniforms: &Uniforms,
        sums: Vec<Reg>,
    ) -> Vec<Reg> {
        let Some(sink) = self.attention.sink.as_ref() else { return sums };
        self.b.stage("sinks: a score more of each row");
        let logits = self.of_rows(instance, sink, uniforms);
        let counts = instance.has_sinks.as_ref().map(|flag| self.b.setp(Word::Ne, Type::S32, "p", flag, 0));
        let mut with = Vec::new();
        for (slot, (logit, sum)) in logits.iter().zip(&sums).enumerate() {
            let mut logit = self.b.mul(Type::F32, "sink", logit, std::f32::consts::LOG2_E);
            if let Some(counts) = &counts {
                logit = self.b.selp(Type::F32, "sink", &logit, f32::NEG_INFINITY, counts);
            }
            let max = &state.softmax.max[slot];
            let new = self.b.max(Type::F32, "f", max, &logit);
            let change = self.b.sub(Type::F32, "f", max, &new);
            let factor = self.b.approx(Opcode::Ex2, "f", &change);
            let above = self.b.sub(Type::F32, "f", &logit, &new);
            let own = self.b.approx(Opcode::Ex2, "f", &above);
            with.push(self.b.fma("f", sum, &factor, &own));
            self.b.mov(Type::F32, max, &new);
            self.scale_row(state, slot, &factor);
        }
        with
    }
}

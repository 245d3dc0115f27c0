//! Partial results of a planned kernel: O of an item's columns in f32 and its log-sum-exp, to be merged with those of
//! the other items of the same rows.
//!
//! They leave straight from the accumulators. A lane holds two neighbours of a row, and the four lanes of a row 32
//! bytes: whole sectors, so a detour through shared memory would gain nothing.

use super::instance::Instance;
use super::kernel::Kernel;
use super::state::State;
use super::state::row;
use crate::abi::Meaning;
use crate::layout::fragment::slot_col;
use crate::program::LogBase;
use flashpage_ptx::builder::{Reg, address, space, ty, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Kernel<'_> {
    /// Stores this warp's rows: row `r` of the tile is partial row `part + r`.
    pub(super) fn store_partial(&mut self, instance: &Instance, state: &State, sums: &[Reg]) {
        self.b.stage("store partial O and log-sum-exp, f32");
        let part = instance.part.clone().expect("an item of a partial kernel says where its rows go");
        let lse_base = self.param(Meaning::PartialLse);
        let o_base = self.attention.output.map(|_| self.param(Meaning::PartialOutput));
        let row_bytes = 4 * self.schedule.head_dim.v;
        let o_base = o_base.map(|base| self.b.mad_wide("rd", &instance.lane_col, 4, &base));
        let o_base = o_base.map(|base| self.at_own_columns(instance, base, 4));
        let first = self.stores_of_row(instance);
        let sources = self.slot_rows(&instance.lane);
        for (slot, source) in sources.iter().enumerate() {
            let in_tile = self.b.add(Type::U32, "r", &instance.warp_row, source);
            let of_sequence = self.b.add(Type::U32, "r", &in_tile, &instance.row0);
            let to = self.b.add(Type::U32, "r", &in_tile, &part);
            let exists = self.b.setp(Word::Lt, Type::U32, "p", &of_sequence, &instance.end);
            let lse = self.partial_lse(state, sums, slot);
            let at = self.b.mad_wide("rd", &to, 4 * lse.len(), &lse_base);
            let stores = self.b.setp_and(Word::Lt, Type::U32, "p", &of_sequence, &instance.end, &first);
            self.b.guarded(&stores, false, |b| {
                for (number, lse) in (0..).zip(&lse) {
                    let mods = [space(Space::Global), ty(Type::F32)];
                    b.emit(Opcode::St, &mods, vec![address(&at, 4 * number), lse.into()]);
                }
            });
            let Some(o_base) = &o_base else { continue };
            let inverse = self.inverse(&sums[slot]);
            let at = self.b.mad_wide("rd", &to, row_bytes, o_base);
            let elements: Vec<&Reg> = row(&state.acc, slot).collect();
            for (block, pair) in elements.chunks(2).enumerate() {
                let low = self.b.mul(Type::F32, "f", pair[0], &inverse);
                let high = self.b.mul(Type::F32, "f", pair[1], &inverse);
                let mods = [space(Space::Global), word(Word::V2), ty(Type::F32)];
                let data = vector(&[&low, &high]);
                self.b.set_guard(Some(&exists));
                self.b.emit(Opcode::St, &mods, vec![address(&at, (slot_col(2 * block) * 4) as i64), data]);
                self.b.set_guard(None);
            }
        }
    }

    /// A row's log-sum-exp, or its maximum and the logarithm of its sum:
    /// [`partial_lse_numbers`](crate::analysis::attention::Attention::partial_lse_numbers).
    fn partial_lse(&mut self, state: &State, sums: &[Reg], slot: usize) -> Vec<Reg> {
        if self.attention.partial_lse_numbers() == 1 {
            return vec![self.log_sum_exp(LogBase::E, state, sums, slot)];
        }
        let sum = &sums[slot];
        let seen = self.b.setp(Word::Neu, Type::F32, "p", sum, 0.0f32);
        let maximum = self.b.selp(Type::F32, "f", &state.softmax.max[slot], f32::NEG_INFINITY, &seen);
        let log = self.b.approx(Opcode::Lg2, "f", sum);
        vec![maximum, self.b.mul(Type::F32, "lse", &log, std::f32::consts::LN_2)]
    }
}

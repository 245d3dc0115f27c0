//! An output of 32 bits: O leaves straight from the accumulators, as partial results do. So does one of 16 where no column was
//! seen, and what came before is all that there is.
//!
//! A lane holds two neighbours of a row, and the four lanes of a row 32 bytes: whole sectors, so a detour through shared
//! memory would gain nothing, and would take twice the room of an output of 16 bits.

use super::instance::Instance;
use super::kernel::Kernel;
use super::state::State;
use super::state::row;
use crate::abi::Meaning;
use crate::layout::fragment::slot_col;
use crate::program::{DType, ParamId};
use flashpage_ptx::builder::{Reg, address, space, ty, vector, word};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Kernel<'_> {
    /// Stores O over the row sums: this warp's rows that exist.
    pub(super) fn store_direct(&mut self, instance: &Instance, state: &State, sums: &[Reg], output: ParamId) {
        self.b.stage("store O / row sum, from the accumulators");
        self.store_slots(instance, output, |k, slot| {
            let inverse = k.inverse(&sums[slot]);
            row(&state.acc, slot).map(|element| k.b.mul(Type::F32, "f", element, &inverse)).collect()
        });
    }

    /// Stores zeros: this warp's rows that exist.
    pub(super) fn store_direct_zeros(&mut self, instance: &Instance, output: ParamId) {
        let zero = self.b.mov(Type::F32, "f", 0.0f32);
        let of_lane = self.schedule.output_columns() / 4;
        self.store_slots(instance, output, |_, _| vec![zero.clone(); of_lane]);
    }

    /// Stores a row of each row slot, if there is one: `numbers(slot)` are this lane's of it, in the order of accumulators.
    fn store_slots(
        &mut self,
        instance: &Instance,
        output: ParamId,
        mut numbers: impl FnMut(&mut Self, usize) -> Vec<Reg>,
    ) {
        let base = self.param(Meaning::Pointer(output));
        let token_stride = self.param(Meaning::TokenStride(output));
        let dtype = self.spec.output;
        let base = self.b.mad_wide("rd", &instance.lane_col, dtype.bytes(), &base);
        let base = self.at_own_columns(instance, base, dtype.bytes());
        let base = self.b.mad_wide("rd", &instance.q_begin, &token_stride, &base);
        let strides = (Meaning::TokenStride(output), Meaning::HeadStride(output));
        let sources = self.slot_rows(&instance.lane);
        for (slot, source) in sources.iter().enumerate() {
            let token = self.of_row("r", &instance.lane_token, source);
            let head = self.of_row("r", &instance.lane_head, source);
            let to = self.row_address(&base, strides, &token, &head);
            let row = self.b.add(Type::U32, "r", &instance.warp_row, source);
            let row = self.b.add(Type::U32, "r", &row, &instance.row0);
            let exists = self.b.setp(Word::Lt, Type::U32, "p", &row, &instance.end);
            let numbers = numbers(self, slot);
            for (block, pair) in numbers.chunks(2).enumerate() {
                let at = address(&to, (slot_col(2 * block) * dtype.bytes()) as i64);
                if dtype != DType::F32 {
                    let packed = self.b.pack(self.packed_output(), "of", &pair[1], &pair[0]);
                    self.b.set_guard(Some(&exists));
                    self.b.emit(
                        Opcode::St,
                        &[space(Space::Global), ty(Type::B32)],
                        vec![at, (&packed).into()],
                    );
                    self.b.set_guard(None);
                    continue;
                }
                let mods = [space(Space::Global), word(Word::V2), ty(Type::F32)];
                let data = vector(&[&pair[0], &pair[1]]);
                self.b.set_guard(Some(&exists));
                self.b.emit(Opcode::St, &mods, vec![at, data]);
                self.b.set_guard(None);
            }
        }
    }
}

//! After the last tile: divide by the row sums, store O and the log-sum-exp.
//!
//! A lane holds two neighbouring elements of a row at a time. O goes through the warp's own rows of shared
//! memory, where Q was, so that it leaves in 16-byte pieces of whole rows. An output of 32 bits takes another way:
//! [`crate::lower::direct`].

use super::copy::{HalfSegment, RowsOf, SEGMENT};
use super::{Ampere, SHARED};
use crate::abi::Meaning;
use crate::layout::fragment::{FIRST_ROW, slot_row};
use crate::layout::swizzle::{CHUNK, PERIOD};
use crate::lower::instance::Instance;
use crate::lower::state::State;
use crate::lower::state::row;
use crate::program::ParamId;
use flashpage_ptx::builder::{Reg, address, space, ty};
use flashpage_ptx::words::{Opcode, Space, Type, Word};

impl Ampere<'_> {
    /// O over the row sums, rounded, to the warp's rows of shared memory.
    pub(super) fn write_output(&mut self, instance: &Instance, state: &State, sums: &[Reg]) {
        self.b.stage("O / row sum, rounded, to the warp's rows of shared memory");
        let swizzle = self.ring.o_row();
        let (row_bytes, chunks) = (swizzle.row_bytes, swizzle.span() / CHUNK);
        let quad_row = self.of_lane("r", &instance.lane, FIRST_ROW);
        let quad_bytes = self.b.shl(Type::B32, "r", &instance.lane_col, 1);
        let phase = self.phase_of(quad_row.clone(), swizzle.span());
        let place = self.b.mad_lo(Type::U32, "r", &phase, CHUNK, &quad_bytes);
        let pitch = self.row_pitch();
        let place = RowsOf::new(&mut self.b, swizzle, (&instance.warp_row, pitch), &quad_row).at(
            &mut self.b,
            "r",
            &place,
        );
        let place = self.at_own_columns(instance, place, 2);
        let shared = self.b.shared_address("r", SHARED);
        let first = self.b.add(Type::U32, "o_at", &place, &shared);
        let columns: Vec<Reg> = (0..chunks)
            .map(|chunk| match chunk {
                0 => first.clone(),
                chunk => self.b.xor(Type::B32, "o_at", &first, chunk * CHUNK),
            })
            .collect();
        let packed = self.packed_output();
        for (slot, sum) in sums.iter().enumerate() {
            let inverse = self.inverse(sum);
            let elements: Vec<&Reg> = row(&state.acc, slot).collect();
            for (block, pair) in elements.chunks(2).enumerate() {
                let low = self.b.mul(Type::F32, "f", pair[0], &inverse);
                let high = self.b.mul(Type::F32, "f", pair[1], &inverse);
                let both = self.b.pack(packed, "of", &high, &low);
                let offset = slot_row(slot) * row_bytes + block / chunks * swizzle.span();
                let to = address(&columns[block % chunks], offset as i64);
                self.b.emit(Opcode::St, &[space(Space::Shared), ty(Type::B32)], vec![to, (&both).into()]);
            }
        }
    }

    /// Stores the warp's rows of O from shared memory.
    pub(super) fn copy_output(&mut self, instance: &Instance, param: ParamId) {
        self.b.stage("store O, four lanes a row");
        let swizzle = self.ring.o_row();
        let row_bytes = swizzle.row_bytes;
        let base = self.param(Meaning::Pointer(param));
        let token_stride = self.param(Meaning::TokenStride(param));
        let (lane_row, chunk) = self.copy_lane(swizzle, &instance.lane);
        let pitch = self.row_pitch();
        let from = self.swizzled_segments(swizzle, (&instance.warp_row, pitch), &lane_row, &chunk);
        let from = self.in_own_columns(instance, from);
        let base = self.b.mad_wide("rd", &chunk, CHUNK, &base);
        let base = self.at_own_columns(instance, base, 2);
        let base = self.b.mad_wide("rd", &instance.q_begin, &token_stride, &base);
        let first_row = self.b.add(Type::U32, "r", &instance.row0, &instance.warp_row);
        for first in (0..self.ring.rows_per_warp()).step_by(PERIOD) {
            let source = self.b.add(Type::U32, "r", &lane_row, first);
            let token = self.of_row("r", &instance.lane_token, &source);
            let head = self.of_row("r", &instance.lane_head, &source);
            let strides = (Meaning::TokenStride(param), Meaning::HeadStride(param));
            let to = self.row_address(&base, strides, &token, &head);
            let row = self.b.add(Type::U32, "r", &first_row, &source);
            let inside = self.b.setp(Word::Lt, Type::U32, "p", &row, &instance.end);
            let half = self.half_segment(&from, &chunk, &to);
            for segment in 0..from.count() {
                let data: [Reg; 4] = std::array::from_fn(|_| self.b.reg(Type::B32, "of"));
                let (at, along) = from.at(segment);
                let offset = (first * row_bytes + along) as i64;
                self.move_chunk(Opcode::Ld, Space::Shared, data.each_ref(), at, offset);
                self.b.set_guard(Some(&inside));
                self.move_chunk(Opcode::St, Space::Global, data.each_ref(), &to, (segment * SEGMENT) as i64);
                self.b.set_guard(None);
            }
            if let Some(HalfSegment { shared, global, along }) = half {
                let data: [Reg; 2] = std::array::from_fn(|_| self.b.reg(Type::B32, "of"));
                let offset = (first * row_bytes + along) as i64;
                self.move_chunk(Opcode::Ld, Space::Shared, data.each_ref(), &shared, offset);
                self.b.set_guard(Some(&inside));
                self.move_chunk(Opcode::St, Space::Global, data.each_ref(), &global, along as i64);
                self.b.set_guard(None);
            }
        }
    }
}

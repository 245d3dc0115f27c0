//! Merging the partial results of attention whose keys were split: [`crate::merge`] over where they lie.
//!
//! A row of threads (`threadIdx.x`) merges an output row, `threadIdx.y` rows to a block. Each thread reads all
//! log-sum-exps of its row, which are few and in the cache, so that no thread waits for another.

use super::memory::{aligned, load, load_f32, load_i32, store, store_u32};
use super::place;
use crate::element::{Bf16, Element, F16, F32, chunk};
use crate::merge::{LogSumExp, Weights};

/// Addresses; see [`merge_states_f16`] for what lies there.
struct Operands {
    o_part: u64,
    lse_part: u64,
    first: u64,
    count: u64,
    stride: u64,
    out_row: u64,
    o: u64,
    lse: u64,
    head_dim: u32,
    lse_numbers: u32,
    /// What the merged log-sum-exp is multiplied by.
    lse_unit: f32,
}

#[inline(always)]
unsafe fn merge<E: Element, const N: usize>(operands: Operands, rows_in_use: u64, capacity: u32) {
    let place = place();
    let row = place.block[0] * place.threads[1] + place.thread[1];
    unsafe {
        if row >= capacity || row as i32 >= load_i32(rows_in_use) {
            return;
        }
        let at = 4 * u64::from(row);
        let first = load_i32(operands.first + at);
        if first < 0 {
            return;
        }
        let count = load_i32(operands.count + at);
        let count = if count < 0 { 0 } else { count as u32 };
        let (stride, out_row) = (load_i32(operands.stride + at), load_i32(operands.out_row + at));
        let parts = Parts { operands, first: i64::from(first), stride: i64::from(stride), count };
        let weights = Weights::of(count, |part| parts.lse(part));
        if place.thread[0] == 0 {
            store_u32(
                parts.operands.lse + 4 * out_row as u64,
                (weights.lse() * parts.operands.lse_unit).to_bits(),
            );
        }
        let row_bytes = u64::from(parts.operands.head_dim) * E::BYTES as u64;
        let o = parts.operands.o + out_row as u64 * row_bytes;
        // Rows of partial outputs are aligned where their elements come in fours and the first row is.
        if aligned(o | parts.operands.o_part) && parts.operands.head_dim % N as u32 == 0 {
            parts.write::<E, N>(&weights, o, place.thread[0], place.threads[0]);
        } else {
            parts.write::<E, 1>(&weights, o, place.thread[0], place.threads[0]);
        }
    }
}

/// The parts of one output row.
struct Parts {
    operands: Operands,
    first: i64,
    stride: i64,
    count: u32,
}

impl Parts {
    #[inline(always)]
    fn row(&self, part: u32) -> u64 {
        (self.first + i64::from(part) * self.stride) as u64
    }

    #[inline(always)]
    fn lse(&self, part: u32) -> LogSumExp {
        let numbers = self.operands.lse_numbers;
        let at = self.operands.lse_part + 4 * u64::from(numbers) * self.row(part);
        unsafe {
            LogSumExp { largest: load_f32(at), rest: if numbers == 2 { load_f32(at + 4) } else { 0.0 } }
        }
    }

    /// Writes this thread's share of the row, `N` elements at a time.
    #[inline(always)]
    unsafe fn write<E: Element, const N: usize>(&self, weights: &Weights, o: u64, thread: u32, threads: u32) {
        let head_dim = u64::from(self.operands.head_dim);
        let mut element = u64::from(thread) * N as u64;
        while element < head_dim {
            let mut sum = [0.0; N];
            let mut part = 0;
            while part < self.count {
                if let Some(weight) = weights.weight(self.lse(part)) {
                    let at = self.operands.o_part + 4 * (self.row(part) * head_dim + element);
                    let values = unsafe { load::<F32, N>(at) };
                    let mut i = 0;
                    while i < N {
                        sum[i] += weight * values[i];
                        i += 1;
                    }
                }
                part += 1;
            }
            unsafe { store::<E, N>(o + element * E::BYTES as u64, sum) };
            element += u64::from(threads) * N as u64;
        }
    }
}

macro_rules! entries {
    ($($name:ident $element:ty;)*) => {$(
        /// `o_part` f32 `[partial rows, head_dim]` and `lse_part` f32 `[partial rows, lse_numbers]`, natural logarithms: one
        /// number, or two of which they are the sum, the maximum and the logarithm of the sum relative to it. Of row
        /// `i < min(*rows_in_use, capacity)`: part `s < count[i]` is partial row `first[i] + s * stride[i]`, and the
        /// merged row goes to row `out_row[i]` of `o` `[rows, head_dim]` and, times `lse_unit`, of `lse` f32 `[rows]`. A row whose
        /// `first` is negative is passed over.
        #[unsafe(no_mangle)]
        pub unsafe extern "ptx-kernel" fn $name(
            o_part: u64, lse_part: u64, first: u64, count: u64, stride: u64, out_row: u64, o: u64, lse: u64,
            rows_in_use: u64, capacity: u32, head_dim: u32, lse_numbers: u32, lse_unit: f32,
        ) {
            let operands =
                Operands { o_part, lse_part, first, count, stride, out_row, o, lse, head_dim, lse_numbers, lse_unit };
            unsafe { merge::<$element, { chunk::<$element, F32>() }>(operands, rows_in_use, capacity) }
        }
    )*};
}

entries! {
    merge_states_f16 F16;
    merge_states_bf16 Bf16;
    merge_states_f32 F32;
}

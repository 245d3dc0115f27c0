//! The schedule of each (head dimension, shape class), and the figure that chose it.
//!
//! `kgen tune --write codegen/src/choice/ring_table.rs` makes this file.

use super::LATENT;
use super::row::Carries::{self, Conditions, Little, Rows};
use super::row::{RingRow, both};
use crate::schedule::QueryIn::{Registers, Shared};
use crate::spec::HeadDim;
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// The table for sm_80.
#[rustfmt::skip]
pub const SM80: &[RingRow] = &[
    RingRow { head_dim: both(64), shape: Prefill, carries: Little, rows: 128, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 6.20, registers 255, blocks 2; at most 237 TFLOP/s on A100 by overlap; predicted 4034 µs; next 128x64, warps 4, stages 1, Q in shared: +1.2 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Prefill, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 11.62, registers 150, blocks 3; at most 229 TFLOP/s on A100 by overlap; predicted 4191 µs; next 64x64, warps 4, stages 2, Q in registers: +0.6 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Prefill, carries: Conditions, rows: 128, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 20.83, registers 241; as little carries: registers are free here; at most 126 TFLOP/s on A100 by overlap" },
    RingRow { head_dim: both(64), shape: Append, carries: Little, rows: 64, cols: 128, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 6.91, registers 198, blocks 2; at most 223 TFLOP/s on A100 by overlap; predicted 334 µs; next 64x128, warps 4, stages 1, Q in shared: +0.4 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Append, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 11.62, registers 150, blocks 3; at most 229 TFLOP/s on A100 by overlap; predicted 363 µs; next 64x64, warps 4, stages 2, Q in registers: +0.2 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Append, carries: Conditions, rows: 64, cols: 128, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 21.61, registers 187; as little carries: registers are free here; at most 121 TFLOP/s on A100 by overlap" },
    RingRow { head_dim: both(64), shape: Decode, carries: Little, rows: 16, cols: 128, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "executed per score 8.67, registers 196, blocks 4; at most 102 TFLOP/s on A100 by overlap; predicted 599 µs; next 16x128, warps 1, stages 1, Q in shared: +0.1 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Decode, carries: Rows, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 8,
              why: "executed per score 13.38, registers 154, blocks 8; at most 142 TFLOP/s on A100 by overlap; predicted 630 µs; next 16x64, warps 1, stages 1, Q in shared: +0.1 % of time, predicted" },
    RingRow { head_dim: both(64), shape: Decode, carries: Conditions, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 8,
              why: "executed per score 24.16, registers 137; as little carries: registers are free here; at most 105 TFLOP/s on A100 by overlap" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Little, rows: 128, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "executed per score 7.11, registers 255, blocks 2; at most 312 TFLOP/s on A100 by tensor cores; predicted 3205 µs; next 128x128, warps 8, stages 1, Q in registers: +9.9 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Rows, rows: 128, cols: 128, warps: 8, stages: 1, query: Registers, blocks_per_sm: 1,
              why: "executed per score 11.95, registers 255, blocks 1; at most 255 TFLOP/s on A100 by overlap; predicted 3737 µs; next 128x128, warps 8, stages 1, Q in shared: +0.6 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Conditions, rows: 128, cols: 128, warps: 8, stages: 1, query: Registers, blocks_per_sm: 1,
              why: "executed per score 22.36, registers 240; at most 196 TFLOP/s on A100 by overlap; 202 at 128x64 on four warps, which leave no register free: 5 of 12 masks spilled 8 to 20 bytes" },
    RingRow { head_dim: both(128), shape: Append, carries: Little, rows: 64, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 3,
              why: "executed per score 9.00, registers 167, blocks 3; at most 218 TFLOP/s on A100 by shared memory; predicted 642 µs; next 64x128, warps 4, stages 1, Q in registers: -2.0 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Append, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 3,
              why: "executed per score 13.12, registers 166, blocks 3; at most 221 TFLOP/s on A100 by shared memory; predicted 661 µs; next 64x128, warps 4, stages 1, Q in registers: -1.7 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Append, carries: Conditions, rows: 64, cols: 128, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 22.83, registers 242; at most 193 TFLOP/s on A100 by overlap; three blocks of 64x64 leave a lane 168 registers, and a mask with a branch by row spilled 20 bytes" },
    RingRow { head_dim: both(128), shape: Decode, carries: Little, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "executed per score 11.41, registers 202, blocks 4; at most 123 TFLOP/s on A100 by overlap; predicted 1173 µs; next 16x64, warps 1, stages 1, Q in shared: +0.1 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Decode, carries: Rows, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "executed per score 15.19, registers 204, blocks 4; at most 106 TFLOP/s on A100 by overlap; predicted 1191 µs; next 16x64, warps 1, stages 1, Q in shared: +0.1 % of time, predicted" },
    RingRow { head_dim: both(128), shape: Decode, carries: Conditions, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "executed per score 26.09, registers 202; as little carries: registers are free here; at most 84 TFLOP/s on A100 by overlap" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Little, rows: 128, cols: 64, warps: 8, stages: 1, query: Registers, blocks_per_sm: 1,
              why: "executed per score 9.34, registers 247; at most 270 TFLOP/s on A100 by shared memory; predicted 3350 µs; next 64x64, warps 4, stages 1, Q in registers: +10.2 % of time, predicted" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Rows, rows: 128, cols: 64, warps: 8, stages: 1, query: Registers, blocks_per_sm: 1,
              why: "executed per score 13.56, registers 249; as little carries: registers suffice here" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Conditions, rows: 128, cols: 64, warps: 8, stages: 1, query: Registers, blocks_per_sm: 1,
              why: "executed per score 24.16, registers 243; as little carries; a mask with a branch by row spills some thirty bytes, and with Q in shared memory as many" },
    RingRow { head_dim: both(192), shape: Append, carries: Little, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 10.00, registers 246; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RingRow { head_dim: both(192), shape: Append, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 14.12, registers 251; as little carries: registers suffice here" },
    RingRow { head_dim: both(192), shape: Append, carries: Conditions, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 24.75, registers 243; as little carries; a mask with a branch by row spills some thirty bytes, and with Q in shared memory as many" },
    RingRow { head_dim: both(192), shape: Decode, carries: Little, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 3,
              why: "executed per score 13.34, registers 247; three blocks fill shared memory with K and V in flight" },
    RingRow { head_dim: both(192), shape: Decode, carries: Rows, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 3,
              why: "executed per score 17.22, registers 249; as little carries: registers suffice here" },
    RingRow { head_dim: both(192), shape: Decode, carries: Conditions, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 3,
              why: "executed per score 28.12, registers 243; as little carries; a mask with a branch by row spills some thirty bytes, and with Q in shared memory as many" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Little, rows: 64, cols: 32, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 13.19, registers 254; at most 240 TFLOP/s on A100 by shared memory; predicted 4085 µs; next 64x32, warps 4, stages 1, Q in shared: +19.1 % of time, predicted" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Rows, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "executed per score 17.50, registers 241; Q in registers spills in blocks of 24" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Conditions, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "executed per score 28.38, registers 237; with Q in registers a mask with strides by head spills in a decode; one with a branch by row spills 56 bytes either way" },
    RingRow { head_dim: both(256), shape: Append, carries: Little, rows: 64, cols: 32, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "executed per score 13.19, registers 254; two blocks on a multiprocessor: one multiplies while the other is in its softmax; 64 columns would leave room for one" },
    RingRow { head_dim: both(256), shape: Append, carries: Rows, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "executed per score 17.50, registers 241; Q in registers spills in blocks of 24" },
    RingRow { head_dim: both(256), shape: Append, carries: Conditions, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "executed per score 28.38, registers 237; with Q in registers a mask with strides by head spills in a decode; one with a branch by row spills 56 bytes either way" },
    RingRow { head_dim: both(256), shape: Decode, carries: Little, rows: 16, cols: 32, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "executed per score 16.94, registers 255; at most 138 TFLOP/s on A100 by overlap; predicted 2318 µs; next 16x32, warps 1, stages 1, Q in shared: +0.3 % of time, predicted" },
    RingRow { head_dim: both(256), shape: Decode, carries: Rows, rows: 16, cols: 32, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "executed per score 21.56, registers 241; Q in registers spills in blocks of 24" },
    RingRow { head_dim: both(256), shape: Decode, carries: Conditions, rows: 16, cols: 32, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "executed per score 32.62, registers 237; with Q in registers a mask with strides by head spills in a decode; one with a branch by row spills 56 bytes either way" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Little, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "executed per score 65.50, registers 153; 32 tokens in two slots are what there is room for" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Rows, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little: maps of places do not spill" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Conditions, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little, which no narrower tile is: opaque masks spill some 220 to 260 bytes" },
    RingRow { head_dim: LATENT, shape: Append, carries: Little, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "executed per score 65.50, registers 153; 32 tokens in two slots are what there is room for" },
    RingRow { head_dim: LATENT, shape: Append, carries: Rows, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little: maps of places do not spill" },
    RingRow { head_dim: LATENT, shape: Append, carries: Conditions, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little, which no narrower tile is: opaque masks spill some 220 to 260 bytes" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Little, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "executed per score 65.50, registers 153; 32 tokens in two slots are what there is room for" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Rows, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little: maps of places do not spill" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Conditions, rows: 16, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little, which no narrower tile is: opaque masks spill some 220 to 260 bytes" },
];

/// The row of a kernel; `None` where the table has none.
pub(super) fn row(head_dim: HeadDim, shape: ShapeClass, carries: Carries) -> Option<&'static RingRow> {
    SM80.iter().find(|row| (row.head_dim, row.shape, row.carries) == (head_dim, shape, carries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::SM80_TUNED;

    #[test]
    fn every_kernel_has_one_row() {
        for &head_dim in SM80_TUNED {
            for shape in ShapeClass::ALL {
                for carries in Carries::ALL {
                    let is_its =
                        |row: &&RingRow| (row.head_dim, row.shape, row.carries) == (head_dim, shape, carries);
                    assert_eq!(SM80.iter().filter(is_its).count(), 1, "{head_dim} {shape} {carries}");
                }
            }
        }
    }
}

//! The schedule of each (head dimension, shape class) for f32 inputs, on every target, and the figure that chose it.
//!
//! A row of f32 takes twice the room of one of 16 bits, so tiles are about half as large. One table serves both ways to
//! multiply, which take the same room, but for a few rows of tf32 alone: figures are of [`F32Products::Bf16x3`] on sm_80, which
//! needs more registers. A latent cache takes more shared memory than sm_86 and sm_89 have.

use super::LATENT;
use super::row::Carries::{self, Conditions, Little, Rows};
use super::row::{RingRow, both};
use crate::schedule::F32Products;
use crate::schedule::QueryIn::{Registers, Shared};
use crate::spec::HeadDim;
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// The table for f32 inputs.
#[rustfmt::skip]
pub const F32: &[RingRow] = &[
    RingRow { head_dim: both(64), shape: Prefill, carries: Little, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 199; each fragment of K and V is of two blocks of rows; with 64 columns a map with tanh spilled 204 bytes" },
    RingRow { head_dim: both(64), shape: Prefill, carries: Rows, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 200; as Little" },
    RingRow { head_dim: both(64), shape: Prefill, carries: Conditions, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 189; as Little" },
    RingRow { head_dim: both(64), shape: Append, carries: Little, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "registers 181; two blocks on a multiprocessor: one multiplies while the other narrows" },
    RingRow { head_dim: both(64), shape: Append, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "registers 181; as Little" },
    RingRow { head_dim: both(64), shape: Append, carries: Conditions, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2,
              why: "registers 168; as Little" },
    RingRow { head_dim: both(64), shape: Decode, carries: Little, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "registers 181; four blocks fill shared memory with K and V in flight" },
    RingRow { head_dim: both(64), shape: Decode, carries: Rows, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "registers 181; as Little" },
    RingRow { head_dim: both(64), shape: Decode, carries: Conditions, rows: 16, cols: 64, warps: 1, stages: 1, query: Registers, blocks_per_sm: 4,
              why: "registers 168; as Little" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Little, rows: 64, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 221; 64 columns beside 64 rows are what there is room for" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Rows, rows: 64, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 214; as Little" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Conditions, rows: 64, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 210; as Little" },
    RingRow { head_dim: both(128), shape: Append, carries: Little, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 196; two blocks on a multiprocessor: one multiplies while the other narrows" },
    RingRow { head_dim: both(128), shape: Append, carries: Rows, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 197; as Little" },
    RingRow { head_dim: both(128), shape: Append, carries: Conditions, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 189; as Little" },
    RingRow { head_dim: both(128), shape: Decode, carries: Little, rows: 16, cols: 32, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 197; four blocks fill shared memory with K and V in flight" },
    RingRow { head_dim: both(128), shape: Decode, carries: Rows, rows: 16, cols: 32, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 198; as Little" },
    RingRow { head_dim: both(128), shape: Decode, carries: Conditions, rows: 16, cols: 32, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 190; as Little" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Little, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 250; 32 columns beside 64 rows are what there is room for" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Rows, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 254; as Little" },
    RingRow { head_dim: both(192), shape: Prefill, carries: Conditions, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 243; as Little" },
    RingRow { head_dim: both(192), shape: Append, carries: Little, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 250; 32 columns beside 64 rows are what there is room for" },
    RingRow { head_dim: both(192), shape: Append, carries: Rows, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 254; as Little" },
    RingRow { head_dim: both(192), shape: Append, carries: Conditions, rows: 64, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 243; as Little" },
    RingRow { head_dim: both(192), shape: Decode, carries: Little, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 241; four blocks fill shared memory with K and V in flight" },
    RingRow { head_dim: both(192), shape: Decode, carries: Rows, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 242; as Little" },
    RingRow { head_dim: both(192), shape: Decode, carries: Conditions, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 4,
              why: "registers 238; as Little" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Little, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; two blocks on a multiprocessor; with 32 columns a window spilled 212 bytes; a window spills a register, outside the loop" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Rows, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; as Little; maps of places spill two registers, outside the loop" },
    RingRow { head_dim: both(256), shape: Prefill, carries: Conditions, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; as Little" },
    RingRow { head_dim: both(256), shape: Append, carries: Little, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; two blocks on a multiprocessor; with 32 columns a window spilled 212 bytes; a window spills a register, outside the loop" },
    RingRow { head_dim: both(256), shape: Append, carries: Rows, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; as Little; maps of places spill two registers, outside the loop" },
    RingRow { head_dim: both(256), shape: Append, carries: Conditions, rows: 32, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 2,
              why: "registers 255; as Little" },
    RingRow { head_dim: both(256), shape: Decode, carries: Little, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 3,
              why: "registers 255; three blocks fill shared memory with K and V in flight; a window spills a register, outside the loop" },
    RingRow { head_dim: both(256), shape: Decode, carries: Rows, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 3,
              why: "registers 255; as Little; maps of places spill two registers, outside the loop" },
    RingRow { head_dim: both(256), shape: Decode, carries: Conditions, rows: 16, cols: 16, warps: 1, stages: 1, query: Shared, blocks_per_sm: 3,
              why: "registers 254; as Little" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Little, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 254; two tiles of 16 tokens beside 16 rows are what an A100 has room for" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Rows, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
    RingRow { head_dim: LATENT, shape: Prefill, carries: Conditions, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
    RingRow { head_dim: LATENT, shape: Append, carries: Little, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 254; two tiles of 16 tokens beside 16 rows are what an A100 has room for" },
    RingRow { head_dim: LATENT, shape: Append, carries: Rows, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
    RingRow { head_dim: LATENT, shape: Append, carries: Conditions, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Little, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 254; two tiles of 16 tokens beside 16 rows are what an A100 has room for" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Rows, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
    RingRow { head_dim: LATENT, shape: Decode, carries: Conditions, rows: 16, cols: 16, warps: 2, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "as Little" },
];

/// Rows for products of tf32 alone, which take fewer registers: two blocks of rows a warp, so that each fragment of K and V is
/// multiplied twice. Shared memory is what the other rows are bound by.
#[rustfmt::skip]
pub const TF32: &[RingRow] = &[
    RingRow { head_dim: both(128), shape: Prefill, carries: Little, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 252; 301,056 passes over shared memory for 512 rows of 1024 keys, and 497,664 at 64x64; with split factors it spills 84 to 236 bytes" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Rows, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 255; as Little" },
    RingRow { head_dim: both(128), shape: Prefill, carries: Conditions, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 1,
              why: "registers 244; as Little" },
];

/// The row of a kernel; `None` where the table has none.
pub(super) fn row(
    products: F32Products,
    head_dim: HeadDim,
    shape: ShapeClass,
    carries: Carries,
) -> Option<&'static RingRow> {
    let of_tf32 = TF32.iter().filter(|_| products == F32Products::Tf32);
    of_tf32.chain(F32).find(|row| (row.head_dim, row.shape, row.carries) == (head_dim, shape, carries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::F32_TUNED;

    #[test]
    fn every_kernel_has_one_row() {
        for &head_dim in F32_TUNED {
            for shape in ShapeClass::ALL {
                for carries in Carries::ALL {
                    let is_its =
                        |row: &&RingRow| (row.head_dim, row.shape, row.carries) == (head_dim, shape, carries);
                    assert_eq!(F32.iter().filter(is_its).count(), 1, "{head_dim} {shape} {carries}");
                    assert!(TF32.iter().filter(is_its).count() <= 1, "{head_dim} {shape} {carries}");
                }
            }
        }
    }
}

//! The schedule for Hopper of each (head dimension, shape class, mask class), and what chose it.
//!
//! Prefill at head_dim 64 and 128 was measured on an H100 (`bench/results/2026-11-27-h100-f196eca/experiments.md`). The
//! rest is chosen by hand from what `kgen tune --arch sm_90a` ranks, which without a GPU holds all wide tiles to be alike:
//! bound by tensor cores. `kgen tune --arch sm_90a --device cuda:0` measures them.

use super::LATENT;
use super::row::MaskClass::{self, Bounded, Conditions, Full, Placed};
use super::row::{RolesRow, both, pair};
use crate::spec::HeadDim;
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};
use crate::tuning::OutputIn::{OverQuery, Own};

/// The table for sm_90a.
#[rustfmt::skip]
pub const SM90: &[RolesRow] = &[
    RolesRow { head_dim: both(64), shape: Prefill, mask: Some(Full), consumers: 3, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.56, registers 128; measured, b4 h32 s4096 on an H100: 1115 us, 1240 with two consumers and 128 columns, 1219 with 192; polynomials make nothing faster" },
    RolesRow { head_dim: both(64), shape: Prefill, mask: Some(Bounded), consumers: 3, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.58, registers 128; measured, b4 h32 s4096 on an H100: 648 us, 654 with two consumers" },
    RolesRow { head_dim: both(64), shape: Append, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 5.66, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(64), shape: Decode, mask: None, consumers: 1, cols: 192, stages: 4, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.31, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: both(96), shape: Prefill, mask: Some(Full), consumers: 2, cols: 160, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.44, registers 168; 5.64 at 128 columns; 176 leave O no memory of its own, and the next Q would wait for it" },
    RolesRow { head_dim: both(96), shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.69, registers 168; wider tiles would compute more columns that a bound masks" },
    RolesRow { head_dim: both(96), shape: Append, mask: None, consumers: 1, cols: 128, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 5.66, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(96), shape: Decode, mask: None, consumers: 1, cols: 128, stages: 4, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.77, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: both(128), shape: Prefill, mask: Some(Full), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.77, registers 168; 5.56 at 160 columns, yet measured on an H100: 895 us of 911 at b4 h16 s4096, 274 of 301 at b16 s1024, where 160 leave a tail" },
    RolesRow { head_dim: both(128), shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.84, registers 168; wider tiles would compute more columns that a bound masks" },
    RolesRow { head_dim: both(128), shape: Append, mask: None, consumers: 1, cols: 96, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 6.19, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(128), shape: Decode, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 5.84, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: both(192), shape: Prefill, mask: None, consumers: 2, cols: 112, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 6.41, registers 168; 6.69 at 96 columns; 112 are what two stages have room for" },
    RolesRow { head_dim: both(192), shape: Append, mask: None, consumers: 1, cols: 48, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 8.50, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(192), shape: Decode, mask: None, consumers: 1, cols: 64, stages: 4, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 7.66, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: both(256), shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 7.47, registers 168; 80 columns are what two stages have room for" },
    RolesRow { head_dim: both(256), shape: Prefill, mask: Some(Placed), consumers: 2, cols: 64, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 12.69, registers 168; with 80 columns maps that ask for rows, columns or heads spill" },
    RolesRow { head_dim: both(256), shape: Append, mask: None, consumers: 1, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 7.30, registers 255; two blocks on a multiprocessor would have 32 columns each" },
    RolesRow { head_dim: both(256), shape: Decode, mask: None, consumers: 1, cols: 64, stages: 3, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 8.16, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: pair(192, 128), shape: Prefill, mask: None, consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 6.09, registers 168; 6.27 at 112 columns, those of 192; FlashAttention-3's tile" },
    RolesRow { head_dim: pair(192, 128), shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 7.34, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: pair(192, 128), shape: Decode, mask: None, consumers: 1, cols: 96, stages: 3, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 6.58, registers 255; 180 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    RolesRow { head_dim: LATENT, shape: Prefill, mask: None, consumers: 2, cols: 64, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 35.25, registers 168; two tiles of 64 are what there is room for beside Q; with 32 columns Q is read twice as often, and shared memory binds" },
    RolesRow { head_dim: LATENT, shape: Prefill, mask: Some(Conditions), consumers: 2, cols: 32, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 59.88, registers 168 without the conditions; with 64 columns beside 256 of O they spill 340 bytes, with 48 they spill 176" },
    RolesRow { head_dim: LATENT, shape: Append, mask: None, consumers: 2, cols: 64, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 35.25, registers 168; two tiles of 64 are what there is room for beside Q; with 32 columns Q is read twice as often, and shared memory binds" },
    RolesRow { head_dim: LATENT, shape: Append, mask: Some(Conditions), consumers: 2, cols: 32, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 59.88, registers 168 without the conditions; with 64 columns beside 256 of O they spill 340 bytes, with 48 they spill 176" },
    RolesRow { head_dim: LATENT, shape: Decode, mask: None, consumers: 2, cols: 64, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 35.25, registers 168; two tiles of 64 are what there is room for beside Q; with 32 columns Q is read twice as often, and shared memory binds" },
    RolesRow { head_dim: LATENT, shape: Decode, mask: Some(Conditions), consumers: 2, cols: 32, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 59.88, registers 168 without the conditions; with 64 columns beside 256 of O they spill 340 bytes, with 48 they spill 176" },
];

/// The row of a kernel; `None` where the table has none.
pub(super) fn row(
    head_dim: HeadDim,
    shape: ShapeClass,
    [class, other]: [MaskClass; 2],
) -> Option<&'static RolesRow> {
    let mut rows = SM90.iter().filter(|row| (row.head_dim, row.shape) == (head_dim, shape));
    let own = rows.clone().find(|row| row.mask == Some(class));
    own.or_else(|| rows.find(|row| row.mask.is_none_or(|mask| mask == other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::SM90_TUNED;

    #[test]
    fn every_kernel_has_one_row() {
        for &head_dim in SM90_TUNED {
            for shape in ShapeClass::ALL {
                for mask in [Full, Bounded] {
                    let fits = |row: &&RolesRow| {
                        (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask)
                    };
                    assert_eq!(SM90.iter().filter(fits).count(), 1, "{head_dim} {shape} {mask:?}");
                    assert!(row(head_dim, shape, [mask, mask]).is_some_and(|row| row.head_dim == head_dim));
                }
            }
        }
    }
}

//! The schedule for Hopper of each (head dimension, shape class, mask class), and what chose it.
//!
//! Chosen by hand from what `kgen tune --arch sm_90a` ranks, which without a GPU holds all wide tiles to be alike: bound
//! by tensor cores. `kgen tune --arch sm_90a --device cuda:0` measures them.

use super::hopper::HopperRow;
use super::hopper::MaskClass::{self, Bounded, Full};
use super::hopper::OutputIn::{OverQuery, Own};
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// The table for sm_90a.
#[rustfmt::skip]
pub const SM90: &[HopperRow] = &[
    HopperRow { head_dim: 64, shape: Prefill, mask: Some(Full), consumers: 3, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.80, registers 168; 6.12 at 128 columns; exponentials take as long as products, 1536 cycles a tile, so one of 16 goes to the FMA pipe" },
    HopperRow { head_dim: 64, shape: Prefill, mask: Some(Bounded), consumers: 3, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 1,
                why: "executed per score 6.12, registers 168; wider tiles would compute more columns that a bound masks; one exponential of 16 on the FMA pipe, as without a mask" },
    HopperRow { head_dim: 64, shape: Append, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "executed per score 5.61, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 64, shape: Decode, mask: None, consumers: 1, cols: 192, stages: 4, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.28, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    HopperRow { head_dim: 96, shape: Prefill, mask: Some(Full), consumers: 2, cols: 160, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.50, registers 168; 5.72 at 128 columns; 176 leave O no memory of its own, and the next Q would wait for it" },
    HopperRow { head_dim: 96, shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.72, registers 168; wider tiles would compute more columns that a bound masks" },
    HopperRow { head_dim: 96, shape: Append, mask: None, consumers: 1, cols: 128, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "executed per score 5.67, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 96, shape: Decode, mask: None, consumers: 1, cols: 128, stages: 4, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.70, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    HopperRow { head_dim: 128, shape: Prefill, mask: Some(Full), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.59, registers 168; 5.83 at 128 columns; 176 give 5.50 and leave O no memory of its own: the next Q would wait for it" },
    HopperRow { head_dim: 128, shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.84, registers 168; wider tiles would compute more columns that a bound masks" },
    HopperRow { head_dim: 128, shape: Append, mask: None, consumers: 1, cols: 96, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "executed per score 6.19, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 128, shape: Decode, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "executed per score 5.83, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    HopperRow { head_dim: 192, shape: Prefill, mask: None, consumers: 2, cols: 112, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "executed per score 6.45, registers 168; 6.71 at 96 columns; 112 are what two stages have room for" },
    HopperRow { head_dim: 192, shape: Append, mask: None, consumers: 1, cols: 48, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "executed per score 8.50, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 192, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 4, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "executed per score 7.62, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
    HopperRow { head_dim: 256, shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "executed per score 7.53, registers 168; 80 columns are what two stages have room for" },
    HopperRow { head_dim: 256, shape: Append, mask: None, consumers: 1, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "executed per score 7.40, registers 255; two blocks on a multiprocessor would have 32 columns each" },
    HopperRow { head_dim: 256, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 3, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "executed per score 8.12, registers 255; 192 KiB of K and V in flight, in tiles wide enough that a turn's latencies fit beside its copies" },
];

/// The row of a head dimension that there is; the first if there is none.
pub(super) fn row(head_dim: usize, shape: ShapeClass, mask: MaskClass) -> &'static HopperRow {
    SM90.iter()
        .find(|row| (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask))
        .unwrap_or(&SM90[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::SM90_HEAD_DIMS;

    #[test]
    fn every_kernel_has_one_row() {
        for &head_dim in SM90_HEAD_DIMS {
            for shape in ShapeClass::ALL {
                for mask in [Full, Bounded] {
                    let fits = |row: &&HopperRow| {
                        (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask)
                    };
                    assert_eq!(SM90.iter().filter(fits).count(), 1, "{head_dim} {shape} {mask:?}");
                    assert_eq!(row(head_dim, shape, mask).head_dim, head_dim);
                }
            }
        }
    }
}

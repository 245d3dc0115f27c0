//! The schedule for Hopper of each (head dimension, shape class, mask class), and what chose it.

use super::hopper::HopperRow;
use super::hopper::MaskClass::{self, Bounded, Full};
use super::hopper::OutputIn::{OverQuery, Own};
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// The table for sm_90a.
#[rustfmt::skip]
pub const SM90: &[HopperRow] = &[
    HopperRow { head_dim: 64, shape: Prefill, mask: Some(Full), consumers: 2, cols: 192, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 1,
                why: "instructions per score 5.92: 6.22 at 128 columns; without polynomials exponentials take as long as products, 1536 cycles a tile" },
    HopperRow { head_dim: 64, shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 1,
                why: "a bound leaves tiles partly masked: 192 columns would compute 32 more a row tile for 0.3 instructions a score" },
    HopperRow { head_dim: 64, shape: Append, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "two blocks of 105 KiB: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 64, shape: Decode, mask: None, consumers: 1, cols: 128, stages: 6, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "192 KiB of K and V in flight" },
    HopperRow { head_dim: 96, shape: Prefill, mask: Some(Full), consumers: 2, cols: 160, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "instructions per score 5.62: 5.83 at 128 columns; 176 leave O no memory of its own" },
    HopperRow { head_dim: 96, shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "a bound leaves tiles partly masked: wider ones compute more that is masked" },
    HopperRow { head_dim: 96, shape: Append, mask: None, consumers: 1, cols: 128, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "two blocks of 108 KiB: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 96, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 8, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "192 KiB of K and V in flight" },
    HopperRow { head_dim: 128, shape: Prefill, mask: Some(Full), consumers: 2, cols: 160, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "instructions per score 5.71: 5.95 at 128 columns; 176 give 5.62, but leave O no memory of its own: the next Q would wait" },
    HopperRow { head_dim: 128, shape: Prefill, mask: Some(Bounded), consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0,
                why: "a bound leaves tiles partly masked: wider ones compute more that is masked; instructions per score 5.97" },
    HopperRow { head_dim: 128, shape: Append, mask: None, consumers: 1, cols: 96, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "two blocks of 112 KiB: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 128, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 6, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "192 KiB of K and V in flight" },
    HopperRow { head_dim: 192, shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "instructions per score 6.79; 112 columns give 6.52, and no room for blocks of 32 to lie in whole" },
    HopperRow { head_dim: 192, shape: Append, mask: None, consumers: 1, cols: 48, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
                why: "two blocks of 96 KiB: one multiplies while the other is in its softmax" },
    HopperRow { head_dim: 192, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 4, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "192 KiB of K and V in flight" },
    HopperRow { head_dim: 256, shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "instructions per score 7.58: 8.25 at 64 columns; 80 are what fits" },
    HopperRow { head_dim: 256, shape: Append, mask: None, consumers: 1, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "two blocks would leave 32 columns each" },
    HopperRow { head_dim: 256, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 3, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
                why: "192 KiB of K and V in flight" },
];

/// The row of a head dimension that there is; the first if there is none.
pub(super) fn row(head_dim: usize, shape: ShapeClass, mask: MaskClass) -> &'static HopperRow {
    SM90.iter()
        .find(|row| (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask))
        .unwrap_or(&SM90[0])
}

//! The schedule for Hopper of each (head dimension, shape class, mask class), and what chose it.

use super::hopper::OutputIn::{OverQuery, Own};
use super::hopper::{HopperRow, MaskClass};
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// The table for sm_90a.
#[rustfmt::skip]
pub const SM90: &[HopperRow] = &[
    HopperRow { head_dim: 64, shape: Prefill, mask: None, consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0, why: "" },
    HopperRow { head_dim: 64, shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 64, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 8, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 96, shape: Prefill, mask: None, consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0, why: "" },
    HopperRow { head_dim: 96, shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 96, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 8, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 128, shape: Prefill, mask: None, consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: Own, polynomial: 0, why: "" },
    HopperRow { head_dim: 128, shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 128, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 6, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 192, shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 192, shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 192, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 4, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 256, shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 256, shape: Append, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
    HopperRow { head_dim: 256, shape: Decode, mask: None, consumers: 1, cols: 64, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0, why: "" },
];

/// The row of a head dimension that there is; the first if there is none.
pub(super) fn row(head_dim: usize, shape: ShapeClass, mask: MaskClass) -> &'static HopperRow {
    SM90.iter()
        .find(|row| (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask))
        .unwrap_or(&SM90[0])
}

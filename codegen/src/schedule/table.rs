//! The schedule of each (head dimension, shape class), and the figure that chose it.
//!
//! `kgen tune --write codegen/src/schedule/table.rs` makes this file.

use super::QueryIn::{self, Registers, Shared};
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Head dimension.
    pub head_dim: usize,
    /// What it is made for.
    pub shape: ShapeClass,
    /// Whether a lane must keep more through the main loop than products, softmax and addresses.
    pub carries: bool,
    /// Query rows of a tile.
    pub rows: usize,
    /// Key columns of a tile.
    pub cols: usize,
    /// Warps of a block.
    pub warps: usize,
    /// Column tiles in flight.
    pub stages: usize,
    /// Where Q is.
    pub query: QueryIn,
    /// Blocks that should fit on a multiprocessor together.
    pub blocks_per_sm: u32,
    /// The figure that chose it.
    pub why: &'static str,
}

/// The table for sm_80.
#[rustfmt::skip]
pub const SM80: &[Row] = &[
    Row { head_dim: 64, shape: Prefill, carries: false, rows: 128, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 64, shape: Prefill, carries: true, rows: 128, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 64, shape: Append, carries: false, rows: 64, cols: 64, warps: 4, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 64, shape: Append, carries: true, rows: 64, cols: 64, warps: 4, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 64, shape: Decode, carries: false, rows: 16, cols: 64, warps: 1, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 64, shape: Decode, carries: true, rows: 16, cols: 64, warps: 1, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Prefill, carries: false, rows: 128, cols: 64, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Prefill, carries: true, rows: 128, cols: 32, warps: 4, stages: 1, query: Shared, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Append, carries: false, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Append, carries: true, rows: 64, cols: 64, warps: 4, stages: 1, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Decode, carries: false, rows: 16, cols: 64, warps: 1, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
    Row { head_dim: 128, shape: Decode, carries: true, rows: 16, cols: 64, warps: 1, stages: 2, query: Registers, blocks_per_sm: 2, why: "" },
];

/// The row of a head dimension that there is; of the first if there is none.
pub(super) fn row(head_dim: usize, shape: ShapeClass, carries: bool) -> &'static Row {
    SM80.iter()
        .find(|row| (row.head_dim, row.shape, row.carries) == (head_dim, shape, carries))
        .unwrap_or(&SM80[0])
}

//! The schedule of each (head dimension, shape class) for inputs of 8 bits on sm_90a, multiplied as they are, and what chose it.
//!
//! A tile takes half the room of one of 16 bits and tensor cores half the time, so what binds is the softmax, and registers: the products of a
//! tile have some of their own beside O.

use super::row::{MaskClass, RolesRow, both};
use crate::spec::HeadDim;
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};
use crate::tuning::OutputIn::Own;

/// The table.
#[rustfmt::skip]
pub const BYTES: &[RolesRow] = &[
    RolesRow { head_dim: both(64), shape: Prefill, mask: None, consumers: 2, cols: 160, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 6.30, registers 168; 6.09 at 192 columns, of which a bound masks more; 6.56 at 128" },
    RolesRow { head_dim: both(64), shape: Append, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 2, output: Own, polynomial: 0,
               why: "executed per score 6.50, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(64), shape: Decode, mask: None, consumers: 1, cols: 192, stages: 6, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 6.04, registers 255; tiles as wide as registers allow: 256 columns spill" },
    RolesRow { head_dim: both(128), shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 4, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 8.06, registers 168; 128 columns, which executed 7.45, spilled 180 bytes beside the products of a tile" },
    RolesRow { head_dim: both(128), shape: Append, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 7.34, registers 255; two blocks on a multiprocessor would have 64 columns each, at 9.50" },
    RolesRow { head_dim: both(128), shape: Decode, mask: None, consumers: 1, cols: 128, stages: 5, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 7.30, registers 255; tiles as wide as registers allow" },
    RolesRow { head_dim: both(256), shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 17.50, registers 168; two warpgroups have the same rows and half of O each; 128 columns spilled 116 bytes" },
    RolesRow { head_dim: both(256), shape: Append, mask: None, consumers: 2, cols: 96, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 17.50, registers 168; two warpgroups have the same rows and half of O each" },
    RolesRow { head_dim: both(256), shape: Decode, mask: None, consumers: 2, cols: 96, stages: 3, blocks_per_sm: 1, output: Own, polynomial: 0,
               why: "executed per score 17.50, registers 168; two warpgroups have the same rows and half of O each" },
];

/// The row of a kernel; `None` where the table has none.
pub(super) fn row(
    head_dim: HeadDim,
    shape: ShapeClass,
    [class, other]: [MaskClass; 2],
) -> Option<&'static RolesRow> {
    let mut rows = BYTES.iter().filter(|row| (row.head_dim, row.shape) == (head_dim, shape));
    let own = rows.clone().find(|row| row.mask == Some(class));
    own.or_else(|| rows.find(|row| row.mask.is_none_or(|mask| mask == other)))
}

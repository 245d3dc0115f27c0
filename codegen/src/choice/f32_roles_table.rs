//! The schedule of each (head dimension, shape class) for f32 inputs on sm_90a that are split into two of bf16 and multiplied by
//! `wgmma`, and what chose it.
//!
//! A row takes the room of one of 32 bits, and a product three of 16. So a tile of as many bytes is half as wide as one of 16 bits and
//! keeps tensor cores busy half as long again.

use super::row::MaskClass;
use super::row::{RolesRow, both, pair};
use crate::spec::HeadDim;
use crate::spec::ShapeClass::{self, Append, Decode, Prefill};
use crate::tuning::OutputIn::OverQuery;

/// The table.
#[rustfmt::skip]
pub const F32_ROLES: &[RolesRow] = &[
    RolesRow { head_dim: both(64), shape: Prefill, mask: None, consumers: 2, cols: 128, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 8.61, registers 168; 9.32 at 80 columns; with a third consumer P in two parts would have no registers" },
    RolesRow { head_dim: both(64), shape: Append, mask: None, consumers: 1, cols: 80, stages: 2, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 9.32, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax" },
    RolesRow { head_dim: both(64), shape: Decode, mask: None, consumers: 1, cols: 128, stages: 3, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 8.66, registers 255; 192 KiB of K and V in shared memory, in tiles as wide as registers allow" },
    RolesRow { head_dim: both(96), shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 9.44, registers 168; 96 columns beside 128 rows, two stages" },
    RolesRow { head_dim: both(96), shape: Append, mask: None, consumers: 1, cols: 80, stages: 1, blocks_per_sm: 2, output: OverQuery, polynomial: 0,
               why: "executed per score 11.12, registers 128; two blocks on a multiprocessor: one multiplies while the other is in its softmax; 11.54 at 48 columns and two stages" },
    RolesRow { head_dim: both(96), shape: Decode, mask: None, consumers: 1, cols: 112, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 9.02, registers 255; 168 KiB of K and V in shared memory; 10.00 at 80 columns" },
    RolesRow { head_dim: both(128), shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 10.38, registers 168; 80 columns are what two stages have room for" },
    RolesRow { head_dim: both(128), shape: Append, mask: None, consumers: 1, cols: 96, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 9.73, registers 255; 96 columns are what two stages have room for; 11.31 at 64" },
    RolesRow { head_dim: both(128), shape: Decode, mask: None, consumers: 1, cols: 96, stages: 2, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 9.73, registers 255; 192 KiB of K and V in shared memory; 11.31 at 64 columns and three stages" },
    RolesRow { head_dim: both(192), shape: Prefill, mask: None, consumers: 2, cols: 80, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 13.68, registers 168; one stage without turns: tensor cores are busy for 100 % of the modelled loop, with turns for 61; two stages would have 32 columns, whose products wait for shared memory" },
    RolesRow { head_dim: both(192), shape: Append, mask: None, consumers: 1, cols: 96, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 12.56, registers 255; one stage of 96 columns; 14.33 at 48 and two stages" },
    RolesRow { head_dim: both(192), shape: Decode, mask: None, consumers: 1, cols: 96, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 12.56, registers 255; one stage of 96 columns; 14.33 at 48 and two stages" },
    RolesRow { head_dim: both(256), shape: Prefill, mask: None, consumers: 2, cols: 48, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 20.21, registers 168; 48 columns beside 128 rows are what one stage has room for; without turns tensor cores are busy for 100 % of the modelled loop, with turns for 59" },
    RolesRow { head_dim: both(256), shape: Append, mask: None, consumers: 1, cols: 80, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 15.20, registers 255; one stage of 80 columns" },
    RolesRow { head_dim: both(256), shape: Decode, mask: None, consumers: 1, cols: 80, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 15.20, registers 255; one stage of 80 columns; 20.19 at 32 and two stages" },
    RolesRow { head_dim: pair(192, 128), shape: Prefill, mask: None, consumers: 2, cols: 96, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 12.60, registers 168; one stage of 96 columns without turns: tensor cores are busy for 90 % of the modelled loop" },
    RolesRow { head_dim: pair(192, 128), shape: Append, mask: None, consumers: 1, cols: 128, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 11.50, registers 255; one stage of 128 columns; 12.31 at 64 and two stages" },
    RolesRow { head_dim: pair(192, 128), shape: Decode, mask: None, consumers: 1, cols: 128, stages: 1, blocks_per_sm: 1, output: OverQuery, polynomial: 0,
               why: "executed per score 11.50, registers 255; one stage of 128 columns; 12.31 at 64 and two stages" },
];

/// The row of a kernel; `None` where the table has none.
pub(super) fn row(
    head_dim: HeadDim,
    shape: ShapeClass,
    [class, other]: [MaskClass; 2],
) -> Option<&'static RolesRow> {
    let mut rows = F32_ROLES.iter().filter(|row| (row.head_dim, row.shape) == (head_dim, shape));
    let own = rows.clone().find(|row| row.mask == Some(class));
    own.or_else(|| rows.find(|row| row.mask.is_none_or(|mask| mask == other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::F32_ROLES_TUNED;
    use crate::choice::MaskClass::{Bounded, Full};

    #[test]
    fn every_kernel_has_one_row() {
        for &head_dim in F32_ROLES_TUNED {
            for shape in ShapeClass::ALL {
                for mask in [Full, Bounded] {
                    let fits = |row: &&RolesRow| {
                        (row.head_dim, row.shape) == (head_dim, shape) && row.mask.is_none_or(|m| m == mask)
                    };
                    assert_eq!(F32_ROLES.iter().filter(fits).count(), 1, "{head_dim} {shape} {mask:?}");
                    assert!(row(head_dim, shape, [mask, mask]).is_some_and(|row| row.head_dim == head_dim));
                }
            }
        }
        for row in F32_ROLES {
            let roles = row.schedule_of_f32();
            assert!(roles.shared_bytes() <= roles.shared_limit(), "{row}: {}", roles.shared_bytes());
        }
    }
}

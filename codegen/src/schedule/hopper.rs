//! Schedules for Hopper: one producer warpgroup that copies, one to three consumer warpgroups that multiply.
//!
//! What lies where in shared memory is the plan's ([`crate::plan::roles`]). Every tile is cut into panels of [`Schedule::span`] bytes of the head dimension, swizzled within eight rows, as bulk
//! copies write it and `wgmma` reads it ([`crate::layout::panel`]).

use super::{OutputIn, Overlap, PassTurn, QueryIn, Rescale, Schedule, ScheduleError, Tuning};
use crate::analysis::attention::{Attention, ScoreOp};
use crate::analysis::bounds::Interval;
use crate::layout::copy_box::CopyBox;
use crate::layout::panel::{Order, Panels};
use crate::program::{Expr, ParamKind};
use crate::spec::{Arch, ShapeClass, Spec};

/// Warps of a warpgroup.
pub const WARPGROUP_WARPS: usize = 4;
/// Rows that one warpgroup multiplies: `m64` of `wgmma`.
pub const WARPGROUP_ROWS: usize = 64;
/// Places where the producer tells consumers of a row tile: it is one ahead.
pub const TILE_INFOS: usize = 2;
/// Bytes of such a place.
pub const TILE_INFO_BYTES: usize = 64;
/// Registers of a multiprocessor.
const REGISTERS: usize = 64 * 1024;
/// Shared memory that a block may ask for.
pub const SM90_SHARED_LIMIT: usize = 227 * 1024;
/// Head dimensions of the sm_90a lowering.
pub const SM90_HEAD_DIMS: &[usize] = &[64, 96, 128, 192, 256];

/// What warps of several roles agree on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roles {
    /// Registers of a thread of the producer, by `setmaxnreg`.
    pub producer_registers: u32,
    /// Registers of a thread of a consumer, by `setmaxnreg`.
    pub consumer_registers: u32,
    /// Consumers take turns: one issues its products while the others are in their softmax.
    pub take_turns: bool,
    /// Of every 16 exponentials, how many are polynomials on the FMA pipe and not `ex2` on the special-function unit.
    pub polynomial: usize,
    /// Where O is before it is stored.
    pub output: OutputIn,
    /// Whether the assembler may move exponentials behind the wait for O.
    pub overlap: Overlap,
    /// When the next consumer's turn begins.
    pub pass: PassTurn,
    /// What one bulk copy of K and V moves.
    pub kv_box: KvBox,
}

/// What one bulk copy of K or V moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvBox {
    /// Of contiguous keys, which may begin anywhere: one panel of all rows of a tile.
    Panel,
    /// Of paged keys: whole rows of the head dimension, as many as lie in one block and belong to one tile. Their number
    /// divides the block size and the tile's columns, and is a multiple of eight.
    Run {
        /// How many.
        rows: usize,
    },
}

/// Which tiles a mask leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskClass {
    /// Every tile.
    Full,
    /// Those between bounds, of which the outermost are masked; or an opaque mask, which masks every tile.
    Bounded,
    /// Any of these, with maps that ask for a score's row, column or head, for which registers are needed.
    Placed,
}

/// A row of the table for sm_90a.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HopperRow {
    /// Head dimension.
    pub head_dim: usize,
    /// What it is made for.
    pub shape: ShapeClass,
    /// The mask, or `None` for any that has no row of its own.
    pub mask: Option<MaskClass>,
    /// Consumer warpgroups, of 64 rows each.
    pub consumers: usize,
    /// Key columns of a tile.
    pub cols: usize,
    /// Column tiles in flight, each of K and V.
    pub stages: usize,
    /// Blocks that should fit on a multiprocessor together.
    pub blocks_per_sm: u32,
    /// Where O is before it is stored.
    pub output: OutputIn,
    /// Of every 16 exponentials, how many are polynomials.
    pub polynomial: usize,
    /// What chose it.
    pub why: &'static str,
}

impl MaskClass {
    /// The class of a recognised program, and the one that it counts for where the first has no row.
    pub fn of(attention: &Attention) -> [MaskClass; 2] {
        let of_place = |expr: &Expr| expr.any(&mut |e| matches!(e, Expr::Row | Expr::Col | Expr::Head));
        let placed = attention.scores.iter().any(|op| matches!(op, ScoreOp::Map(expr) if of_place(expr)));
        let by_mask = if attention.seen == Interval::ALL { MaskClass::Full } else { MaskClass::Bounded };
        [if placed { MaskClass::Placed } else { by_mask }, by_mask]
    }
}

/// Registers of (producer, consumer) threads. A multiprocessor has 65536; `setmaxnreg` deals in eights and gives a
/// thread at most 256, of which 255 can be used.
fn registers(consumers: usize, blocks_per_sm: u32) -> (u32, u32) {
    match (consumers, blocks_per_sm) {
        (1, 1) => (56, 256),
        (1, _) => (40, 216),
        (2, _) => (40, 232),
        _ => (32, 160),
    }
}

impl Schedule {
    pub(super) fn choose_hopper(spec: &Spec, attention: &Attention) -> Result<Schedule, ScheduleError> {
        if !SM90_HEAD_DIMS.contains(&spec.head_dim) {
            let (head_dim, arch) = (spec.head_dim, spec.arch);
            return Err(ScheduleError::HeadDim { head_dim, arch, supported: SM90_HEAD_DIMS });
        }
        let row = super::hopper_table::row(spec.head_dim, spec.shape, MaskClass::of(attention));
        let row = row.ok_or_else(|| ScheduleError::no_row(spec))?;
        let mut schedule = Schedule::of_hopper_row(row);
        let block_size = spec.block_size.filter(|_| attention.table.is_some());
        if let Some(block_size) = block_size {
            schedule.cols = columns_of_blocks(schedule.cols, block_size);
        }
        schedule = schedule.tuned(&spec.tuning)?;
        if let (Some(roles), Some(block_size)) = (&mut schedule.roles, block_size) {
            roles.kv_box = KvBox::Run { rows: gcd(block_size, schedule.cols) };
        }
        Ok(schedule)
    }

    /// The schedule of a row of the table for sm_90a.
    pub fn of_hopper_row(row: &HopperRow) -> Schedule {
        let HopperRow { head_dim, consumers, cols, stages, blocks_per_sm, output, polynomial, .. } = *row;
        let (producer_registers, consumer_registers) = registers(consumers, blocks_per_sm);
        Schedule {
            arch: Arch::Sm90a,
            head_dim,
            rows: consumers * WARPGROUP_ROWS,
            cols,
            warps: consumers * WARPGROUP_WARPS,
            stages,
            query: QueryIn::Shared,
            rescale: Rescale::Grown { threshold: 8.0 },
            blocks_per_sm,
            roles: Some(Roles {
                producer_registers,
                consumer_registers,
                take_turns: consumers > 1,
                polynomial,
                output,
                overlap: Overlap::Free,
                pass: PassTurn::Issued,
                kv_box: KvBox::Panel,
            }),
        }
    }

    pub(super) fn tuned_hopper(self, roles: Roles, tuning: &Tuning) -> Result<Schedule, ScheduleError> {
        let (rows, cols) = tuning.tile.unwrap_or((self.rows, self.cols));
        let refuse = |reason: String| Err(ScheduleError::Tile { rows, cols, reason });
        if !matches!(rows, 64 | 128 | 192) {
            return refuse("rows must be 64, 128 or 192: a consumer warpgroup owns 64".to_owned());
        }
        let consumers = rows / WARPGROUP_ROWS;
        if cols == 0 || cols % 16 != 0 || cols > 256 {
            return refuse("columns must be a multiple of 16, at most 256".to_owned());
        }
        if let Some(warps) = tuning.warps
            && warps != consumers * WARPGROUP_WARPS
        {
            let fit = consumers * WARPGROUP_WARPS;
            return refuse(format!("{warps} warps multiply: {rows} rows take {fit}, 16 rows each"));
        }
        if tuning.query == Some(QueryIn::Registers) {
            return refuse("Q is read by `wgmma` from shared memory; take --query shared".to_owned());
        }
        let blocks_per_sm =
            tuning.blocks_per_sm.unwrap_or(if consumers > 1 { 1 } else { self.blocks_per_sm });
        if blocks_per_sm == 0 || blocks_per_sm > 2 || (blocks_per_sm == 2 && consumers > 1) {
            return refuse(format!(
                "{blocks_per_sm} blocks on a multiprocessor: take 1, or 2 of 64 rows each"
            ));
        }
        let (producer_registers, consumer_registers) = registers(consumers, blocks_per_sm);
        // Accumulators, scores, and probabilities in pairs, beside at least 24 for the rest.
        let needed = (self.head_dim + cols + cols / 2) / 2 + 24;
        if needed > consumer_registers.min(255) as usize {
            return refuse(format!(
                "needs some {needed} registers a thread of the {consumer_registers} that {consumers} consumer \
                 warpgroups have each; take fewer columns or rows"
            ));
        }
        let mut schedule = Schedule {
            rows,
            cols,
            warps: consumers * WARPGROUP_WARPS,
            stages: tuning.stages.unwrap_or(self.stages),
            rescale: match tuning.rescale {
                None => self.rescale,
                Some(false) => Rescale::Always,
                Some(true) => Rescale::Grown { threshold: 8.0 },
            },
            blocks_per_sm,
            roles: Some(Roles {
                producer_registers,
                consumer_registers,
                take_turns: roles.take_turns && consumers > 1,
                output: tuning.output.unwrap_or(roles.output),
                polynomial: tuning.polynomial.unwrap_or(roles.polynomial),
                overlap: tuning.overlap.unwrap_or(roles.overlap),
                pass: tuning.pass.unwrap_or(roles.pass),
                kv_box: KvBox::Panel,
            }),
            ..self
        };
        if schedule.roles.is_some_and(|roles| roles.polynomial > 16) {
            return refuse("at most 16 of every 16 exponentials can be polynomials".to_owned());
        }
        if !(1..=super::MAX_STAGES).contains(&schedule.stages) {
            return refuse(format!("{} stages: take 1 to {}", schedule.stages, super::MAX_STAGES));
        }
        let limit = schedule.shared_limit();
        // What was not asked for gives way: O's own memory first, then stages.
        if tuning.output.is_none()
            && schedule.shared_bytes() > limit
            && let Some(roles) = &mut schedule.roles
        {
            roles.output = OutputIn::OverQuery;
        }
        while tuning.stages.is_none() && schedule.stages > 1 && schedule.shared_bytes() > limit {
            schedule.stages -= 1;
        }
        if schedule.shared_bytes() > limit {
            let bytes = schedule.shared_bytes();
            return refuse(format!(
                "needs {bytes} bytes of shared memory of {limit}; take fewer rows, columns or stages"
            ));
        }
        Ok(schedule)
    }

    /// Registers of a thread that a kernel with roles is launched with, before its roles give and take: all that there
    /// are, by the threads of as many blocks as should fit. With fewer its consumers wait for registers that nobody gives
    /// back.
    pub fn registers_at_entry(&self) -> Option<u32> {
        let threads = self.threads() * self.blocks_per_sm as usize;
        self.roles.map(|_| (REGISTERS / threads / 8 * 8).min(255) as u32)
    }

    /// Consumer warpgroups.
    pub fn consumers(&self) -> usize {
        self.warps / WARPGROUP_WARPS
    }

    /// Bytes of the head dimension that lie together in a row of a panel: the largest swizzle that divides it.
    pub fn span(&self) -> usize {
        if self.head_dim.is_multiple_of(64) { 128 } else { 64 }
    }

    /// Panels of a tile.
    pub fn panels(&self) -> usize {
        self.head_dim * 2 / self.span()
    }

    /// Q and O tiles in shared memory.
    pub fn row_panels(&self) -> Panels {
        Panels { rows: self.rows, span: self.span(), count: self.panels(), order: Order::ByPanel }
    }

    /// K and V tiles in shared memory: as their boxes come.
    pub fn column_panels(&self) -> Panels {
        let order = match self.kv_box() {
            KvBox::Panel => Order::ByPanel,
            KvBox::Run { .. } => Order::ByGroup,
        };
        Panels { rows: self.cols, span: self.span(), count: self.panels(), order }
    }

    /// What one bulk copy of K or V moves.
    pub fn kv_box(&self) -> KvBox {
        self.roles.map_or(KvBox::Panel, |roles| roles.kv_box)
    }

    /// Shared memory that a block may have so that as many fit as should. The system takes 1 KiB of each.
    pub fn shared_limit(&self) -> usize {
        if self.blocks_per_sm == 1 {
            SM90_SHARED_LIMIT
        } else {
            228 * 1024 / self.blocks_per_sm as usize - 1024
        }
    }

    /// Bytes of a K or V tile.
    pub fn kv_tile_bytes(&self) -> usize {
        self.cols * self.head_dim * 2
    }

    /// Query heads whose rows share a tile. The rest of a group, if any, has tiles of its own.
    ///
    /// Without roles any number can be packed: nothing for a prefill, whose tiles are full without, else the group. With
    /// roles rows are copied in boxes of whole tokens: for a prefill as many as divide a warpgroup's rows, else the
    /// largest divisor of the group that a tile has room for.
    pub fn packed_heads(&self, shape: ShapeClass, group: usize) -> usize {
        match (self.roles, shape) {
            (None, ShapeClass::Prefill) => 1,
            (None, _) => group,
            (Some(_), ShapeClass::Prefill) => gcd(group, WARPGROUP_ROWS),
            (Some(_), _) => {
                (1..=group.min(self.rows)).rev().find(|heads| group.is_multiple_of(*heads)).unwrap_or(1)
            }
        }
    }

    /// Rows of a tile that are used with so many heads packed: whole tokens, with roles.
    pub fn rows_per_tile(&self, packed_heads: usize) -> usize {
        match self.roles {
            None => self.rows,
            Some(_) => (self.rows - self.rows % packed_heads.max(1)).max(1),
        }
    }

    /// What one bulk copy of a parameter moves.
    pub(crate) fn copy_box(&self, kind: ParamKind) -> CopyBox {
        let rows = match kind {
            ParamKind::Query => self.rows,
            ParamKind::Output => WARPGROUP_ROWS,
            _ => self.kv_copies().rows,
        };
        CopyBox { rows: rows as u32, span: self.span() as u32 }
    }
}

/// At most `cols` columns, a multiple of 16, that whole blocks fill or that fill a block with few others: then a block
/// of a tile is one box. `cols` itself where that would cost more than a quarter of it.
fn columns_of_blocks(cols: usize, block_size: usize) -> usize {
    let fits = |cols: &usize| cols.is_multiple_of(block_size) || block_size.is_multiple_of(*cols);
    (cols * 3 / 4..=cols).rev().filter(|cols| cols.is_multiple_of(16)).find(fits).unwrap_or(cols)
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_whole_blocks() {
        let table =
            [(16, 160), (24, 144), (32, 160), (40, 160), (48, 144), (64, 128), (128, 128), (256, 128)];
        for (block_size, cols) in table {
            assert_eq!(columns_of_blocks(160, block_size), cols, "blocks of {block_size}");
        }
        // Three blocks of 56 and two of 88 are no multiple of 16, two of 56 far fewer: boxes of eight rows.
        assert_eq!((columns_of_blocks(160, 56), columns_of_blocks(160, 88)), (160, 160));
    }
}

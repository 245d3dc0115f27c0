//! Schedules for Ampere: what a lane carries through the main loop chooses the row, and a [`Tuning`] is held against
//! registers and shared memory.

use super::{MAX_STAGES, ScheduleError, list, ring_table};
use crate::analysis::attention::Attention;
use crate::analysis::bounds::{Bound, Interval};
use crate::program::Expr;
use crate::schedule::{QueryIn, Rescale, Ring, Sizes, Tuning};
use crate::spec::{Arch, ShapeClass, Spec};
use std::fmt;
use std::str::FromStr;

/// Head dimensions of the sm_80 lowering.
pub const SM80_HEAD_DIMS: &[usize] = &[64, 128, 192, 256];

/// Shared memory a block may ask for on every sm_80 device (sm_86 and sm_89 have 99 KiB).
pub const SM80_SHARED_LIMIT: usize = 99 * 1024;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingRow {
    /// Head dimension.
    pub head_dim: usize,
    /// What it is made for.
    pub shape: ShapeClass,
    /// What a lane must keep through the main loop beside products, softmax and addresses.
    pub carries: Carries,
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

/// What a lane must keep through the main loop beside products, softmax and addresses. sm_80, whose products keep all
/// their registers to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// Limits of its rows at most.
    Little,
    /// Values of its rows (their positions or heads, for maps), or where its rows lie in blocks that do not line up with
    /// tiles.
    Rows,
    /// What conditions ask that are evaluated for every score: values of its rows, of columns and of the whole block; and
    /// of a tile, a bit for each of its scores.
    Conditions,
}

impl Carries {
    /// All of them.
    pub const ALL: [Carries; 3] = [Carries::Little, Carries::Rows, Carries::Conditions];

    fn of(spec: &Spec, attention: &Attention) -> Carries {
        let kept = &attention.seen;
        if attention.has_conditions() {
            return Carries::Conditions;
        }
        let odd_blocks = attention.table.is_some() && spec.block_size.is_some_and(|n| !n.is_power_of_two());
        let of_place = |expr: &Expr| expr.any(&mut |e| matches!(e, Expr::Row | Expr::Head | Expr::Col));
        let rows = attention.scores.iter().any(|op| of_place(op.expr()));
        let tight =
            spec.head_dim == 128 && spec.shape == ShapeClass::Prefill && !fits_tightly(spec, attention, kept);
        let rows = rows || odd_blocks || tight;
        if rows { Carries::Rows } else { Carries::Little }
    }

    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Carries::Little => "little",
            Carries::Rows => "rows",
            Carries::Conditions => "conditions",
        }
    }
}

impl fmt::Display for Carries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Carries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Carries::ALL
            .into_iter()
            .find(|carries| carries.as_str() == text)
            .ok_or_else(|| format!("a lane does not carry `{text}`: write little, rows or conditions"))
    }
}

/// Whether a kernel gets along with 128 rows of 128 dimensions, which leave no register free. ptxas has been seen to: without
/// map and mask, or with a right end that goes with the row. With other masks and maps it spills some ten to thirty, and
/// so it does with a left end where a planned kernel reads its item three times over, or a block is wider than a tile.
fn fits_tightly(spec: &Spec, attention: &Attention, kept: &Interval) -> bool {
    let is_plain = attention.scores.is_empty() && *kept == Interval::ALL;
    let follows_row = kept.hi.as_ref().is_some_and(Bound::uses_row);
    let wide_blocks = spec.block_size.is_some_and(|size| size > 64);
    (is_plain || follows_row) && !(kept.lo.is_some() && (spec.work.is_planned() || wide_blocks))
}

impl RingRow {
    /// Its schedule.
    pub fn schedule(&self) -> Ring {
        let RingRow { head_dim, rows, cols, warps, stages, query, blocks_per_sm, .. } = *self;
        // Spares 128 of some 590 instructions a tile at head_dim 128 for most tiles, and the registers that
        // multiplying in the middle of a tile costs: with `Always` that kernel spills.
        let rescale = Rescale::GROWN;
        Ring { sizes: Sizes { head_dim, rows, cols, warps, stages, rescale, blocks_per_sm }, query }
    }
}

/// The schedule of a spec; `None` where the table has no row for it.
pub(super) fn choose(spec: &Spec, attention: &Attention) -> Result<Option<Ring>, ScheduleError> {
    let row = ring_table::row(spec.head_dim, spec.shape, Carries::of(spec, attention));
    row.map(|row| tuned(row.schedule(), &spec.tuning)).transpose()
}

/// The same, but for what `tuning` says.
pub(super) fn tuned(of_table: Ring, tuning: &Tuning) -> Result<Ring, ScheduleError> {
    if *tuning == Tuning::default() {
        return Ok(of_table);
    }
    let mut ring = of_table;
    if let Some((rows, cols)) = tuning.tile {
        (ring.sizes.rows, ring.sizes.cols) = (rows, cols);
        ring.sizes.warps = match rows {
            16 => 1,
            32 => 2,
            _ => 4,
        };
    }
    ring.sizes.warps = tuning.warps.unwrap_or(ring.warps);
    let Sizes { rows, cols, warps, head_dim, .. } = ring.sizes;
    let refuse = |reason: String| Err(ScheduleError::Tile { rows, cols, reason });
    let Tuning { rescale, output, polynomial, overlap, pass, .. } = *tuning;
    let only = Tuning { rescale, output, polynomial, overlap, pass, ..Tuning::default() };
    if only != Tuning::default() {
        return refuse(format!("`{only}` is for sm_90a, not for {}: leave it out", Arch::Sm80));
    }
    if !matches!(rows, 16 | 32 | 64 | 128) {
        return refuse("rows must be 16, 32, 64 or 128".to_owned());
    }
    if !matches!(rows.checked_div(warps), Some(16 | 32)) || !warps.is_power_of_two() {
        let fit: Vec<usize> = [rows / 32, rows / 16].into_iter().filter(|warps| *warps > 0).collect();
        return refuse(format!("{warps} warps: a warp owns 16 or 32 rows; take {}", list(&fit)));
    }
    // Granules of a paged cache are split by shifts, and every warp copies eight rows of a tile at a time.
    let least = (8 * warps).max(16);
    if !cols.is_power_of_two() || cols < least {
        return refuse(format!("columns must be a power of two, at least {least} for {warps} warps"));
    }
    // Accumulators, scores and Q fragments of a lane, in 32-bit registers, beside some 60 for the rest.
    let registers = ring.rows_per_warp() * (head_dim + cols) / 32;
    if registers > 192 {
        return refuse(format!(
            "{registers} registers a lane for accumulators and scores, of at most 192; take fewer rows or columns"
        ));
    }
    if tuning.tile.is_some() || tuning.warps.is_some() {
        let of_query = ring.rows_per_warp() * head_dim / 64;
        ring.query = if registers + of_query > 160 { QueryIn::Shared } else { QueryIn::Registers };
    }
    ring.query = tuning.query.unwrap_or(ring.query);
    if let Some(stages) = tuning.stages {
        if !(1..=MAX_STAGES).contains(&stages) {
            return refuse(format!("{stages} stages: take 1 to {MAX_STAGES}"));
        }
        ring.sizes.stages = stages;
    } else if ring.shared_bytes() > SM80_SHARED_LIMIT {
        ring.sizes.stages = 1;
    }
    if ring.shared_bytes() > SM80_SHARED_LIMIT {
        let bytes = ring.shared_bytes();
        return refuse(format!(
            "needs {bytes} bytes of shared memory of {SM80_SHARED_LIMIT}; take fewer rows, columns or stages"
        ));
    }
    if let Some(blocks) = tuning.blocks_per_sm {
        if !(1..=32).contains(&blocks) {
            return refuse(format!("{blocks} blocks on a multiprocessor: take 1 to 32"));
        }
        ring.sizes.blocks_per_sm = blocks;
    }
    Ok(ring)
}

//! Schedules of warps that are all alike, for Ampere, and of f32 inputs for every target: what a lane carries through the main
//! loop chooses the row, and a [`Tuning`] is held against registers and shared memory.

use super::roles::SM90_SHARED_LIMIT;
use super::row::{Carries, both};
use super::{LATENT, MAX_STAGES, ScheduleError, f32_table, in_keys, list, ring_table, row_among};
use crate::analysis::attention::Attention;
use crate::analysis::bounds::{Bound, Interval};
use crate::layout::swizzle::PERIOD;
use crate::program::DType;
use crate::schedule::{Products, QueryIn, REGISTERS, Rescale, Ring, Sizes, Tuning, ValuesIn};
use crate::spec::{Arch, HeadDim, ShapeClass, Spec};

/// Head dimensions with rows in the table of sm_80.
pub const SM80_TUNED: &[HeadDim] = &[both(64), both(128), both(192), both(256), LATENT];

/// Head dimensions with rows in the table of f32 inputs.
pub const F32_TUNED: &[HeadDim] = &[both(64), both(128), both(192), both(256), LATENT];

/// Shared memory a block may ask for on every sm_80 device (sm_86 and sm_89 have 99 KiB).
pub const SM80_SHARED_LIMIT: usize = 99 * 1024;

/// Shared memory a block may ask for on compute capability 8.0.
const A100_SHARED_LIMIT: usize = 163 * 1024;

impl Carries {
    fn of(spec: &Spec, attention: &Attention) -> Carries {
        let kept = &attention.seen;
        if attention.has_conditions() {
            return Carries::Conditions;
        }
        let odd_blocks = attention.table.is_some() && spec.block_size.is_some_and(|n| !n.is_power_of_two());
        let tight = matches!(spec.head_dim.larger(), 112 | 128)
            && spec.shape == ShapeClass::Prefill
            && !fits_tightly(spec, attention, kept);
        // Tiles of two widths: a thread has a place in each.
        let two_widths = spec.head_dim.qk != spec.head_dim.v;
        let small_blocks = attention.table.is_some() && small_blocks_are_too_much(spec);
        let rows = attention.is_placed()
            || odd_blocks
            || tight
            || two_widths
            || halves_are_too_much(spec)
            || small_blocks
            || spec.widens() && !widens_beside_query(spec, attention);
        if rows { Carries::Rows } else { Carries::Little }
    }
}

/// Whether copies of half chunks need more registers than a kernel has left. ptxas has been seen to spill 40 to 90 bytes of
/// planned kernels, which carry a range of columns, where their tiles are the largest for these head dimensions.
fn halves_are_too_much(spec: &Spec) -> bool {
    let has_least_left =
        matches!((spec.head_dim.larger(), spec.shape), (112, ShapeClass::Prefill) | (240, _));
    has_least_left && spec.work.is_planned()
}

/// Whether a kernel that widens has registers for it where those of 16 bits keep Q, which is in shared memory then: half the warps read K and
/// V half as often, by the model 297 TFLOP/s of an A100 in place of 267 at head_dim 128. With a mask's bounds to keep too ptxas has been
/// seen to spill 80 bytes there.
fn widens_beside_query(spec: &Spec, attention: &Attention) -> bool {
    let most = if attention.seen == Interval::ALL { 128 } else { 96 };
    spec.widens() && spec.shape == ShapeClass::Prefill && (65..=most).contains(&spec.head_dim.larger())
}

/// Whether asking for the block of every row needs more registers than a kernel has left. ptxas has been seen to spill 12 to 68
/// bytes of decodes of these head dimensions, of which Q fills what K and V leave.
fn small_blocks_are_too_much(spec: &Spec) -> bool {
    let has_least_left = matches!((spec.head_dim.larger(), spec.shape), (240 | 256, ShapeClass::Decode));
    has_least_left && spec.block_size.is_some_and(|size| size < PERIOD)
}

/// Whether a kernel gets along with 128 rows of 128 dimensions, which leave no register free. ptxas has been seen to: without
/// map and mask, or with a right end that goes with the row. With other masks and maps it spills some ten to thirty, and
/// so it does with a left end where a planned kernel reads its item three times over, or a block is wider than a tile, and where
/// it reads an earlier output at its end.
fn fits_tightly(spec: &Spec, attention: &Attention, kept: &Interval) -> bool {
    let is_plain = attention.scores.is_empty() && *kept == Interval::ALL;
    let follows_row = kept.hi.as_ref().is_some_and(Bound::uses_row);
    let wide_blocks = spec.block_size.is_some_and(|size| size > 64);
    let begins_anew = attention.output_before.is_none();
    begins_anew
        && (is_plain || follows_row)
        && !(kept.lo.is_some() && (spec.work.is_planned() || wide_blocks))
}

/// The schedule of a spec; `None` where the table has no row for it.
pub(super) fn choose(spec: &Spec, attention: &Attention) -> Result<Option<Ring>, ScheduleError> {
    let is_f32 = spec.dtype == DType::F32;
    let of = row_among(if is_f32 { F32_TUNED } else { SM80_TUNED }, spec.head_dim);
    let carries = Carries::of(spec, attention);
    let find = |of| match is_f32 {
        true => f32_table::row(spec.tuning.f32_products(), of, spec.shape, carries),
        false => ring_table::row(of, spec.shape, carries),
    };
    let row = of.and_then(find);
    let Some(row) = row else { return Ok(None) };
    let mut ring = Ring { arch: spec.arch, ..row.schedule() };
    ring.sizes.head_dim = spec.head_dim;
    ring.sizes.widens = spec.widens();
    if widens_beside_query(spec, attention) {
        ring.query = QueryIn::Shared;
    }
    if is_f32 {
        ring.sizes.products = Products::F32(spec.tuning.f32_products());
    }
    if attention.has_values_in_keys() {
        ring.sizes = in_keys(ring.sizes, |sizes| {
            let ring = Ring { sizes, ..ring };
            ring.shared_bytes() <= shared_limit(&ring)
        });
    }
    if !attention.normalised {
        // There is no maximum that could have grown.
        ring.sizes.rescale = Rescale::Always;
    }
    for _ in 0..attention.room() {
        ring.sizes = with_room(ring.sizes);
    }
    tuned(ring, &spec.tuning).map(Some)
}

/// Sizes that leave more registers for what is made of each score: a block less on a multiprocessor, or half the columns where a
/// thread has as many as there can be, with half the warps where so many copy more than that.
fn with_room(sizes: Sizes) -> Sizes {
    let Sizes { rows, cols, warps, blocks_per_sm, split, .. } = sizes;
    let registers = REGISTERS / (32 * warps * (blocks_per_sm as usize).max(1));
    match blocks_per_sm {
        2.. if registers < MOST_REGISTERS => Sizes { blocks_per_sm: blocks_per_sm - 1, ..sizes },
        _ if cols / 2 >= least_cols(warps) => Sizes { cols: cols / 2, ..sizes },
        _ if warps > 4 && split == 1 => Sizes { rows: rows / 2, cols: cols / 2, warps: warps / 2, ..sizes },
        _ => sizes,
    }
}

/// The most registers of a thread.
const MOST_REGISTERS: usize = 255;

/// Granules of a paged cache are split by shifts, and every warp copies eight rows of a tile at a time.
fn least_cols(warps: usize) -> usize {
    (8 * warps).max(16)
}

/// Shared memory that a block may ask for. A latent cache of f32 does not fit what every device has that runs sm_80: where it
/// is to run there it takes an A100.
fn shared_limit(ring: &Ring) -> usize {
    match ring.arch {
        Arch::Sm90a => SM90_SHARED_LIMIT,
        Arch::Sm80 if ring.products != Products::Halves && ring.head_dim == LATENT => A100_SHARED_LIMIT,
        Arch::Sm80 => SM80_SHARED_LIMIT,
    }
}

/// The same, but for what `tuning` says.
pub(super) fn tuned(of_table: Ring, tuning: &Tuning) -> Result<Ring, ScheduleError> {
    if *tuning == Tuning::default() {
        return Ok(of_table);
    }
    let mut ring = of_table;
    if let Some((rows, cols)) = tuning.tile {
        (ring.sizes.rows, ring.sizes.cols) = (rows, cols);
        ring.sizes.warps = ring.split
            * match rows {
                16 => 1,
                32 => 2,
                _ => 4,
            };
    }
    ring.sizes.warps = tuning.warps.unwrap_or(ring.warps);
    let Sizes { rows, cols, warps, head_dim: HeadDim { qk, v }, .. } = ring.sizes;
    let refuse = |reason: String| Err(ScheduleError::Tile { rows, cols, reason });
    let Tuning { rescale, output, polynomial, overlap, pass, .. } = *tuning;
    let only = Tuning { rescale, output, polynomial, overlap, pass, ..Tuning::default() };
    if only != Tuning::default() {
        let kernels = if ring.arch == Arch::Sm80 { "sm_80" } else { "its kernels whose warps are all alike" };
        return refuse(format!("`{only}` is for sm_90a, not for {kernels}: leave it out"));
    }
    if !matches!(rows, 16 | 32 | 64 | 128) {
        return refuse("rows must be 16, 32, 64 or 128".to_owned());
    }
    let split = ring.split;
    if !matches!((rows * split).checked_div(warps), Some(16 | 32)) || !warps.is_power_of_two() {
        let fit: Vec<usize> =
            [rows * split / 32, rows * split / 16].into_iter().filter(|warps| *warps >= split).collect();
        return refuse(format!("{warps} warps: a warp owns 16 or 32 rows; take {}", list(&fit)));
    }
    let least = least_cols(warps);
    if !cols.is_power_of_two() || cols < least {
        return refuse(format!("columns must be a power of two, at least {least} for {warps} warps"));
    }
    // Accumulators, scores and Q fragments of a lane, in 32-bit registers, beside some 60 for the rest.
    let registers = ring.rows_per_warp() * (v / split + cols) / 32;
    if registers > 192 {
        return refuse(format!(
            "{registers} registers a lane for accumulators and scores, of at most 192; take fewer rows or columns"
        ));
    }
    if tuning.tile.is_some() || tuning.warps.is_some() {
        let of_query = ring.rows_per_warp() * qk * ring.products.element_bytes() / 128;
        ring.query =
            if split > 1 || registers + of_query > 160 { QueryIn::Shared } else { QueryIn::Registers };
    }
    ring.query = tuning.query.unwrap_or(ring.query);
    if split > 1 && ring.query == QueryIn::Registers {
        return refuse("Q is copied by all warps together; take --query shared".to_owned());
    }
    let least_stages = if ring.values == ValuesIn::Keys { 2 } else { 1 };
    if let Some(stages) = tuning.stages {
        if !(least_stages..=MAX_STAGES).contains(&stages) {
            return refuse(format!("{stages} stages: take {least_stages} to {MAX_STAGES}"));
        }
        ring.sizes.stages = stages;
    } else if ring.shared_bytes() > shared_limit(&ring) {
        ring.sizes.stages = least_stages;
    }
    let limit = shared_limit(&ring);
    if ring.shared_bytes() > limit {
        let bytes = ring.shared_bytes();
        return refuse(format!(
            "needs {bytes} bytes of shared memory of {limit}; take fewer rows, columns or stages"
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

//! Schedules for Hopper: which tiles a mask leaves chooses the row, blocks of a cache its columns, and a [`Tuning`] is held
//! against registers and shared memory.

use super::row::{MaskClass, RolesRow, both, pair};
use super::{
    LATENT, MAX_STAGES, ScheduleError, bytes_table, f32_roles_table, in_keys, roles_table, row_among,
};
use crate::analysis::attention::Attention;
use crate::analysis::bounds::Interval;
use crate::layout::fragment::{K, K_BYTES};
use crate::layout::swizzle::PERIOD;
use crate::program::DType;
use crate::schedule::{
    KvBox, OutputIn, Products, QueryIn, Rescale, Roles, Sizes, Sums, Tuning, ValuesIn, WARPGROUP_ROWS,
    WARPGROUP_WARPS, gcd,
};
use crate::spec::{Arch, HeadDim, Spec, ValueLayout};

/// Head dimensions with rows in the table of sm_90a.
pub const SM90_TUNED: &[HeadDim] =
    &[both(64), both(96), both(128), both(192), both(256), pair(192, 128), LATENT];
/// Head dimensions with rows in the table of f32 inputs that are split. A latent cache has none: beside 64 rows of its queries there
/// is room for 32 tokens, and its columns of O are cut in two.
pub const F32_ROLES_TUNED: &[HeadDim] =
    &[both(64), both(96), both(128), both(192), both(256), pair(192, 128)];
/// Registers of a consumer for all but O, products, scores and probabilities.
const BESIDE: usize = 24;
/// Shared memory that a block may ask for.
pub const SM90_SHARED_LIMIT: usize = 227 * 1024;

impl MaskClass {
    /// The class of a recognised program, and the one that it counts for where the first has no row.
    pub fn of(attention: &Attention) -> [MaskClass; 2] {
        let by_mask = if attention.seen == Interval::ALL { MaskClass::Full } else { MaskClass::Bounded };
        let own = match () {
            () if attention.is_placed() => MaskClass::Placed,
            () if attention.has_conditions() => MaskClass::Conditions,
            () => by_mask,
        };
        [own, by_mask]
    }
}

impl RolesRow {
    /// The row of the table that a spec's schedule begins with; `None` for a target without a table of these.
    pub fn of(spec: &Spec, attention: &Attention) -> Option<&'static RolesRow> {
        let classes = MaskClass::of(attention);
        match (spec.arch, spec.dtype) {
            (Arch::Sm80, _) => None,
            (Arch::Sm90a, DType::F32) if !spec.tuning.takes_roles_of_f32() => None,
            (Arch::Sm90a, DType::F32) => {
                f32_roles_table::row(row_among(F32_ROLES_TUNED, spec.head_dim)?, spec.shape, classes)
            }
            (Arch::Sm90a, dtype) if dtype.is_eight_bits() => {
                bytes_table::row(spec.head_dim, spec.shape, classes)
            }
            (Arch::Sm90a, _) => roles_table::row(row_among(SM90_TUNED, spec.head_dim)?, spec.shape, classes),
        }
    }
}

/// The schedule of a spec; `None` where the table has no row for it.
pub(super) fn choose(spec: &Spec, attention: &Attention) -> Result<Option<Roles>, ScheduleError> {
    let Some(row) = RolesRow::of(spec, attention) else { return Ok(None) };
    let mut roles = match spec.dtype {
        DType::F32 => row.schedule_of_f32(),
        dtype if dtype.is_eight_bits() => match spec.values {
            ValueLayout::Rows => transposed(row.schedule_of_bytes()),
            ValueLayout::Transposed => row.schedule_of_bytes(),
        },
        _ => row.schedule(),
    };
    roles.sizes.head_dim = spec.head_dim;
    if spec.widens() {
        roles = widened(roles);
    }
    if attention.has_values_in_keys() {
        let fits = |sizes| {
            let roles = Roles { sizes, ..roles };
            roles.shared_bytes() <= roles.shared_limit()
        };
        roles.sizes = in_keys(roles.sizes, fits);
        while !fits(roles.sizes) && roles.cols > 16 {
            roles.sizes.cols -= 16;
        }
    }
    if !attention.normalised {
        // There is no maximum that could have grown.
        roles.sizes.rescale = Rescale::Always;
    }
    for _ in 0..room(spec, attention, roles.sizes) {
        roles.sizes = with_room(roles.sizes);
    }
    let unit = depth(roles.products);
    roles.sizes.cols = (roles.cols / unit * unit).max(unit);
    // Lanes that copy row by row look every row up, and do not care for blocks.
    let block_size = spec.block_size.filter(|_| attention.table.is_some() && !roles.converts());
    if let Some(block_size) = block_size {
        roles.sizes.cols = columns_of_blocks(roles.cols, block_size, depth(roles.products));
    }
    roles = tuned(roles, &spec.tuning)?;
    if let Some(block_size) = block_size {
        let rows = gcd(block_size, roles.cols);
        roles.kv_box = if rows < PERIOD { KvBox::Rows } else { KvBox::Run { rows } };
    }
    Ok(Some(roles))
}

/// The same, but for what `tuning` says.
pub(super) fn tuned(of_table: Roles, tuning: &Tuning) -> Result<Roles, ScheduleError> {
    if *tuning == Tuning::default() {
        return Ok(of_table);
    }
    let (rows, cols) = tuning.tile.unwrap_or((of_table.rows, of_table.cols));
    let refuse = |reason: String| Err(ScheduleError::Tile { rows, cols, reason });
    if !matches!(rows, 64 | 128 | 192) {
        return refuse("rows must be 64, 128 or 192: a consumer warpgroup owns 64".to_owned());
    }
    if (of_table.converts() || of_table.transposes) && rows > 128 {
        let what = match () {
            () if of_table.splits() => "of f32",
            () if of_table.widens => "over keys of 8 bits",
            () => "of 8 bits whose values are transposed",
        };
        return refuse(format!("rows {what} must be 64 or 128: there are no registers for a third consumer"));
    }
    let split = of_table.split;
    if split > 1 && rows != WARPGROUP_ROWS {
        return refuse(format!("rows must be 64: {split} consumer warpgroups share them"));
    }
    let consumers = rows / WARPGROUP_ROWS * split;
    let unit = depth(of_table.products);
    if cols == 0 || cols % unit != 0 || cols > 256 {
        return refuse(format!("columns must be a multiple of {unit}, at most 256"));
    }
    if of_table.products != Products::Bytes && tuning.sums == Some(Sums::TwoLevels) {
        return refuse(
            "tensor cores keep all that f32 holds of products of 16 bits; take --levels one".to_owned(),
        );
    }
    if of_table.products == Products::Bytes && tuning.output == Some(OutputIn::OverQuery) {
        return refuse("O takes more room than a Q of 8 bits; take --output own".to_owned());
    }
    let warps = consumers * WARPGROUP_WARPS;
    if let Some(asked) = tuning.warps
        && asked != warps
    {
        return refuse(format!("{asked} warps multiply: {rows} rows take {warps}, 16 rows each"));
    }
    if tuning.query == Some(QueryIn::Registers) {
        let other = if of_table.splits() { ", or --family ring" } else { "" };
        return refuse(format!("Q is read by `wgmma` from shared memory; take --query shared{other}"));
    }
    let blocks_per_sm =
        tuning.blocks_per_sm.unwrap_or(if consumers > 1 { 1 } else { of_table.blocks_per_sm });
    if blocks_per_sm == 0 || blocks_per_sm > 2 || (blocks_per_sm == 2 && consumers > 1) {
        return refuse(format!("{blocks_per_sm} blocks on a multiprocessor: take 1, or 2 of 64 rows each"));
    }
    let rescale = match tuning.rescale {
        None => of_table.rescale,
        Some(false) => Rescale::Always,
        Some(true) if of_table.products == Products::Bytes => Rescale::GROWN_OF_BYTES,
        Some(true) => Rescale::GROWN,
    };
    let stages = tuning.stages.unwrap_or(of_table.stages);
    let mut roles = Roles {
        sizes: Sizes { rows, cols, warps, stages, rescale, blocks_per_sm, ..of_table.sizes },
        output: tuning.output.unwrap_or(of_table.output),
        polynomial: tuning.polynomial.unwrap_or(of_table.polynomial),
        overlap: tuning.overlap.unwrap_or(of_table.overlap),
        pass: tuning.pass.unwrap_or(of_table.pass),
        kv_box: if of_table.converts() { KvBox::Rows } else { KvBox::Panel },
        sums: tuning.sums.unwrap_or(of_table.sums),
        transposes: of_table.transposes,
    };
    // Accumulators, scores, and probabilities in pairs, beside at least 24 for the rest.
    let needed = roles.consumer_holds().iter().sum::<usize>() + BESIDE;
    let (_, consumer_registers) = roles.registers();
    if needed > consumer_registers.min(255) as usize {
        return refuse(format!(
            "needs some {needed} registers a thread of the {consumer_registers} that {consumers} consumer \
             warpgroups have each; take fewer columns or rows"
        ));
    }
    if roles.polynomial > 16 {
        return refuse("at most 16 of every 16 exponentials can be polynomials".to_owned());
    }
    let least_stages = if roles.values == ValuesIn::Keys { 2 } else { 1 };
    if !(least_stages..=MAX_STAGES).contains(&stages) {
        return refuse(format!("{stages} stages: take {least_stages} to {MAX_STAGES}"));
    }
    let limit = roles.shared_limit();
    // What was not asked for gives way: O's own memory first, then stages.
    if tuning.output.is_none() && roles.shared_bytes() > limit && roles.products != Products::Bytes {
        roles.output = OutputIn::OverQuery;
    }
    while tuning.stages.is_none() && roles.stages > least_stages && roles.shared_bytes() > limit {
        roles.sizes.stages -= 1;
    }
    if roles.shared_bytes() > limit {
        let bytes = roles.shared_bytes();
        return refuse(format!(
            "needs {bytes} bytes of shared memory of {limit}; take fewer rows, columns or stages"
        ));
    }
    Ok(roles)
}

impl Roles {
    /// Shared memory that a block may have so that as many fit as should. The system takes 1 KiB of each.
    pub fn shared_limit(&self) -> usize {
        if self.blocks_per_sm == 1 {
            SM90_SHARED_LIMIT
        } else {
            228 * 1024 / self.blocks_per_sm as usize - 1024
        }
    }
}

/// How many times to make room for what is made of each score. A planned kernel has its item's range of columns to keep as well: at
/// head_dim 64 ptxas has been seen to spill 16 and 20 bytes of a map under a window where three consumers are, and 60 of what is long
/// for any tile.
fn room(spec: &Spec, attention: &Attention, sizes: Sizes) -> usize {
    let room = attention.room();
    let is_tight = match room {
        0 => sizes.warps > 2 * WARPGROUP_WARPS && !attention.scores.is_empty() && attention.seen.lo.is_some(),
        _ => room > 1,
    };
    room + usize::from(spec.work.is_planned() && is_tight)
}

/// The schedule of 16 bits, for keys and values that the producer widens: there are no registers for a third consumer beside four
/// warps that have numbers on their way.
fn widened(roles: Roles) -> Roles {
    let mut sizes = Sizes { widens: true, ..roles.sizes };
    if sizes.warps > 2 * WARPGROUP_WARPS {
        sizes = Sizes { rows: 2 * WARPGROUP_ROWS, warps: 2 * WARPGROUP_WARPS, ..sizes };
    }
    let mut roles = Roles { sizes, kv_box: KvBox::Rows, ..roles };
    // Of O, scores and probabilities, by what a producer leaves two consumers: with more ptxas has been seen to spill 8 to 48 bytes.
    let most = match roles.panels_of_row() {
        // Of two blocks each has 176 registers for its one consumer: with 144 of them a window of contiguous keys spilled 4 bytes.
        _ if roles.consumers() == 1 && roles.blocks_per_sm == 2 => 140,
        0..5 => 180,
        5..10 => 168,
        _ => 156,
    };
    let is_tight = roles.consumers() > 1 || roles.blocks_per_sm == 2;
    while is_tight && roles.consumer_holds().iter().sum::<usize>() > most {
        roles.sizes.cols -= 16;
    }
    roles
}

/// The schedule of products of 8 bits, for values that are transposed in shared memory: the warps that do leave fewer registers, and the tile
/// that they read less memory.
fn transposed(of_table: Roles) -> Roles {
    let mut roles = Roles { transposes: true, ..of_table };
    if roles.warps > 2 * WARPGROUP_WARPS {
        roles.sizes = Sizes { rows: 2 * WARPGROUP_ROWS, warps: 2 * WARPGROUP_WARPS, ..roles.sizes };
    }
    let held = |roles: &Roles| roles.consumer_holds().iter().sum::<usize>() + BESIDE;
    while roles.cols > K_BYTES && held(&roles) > roles.registers().1.min(255) as usize {
        roles.sizes.cols -= K_BYTES;
    }
    while roles.stages > 1 && roles.shared_bytes() > roles.shared_limit() {
        roles.sizes.stages -= 1;
    }
    roles
}

/// Sizes that leave more registers for what is made of each score: two consumers at most, or two thirds of the columns. Of a bias
/// three consumers spill 340 bytes at head_dim 64, and two at head_dim 128 spill 80 with 128 columns; with these sizes neither
/// does, nor buckets of distances, which take a logarithm.
fn with_room(sizes: Sizes) -> Sizes {
    if sizes.warps > 2 * WARPGROUP_WARPS && sizes.split == 1 {
        return Sizes { rows: 2 * WARPGROUP_ROWS, warps: 2 * WARPGROUP_WARPS, ..sizes };
    }
    Sizes { cols: (sizes.cols * 2 / 3 / 16 * 16).max(16), ..sizes }
}

/// Columns of one product of P V.
fn depth(products: Products) -> usize {
    if products == Products::Bytes { K_BYTES } else { K }
}

/// At most `cols` columns, a multiple of `unit`, that whole blocks fill or that fill a block with few others: then a block
/// of a tile is one box. `cols` itself where that would cost more than a quarter of it.
fn columns_of_blocks(cols: usize, block_size: usize, unit: usize) -> usize {
    let fits = |cols: &usize| cols.is_multiple_of(block_size) || block_size.is_multiple_of(*cols);
    (cols * 3 / 4..=cols).rev().filter(|cols| cols.is_multiple_of(unit)).find(fits).unwrap_or(cols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_whole_blocks() {
        let table = [
            (1, 160),
            (4, 160),
            (16, 160),
            (24, 144),
            (32, 160),
            (40, 160),
            (48, 144),
            (64, 128),
            (128, 128),
            (256, 128),
        ];
        for (block_size, cols) in table {
            assert_eq!(columns_of_blocks(160, block_size, 16), cols, "blocks of {block_size}");
        }
        // Three blocks of 56 and two of 88 are no multiple of 16, two of 56 far fewer: boxes of eight rows.
        assert_eq!((columns_of_blocks(160, 56, 16), columns_of_blocks(160, 88, 16)), (160, 160));
    }
}

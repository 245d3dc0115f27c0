//! How a program runs on a target: tile sizes, warps, ring depth, where Q lives. Data, with a default for
//! every (target, head_dim, shape class) and the figure that chose it beside each (`table.rs`). A [`Tuning`] says
//! otherwise, in whole or in part.

mod hopper;
mod hopper_plan;
mod hopper_show;
mod hopper_table;
mod hopper_timeline;
mod table;

pub use crate::tuning::{OutputIn, Overlap, PassTurn, QueryIn, Tuning};
pub(crate) use hopper::gcd;
pub use hopper::{
    HopperRow, KvBox, MaskClass, Roles, SM90_HEAD_DIMS, SM90_SHARED_LIMIT, TILE_INFO_BYTES, TILE_INFOS,
    WARPGROUP_ROWS,
};
pub use hopper_plan::{BarrierAt, Copies, Meeting, Region};
pub use hopper_table::SM90;
pub use hopper_timeline::{Activity, Costs, Event, Lane, Moment, Span, Timeline};
pub use table::{Row, SM80};

use crate::analysis::attention::Attention;
use crate::analysis::bounds::{Bound, Interval};
use crate::layout::swizzle::Swizzle;
use crate::program::Expr;
use crate::spec::{Arch, ShapeClass, Spec};
use std::fmt;
use std::str::FromStr;

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

/// When the accumulator is multiplied by exp(m_old - m_new).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rescale {
    /// For every tile of columns.
    Always,
    /// Only when some row maximum of the warp has grown by more than `threshold` (in units of log2). Until
    /// then probabilities are kept relative to the older maximum, which is exact: numerator and denominator
    /// carry the same factor. They stay below 2^threshold, which f16 must hold.
    Grown {
        /// log2 of the largest probability kept
        threshold: f32,
    },
}

/// How a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Target.
    pub arch: Arch,
    /// Head dimension.
    pub head_dim: usize,
    /// Query rows of a tile; packed heads count as rows.
    pub rows: usize,
    /// Key columns of a tile.
    pub cols: usize,
    /// Warps that multiply; each owns `rows / warps` rows.
    pub warps: usize,
    /// Column tiles in flight: `2 * stages` slots, K and V in turn, or a ring of each.
    pub stages: usize,
    /// Where Q is.
    pub query: QueryIn,
    /// When the accumulator is rescaled.
    pub rescale: Rescale,
    /// Blocks that should fit on a multiprocessor together (`.minnctapersm`).
    pub blocks_per_sm: u32,
    /// Where warps have roles: a producer that copies beside the warps that multiply. sm_90a.
    pub roles: Option<Roles>,
}

/// Why there is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A head dimension that has no layout.
    #[error("head_dim {head_dim} does not fit {arch}: kernels are made for {}", list(.supported))]
    HeadDim {
        /// asked for
        head_dim: usize,
        /// the target
        arch: Arch,
        /// what there is
        supported: &'static [usize],
    },
    /// A head dimension that has a layout, but no row in the table.
    #[error(
        "no row of the table of {arch} is for head_dim {head_dim}, {shape}: say a tile, as in --tile 64x64"
    )]
    NoRow {
        /// asked for
        head_dim: usize,
        /// the target
        arch: Arch,
        /// asked for
        shape: ShapeClass,
    },
    /// A schedule asked for by hand.
    #[error("tile {rows}x{cols}: {reason}")]
    Tile {
        /// asked for, or the table's
        rows: usize,
        /// asked for, or the table's
        cols: usize,
        /// what is wrong and what to write instead
        reason: String,
    },
}

impl ScheduleError {
    fn no_row(spec: &Spec) -> ScheduleError {
        let Spec { head_dim, arch, shape, .. } = *spec;
        ScheduleError::NoRow { head_dim, arch, shape }
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

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Head dimensions of the sm_80 lowering.
pub const SM80_HEAD_DIMS: &[usize] = &[64, 128, 192, 256];

/// Head dimensions that there are kernels of.
pub fn head_dims(arch: Arch) -> &'static [usize] {
    match arch {
        Arch::Sm80 => SM80_HEAD_DIMS,
        Arch::Sm90a => SM90_HEAD_DIMS,
    }
}

/// Most column tiles in flight.
pub const MAX_STAGES: usize = 8;

/// Shared memory a block may ask for on every sm_80 device (sm_86 and sm_89 have 99 KiB).
pub const SM80_SHARED_LIMIT: usize = 99 * 1024;

impl Schedule {
    /// The default schedule of a spec, or the tile that the spec asks for.
    pub fn choose(spec: &Spec, attention: &Attention) -> Result<Schedule, ScheduleError> {
        if spec.arch == Arch::Sm90a {
            return Schedule::choose_hopper(spec, attention);
        }
        if !SM80_HEAD_DIMS.contains(&spec.head_dim) {
            let (head_dim, arch) = (spec.head_dim, spec.arch);
            return Err(ScheduleError::HeadDim { head_dim, arch, supported: SM80_HEAD_DIMS });
        }
        let carries = Carries::of(spec, attention);
        let row =
            table::row(spec.head_dim, spec.shape, carries).ok_or_else(|| ScheduleError::no_row(spec))?;
        Schedule::of_row(row).tuned(&spec.tuning)
    }

    /// The schedule of a row of the table.
    pub fn of_row(row: &Row) -> Schedule {
        let Row { head_dim, rows, cols, warps, stages, query, blocks_per_sm, .. } = *row;
        // Spares 128 of some 590 instructions a tile at head_dim 128 for most tiles, and the registers that
        // multiplying in the middle of a tile costs: with `Always` that kernel spills.
        let rescale = Rescale::Grown { threshold: 8.0 };
        Schedule {
            arch: Arch::Sm80,
            head_dim,
            rows,
            cols,
            warps,
            stages,
            query,
            rescale,
            blocks_per_sm,
            roles: None,
        }
    }

    /// The same, but for what `tuning` says.
    ///
    /// # Errors
    /// What it says cannot be lowered, with what to write instead.
    pub fn tuned(self, tuning: &Tuning) -> Result<Schedule, ScheduleError> {
        if *tuning == Tuning::default() {
            return Ok(self);
        }
        if let Some(roles) = self.roles {
            return self.tuned_hopper(roles, tuning);
        }
        let mut schedule = self;
        if let Some((rows, cols)) = tuning.tile {
            schedule = Schedule { rows, cols, ..schedule };
            schedule.warps = match rows {
                16 => 1,
                32 => 2,
                _ => 4,
            };
        }
        schedule.warps = tuning.warps.unwrap_or(schedule.warps);
        let Schedule { rows, cols, warps, .. } = schedule;
        let refuse = |reason: String| Err(ScheduleError::Tile { rows, cols, reason });
        let Tuning { rescale, output, polynomial, overlap, pass, .. } = *tuning;
        let only = Tuning { rescale, output, polynomial, overlap, pass, ..Tuning::default() };
        if only != Tuning::default() {
            return refuse(format!("`{only}` is for sm_90a, not for {}: leave it out", self.arch));
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
        let registers = schedule.rows_per_warp() * (self.head_dim + cols) / 32;
        if registers > 192 {
            return refuse(format!(
                "{registers} registers a lane for accumulators and scores, of at most 192; take fewer rows or columns"
            ));
        }
        if tuning.tile.is_some() || tuning.warps.is_some() {
            let of_query = schedule.rows_per_warp() * self.head_dim / 64;
            schedule.query = if registers + of_query > 160 { QueryIn::Shared } else { QueryIn::Registers };
        }
        schedule.query = tuning.query.unwrap_or(schedule.query);
        if let Some(stages) = tuning.stages {
            if !(1..=MAX_STAGES).contains(&stages) {
                return refuse(format!("{stages} stages: take 1 to {MAX_STAGES}"));
            }
            schedule.stages = stages;
        } else if schedule.shared_bytes() > SM80_SHARED_LIMIT {
            schedule.stages = 1;
        }
        if schedule.shared_bytes() > SM80_SHARED_LIMIT {
            let bytes = schedule.shared_bytes();
            return refuse(format!(
                "needs {bytes} bytes of shared memory of {SM80_SHARED_LIMIT}; take fewer rows, columns or stages"
            ));
        }
        if let Some(blocks) = tuning.blocks_per_sm {
            if !(1..=32).contains(&blocks) {
                return refuse(format!("{blocks} blocks on a multiprocessor: take 1 to 32"));
            }
            schedule.blocks_per_sm = blocks;
        }
        Ok(schedule)
    }

    /// What of `self` a [`Tuning`] can say, all said.
    pub fn tuning(&self) -> Tuning {
        Tuning {
            tile: Some((self.rows, self.cols)),
            warps: Some(self.warps),
            stages: Some(self.stages),
            query: Some(self.query),
            blocks_per_sm: Some(self.blocks_per_sm),
            rescale: self.roles.map(|_| self.rescale != Rescale::Always),
            output: self.roles.map(|roles| roles.output),
            polynomial: self.roles.map(|roles| roles.polynomial),
            overlap: self.roles.map(|roles| roles.overlap),
            pass: self.roles.map(|roles| roles.pass),
        }
    }

    /// Columns that a paged kernel takes from one block at a time: a tile may begin at any multiple of them.
    pub fn column_run(&self, block_size: usize) -> usize {
        gcd(block_size, self.cols).max(1)
    }

    /// Threads of a block: with roles, a producer warpgroup beside the warps that multiply.
    pub fn threads(&self) -> usize {
        let producers = if self.roles.is_some() { hopper::WARPGROUP_WARPS } else { 0 };
        (producers + self.warps) * 32
    }

    /// Rows that one warp owns: 16 or 32.
    pub fn rows_per_warp(&self) -> usize {
        self.rows / self.warps
    }

    /// Layout of the Q, K and V tiles in shared memory (16-bit elements).
    pub fn swizzle(&self) -> Swizzle {
        Swizzle { row_bytes: self.head_dim * 2 }
    }

    /// Slots of the K/V ring.
    pub fn slots(&self) -> usize {
        2 * self.stages
    }

    /// Bytes of one slot: a K or V tile.
    pub fn slot_bytes(&self) -> usize {
        self.cols * self.swizzle().row_bytes
    }

    /// Byte offset of the ring; Q (and later O) lies before it.
    pub fn ring_offset(&self) -> usize {
        self.rows * self.swizzle().row_bytes
    }

    /// Dynamic shared memory of a block.
    pub fn shared_bytes(&self) -> usize {
        if let Some(roles) = self.roles {
            return crate::plan::roles::buffers(self, roles).1;
        }
        crate::plan::ring::buffers(self).1
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self;
        if let Some(roles) = self.roles {
            return hopper_show::show(self, roles, f);
        }
        writeln!(f, "schedule for {}, head_dim {}", s.arch, s.head_dim)?;
        writeln!(f, "  tile        {} rows x {} columns", s.rows, s.cols)?;
        let products = s.rows_per_warp() / 16;
        writeln!(f, "  warps       {}, each {} rows ({products} x m16)", s.warps, s.rows_per_warp())?;
        writeln!(f, "  ring        {} slots of {} KiB, K and V in turn", s.slots(), s.slot_bytes() / 1024)?;
        let query = match s.query {
            QueryIn::Registers => "in registers, read once",
            QueryIn::Shared => "in shared memory, read for every column tile",
        };
        writeln!(f, "  Q           {query}")?;
        match s.rescale {
            Rescale::Always => writeln!(f, "  rescale     every column tile")?,
            Rescale::Grown { threshold } => writeln!(
                f,
                "  rescale     when a row maximum has grown by a factor of more than 2^{threshold}"
            )?,
        }
        writeln!(f, "  shared memory")?;
        writeln!(f, "    {:>6}  Q, then O   {} x {} B, swizzled", 0, s.rows, s.swizzle().row_bytes)?;
        for slot in 0..s.slots() {
            let name = if slot % 2 == 0 { "K" } else { "V" };
            let offset = s.ring_offset() + slot * s.slot_bytes();
            writeln!(
                f,
                "    {offset:>6}  {name} stage {}   {} x {} B, swizzled",
                slot / 2,
                s.cols,
                s.swizzle().row_bytes
            )?;
        }
        writeln!(f, "    {:>6}  end", s.shared_bytes())?;
        writeln!(f, "  one column tile")?;
        writeln!(f, "    wait K, barrier │ copy V of tile j{} │ S = Q Kᵀ", ahead(s.stages - 1))?;
        writeln!(
            f,
            "    wait V, barrier │ copy K of tile j{} │ map, mask, softmax │ O += P V",
            ahead(s.stages)
        )
    }
}

fn ahead(stages: usize) -> String {
    if stages == 0 { String::new() } else { format!("-{stages}") }
}

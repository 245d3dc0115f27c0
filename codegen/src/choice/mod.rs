//! Which schedule a kernel gets: a row of its target's table, with the figure that chose it, and what a [`Tuning`] says
//! otherwise.
//!
//! Kernels are made for every head dimension of [`HEAD_DIMS`]. Some of them are *tuned*: they have rows of their own. Any other
//! takes the rows of the next larger one that has, and one where queries and keys have another than values and the output those
//! of the larger of the two. Its tiles then need fewer registers and less shared memory, so they fit.
//!
//! Kernels of f32 inputs have tables of their own: one of warps that are all alike, for every target, and of those that split their
//! factors one of warps of two roles, for sm_90a.

mod bytes_table;
mod f32_roles_table;
mod f32_table;
mod ring;
mod ring_table;
mod roles;
mod roles_table;
mod row;

pub use bytes_table::BYTES;
pub use f32_roles_table::F32_ROLES;
pub use f32_table::{F32, TF32};
pub use ring::{F32_TUNED, SM80_SHARED_LIMIT, SM80_TUNED};
pub use ring_table::SM80;
pub use roles::{F32_ROLES_TUNED, SM90_SHARED_LIMIT, SM90_TUNED};
pub use roles_table::SM90;
pub use row::{Carries, MaskClass, RingRow, RolesRow};

use crate::analysis::attention::Attention;
use crate::layout::transposed_copy::{self, KEYS_OF_CHUNK};
use crate::program::DType;
use crate::schedule::{F32Products, Family, Schedule, Sizes, Tuning, ValuesIn};
use crate::spec::{Arch, HeadDim, ShapeClass, Spec, ValueLayout};

/// Most column tiles in flight.
pub const MAX_STAGES: usize = 8;

/// The sizes of a kernel whose values are its keys, from a row for those that load both: as many slots as there is room for, none
/// of which is V's. K that is V is kept until both products have read it, and another comes meanwhile.
fn in_keys(of_row: Sizes, fits: impl Fn(Sizes) -> bool) -> Sizes {
    let stages = (2 * of_row.stages).min(MAX_STAGES);
    let mut sizes = Sizes { values: ValuesIn::Keys, stages, ..of_row };
    while sizes.stages > 2 && !fits(sizes) {
        sizes.stages -= 1;
    }
    sizes
}

/// Why there is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A head dimension that has no layout.
    #[error(
        "head_dim {head_dim} has no kernels: they are made for multiples of 16 from {} to {}{}",
        HEAD_DIMS[0],
        HEAD_DIMS[HEAD_DIMS.len() - 1],
        way_out(*.head_dim)
    )]
    HeadDim {
        /// asked for
        head_dim: usize,
    },
    /// A head dimension that has a layout, but no row in the table.
    #[error(
        "no row of the table of {arch} is for head_dim {head_dim}, {shape}: say a tile, as in --tile 64x64"
    )]
    NoRow {
        /// asked for
        head_dim: HeadDim,
        /// the target
        arch: Arch,
        /// asked for
        shape: ShapeClass,
    },
    /// A head dimension that products of 8 bits have no layout of.
    #[error(
        "head_dim {head_dim} has no kernels of {dtype}: they are made for 64, 128 and 256; keys and values of 8 bits under queries of f16 or \
         bf16 have kernels of every head dimension"
    )]
    HeadDimOfEightBits {
        /// asked for
        head_dim: HeadDim,
        /// element type of the queries
        dtype: DType,
    },
    /// Products of 8 bits on a target without them, or of programs that they do not serve.
    #[error("no kernel multiplies queries of {dtype} for {arch}: {reason}")]
    EightBits {
        /// element type of the queries
        dtype: DType,
        /// the target
        arch: Arch,
        /// what is in the way, and the way out
        reason: &'static str,
    },
    /// Values that lie otherwise than a kernel reads them.
    #[error("no kernel of {dtype} queries reads values that are stored transposed: {reason}")]
    Transposed {
        /// element type of the queries
        dtype: DType,
        /// what is in the way, and the way out
        reason: String,
    },
    /// A family that does not make such kernels.
    #[error(
        "the family `{family}` makes no kernels of {dtype} for {arch}{how}: leave `--family {family}` out"
    )]
    Family {
        /// asked for
        family: Family,
        /// element type of the inputs
        dtype: DType,
        /// the target
        arch: Arch,
        /// how f32 is multiplied
        how: String,
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

/// Head dimensions that there are kernels of, for every target: multiples of 16, the depth of a product.
pub const HEAD_DIMS: [usize; 15] = [32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256];

/// Multi-head latent attention's: keys of a latent vector and a rotated part, of which the latent vector is the values too.
pub const LATENT: HeadDim = HeadDim { qk: 576, v: 512 };

/// Head dimensions that have rows of their own in a target's table, for inputs of 16 bits.
pub fn tuned_head_dims(arch: Arch) -> &'static [HeadDim] {
    match arch {
        Arch::Sm80 => SM80_TUNED,
        Arch::Sm90a => SM90_TUNED,
    }
}

/// Head dimensions that take the rows of a larger one.
pub fn untuned_head_dims(arch: Arch) -> impl Iterator<Item = usize> {
    HEAD_DIMS.into_iter().filter(move |head_dim| !tuned_head_dims(arch).contains(&(*head_dim).into()))
}

/// The head dimensions whose rows some take: themselves, or the next larger that are tuned and the same for all tensors.
pub fn row_head_dim(arch: Arch, head_dim: HeadDim) -> Option<HeadDim> {
    row_among(tuned_head_dims(arch), head_dim)
}

/// The same of a table with rows for `tuned`.
fn row_among(tuned: &[HeadDim], head_dim: HeadDim) -> Option<HeadDim> {
    let fits = |other: &HeadDim| other.qk == other.v && other.qk >= head_dim.larger();
    tuned.iter().find(|other| **other == head_dim).or_else(|| tuned.iter().find(|other| fits(other))).copied()
}

/// The default schedule of a spec, or the one that the spec asks for.
///
/// # Errors
/// A head dimension without kernels, or a tuning that cannot be lowered.
pub fn choose(spec: &Spec, attention: &Attention) -> Result<Schedule, ScheduleError> {
    let Spec { head_dim, arch, shape, .. } = *spec;
    if spec.dtype.is_eight_bits() {
        check_eight_bits(spec, attention)?;
    }
    if spec.values == ValueLayout::Transposed {
        check_transposed(spec, attention)?;
    }
    let tuned = if spec.dtype == DType::F32 { F32_TUNED } else { tuned_head_dims(arch) };
    let untold = |one: &usize| !HEAD_DIMS.contains(one) && !tuned.contains(&head_dim);
    if let Some(head_dim) = [head_dim.qk, head_dim.v].into_iter().find(untold) {
        return Err(ScheduleError::HeadDim { head_dim });
    }
    let (asked, products) = (spec.tuning.family, spec.tuning.f32_products());
    let is_f32 = spec.dtype == DType::F32;
    let makes = |family| match (family, arch) {
        (Family::Ring, Arch::Sm80) => true,
        (Family::Ring, Arch::Sm90a) => is_f32,
        (Family::Roles, Arch::Sm80) => false,
        (Family::Roles, Arch::Sm90a) => !is_f32 || products == F32Products::Bf16x3,
    };
    if let Some(family) = asked.filter(|family| !makes(*family)) {
        let how = if is_f32 { format!(" by {products}") } else { String::new() };
        return Err(ScheduleError::Family { family, dtype: spec.dtype, arch, how });
    }
    let mut chosen = None;
    if makes(Family::Roles) && asked != Some(Family::Ring) {
        chosen = roles::choose(spec, attention)?.map(Schedule::Roles);
    }
    // What does not fit roles.
    if chosen.is_none() && makes(Family::Ring) && asked != Some(Family::Roles) {
        chosen = ring::choose(spec, attention)?.map(Schedule::Ring);
    }
    chosen.ok_or(ScheduleError::NoRow { head_dim, arch, shape })
}

/// Whether a program reads values that are stored transposed.
fn check_transposed(spec: &Spec, attention: &Attention) -> Result<(), ScheduleError> {
    let dtype = spec.dtype;
    let refuse = |reason: String| Err(ScheduleError::Transposed { dtype, reason });
    if !dtype.is_eight_bits() {
        return refuse(
            "that is how products of 8 bits read them; store them by rows, or give queries e4m3 or e5m2"
                .to_owned(),
        );
    }
    match (attention.table, spec.block_size) {
        (None, _) => refuse("contiguous values lie by rows".to_owned()),
        (_, Some(size)) if !size.is_multiple_of(KEYS_OF_CHUNK) => {
            refuse(format!("tokens lie by {KEYS_OF_CHUNK}, of which blocks of {size} hold no whole number"))
        }
        _ => Ok(()),
    }
}

/// Whether products of 8 bits serve a program.
fn check_eight_bits(spec: &Spec, attention: &Attention) -> Result<(), ScheduleError> {
    let Spec { dtype, arch, head_dim, .. } = *spec;
    let refuse = |reason| Err(ScheduleError::EightBits { dtype, arch, reason });
    if arch == Arch::Sm80 {
        return refuse(
            "its tensor cores have no products of 8-bit floats; give queries f16 or bf16, and keys and values 8 bits",
        );
    }
    if attention.has_values_in_keys() {
        return refuse(
            "tensor cores read values of 8 bits transposed, and these are keys as well; give queries f16 or bf16, and keys 8 bits",
        );
    }
    if !attention.normalised {
        return refuse(
            "without a softmax nothing bounds what would be rounded to 8 bits; give queries f16 or bf16",
        );
    }
    if !transposed_copy::is_multiplied(head_dim) {
        return Err(ScheduleError::HeadDimOfEightBits { head_dim, dtype });
    }
    Ok(())
}

impl Schedule {
    /// The same, but for what `tuning` says.
    ///
    /// # Errors
    /// What it says cannot be lowered, with what to write instead.
    pub fn tuned(self, tuning: &Tuning) -> Result<Schedule, ScheduleError> {
        Ok(match self {
            Schedule::Ring(ring) => ring::tuned(ring, tuning)?.into(),
            Schedule::Roles(roles) => roles::tuned(roles, tuning)?.into(),
        })
    }
}

/// What whoever asked for a head dimension without kernels may do.
fn way_out(head_dim: usize) -> String {
    if [LATENT.qk, LATENT.v].contains(&head_dim) {
        return format!(", and for {LATENT} (keys and values)");
    }
    match HEAD_DIMS.iter().find(|larger| **larger > head_dim) {
        Some(larger) if head_dim > 0 => {
            format!("; heads padded with zeros to {larger} give the same, and zeros behind it")
        }
        _ => String::new(),
    }
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

//! Which schedule a kernel gets: a row of its target's table, with the figure that chose it, and what a [`Tuning`] says
//! otherwise.

mod ring;
mod ring_table;
mod roles;
mod roles_table;
mod row;

pub use ring::{SM80_HEAD_DIMS, SM80_SHARED_LIMIT};
pub use ring_table::SM80;
pub use roles::{SM90_HEAD_DIMS, SM90_SHARED_LIMIT};
pub use roles_table::SM90;
pub use row::{Carries, MaskClass, RingRow, RolesRow};

use crate::analysis::attention::Attention;
use crate::schedule::{Schedule, Tuning};
use crate::spec::{Arch, ShapeClass, Spec};

/// Most column tiles in flight.
pub const MAX_STAGES: usize = 8;

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

/// Head dimensions that there are kernels of.
pub fn head_dims(arch: Arch) -> &'static [usize] {
    match arch {
        Arch::Sm80 => SM80_HEAD_DIMS,
        Arch::Sm90a => SM90_HEAD_DIMS,
    }
}

/// The default schedule of a spec, or the one that the spec asks for.
///
/// # Errors
/// A head dimension without kernels, or a tuning that cannot be lowered.
pub fn choose(spec: &Spec, attention: &Attention) -> Result<Schedule, ScheduleError> {
    let Spec { head_dim, arch, shape, .. } = *spec;
    let supported = head_dims(arch);
    if !supported.contains(&head_dim) {
        return Err(ScheduleError::HeadDim { head_dim, arch, supported });
    }
    let chosen = match arch {
        Arch::Sm80 => ring::choose(spec, attention)?.map(Schedule::Ring),
        Arch::Sm90a => roles::choose(spec, attention)?.map(Schedule::Roles),
    };
    chosen.ok_or(ScheduleError::NoRow { head_dim, arch, shape })
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

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

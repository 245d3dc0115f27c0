//! Warps that are all alike, FlashAttention-2's: one ring of K and V tiles in turn, their rows swizzled.

use super::{QueryIn, Rescale, Sizes};
use crate::layout::swizzle::Swizzle;
use std::fmt;
use std::ops::Deref;

/// The numbers of [`crate::plan::ring`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// What every family is told.
    pub sizes: Sizes,
    /// Where Q is during the main loop.
    pub query: QueryIn,
}

impl Deref for Ring {
    type Target = Sizes;

    fn deref(&self) -> &Sizes {
        &self.sizes
    }
}

impl Ring {
    /// Layout of the Q, K and V tiles in shared memory (16-bit elements).
    pub fn swizzle(&self) -> Swizzle {
        Swizzle { row_bytes: self.row_bytes() }
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let products = self.rows_per_warp() / 16;
        writeln!(f, "  warps       {}, each {} rows ({products} x m16)", self.warps, self.rows_per_warp())?;
        let slot = self.kv_tile_bytes() / 1024;
        writeln!(f, "  ring        {} slots of {slot} KiB, K and V in turn", self.slots())?;
        let query = match self.query {
            QueryIn::Registers => "in registers, read once",
            QueryIn::Shared => "in shared memory, read for every column tile",
        };
        writeln!(f, "  Q           {query}")?;
        match self.rescale {
            Rescale::Always => writeln!(f, "  rescale     every column tile"),
            Rescale::Grown { threshold } => writeln!(
                f,
                "  rescale     when a row maximum has grown by a factor of more than 2^{threshold}"
            ),
        }
    }
}

//! Warps that are all alike, FlashAttention-2's: one ring of K and V tiles in turn, their rows swizzled.

use super::{QueryIn, Rescale, Sizes, ValuesIn};
use crate::layout::swizzle::Swizzle;
use crate::spec::Arch;
use std::fmt;
use std::ops::Deref;

/// The numbers of [`crate::plan::ring`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// What every family is told.
    pub sizes: Sizes,
    /// Where Q is during the main loop.
    pub query: QueryIn,
    /// The target, which may be any: what it is made of is in all of them.
    pub arch: Arch,
}

impl Deref for Ring {
    type Target = Sizes;

    fn deref(&self) -> &Sizes {
        &self.sizes
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let products = self.rows_per_warp() / 16;
        let of = match self.split {
            1 => String::new(),
            split => format!(", the same, and 1/{split} of O's columns"),
        };
        writeln!(
            f,
            "  warps       {}, each {} rows ({products} x m16){of}",
            self.warps,
            self.rows_per_warp()
        )?;
        let kib = |row: Swizzle| self.cols * row.row_bytes / 1024;
        let (keys, values) = (kib(self.qk_row()), kib(self.v_row()));
        let sizes = if keys == values { keys.to_string() } else { format!("{keys} and {values}") };
        match self.values {
            ValuesIn::Own => {
                writeln!(f, "  ring        {} slots of {sizes} KiB, K and V in turn", self.slots())?;
            }
            ValuesIn::Keys => {
                writeln!(f, "  ring        {} slots of {keys} KiB, of K, which is V too", self.slots())?;
            }
        }
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

//! What a row of a table says: which kernels it is for, their schedule, and the figure that chose it.

use crate::schedule::{
    F32Products, KvBox, OutputIn, Overlap, PassTurn, Products, QueryIn, Rescale, Ring, Roles, Sizes, Sums,
    ValuesIn, WARPGROUP_ROWS, WARPGROUP_WARPS,
};
use crate::spec::{Arch, HeadDim, ShapeClass};
use std::fmt;
use std::str::FromStr;

/// One head dimension for queries, keys, values and the output.
pub(super) const fn both(head_dim: usize) -> HeadDim {
    HeadDim { qk: head_dim, v: head_dim }
}

/// One of queries and keys, another of values and the output.
pub(super) const fn pair(qk: usize, v: usize) -> HeadDim {
    HeadDim { qk, v }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingRow {
    /// Head dimensions.
    pub head_dim: HeadDim,
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

impl RingRow {
    /// Its schedule.
    pub fn schedule(&self) -> Ring {
        let RingRow { head_dim, rows, cols, warps, stages, query, blocks_per_sm, .. } = *self;
        // Spares 128 of some 590 instructions a tile at head_dim 128 for most tiles, and the registers that
        // multiplying in the middle of a tile costs: with `Always` that kernel spills.
        let rescale = Rescale::GROWN;
        let values = ValuesIn::Own;
        // 128 columns for each warp, or as many as there are warps for.
        let split = if head_dim.v > MOST_COLUMNS { warps.min(head_dim.v / 128) } else { 1 };
        let products = Products::Halves;
        let sizes = Sizes {
            head_dim,
            rows,
            cols,
            warps,
            stages,
            values,
            split,
            rescale,
            blocks_per_sm,
            products,
            widens: false,
        };
        Ring { sizes, query, arch: Arch::Sm80 }
    }
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
    /// An opaque mask, or a mask before a map: conditions that are evaluated for every score, for which registers are needed.
    Conditions,
}

/// Columns of O that a warpgroup has registers for: as many as a product has.
pub(super) const MOST_COLUMNS: usize = 256;

/// A row of the table for sm_90a.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RolesRow {
    /// Head dimensions.
    pub head_dim: HeadDim,
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

impl RolesRow {
    /// Its schedule, for contiguous keys.
    pub fn schedule(&self) -> Roles {
        let RolesRow { head_dim, consumers, cols, stages, blocks_per_sm, output, polynomial, .. } = *self;
        let split = head_dim.v.div_ceil(MOST_COLUMNS);
        let sizes = Sizes {
            head_dim,
            rows: consumers * WARPGROUP_ROWS / split,
            cols,
            warps: consumers * WARPGROUP_WARPS,
            stages,
            values: ValuesIn::Own,
            split,
            rescale: Rescale::GROWN,
            blocks_per_sm,
            products: Products::Halves,
            widens: false,
        };
        let (overlap, pass, kv_box) = (Overlap::Free, PassTurn::Issued, KvBox::Panel);
        let (sums, transposes) = (Sums::OneLevel, false);
        Roles { sizes, polynomial, output, overlap, pass, kv_box, sums, transposes }
    }

    /// Its schedule for products of 8 bits, of a cache that has V transposed already. Where O's columns and the products of a tile
    /// do not fit into the registers of one warpgroup, two have the same rows and a part of the columns each.
    pub fn schedule_of_bytes(&self) -> Roles {
        let roles = self.schedule();
        let split = self.head_dim.v.div_ceil(MOST_COLUMNS / 2);
        let rescale = Rescale::GROWN_OF_BYTES;
        let rows = self.consumers * WARPGROUP_ROWS / split;
        let sizes = Sizes { products: Products::Bytes, split, rows, rescale, ..roles.sizes };
        Roles { sizes, sums: Sums::TwoLevels, ..roles }
    }

    /// Its schedule for f32 that is split, of whatever keys: lanes copy rows.
    pub fn schedule_of_f32(&self) -> Roles {
        let roles = self.schedule();
        let products = Products::F32(F32Products::Bf16x3);
        Roles { sizes: Sizes { products, ..roles.sizes }, kv_box: KvBox::Rows, ..roles }
    }
}

impl fmt::Display for RolesRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = match self.mask {
            None => "any mask",
            Some(MaskClass::Full) => "no mask",
            Some(MaskClass::Bounded) => "a mask",
            Some(MaskClass::Placed) => "maps of places",
            Some(MaskClass::Conditions) => "conditions of scores",
        };
        let rows = self.schedule().rows;
        write!(
            f,
            "head_dim {}, {}, {mask}: {rows} x {}, {} stages",
            self.head_dim, self.shape, self.cols, self.stages
        )
    }
}

//! Matrices in registers and their products.

use super::memory::Address;
use super::{Condition, Op, Program, Reg};
use crate::address::Space;

/// `ldmatrix` and `stmatrix` of 8x8 matrices of 16-bit elements.
#[derive(Debug)]
pub struct MatrixAccess {
    /// Shared, or generic.
    pub space: Space,
    /// Row addresses, lane by lane.
    pub base: Address,
    /// One register a matrix.
    pub registers: Box<[Reg]>,
    /// Columns instead of rows.
    pub transposed: bool,
}

/// Elements of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    F16,
    Bf16,
    Tf32,
    S8,
    U8,
    E4m3,
    E5m2,
    /// Single bits, whose product is "and".
    B1,
}

impl Element {
    /// Whether it is a floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, Element::F16 | Element::Bf16 | Element::Tf32 | Element::E4m3 | Element::E5m2)
    }

    /// Of one element.
    pub const fn bits(self) -> u8 {
        match self {
            Element::Tf32 => 32,
            Element::F16 | Element::Bf16 => 16,
            Element::S8 | Element::U8 | Element::E4m3 | Element::E5m2 => 8,
            Element::B1 => 1,
        }
    }
}

/// `mma.sync` m16n8kK.
#[derive(Debug)]
pub struct MatrixProduct {
    /// Depth.
    pub k: u8,
    /// Elements of A.
    pub a_type: Element,
    /// Elements of B.
    pub b_type: Element,
    /// C is packed halves.
    pub half_c: bool,
    /// D is packed halves.
    pub half_d: bool,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Two rows of eight, depth by depth.
    pub a: [Reg; 4],
    /// Columns, depth by depth.
    pub b: [Reg; 2],
    /// Accumulator.
    pub c: [Reg; 4],
    /// Result.
    pub d: [Reg; 4],
}

/// Elements of a [`Tile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TileElement {
    F16,
    Bf16,
    Tf32,
    E4m3,
    E5m2,
    F32,
    F64,
    S32,
    S8,
    U8,
    S4,
    U4,
    B1,
}

impl TileElement {
    /// Of one element.
    pub const fn bits(self) -> u8 {
        use TileElement::*;
        match self {
            B1 => 1,
            S4 | U4 => 4,
            E4m3 | E5m2 | S8 | U8 => 8,
            F16 | Bf16 => 16,
            Tf32 | F32 | S32 => 32,
            F64 => 64,
        }
    }

    /// Elements in a register, which has 64 bits for doubles and else 32.
    pub const fn per_register(self) -> usize {
        if self.bits() == 64 { 1 } else { 32 / self.bits() as usize }
    }

    /// Whether `wmma` has factors of this type in this shape.
    pub fn in_wmma(self, shape: [u16; 3]) -> bool {
        use TileElement::*;
        let deep = matches!(shape, [16, 16, 16] | [32, 8, 16] | [8, 32, 16]);
        match self {
            F16 | Bf16 | S8 | U8 => deep,
            Tf32 => shape == [16, 16, 8],
            F64 => shape == [8, 8, 4],
            S4 | U4 => shape == [8, 8, 32],
            B1 => shape == [8, 8, 128],
            _ => false,
        }
    }

    /// Registers of a `wmma` factor: halves have eight in every shape, the others what their elements need.
    pub const fn registers(self, outer: u16, depth: u16) -> usize {
        match self {
            TileElement::F16 => 8,
            _ => outer as usize * depth as usize / (32 * self.per_register()),
        }
    }

    /// Registers of a `wmma` accumulator.
    pub const fn sum_registers(self, rows: u16, columns: u16) -> usize {
        rows as usize * columns as usize / (32 * self.per_register())
    }
}

/// Which element of a matrix each lane holds where; [`crate::exec::products::tile`] has the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Factors of `mma`: a group of four lanes has a row of A or a column of B.
    Groups,
    /// Accumulators of `mma`: pairs of columns.
    Pairs,
    /// m8n8k4 of halves, four products at once: a lane has one outer index, or one inner one.
    QuadFactor {
        /// the outer index is the lane's
        by_lane: bool,
    },
    /// Single-precision accumulators of those.
    QuadSum,
    /// `wmma`: elements counted off over the warp.
    Linear,
}

/// A matrix in registers.
#[derive(Debug)]
pub struct Tile {
    /// Of what.
    pub element: TileElement,
    /// In which place.
    pub layout: Layout,
    /// Rows of A, C and D; columns of B.
    pub outer: u16,
    /// Depth of A and B; columns of C and D.
    pub inner: u16,
    /// Of every lane.
    pub registers: Box<[Reg]>,
}

/// `mma` of the rarer shapes and types, and `wmma.mma`.
#[derive(Debug)]
pub struct TileProduct {
    /// First factor.
    pub a: Tile,
    /// Second factor.
    pub b: Tile,
    /// Accumulator.
    pub c: Tile,
    /// Result.
    pub d: Tile,
    /// Of doubles: `'n'`, `'z'`, `'m'` or `'p'`.
    pub rounding: char,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Bits are combined by `and`, else by `xor`.
    pub both: bool,
}

/// `wmma.load` and `wmma.store`.
#[derive(Debug)]
pub struct TileAccess {
    /// Where.
    pub space: Space,
    /// Of the first element.
    pub base: Address,
    /// Elements from one line to the next.
    pub stride: Reg,
    /// A line has one outer index, else one inner one.
    pub along: bool,
    /// What.
    pub tile: Tile,
}

/// Where the left matrix of a warpgroup's product is.
#[derive(Clone, Copy, Debug)]
pub enum LeftMatrix {
    /// In registers, as four registers of `mma.sync`'s left fragment.
    Registers([Reg; 4]),
    /// In shared memory, by its descriptor.
    Shared(Reg),
}

/// `wgmma.mma_async` m64nNkK.
#[derive(Debug)]
pub struct WarpgroupProduct {
    /// Columns.
    pub n: u16,
    /// Depth.
    pub k: u16,
    /// Elements of A.
    pub a_type: Element,
    /// Elements of B.
    pub b_type: Element,
    /// D is packed halves.
    pub half_d: bool,
    /// Integer accumulators are clamped.
    pub saturate: bool,
    /// Accumulator, `n / 2` registers, or half as many of packed halves.
    pub d: Box<[Reg]>,
    /// Left matrix.
    pub a: LeftMatrix,
    /// Descriptor of the right matrix.
    pub b: Reg,
    /// D is added to where this holds; elsewhere it starts from zero.
    pub accumulate: Condition,
    /// `imm-scale-a` is -1.
    pub negate_a: bool,
    /// `imm-scale-b` is -1.
    pub negate_b: bool,
    /// A is stored with M contiguous.
    pub transpose_a: bool,
    /// B is stored with N contiguous.
    pub transpose_b: bool,
}

impl WarpgroupProduct {
    /// Rows of D that one warp computes.
    pub const ROWS: usize = 16;
    /// Bytes of depth, of a row of A or a column of B.
    pub const DEEP: usize = 32;

    /// Registers that it uses.
    pub fn registers(&self) -> impl Iterator<Item = Reg> {
        let left = match &self.a {
            LeftMatrix::Registers(a) => &a[..],
            LeftMatrix::Shared(_) => &[],
        };
        self.d.iter().chain(left).copied()
    }
}

impl Program {
    /// The `wgmma` at a place, if there is one.
    pub fn warpgroup_product(&self, pc: u32) -> Option<&WarpgroupProduct> {
        match &self.code.get(pc as usize)?.op {
            Op::WarpgroupProduct(product) => Some(product),
            _ => None,
        }
    }
}

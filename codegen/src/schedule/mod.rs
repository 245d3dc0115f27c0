//! How a kernel runs: which family of plans makes it, and the numbers that the family is given. Data; who chooses it is
//! [`crate::choice`], what becomes of it is [`crate::plan`].
//!
//! | family | target | warps |
//! |---|---|---|
//! | [`Ring`] | `sm_80`; of f32 `sm_90a` too | all alike, FlashAttention-2's |
//! | [`Roles`] | `sm_90a` | a producer that copies, and splits f32, beside consumers that multiply, FlashAttention-3's |

mod ring;
mod roles;

pub use crate::tuning::{F32Products, Family, OutputIn, Overlap, PassTurn, QueryIn, Sums, Tuning};
pub use ring::Ring;
pub use roles::{
    Copies, KvBox, REGISTERS, Roles, TILE_INFOS, TRANSPOSERS, WARPGROUP, WARPGROUP_ROWS, WARPGROUP_WARPS,
};

use crate::layout::swizzle::Swizzle;
use crate::spec::{Arch, HeadDim, ShapeClass};
use std::fmt;
use std::ops::Deref;

/// How a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Warps that are all alike, around one ring of K and V.
    Ring(Ring),
    /// Warps of two roles, around a ring of each.
    Roles(Roles),
}

/// What every family is told. A schedule dereferences to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Head dimensions.
    pub head_dim: HeadDim,
    /// Query rows of a tile; packed heads count as rows.
    pub rows: usize,
    /// Key columns of a tile.
    pub cols: usize,
    /// Warps that multiply; each owns `rows / warps` rows.
    pub warps: usize,
    /// Column tiles in flight, each of K and of V.
    pub stages: usize,
    /// Where V is.
    pub values: ValuesIn,
    /// Into how many parts O's columns are cut. Warps that multiply then share rows, and each has the columns of one part: it
    /// computes all their scores and multiplies P with its columns of V.
    pub split: usize,
    /// When the accumulator is rescaled.
    pub rescale: Rescale,
    /// Blocks that should fit on a multiprocessor together (`.minnctapersm`).
    pub blocks_per_sm: u32,
    /// What products are of.
    pub products: Products,
    /// K and V come in 8 bits and are widened to the 16 of products, where they lie ([`crate::layout::converted`]) or on their way
    /// there ([`crate::layout::converted_copy`]).
    pub widens: bool,
}

/// What products are of, and so what tiles of shared memory hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Products {
    /// Elements of 16 bits, as they are.
    #[default]
    Halves,
    /// Elements of 8 bits, as they are; probabilities are e4m3 then, whatever V is.
    Bytes,
    /// f32, made into factors where it lies ([`crate::layout::converted`]), or on its way there ([`crate::layout::converted_copy`]).
    F32(F32Products),
}

impl Products {
    /// Bytes of an element of Q, K and V.
    pub fn element_bytes(self) -> usize {
        match self {
            Products::Bytes => 1,
            Products::Halves => 2,
            Products::F32(_) => 4,
        }
    }

    /// Whether factors are split or rounded on their way: those of f32.
    pub fn are_of_f32(self) -> bool {
        matches!(self, Products::F32(_))
    }

    /// Products of tensor cores for one: pairs of a part of the first factor and one of the second, small ones first.
    pub fn terms(self) -> &'static [(usize, usize)] {
        match self {
            Products::F32(F32Products::Bf16x3) => &[(1, 0), (0, 1), (0, 0)],
            _ => &[(0, 0)],
        }
    }

    /// How many multiply-adds of 16 bits take tensor cores as long as so many.
    pub fn in_halves(self, multiply_adds: usize) -> usize {
        match self {
            Products::Bytes => multiply_adds / 2,
            Products::F32(F32Products::Tf32) => 2 * multiply_adds,
            products => products.terms().len() * multiply_adds,
        }
    }

    /// Registers of a thread for so many of a warp's probabilities, as factors.
    pub fn factor_registers(self, probabilities: usize) -> usize {
        match self {
            Products::Bytes => probabilities / 4,
            products => probabilities / 2 * products.parts(),
        }
    }

    /// Parts of a factor: two, where it is split.
    pub fn parts(self) -> usize {
        if self == Products::F32(F32Products::Bf16x3) { 2 } else { 1 }
    }
}

/// What a score takes in products, all warps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScoreProducts {
    /// Head dimensions.
    pub head_dim: HeadDim,
    /// By how many warps it is computed: one, but for [`Sizes::split`].
    pub computed: usize,
    /// Products of tensor cores for each product: one, but for factors that are split ([`Products::terms`]).
    pub terms: usize,
}

impl ScoreProducts {
    /// Multiply-adds: a row of K for each warp that computes it, and one of V, in as many parts.
    pub fn multiply_adds(self) -> usize {
        self.terms * (self.computed * self.head_dim.qk + self.head_dim.v)
    }
}

/// Of a score that one warp computes, of factors as they are.
impl From<HeadDim> for ScoreProducts {
    fn from(head_dim: HeadDim) -> ScoreProducts {
        ScoreProducts { head_dim, computed: 1, terms: 1 }
    }
}

/// Where V is in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValuesIn {
    /// In tiles of its own.
    Own,
    /// The first numbers of K's rows, as in multi-head latent attention: K is kept until P V has read it, and nothing else is
    /// loaded.
    Keys,
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

impl Rescale {
    /// What the tables have.
    pub const GROWN: Rescale = Rescale::Grown { threshold: 8.0 };

    /// The same, of probabilities that e4m3 is to hold: the largest is 2^8 when it is a row's greatest, and 448 is the most that there is.
    pub const GROWN_OF_BYTES: Rescale = Rescale::Grown { threshold: 0.8 };
}

impl Sizes {
    /// Rows that one warp owns.
    pub fn rows_per_warp(&self) -> usize {
        self.rows * self.split / self.warps
    }

    /// What a score takes in products.
    pub fn of_score(&self) -> ScoreProducts {
        let terms = self.products.terms().len();
        ScoreProducts { head_dim: self.head_dim, computed: self.split, terms }
    }

    /// Of all that warps multiply, what is asked for: all of it, but for scores where O's columns are cut into parts, which
    /// another warp computes too, and for factors that are split.
    pub fn useful_share(&self) -> f64 {
        ScoreProducts::from(self.head_dim).multiply_adds() as f64 / self.of_score().multiply_adds() as f64
    }

    /// Columns of O that a warp has.
    pub fn output_columns(&self) -> usize {
        self.head_dim.v / self.split
    }

    /// Column tiles in shared memory, of K and V together.
    pub fn slots(&self) -> usize {
        match self.values {
            ValuesIn::Own => 2 * self.stages,
            ValuesIn::Keys => self.stages,
        }
    }

    /// A row of a Q or K tile.
    pub fn qk_row(&self) -> Swizzle {
        Swizzle { row_bytes: self.products.element_bytes() * self.head_dim.qk }
    }

    /// A row of a V tile.
    pub fn v_row(&self) -> Swizzle {
        Swizzle { row_bytes: self.products.element_bytes() * self.head_dim.v }
    }

    /// A row of an O tile, which only an output of 16 bits goes through.
    pub fn o_row(&self) -> Swizzle {
        Swizzle { row_bytes: 2 * self.head_dim.v }
    }

    /// Bytes of a tile of K and one of V, or of one that is both.
    pub fn kv_bytes(&self) -> usize {
        let of_values = if self.values == ValuesIn::Own { self.v_row().row_bytes } else { 0 };
        self.cols * (self.qk_row().row_bytes + of_values)
    }

    /// Bytes of these that device memory has: half, where they are widened.
    pub fn kv_copied_bytes(&self) -> usize {
        if self.widens { self.kv_bytes() / 2 } else { self.kv_bytes() }
    }

    /// Columns that a paged kernel takes from one block at a time: a tile may begin at any multiple of them.
    pub fn column_run(&self, block_size: usize) -> usize {
        gcd(block_size, self.cols).max(1)
    }
}

impl Deref for Schedule {
    type Target = Sizes;

    fn deref(&self) -> &Sizes {
        match self {
            Schedule::Ring(ring) => &ring.sizes,
            Schedule::Roles(roles) => &roles.sizes,
        }
    }
}

impl From<Ring> for Schedule {
    fn from(ring: Ring) -> Schedule {
        Schedule::Ring(ring)
    }
}

impl From<Roles> for Schedule {
    fn from(roles: Roles) -> Schedule {
        Schedule::Roles(roles)
    }
}

impl Schedule {
    /// The target.
    pub fn arch(&self) -> Arch {
        match self {
            Schedule::Ring(ring) => ring.arch,
            Schedule::Roles(_) => Arch::Sm90a,
        }
    }

    /// The family that makes it.
    pub fn family(&self) -> Family {
        match self {
            Schedule::Ring(_) => Family::Ring,
            Schedule::Roles(_) => Family::Roles,
        }
    }

    /// The roles of its warps; `None` where they are all alike.
    pub fn roles(&self) -> Option<&Roles> {
        match self {
            Schedule::Ring(_) => None,
            Schedule::Roles(roles) => Some(roles),
        }
    }

    /// Threads of a block.
    pub fn threads(&self) -> usize {
        match self {
            Schedule::Ring(ring) => 32 * ring.warps,
            Schedule::Roles(roles) => roles.threads(),
        }
    }

    /// What of `self` a [`Tuning`] can say, all said.
    pub fn tuning(&self) -> Tuning {
        let Sizes { rows, cols, warps, stages, blocks_per_sm, rescale, .. } = **self;
        let sizes = Tuning {
            tile: Some((rows, cols)),
            warps: Some(warps),
            stages: Some(stages),
            blocks_per_sm: Some(blocks_per_sm),
            f32_products: match self.products {
                Products::Halves | Products::Bytes => None,
                Products::F32(products) => Some(products),
            },
            family: self.products.are_of_f32().then(|| self.family()),
            ..Tuning::default()
        };
        match self {
            Schedule::Ring(ring) => Tuning { query: Some(ring.query), ..sizes },
            Schedule::Roles(roles) => Tuning {
                query: Some(QueryIn::Shared),
                rescale: Some(rescale != Rescale::Always),
                output: Some(roles.output),
                polynomial: Some(roles.polynomial),
                overlap: Some(roles.overlap),
                pass: Some(roles.pass),
                sums: (roles.products == Products::Bytes).then_some(roles.sums),
                ..sizes
            },
        }
    }

    /// Query heads whose rows share a tile. The rest of a group, if any, has tiles of its own.
    ///
    /// Where warps are alike any number can be packed: nothing for a prefill, whose tiles are full without, else the
    /// group. With roles rows are copied in boxes of whole tokens: for a prefill as many as divide a warpgroup's rows,
    /// else the largest divisor of the group that a tile has room for.
    pub fn packed_heads(&self, shape: ShapeClass, group: usize) -> usize {
        match (self, shape) {
            (Schedule::Ring(_), ShapeClass::Prefill) => 1,
            (Schedule::Ring(_), _) => group,
            (Schedule::Roles(_), ShapeClass::Prefill) => gcd(group, WARPGROUP_ROWS),
            (Schedule::Roles(_), _) => {
                (1..=group.min(self.rows)).rev().find(|heads| group.is_multiple_of(*heads)).unwrap_or(1)
            }
        }
    }

    /// Rows of a tile that are used with so many heads packed: whole tokens, with roles.
    pub fn rows_per_tile(&self, packed_heads: usize) -> usize {
        match self {
            Schedule::Ring(_) => self.rows,
            Schedule::Roles(_) => (self.rows - self.rows % packed_heads.max(1)).max(1),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "schedule for {}, head_dim {}", self.arch(), self.head_dim)?;
        writeln!(f, "  tile        {} rows x {} columns", self.rows, self.cols)?;
        if let Products::F32(products) = self.products {
            writeln!(f, "  products    of f32, by {products}")?;
        }
        if self.products == Products::Bytes {
            writeln!(f, "  products    of 8 bits; probabilities are e4m3, of which the largest is 2^8")?;
        }
        if self.widens {
            writeln!(f, "  K and V     of 8 bits, widened to 16")?;
        }
        match self {
            Schedule::Ring(ring) => ring.fmt(f),
            Schedule::Roles(roles) => roles.fmt(f),
        }
    }
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! What a schedule is told to be instead of what the table says, choice by choice; and how f32 is multiplied, which no table says.

use std::fmt;
use std::str::FromStr;

/// Where the fragments of Q are during the main loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryIn {
    /// Loaded once: costs `rows_per_warp * head_dim / 64` registers a lane.
    Registers,
    /// Read from shared memory for every tile of columns.
    Shared,
}

impl fmt::Display for QueryIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueryIn::Registers => "registers",
            QueryIn::Shared => "shared",
        })
    }
}

impl FromStr for QueryIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "registers" => Ok(QueryIn::Registers),
            "shared" => Ok(QueryIn::Shared),
            _ => Err(format!("Q cannot be in `{text}`: write registers or shared")),
        }
    }
}

/// Where O is on its way to global memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputIn {
    /// Memory of its own: the next tile's Q is copied while this tile is still multiplied and stored.
    Own,
    /// Where Q was: the next Q waits until O has left.
    OverQuery,
}

impl fmt::Display for OutputIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OutputIn::Own => "own",
            OutputIn::OverQuery => "over-query",
        })
    }
}

impl FromStr for OutputIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "own" => Ok(OutputIn::Own),
            "over-query" => Ok(OutputIn::OverQuery),
            _ => Err(format!("O cannot be in `{text}`: write own or over-query")),
        }
    }
}

/// Whether a tile's exponentials stay before the wait for the O += P V that is in flight beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// The wait depends on the sums, so they do.
    Pinned,
    /// The assembler puts them where it likes, mostly behind the wait.
    Free,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overlap::Pinned => "pinned",
            Overlap::Free => "free",
        })
    }
}

impl FromStr for Overlap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pinned" => Ok(Overlap::Pinned),
            "free" => Ok(Overlap::Free),
            _ => Err(format!("no overlap `{text}`: write pinned or free")),
        }
    }
}

/// When a consumer passes its turn to issue products on to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassTurn {
    /// Once both of its products are issued.
    Issued,
    /// Once its scores are there.
    Scored,
}

impl fmt::Display for PassTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PassTurn::Issued => "issued",
            PassTurn::Scored => "scored",
        })
    }
}

impl FromStr for PassTurn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "issued" => Ok(PassTurn::Issued),
            "scored" => Ok(PassTurn::Scored),
            _ => Err(format!("a turn is not passed when `{text}`: write issued or scored")),
        }
    }
}

/// How f32 numbers are multiplied, of which tensor cores have no products. The sums are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum F32Products {
    /// Each factor is split into two of bf16, `hi + lo`, and a product is `hi hi + hi lo + lo hi`: some 16 bits of it are
    /// right. Three products for one, and an infinity is NaN, since nothing is left for its `lo`; so is what rounds to one in
    /// bf16, from 3.39e38 on.
    #[default]
    Bf16x3,
    /// Each factor is rounded to tf32, the nearest with 10 bits behind the point, ties away from zero: three decimal digits.
    Tf32,
}

impl F32Products {
    /// Both.
    pub const ALL: [F32Products; 2] = [F32Products::Bf16x3, F32Products::Tf32];

    /// As on the command line and in kernel names.
    pub fn as_str(self) -> &'static str {
        match self {
            F32Products::Bf16x3 => "bf16x3",
            F32Products::Tf32 => "tf32",
        }
    }
}

impl fmt::Display for F32Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for F32Products {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        F32Products::ALL
            .into_iter()
            .find(|products| products.as_str() == text)
            .ok_or_else(|| format!("f32 is not multiplied by `{text}`: write bf16x3 or tf32"))
    }
}

/// Which family of plans makes a kernel, where two can: of f32 on sm_90a.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Warps that are all alike, and multiply by `mma.sync`.
    Ring,
    /// A producer beside consumers that multiply by `wgmma`.
    Roles,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ring => "ring",
            Family::Roles => "roles",
        })
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ring" => Ok(Family::Ring),
            "roles" => Ok(Family::Roles),
            _ => Err(format!("no family of kernels is called `{text}`: write ring or roles")),
        }
    }
}

/// How products of many tiles add up.
///
/// Tensor cores of Hopper keep 13 bits behind the point of what products of 8 bits are added to, and cut off the rest, so a sum over many keys
/// loses what each adds. Uniform attention over 131072 keys, by [arXiv 2511.10909]'s model of the sums: a relative RMSE of 0.45 where all are
/// added there, 1.1e-2 where each 2048 are, 1.4e-3 where each 512, 1.3e-4 where each 128, of which f16 keeps 2.8e-4.
///
/// [arXiv 2511.10909]: https://arxiv.org/abs/2511.10909
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sums {
    /// In the accumulators, by tensor cores.
    OneLevel,
    /// Those of a tile in registers of their own, by tensor cores; then these are added to the accumulators, in f32.
    TwoLevels,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sums::OneLevel => "one",
            Sums::TwoLevels => "two",
        })
    }
}

impl FromStr for Sums {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "one" => Ok(Sums::OneLevel),
            "two" => Ok(Sums::TwoLevels),
            _ => Err(format!("products do not add up at `{text}` levels: write one or two")),
        }
    }
}

/// What a schedule is told to be instead of what the table says; nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// Rows × columns of a tile. Warps, the ring's depth and where Q lies follow from it unless they are given too.
    pub tile: Option<(usize, usize)>,
    /// Warps of a block.
    pub warps: Option<usize>,
    /// Column tiles in flight.
    pub stages: Option<usize>,
    /// Where Q is.
    pub query: Option<QueryIn>,
    /// Blocks that should fit on a multiprocessor together.
    pub blocks_per_sm: Option<u32>,
    /// Whether rescaling the accumulator is skipped while the maxima grow little; sm_90a only.
    pub rescale: Option<bool>,
    /// Where O is before it is stored; sm_90a only.
    pub output: Option<OutputIn>,
    /// Of every 16 exponentials, how many are polynomials; sm_90a only.
    pub polynomial: Option<usize>,
    /// Whether exponentials stay before the wait for O; sm_90a only.
    pub overlap: Option<Overlap>,
    /// When a consumer passes its turn on; sm_90a only.
    pub pass: Option<PassTurn>,
    /// How products of 8 bits add up; sm_90a only.
    pub sums: Option<Sums>,
    /// How f32 inputs are multiplied, if not as usual ([`F32Products`]); says nothing of inputs of 16 bits.
    pub f32_products: Option<F32Products>,
    /// Which family makes the kernel, where two can: of f32 on sm_90a.
    pub family: Option<Family>,
}

impl Tuning {
    /// How f32 inputs are multiplied.
    pub fn f32_products(&self) -> F32Products {
        self.f32_products.unwrap_or_default()
    }

    /// Whether f32 is multiplied by `wgmma` where the target has it: split into bf16, and not asked to be otherwise. Of tf32 it reads no
    /// factor transposed, as V is.
    pub fn takes_roles_of_f32(&self) -> bool {
        self.f32_products() == F32Products::Bf16x3 && self.family != Some(Family::Ring)
    }
}

impl fmt::Display for Tuning {
    /// The arguments of `kgen` that say so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some((rows, cols)) = self.tile {
            parts.push(format!("--tile {rows}x{cols}"));
        }
        let mut number = |name: &str, value: Option<usize>| {
            if let Some(value) = value {
                parts.push(format!("--{name} {value}"));
            }
        };
        number("warps", self.warps);
        number("stages", self.stages);
        number("blocks-per-sm", self.blocks_per_sm.map(|blocks| blocks as usize));
        if let Some(query) = self.query {
            parts.push(format!("--query {query}"));
        }
        if let Some(skips) = self.rescale {
            parts.push(format!("--rescale {}", if skips { "grown" } else { "always" }));
        }
        if let Some(output) = self.output {
            parts.push(format!("--output-in {output}"));
        }
        if let Some(polynomial) = self.polynomial {
            parts.push(format!("--polynomial {polynomial}"));
        }
        if let Some(overlap) = self.overlap {
            parts.push(format!("--overlap {overlap}"));
        }
        if let Some(pass) = self.pass {
            parts.push(format!("--pass-turn {pass}"));
        }
        if let Some(sums) = self.sums {
            parts.push(format!("--levels {sums}"));
        }
        if let Some(products) = self.f32_products {
            parts.push(format!("--f32-products {products}"));
        }
        if let Some(family) = self.family {
            parts.push(format!("--family {family}"));
        }
        f.write_str(&parts.join(" "))
    }
}

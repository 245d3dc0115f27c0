//! What a program is specialised to before it is lowered: target, element type, head dimension, where keys
//! and values lie, and the class of shapes it will be launched on.

use crate::layout::swizzle::PERIOD;
use crate::program::{DType, ElementTypes};
use crate::tuning::Tuning;
use std::fmt;
use std::str::FromStr;

/// A target architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// Ampere and everything after it that runs plain `sm_80` code.
    Sm80,
    /// Hopper with its architecture-specific instructions.
    Sm90a,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 2] = [Arch::Sm80, Arch::Sm90a];

    /// As `.target` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Arch::Sm80 => "sm_80",
            Arch::Sm90a => "sm_90a",
        }
    }

    /// The best target that runs on a GPU of compute capability `major`.x.
    pub fn for_compute_capability(major: u32) -> Arch {
        // Instructions of sm_90a run on compute capability 9.0 alone.
        if major == 9 { Arch::Sm90a } else { Arch::Sm80 }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sm_80" => Ok(Arch::Sm80),
            "sm_90a" => Ok(Arch::Sm90a),
            _ => Err(format!("unknown target `{text}`: write sm_80 or sm_90a")),
        }
    }
}

/// Which launches a kernel is made for. A kernel is correct for every shape; the class decides tile sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ShapeClass {
    /// At least a tile's worth of query rows per sequence.
    Prefill,
    /// A few query rows per sequence, counting the heads packed with them (at most 64).
    Append,
    /// At most 16 rows: one query token, its grouped heads packed into the rows of a tile.
    Decode,
}

impl ShapeClass {
    /// Every class, widest tile first.
    pub const ALL: [ShapeClass; 3] = [ShapeClass::Prefill, ShapeClass::Append, ShapeClass::Decode];

    /// The class for sequences of at most `rows` query rows, counting the heads packed with them.
    pub fn for_rows(rows: usize) -> ShapeClass {
        match rows {
            0..=16 => ShapeClass::Decode,
            17..=64 => ShapeClass::Append,
            _ => ShapeClass::Prefill,
        }
    }

    /// As on the command line and in kernel names.
    pub fn as_str(self) -> &'static str {
        match self {
            ShapeClass::Prefill => "prefill",
            ShapeClass::Append => "append",
            ShapeClass::Decode => "decode",
        }
    }
}

impl fmt::Display for ShapeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ShapeClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ShapeClass::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| format!("unknown shape class `{text}`: write prefill, append or decode"))
    }
}

/// Which block sizes [`takes_block_size`] takes, in words.
pub const BLOCK_SIZES: &str = "1, 2, 4 or a multiple of 8";

/// Whether there are kernels for a paged cache of blocks of so many tokens. A tile is laid out by eight rows: whole blocks make
/// eight of them, or eight are in one block.
pub fn takes_block_size(tokens: usize) -> bool {
    tokens > 0 && (tokens.is_multiple_of(PERIOD) || PERIOD.is_multiple_of(tokens))
}

/// Where a kernel's blocks learn which tile is theirs, and what they leave of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// From their place in the grid and the lengths of the batch.
    #[default]
    Grid,
    /// From a list in device memory ([`crate::work_list`]); results are the program's outputs.
    List,
    /// From such a list; results are partial, in f32, to be merged.
    Partials,
}

impl Work {
    /// All of them.
    pub const ALL: [Work; 3] = [Work::Grid, Work::List, Work::Partials];

    /// Whether tiles come from a list.
    pub fn is_planned(self) -> bool {
        self != Work::Grid
    }

    /// As on the command line and in kernel names.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Grid => "grid",
            Work::List => "list",
            Work::Partials => "partials",
        }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Work::ALL
            .into_iter()
            .find(|work| work.as_str() == text)
            .ok_or_else(|| format!("unknown work `{text}`: write grid, list or partials"))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How values lie in a paged cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueLayout {
    /// A row for each token, as keys do.
    #[default]
    Rows,
    /// Tokens along memory, by sixteen ([`crate::layout::key_groups`]): as products of 8 bits read them.
    Transposed,
}

impl ValueLayout {
    /// Both.
    pub const ALL: [ValueLayout; 2] = [ValueLayout::Rows, ValueLayout::Transposed];

    /// As on the command line and in kernel names.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueLayout::Rows => "rows",
            ValueLayout::Transposed => "transposed",
        }
    }
}

impl FromStr for ValueLayout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ValueLayout::ALL
            .into_iter()
            .find(|layout| layout.as_str() == text)
            .ok_or_else(|| format!("values do not lie as `{text}`: write rows or transposed"))
    }
}

impl fmt::Display for ValueLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The head dimensions of a kernel: `128`, or `192/128` where that of queries and keys is not that of values and the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeadDim {
    /// Numbers of a head of the queries and keys.
    pub qk: usize,
    /// Numbers of a head of the values and the output.
    pub v: usize,
}

impl HeadDim {
    /// The larger of the two.
    pub fn larger(self) -> usize {
        self.qk.max(self.v)
    }
}

impl From<usize> for HeadDim {
    fn from(both: usize) -> HeadDim {
        HeadDim { qk: both, v: both }
    }
}

impl fmt::Display for HeadDim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HeadDim { qk, v } = *self;
        f.pad(&if qk == v { qk.to_string() } else { format!("{qk}/{v}") })
    }
}

impl FromStr for HeadDim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n > 0);
        let read = match text.split_once('/') {
            None => number(text).map(HeadDim::from),
            Some((qk, v)) => number(qk).zip(number(v)).map(|(qk, v)| HeadDim { qk, v }),
        };
        read.ok_or_else(|| {
            format!("`{text}` is no head dimension: write 128, or 192/128 for keys of 192 and values of 128")
        })
    }
}

/// Everything a compiled kernel depends on besides its [`crate::Program`]. The key of the kernel cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Target architecture.
    pub arch: Arch,
    /// Element type of q.
    pub dtype: DType,
    /// Element type of k and v: what [`crate::Program::kv_type`] says of `dtype`, or another that the program's keys and values can
    /// have. Where it has 8 bits they are widened to `dtype` on their way.
    pub kv_dtype: DType,
    /// Element type of o: what [`crate::Program::output_type`] says of `dtype`, or another that the program's output can have.
    pub output: DType,
    /// Head dimensions.
    pub head_dim: HeadDim,
    /// Tokens per block of a paged program; `None` for contiguous keys and values.
    pub block_size: Option<usize>,
    /// How values lie in the blocks of a paged program; [`ValueLayout::Rows`] of any other.
    pub values: ValueLayout,
    /// Shape class.
    pub shape: ShapeClass,
    /// What of the schedule is not the table's.
    pub tuning: Tuning,
    /// Where tiles come from.
    pub work: Work,
    /// The score scale may be folded into the exponential. True unless the scale is zero or negative.
    pub fold_scale: bool,
}

impl Spec {
    /// Whether keys and values are widened on their way.
    pub fn widens(&self) -> bool {
        self.kv_dtype.bytes() < self.dtype.bytes()
    }

    /// The element types of all tensors.
    pub fn elements(&self) -> ElementTypes {
        ElementTypes { input: self.dtype, kv: self.kv_dtype, output: self.output }
    }
}

impl DType {
    /// As on the command line, in `launch.json` and in kernel names.
    pub fn as_str(self) -> &'static str {
        match self {
            DType::F16 => "f16",
            DType::Bf16 => "bf16",
            DType::F32 => "f32",
            DType::I32 => "i32",
            DType::E4m3 => "e4m3",
            DType::E5m2 => "e5m2",
        }
    }

    /// The type's name in the language, as `half` and this project have it.
    pub fn type_name(self) -> &'static str {
        match self {
            DType::E4m3 => "E4m3",
            DType::E5m2 => "E5m2",
            dtype => dtype.as_str(),
        }
    }

    /// Size of an element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            DType::E4m3 | DType::E5m2 => 1,
            DType::F16 | DType::Bf16 => 2,
            DType::F32 | DType::I32 => 4,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [DType::F16, DType::Bf16, DType::F32, DType::I32, DType::E4m3, DType::E5m2]
            .into_iter()
            .find(|dtype| dtype.as_str() == text)
            .ok_or_else(|| format!("unknown dtype `{text}`: write f16, bf16, f32, i32, e4m3 or e5m2"))
    }
}

//! The launch ABI: how the parameters of a kernel function become the parameters of its PTX entry.
//!
//! Each parameter of the language expands to a pointer and what is needed to walk it; two numbers that all
//! kernels share come last. The same list names the entry's parameters in PTX and tells the runtime what to
//! pass, so the two cannot disagree. Strides are in bytes, except a table's, which is in entries.

use crate::layout::copy_box::CopyBox;
use crate::plan::attention::Form;
use crate::program::{Along, BinaryOp, Expr, ParamId, ParamKind, Program, ScalarType, Vector};
use crate::schedule::{Roles, Schedule};
use flashpage_ptx::words::Opcode;
use std::collections::HashSet;

/// One parameter of the PTX entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbiArg {
    /// Its name in the PTX text.
    pub name: String,
    /// Its type.
    pub ty: AbiType,
    /// What the runtime passes.
    pub meaning: Meaning,
}

/// Types of entry parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbiType {
    /// A device address.
    U64,
    /// A 32-bit count or stride.
    U32,
    /// A scalar parameter.
    I32,
    /// A scalar parameter.
    F32,
    /// A tensor map, by value: [`TENSOR_MAP_BYTES`], aligned to [`TENSOR_MAP_ALIGN`].
    TensorMap,
}

/// Size of a tensor map.
pub const TENSOR_MAP_BYTES: u32 = 128;

/// Alignment of a tensor map.
pub const TENSOR_MAP_ALIGN: u32 = 64;

/// What an entry parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Address of a tensor's first element. u64.
    Pointer(ParamId),
    /// Bytes from one token to the next (within a block, for a pool). u32.
    TokenStride(ParamId),
    /// Bytes from one head to the next. u32.
    HeadStride(ParamId),
    /// Bytes from one physical block to the next. u32.
    BlockStride(ParamId),
    /// Address of `i32[sequences + 1]`: where each sequence's tokens begin. u64.
    Starts(ParamId),
    /// Address of `i32[sequences]`: key length of each sequence. u64.
    SeqLens(ParamId),
    /// Entries from one sequence's row of a block table to the next. u32.
    TableStride(ParamId),
    /// Bytes from one sequence, head or row of a bias to the next; 0 along an axis that has one for all. u64.
    BiasStride(ParamId, BiasAxis),
    /// The last index along an axis of a bias. u32.
    BiasLast(ParamId, BiasAxis),
    /// Address of `i32[sequences]`: columns of each sequence's rows in a bit mask. u64.
    Widths(ParamId),
    /// The scalar itself.
    Scalar(ParamId),
    /// Query heads. u32.
    QueryHeads,
    /// KV heads, where numbers are counted in them. u32.
    KvHeads,
    /// Query heads packed into the rows of a tile: see [`Schedule::packed_heads`]. u32.
    PackedHeads,
    /// Row tiles of the longest sequence, where blocks walk a list of tiles. u32.
    RowTiles,
    /// Query heads over packed heads, where blocks walk a list of tiles. u32.
    HeadBlocks,
    /// Sequences of the batch, where blocks walk a list of tiles or an index counts them. u32.
    Sequences,
    /// Pairs of a sequence and a head block whose tiles are done together, where blocks walk a list of tiles: so many
    /// that the L2 cache holds their keys and values. At least 1. u32.
    Section,
    /// Address of the counter that tiles are taken by, where blocks walk a list of tiles: a u32, 0 before the launch and
    /// 0 again after it, and of one launch at a time. u64.
    TileCounter,
    /// Address of a work list ([`crate::work_list`]). u64.
    WorkList,
    /// Address of partial outputs, f32 `[partial rows, head_dim]`, with the head dimension of values. u64.
    PartialOutput,
    /// Address of partial log-sum-exps, f32 `[partial rows]`. u64.
    PartialLse,
    /// A tensor map over the elements of a tensor, what lies outside it reading as zero. 128 bytes.
    TensorMap(ParamId, CopyBox),
    /// Steps of the outermost dimension of a pool's map from one physical block to the next ([`CopyBox`]). u32.
    BlockStep(ParamId),
    /// What to multiply by to divide: [`flashpage_ptx::division::Reciprocal::multiplier`]. u32.
    Multiplier(Divisor),
    /// How far to shift then: [`flashpage_ptx::division::Reciprocal::shift`]. u32.
    Shift(Divisor),
}

/// An axis of a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BiasAxis {
    Sequences,
    Heads,
    Rows,
    Cols,
}

impl BiasAxis {
    /// All of them, outermost first.
    pub const ALL: [BiasAxis; 4] = [BiasAxis::Sequences, BiasAxis::Heads, BiasAxis::Rows, BiasAxis::Cols];

    /// One step along it, as names and texts have it.
    pub const fn name(self) -> &'static str {
        match self {
            BiasAxis::Sequences => "sequence",
            BiasAxis::Heads => "head",
            BiasAxis::Rows => "row",
            BiasAxis::Cols => "column",
        }
    }
}

/// What kernels divide by and only the host knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// [`Meaning::PackedHeads`].
    PackedHeads,
    /// Head blocks of a KV head: query heads per KV head over packed heads.
    GroupBlocks,
    /// [`Meaning::HeadBlocks`].
    HeadBlocks,
    /// Row tiles of a section: [`Meaning::Section`] times [`Meaning::RowTiles`].
    SectionTiles,
    /// [`Meaning::Section`].
    Section,
    /// Pairs of the last section, which may have fewer.
    LastSection,
    /// The absolute value of a scalar parameter.
    Scalar(ParamId),
}

impl Divisor {
    /// Part of the names of its two parameters.
    fn name(self, program: &Program) -> String {
        match self {
            Divisor::PackedHeads => "grid_packed_heads".to_owned(),
            Divisor::GroupBlocks => "grid_group_blocks".to_owned(),
            Divisor::HeadBlocks => "grid_head_blocks".to_owned(),
            Divisor::SectionTiles => "grid_section_tiles".to_owned(),
            Divisor::Section => "grid_section".to_owned(),
            Divisor::LastSection => "grid_last_section".to_owned(),
            Divisor::Scalar(param) => ptx_name(&program.params[param.0].name),
        }
    }

    /// For a person.
    fn describe(self, program: &Program) -> String {
        match self {
            Divisor::PackedHeads => "the packed heads".to_owned(),
            Divisor::GroupBlocks => "the head blocks of a KV head".to_owned(),
            Divisor::HeadBlocks => "the head blocks".to_owned(),
            Divisor::SectionTiles => "the row tiles of a section".to_owned(),
            Divisor::Section => "the pairs of a section".to_owned(),
            Divisor::LastSection => "the pairs of the last section".to_owned(),
            Divisor::Scalar(param) => format!("the scalar `{}`", program.params[param.0].name),
        }
    }
}

/// The scalars by which some expression of the program divides.
fn scalar_divisors(program: &Program) -> Vec<ParamId> {
    let mut found = Vec::new();
    let mut look = |expr: &Expr| {
        use BinaryOp::{Div, DivEuclid, Rem, RemEuclid};
        if let Expr::Binary(Div | Rem | DivEuclid | RemEuclid, _, by) = expr
            && let Expr::Param(param) = **by
            && program.params[param.0].kind == ParamKind::Scalar(ScalarType::I32)
            && !found.contains(&param)
        {
            found.push(param);
        }
        false
    };
    program.expressions().for_each(|expr| {
        expr.any(&mut look);
    });
    found
}

/// Whether some index of a vector along sequences may lie outside.
fn counts_sequences(program: &Program) -> bool {
    program.expressions().any(|expr| {
        expr.any(&mut |leaf| match leaf {
            Expr::Index(param, index) => matches!(
                program.params[param.0].kind,
                ParamKind::Vector(Vector { along: Along::Sequences, .. }) if !Along::Sequences.fits(index)
            ),
            _ => false,
        })
    })
}

impl Meaning {
    /// For a person, with the names of the program's parameters.
    pub fn describe(&self, program: &Program) -> String {
        let name = |param: &ParamId| format!("`{}`", program.params[param.0].name);
        match self {
            Meaning::Pointer(param) => format!("address of {}", name(param)),
            Meaning::TokenStride(param) => format!("bytes from one token of {} to the next", name(param)),
            Meaning::HeadStride(param) => format!("bytes from one head of {} to the next", name(param)),
            Meaning::BlockStride(param) => format!("bytes from one block of {} to the next", name(param)),
            Meaning::Starts(param) => {
                format!("address of where each sequence of {} begins, i32[sequences + 1]", name(param))
            }
            Meaning::SeqLens(param) => {
                format!("address of the key lengths behind {}, i32[sequences]", name(param))
            }
            Meaning::TableStride(param) => format!("entries of {} per sequence", name(param)),
            Meaning::BiasStride(param, axis) => {
                format!("bytes from one {} of {} to the next", axis.name(), name(param))
            }
            Meaning::BiasLast(param, axis) => format!("the last {} of {}", axis.name(), name(param)),
            Meaning::Widths(param) => {
                format!("address of the columns of each sequence in {}, i32[sequences]", name(param))
            }
            Meaning::Scalar(param) => format!("the scalar {}", name(param)),
            Meaning::QueryHeads => "query heads".to_owned(),
            Meaning::KvHeads => "KV heads".to_owned(),
            Meaning::PackedHeads => "query heads packed into the rows of a tile".to_owned(),
            Meaning::RowTiles => "row tiles of the longest sequence".to_owned(),
            Meaning::HeadBlocks => "query heads over packed heads".to_owned(),
            Meaning::Sequences => "sequences".to_owned(),
            Meaning::Section => "pairs of a sequence and a head block that are done together".to_owned(),
            Meaning::TileCounter => "address of the counter that tiles are taken by, u32".to_owned(),
            Meaning::WorkList => "address of the work list, i32".to_owned(),
            Meaning::PartialOutput => "address of partial outputs, f32[partial rows, head_dim]".to_owned(),
            Meaning::PartialLse => {
                "address of partial log-sum-exps, f32[partial rows], or two numbers each".to_owned()
            }
            Meaning::TensorMap(param, CopyBox { rows, span }) => {
                format!("tensor map of {}, copied by {rows} rows in panels of {span} bytes", name(param))
            }
            Meaning::BlockStep(param) => {
                format!("head strides from one block of {} to the next", name(param))
            }
            Meaning::Multiplier(divisor) => {
                format!("multiplier to divide by {}", divisor.describe(program))
            }
            Meaning::Shift(divisor) => {
                format!("shift after the multiplication, to divide by {}", divisor.describe(program))
            }
        }
    }
}

/// The entry's parameters, in order.
///
/// - A kernel whose warps are all alike has the grid `[row tiles of the longest sequence, q_heads / packed heads,
///   sequences]`, where a sequence has `q_len * packed heads` rows; tiles past a sequence's end return at once.
/// - A kernel with warps of several roles ([`Schedule::Roles`]) has as many blocks as the device holds at once, or as
///   there are tiles if they are fewer; the blocks walk the list of the same tiles.
/// - A planned kernel has any grid `[blocks, 1, 1]`: its tiles come from a list, and where sequences begin and how long
///   they are is written there. Without roles its blocks do one item each, so there are as many as the list can hold.
/// - An output that leaves straight from the accumulators has no tensor map, and neither have pools of which lanes copy rows, pools of
///   values that are stored transposed, nor inputs that are converted: those of f32, and keys and values of 8 bits.
pub fn abi(program: &Program, schedule: &Schedule, form: Form) -> Vec<AbiArg> {
    let mut args = Vec::new();
    let maps = schedule.roles();
    // An item of a list does not say how many keys its sequence has.
    let asks_lens = program.expressions().any(|expr| program.asks_lens(expr));
    let has_starts = |kind| !form.planned || kind == ParamKind::Query && asks_lens;
    for (index, param) in program.params.iter().enumerate() {
        let id = ParamId(index);
        let mut push = |suffix: &str, ty, meaning| {
            args.push(AbiArg { name: format!("{}{suffix}", ptx_name(&param.name)), ty, meaning });
        };
        match (param.kind, maps) {
            (ParamKind::Output | ParamKind::RowOutput, _) if form.partial => continue,
            (ParamKind::Scalar(ty), _) => {
                let ty = if ty == ScalarType::F32 { AbiType::F32 } else { AbiType::I32 };
                push("", ty, Meaning::Scalar(id));
                continue;
            }
            (
                ParamKind::Query
                | ParamKind::Keys
                | ParamKind::Values
                | ParamKind::PagedKeys
                | ParamKind::PagedValues,
                Some(roles),
            ) if comes_by_map(roles, param.kind) => {
                push("_map", AbiType::TensorMap, Meaning::TensorMap(id, roles.copy_box(param.kind)));
                if has_starts(param.kind)
                    && matches!(param.kind, ParamKind::Query | ParamKind::Keys | ParamKind::Values)
                {
                    push("_starts", AbiType::U64, Meaning::Starts(id));
                }
                if is_pool(param.kind) {
                    push("_block_step", AbiType::U32, Meaning::BlockStep(id));
                }
                continue;
            }
            (ParamKind::Output, Some(roles)) if !form.direct => {
                push("_map", AbiType::TensorMap, Meaning::TensorMap(id, roles.copy_box(param.kind)));
            }
            _ => {}
        }
        push("", AbiType::U64, Meaning::Pointer(id));
        match param.kind {
            ParamKind::Query | ParamKind::Keys | ParamKind::Values => {
                if has_starts(param.kind) {
                    push("_starts", AbiType::U64, Meaning::Starts(id));
                }
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::PagedKeys | ParamKind::PagedValues => {
                push("_block_stride", AbiType::U32, Meaning::BlockStride(id));
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::BlockTable => {
                if !form.planned {
                    push("_seq_lens", AbiType::U64, Meaning::SeqLens(id));
                }
                push("_stride", AbiType::U32, Meaning::TableStride(id));
            }
            ParamKind::Output | ParamKind::Input => {
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::Vector(Vector { along: Along::Keys, .. }) => {
                push("_starts", AbiType::U64, Meaning::Starts(id));
            }
            ParamKind::Bias(_) => {
                for axis in BiasAxis::ALL {
                    if axis != BiasAxis::Cols {
                        let suffix = format!("_{}_stride", axis.name());
                        push(&suffix, AbiType::U64, Meaning::BiasStride(id, axis));
                    }
                    if axis != BiasAxis::Sequences {
                        let suffix = format!("_last_{}", axis.name());
                        push(&suffix, AbiType::U32, Meaning::BiasLast(id, axis));
                    }
                }
            }
            ParamKind::BitMask => {
                push("_starts", AbiType::U64, Meaning::Starts(id));
                push("_widths", AbiType::U64, Meaning::Widths(id));
            }
            ParamKind::RowInput | ParamKind::RowOutput | ParamKind::Vector(_) | ParamKind::Scalar(_) => {}
            // No kernel that is compiled has these.
            ParamKind::KeyOutput | ParamKind::ColOutput => {}
        }
    }
    let mut shared = vec![("q_heads", Meaning::QueryHeads), ("packed_heads", Meaning::PackedHeads)];
    if maps.is_some() && !form.planned {
        shared.extend([
            ("row_tiles", Meaning::RowTiles),
            ("head_blocks", Meaning::HeadBlocks),
            ("sequences", Meaning::Sequences),
            ("section", Meaning::Section),
        ]);
    } else if !form.planned && counts_sequences(program) {
        shared.push(("sequences", Meaning::Sequences));
    }
    if (0..program.params.len()).any(|param| program.is_per_kv_head(ParamId(param))) {
        shared.push(("kv_heads", Meaning::KvHeads));
    }
    for (name, meaning) in shared {
        args.push(AbiArg { name: format!("grid_{name}"), ty: AbiType::U32, meaning });
    }
    let mut divisors = vec![Divisor::PackedHeads, Divisor::GroupBlocks];
    if maps.is_some() && !form.planned {
        divisors.extend([Divisor::HeadBlocks, Divisor::SectionTiles, Divisor::Section, Divisor::LastSection]);
    }
    divisors.extend(scalar_divisors(program).into_iter().map(Divisor::Scalar));
    for divisor in divisors {
        let name = divisor.name(program);
        for (suffix, meaning) in
            [("multiplier", Meaning::Multiplier(divisor)), ("shift", Meaning::Shift(divisor))]
        {
            args.push(AbiArg { name: format!("{name}_{suffix}"), ty: AbiType::U32, meaning });
        }
    }
    if maps.is_some() && !form.planned {
        args.push(AbiArg {
            name: "tile_counter".to_owned(),
            ty: AbiType::U64,
            meaning: Meaning::TileCounter,
        });
    }
    let of_list: &[(&str, Meaning)] = match (form.planned, form.partial) {
        (false, _) => &[],
        (true, false) => &[("work_list", Meaning::WorkList)],
        (true, true) => &[
            ("work_list", Meaning::WorkList),
            ("o_part", Meaning::PartialOutput),
            ("lse_part", Meaning::PartialLse),
        ],
    };
    for (name, meaning) in of_list {
        args.push(AbiArg { name: (*name).to_owned(), ty: AbiType::U64, meaning: *meaning });
    }
    tell_apart(&mut args);
    args
}

/// Whether bulk copies bring Q, K or V: nobody has to work out where rows are, or to convert them.
pub(crate) fn comes_by_map(roles: &Roles, kind: ParamKind) -> bool {
    match kind {
        ParamKind::Query => !roles.splits(),
        ParamKind::PagedValues if roles.copies_groups() => false,
        kind => !(roles.converts() || roles.copies_rows() && is_pool(kind)),
    }
}

fn is_pool(kind: ParamKind) -> bool {
    matches!(kind, ParamKind::PagedKeys | ParamKind::PagedValues)
}

/// The dynamic shared memory of every kernel, by the name it has in PTX.
pub const SHARED_TILES: &str = "shared_tiles";

/// Gives every parameter a name of its own that PTX lets it have: a scalar may be called `q_starts` beside a query
/// `q`, or `max` as the instruction is.
fn tell_apart(args: &mut [AbiArg]) {
    let reserved =
        |name: &str| name == SHARED_TILES || name == "WARP_SZ" || Opcode::from_word(name).is_some();
    let mut taken = HashSet::new();
    for arg in args {
        while reserved(&arg.name) || !taken.insert(arg.name.clone()) {
            arg.name.push('_');
        }
    }
}

/// A Rust identifier as a PTX one: PTX knows only ASCII letters, digits and `_`.
pub fn ptx_name(identifier: &str) -> String {
    let ascii = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("u{:x}", c as u32) }
    };
    identifier.chars().map(ascii).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::SM80;
    use crate::frontend::parse_source;

    #[test]
    fn parameters_have_names_of_their_own() {
        let source = "#[attention_kernel]
            fn add<T: Element, const D: usize>(q: Query<T, D>, k: Keys<T, D>, v: Values<T, D>, o: Output<T, D>,
                q_starts: f32, max: f32, shared_tiles: f32, WARP_SZ: f32, grid_q_heads: i32, é: f32, ue9: f32) {
                let q = q.tile();
                let mut softmax = OnlineSoftmax::new();
                let mut acc = Tile::zeros();
                for cols in k.tiles() {
                    let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
                    acc += dot(p, v.load(cols));
                }
                o.store(softmax.finish(acc));
            }";
        let program = parse_source(source).expect("a kernel");
        let names: Vec<String> = abi(&program, &SM80[0].schedule().into(), Form::default())
            .into_iter()
            .map(|arg| arg.name)
            .collect();
        let of_scalars = &names[names.len() - 13..names.len() - 4];
        let expected = [
            "q_starts_",
            "max_",
            "shared_tiles_",
            "WARP_SZ_",
            "grid_q_heads",
            "ue9",
            "ue9_",
            "grid_q_heads_",
            "grid_packed_heads",
        ];
        assert_eq!(of_scalars, expected);
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}

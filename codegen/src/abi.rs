//! The launch ABI: how the parameters of a kernel function become the parameters of its PTX entry.
//!
//! Each parameter of the language expands to a pointer and what is needed to walk it; two numbers that all
//! kernels share come last. The same list names the entry's parameters in PTX and tells the runtime what to
//! pass, so the two cannot disagree. Strides are in bytes, except a table's, which is in entries.

use crate::program::{ParamId, ParamKind, Program, ScalarType};

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
}

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
    /// The scalar itself.
    Scalar(ParamId),
    /// Query heads. u32.
    QueryHeads,
    /// Query heads per KV head. u32.
    Group,
    /// Query heads packed into the rows of a tile: the group, or 1. u32.
    PackedHeads,
}

/// The entry's parameters, in order.
///
/// The grid is `[row tiles of the longest sequence, q_heads / packed heads, sequences]`, where a sequence has
/// `q_len * packed heads` rows; tiles past a sequence's end return at once.
pub fn abi(program: &Program) -> Vec<AbiArg> {
    let mut args = Vec::new();
    for (index, param) in program.params.iter().enumerate() {
        let id = ParamId(index);
        let mut push = |suffix: &str, ty, meaning| {
            args.push(AbiArg { name: format!("{}{suffix}", ptx_name(&param.name)), ty, meaning });
        };
        push("", AbiType::U64, Meaning::Pointer(id));
        match param.kind {
            ParamKind::Query | ParamKind::Keys | ParamKind::Values => {
                push("_starts", AbiType::U64, Meaning::Starts(id));
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::PagedKeys | ParamKind::PagedValues => {
                push("_block_stride", AbiType::U32, Meaning::BlockStride(id));
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::BlockTable => {
                push("_seq_lens", AbiType::U64, Meaning::SeqLens(id));
                push("_stride", AbiType::U32, Meaning::TableStride(id));
            }
            ParamKind::Output => {
                push("_token_stride", AbiType::U32, Meaning::TokenStride(id));
                push("_head_stride", AbiType::U32, Meaning::HeadStride(id));
            }
            ParamKind::RowOutput | ParamKind::PerHead(_) => {}
            ParamKind::Scalar(ty) => {
                args.pop();
                let ty = if ty == ScalarType::F32 { AbiType::F32 } else { AbiType::I32 };
                args.push(AbiArg { name: ptx_name(&param.name), ty, meaning: Meaning::Scalar(id) });
            }
        }
    }
    for (name, meaning) in
        [("q_heads", Meaning::QueryHeads), ("group", Meaning::Group), ("packed_heads", Meaning::PackedHeads)]
    {
        args.push(AbiArg { name: format!("grid_{name}"), ty: AbiType::U32, meaning });
    }
    args
}

/// A Rust identifier as a PTX one: PTX knows only ASCII letters, digits and `_`.
pub fn ptx_name(identifier: &str) -> String {
    let ascii = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("u{:x}", c as u32) }
    };
    identifier.chars().map(ascii).collect()
}

//! What a paged cache can refuse or fail at. Either way every sequence is as it was.

use super::StoredValues;
use crate::args::ArgsError;
use crate::device::DeviceError;
use crate::device_kernels::MoveError;
use crate::tensor::TensorError;
use flashpage_cache::{CacheError, InsertError, NotLocked, OutOfBlocks};
use flashpage_codegen::HeadDim;
use flashpage_codegen::program::DType;
use flashpage_codegen::spec::BLOCK_SIZES;

/// What a paged cache can refuse or fail at.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagedCacheError {
    /// The bookkeeping refused it.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A block size that kernels are not made for.
    #[error("blocks of {0} tokens: the block size must be {BLOCK_SIZES}", BLOCK_SIZES = BLOCK_SIZES)]
    BlockSize(usize),
    /// An element type that a cache does not hold.
    #[error("a cache of {0}: it holds f16, bf16, f32, e4m3 or e5m2")]
    DType(DType),
    /// A cache without layers, heads or numbers.
    #[error(
        "a cache of {layers} layers, {num_kv_heads} KV heads and head_dim {head_dim}: each must be at least 1"
    )]
    Empty {
        /// Layers.
        layers: usize,
        /// Key and value heads.
        num_kv_heads: usize,
        /// Numbers of a head, of keys and of values.
        head_dim: HeadDim,
    },
    /// Values in keys that have fewer numbers.
    #[error(
        "head_dim {0} with `StoredValues::InKeys`: values are the first numbers of keys, so `v` can be {qk} at most",
        qk = .0.qk
    )]
    WiderThanKeys(HeadDim),
    /// Keys that lie as values alone may.
    #[error(
        "`layout` is of keys, which lie by rows: Nhd or Hnd; say `value_layout: ValueLayout::Transposed` for values"
    )]
    TransposedKeys,
    /// Values that cannot lie transposed.
    #[error(
        "values of {dtype} in blocks of {block_size}, `{values:?}`, do not lie transposed: that is for e4m3 and e5m2, blocks of a multiple of \
         16 tokens, and `StoredValues::Own`"
    )]
    TransposedValues {
        /// What is stored.
        dtype: DType,
        /// Tokens of a block.
        block_size: usize,
        /// Where values are.
        values: StoredValues,
    },
    /// Values of a cache that has them in its keys.
    #[error(
        "this cache has its values in its keys (`StoredValues::InKeys`), the first {v} numbers of each: {instead}"
    )]
    ValuesInKeys {
        /// Numbers of a head's values.
        v: usize,
        /// What to do.
        instead: &'static str,
    },
    /// Keys alone for a cache that has values too.
    #[error("this cache has pools of values (`StoredValues::Own`), and none are given: {0}")]
    NoValues(&'static str),
    /// A rotation of keys whose first numbers are values.
    #[error(
        "a rotation turns the first numbers of keys, which in this cache are the values (`StoredValues::InKeys`): \
         rotate the part behind them before the rows are written, and give `rotary: None`"
    )]
    RotatesValues,
    /// A scale for values that have that of keys.
    #[error(
        "scales of {key} and {value}: this cache has its values in its keys (`StoredValues::InKeys`), give both one scale"
    )]
    ValueScale {
        /// Of keys.
        key: f32,
        /// Of values.
        value: f32,
    },
    /// A pool larger than memory can be.
    #[error("a block of {0} tokens over all layers has more bytes than can be counted")]
    TooLarge(usize),
    /// No such layer.
    #[error("there is no layer {layer}: the cache has {layers}")]
    Layer {
        /// The layer.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
    /// Rows that are not whole tokens.
    #[error("{given} numbers are not {tokens} tokens of {num_kv_heads} heads of {head_dim}")]
    Rows {
        /// Numbers given.
        given: usize,
        /// Slots given.
        tokens: usize,
        /// Heads of the cache.
        num_kv_heads: usize,
        /// Numbers of a head.
        head_dim: usize,
    },
    /// A slot that is no slot.
    #[error("slot {0} is negative: only the padding of a slot mapping is, and no rows are given for that")]
    NegativeSlot(i64),
    /// A slot that is not in the pool.
    #[error("slot {slot} is past the pool's {slots} slots")]
    Slot {
        /// The slot.
        slot: i64,
        /// How many there are.
        slots: usize,
    },
    /// A slot in a block that nobody has.
    #[error(
        "slot {slot} is in block {block}, which no sequence holds: append to one, and write to the slots it is given"
    )]
    FreeSlot {
        /// The slot.
        slot: i64,
        /// Its block.
        block: u32,
    },
    /// A slot that is not reserved yet.
    #[error("slot {slot} is past the {tokens} tokens that its sequence has in block {block}: append first")]
    UnreservedSlot {
        /// The slot.
        slot: i64,
        /// Its block.
        block: u32,
        /// Tokens reserved there.
        tokens: usize,
    },
    /// A slot in a block that several have.
    #[error(
        "slot {slot} is in block {block}, which {holders} hold: append to the sequence, and write to the slots it is given"
    )]
    SharedSlot {
        /// The slot.
        slot: i64,
        /// Its block.
        block: u32,
        /// How many hold it.
        holders: u32,
    },
    /// Scales that divide nothing.
    #[error("scales of {0} and {1}: both must be above 0 and finite")]
    Scale(f32, f32),
    /// Scales of a type that needs none.
    #[error("a cache of {0} is stored as it is: only e4m3 and e5m2 are scaled")]
    Unscaled(DType),
    /// The table could not be made.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// A tensor could not be made or written.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A device kernel could not run.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

macro_rules! of_the_bookkeeping {
    ($($error:ty),*) => { $(
        impl From<$error> for PagedCacheError {
            fn from(error: $error) -> Self {
                PagedCacheError::Cache(error.into())
            }
        }
    )* };
}
of_the_bookkeeping!(OutOfBlocks, InsertError, NotLocked);

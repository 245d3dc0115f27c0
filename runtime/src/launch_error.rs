//! Why a launch was refused: every message names the argument, its value and what it takes.

use crate::device::DeviceError;
use crate::tensor::TensorError;
use flashpage_codegen::CompileError;
use flashpage_codegen::program::DType;
use flashpage_codegen::spec::BLOCK_SIZES;

/// Why a launch was refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// Not as many arguments as parameters.
    #[error("kernel `{kernel}` takes {takes} arguments, and {given} were given")]
    ArgumentCount {
        /// The kernel.
        kernel: String,
        /// Its parameters.
        takes: usize,
        /// The arguments.
        given: usize,
    },
    /// An argument of the wrong kind.
    #[error("argument `{param}` takes {takes}, and {given} was given")]
    Kind {
        /// The parameter.
        param: String,
        /// What it takes.
        takes: &'static str,
        /// What it got.
        given: &'static str,
    },
    /// A tensor of the wrong element type.
    #[error("argument `{param}` holds {given}, and must hold {takes}: {why}")]
    DType {
        /// The parameter.
        param: String,
        /// What it takes.
        takes: DType,
        /// What it holds.
        given: DType,
        /// Where the type comes from.
        why: String,
    },
    /// A tensor of the wrong shape.
    #[error("argument `{param}` has shape {given:?}: {takes}")]
    Shape {
        /// The parameter.
        param: String,
        /// Its shape.
        given: Vec<usize>,
        /// What it should be.
        takes: String,
    },
    /// A batch in which there is nothing to time.
    #[error("there is nothing to compute in this batch: give at least one query token and one head")]
    Empty,
    /// The kernel lacks a parameter that every attention kernel has.
    #[error("kernel `{kernel}` has no {what} parameter: attention needs queries, keys and values")]
    MissingParameter {
        /// The kernel.
        kernel: String,
        /// What is missing.
        what: &'static str,
    },
    /// Query heads that KV heads cannot share.
    #[error("{q_heads} query heads cannot share {kv_heads} KV heads: q_heads must be a multiple of kv_heads")]
    Heads {
        /// Query heads.
        q_heads: usize,
        /// KV heads.
        kv_heads: usize,
    },
    /// Arguments with another number of sequences than the queries.
    #[error("argument `{param}` has {given} sequences, and the queries have {sequences}")]
    Sequences {
        /// The parameter.
        param: String,
        /// Its sequences.
        given: usize,
        /// The queries'.
        sequences: usize,
    },
    /// Starts that reach past the tensor.
    #[error(
        "the starts of `{param}` end at token {end}, and it has {tokens}: give the starts of this tensor"
    )]
    StartsPastEnd {
        /// The parameter.
        param: String,
        /// Its starts' last entry.
        end: usize,
        /// Its tokens.
        tokens: usize,
    },
    /// A sequence of which keys and values disagree in length.
    #[error("sequence {sequence} has {keys} keys and {values} values: give both the same starts")]
    KeysAndValues {
        /// The sequence.
        sequence: usize,
        /// Its keys.
        keys: usize,
        /// Its values.
        values: usize,
    },
    /// A sequence with fewer numbers than keys.
    #[error(
        "sequence {sequence} has {keys} keys, and {given} numbers in `{param}`: give a number for each key"
    )]
    TooFewNumbers {
        /// The parameter.
        param: String,
        /// The sequence.
        sequence: usize,
        /// Its numbers.
        given: usize,
        /// Its keys.
        keys: usize,
    },
    /// A mask with fewer bits than a sequence's rows have.
    #[error(
        "sequence {sequence} has {rows} queries, and {bits} bits in `{param}`, whose rows have {width}: give a row of bits for          each query"
    )]
    TooFewBits {
        /// The parameter.
        param: String,
        /// The sequence.
        sequence: usize,
        /// Its queries.
        rows: usize,
        /// Bits of a row.
        width: usize,
        /// Bits that the sequence has.
        bits: usize,
    },
    /// A mask with fewer columns than are read.
    #[error(
        "sequence {sequence} has {keys} keys, and rows of {width} bits in `{param}`: give a bit for each key"
    )]
    NarrowBits {
        /// The parameter.
        param: String,
        /// The sequence.
        sequence: usize,
        /// Bits of a row.
        width: usize,
        /// Its keys.
        keys: usize,
    },
    /// A sequence of which two parameters have other numbers of queries.
    #[error("sequence {sequence} has {first} queries, and {given} in `{param}`: give both the same starts")]
    Queries {
        /// The sequence.
        sequence: usize,
        /// The parameter that differs from the first query.
        param: String,
        /// Queries in the first.
        first: usize,
        /// Queries in this one.
        given: usize,
    },
    /// A block size that kernels are not made for.
    #[error(
        "argument `{param}` has blocks of {block_size} tokens: the block size must be {BLOCK_SIZES}",
        BLOCK_SIZES = BLOCK_SIZES
    )]
    BlockSize {
        /// The pool.
        param: String,
        /// Tokens per block.
        block_size: usize,
    },
    /// A table row with fewer entries than its sequence has blocks.
    #[error(
        "sequence {sequence} has {len} tokens, which are {needs} blocks of {block_size}, and the table has {width} entries per sequence: widen the table"
    )]
    TableTooShort {
        /// The sequence.
        sequence: usize,
        /// Its length.
        len: usize,
        /// Blocks it needs.
        needs: usize,
        /// Tokens per block.
        block_size: usize,
        /// Entries it has.
        width: usize,
    },
    /// A table entry in use that names no block of the pool.
    #[error(
        "the table sends block {block} of sequence {sequence} to {entry}, and the pool `{pool}` has blocks 0 to {}",
        *.blocks as i64 - 1
    )]
    BlockOutOfRange {
        /// The sequence.
        sequence: usize,
        /// Its logical block.
        block: usize,
        /// The entry.
        entry: i32,
        /// The pool's parameter.
        pool: String,
        /// Its blocks.
        blocks: usize,
    },
    /// A scalar that no score survives.
    #[error("argument `{param}` is {value}: it must be a finite number")]
    NotFinite {
        /// The parameter.
        param: String,
        /// Its value.
        value: f32,
    },
    /// A tensor of another device.
    #[error("argument `{param}` lies on another device ({given}) than the launch ({device}): make it there")]
    OtherDevice {
        /// The parameter.
        param: String,
        /// Where it is.
        given: String,
        /// Where it should be.
        device: String,
    },
    /// A number that the launch ABI has no room for.
    #[error("{what} is {value}, and must be at most {most}: split the batch")]
    TooLarge {
        /// What it is.
        what: String,
        /// Its value.
        value: usize,
        /// The limit.
        most: usize,
    },
    /// A tensor that bulk copies cannot walk.
    #[error(
        "argument `{param}` cannot be copied in bulk, as kernels for sm_90a do: {error}; launch for sm_80 instead"
    )]
    TensorMap {
        /// The parameter.
        param: String,
        /// Why not.
        error: DeviceError,
    },
    /// The kernel could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A tensor could not be read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

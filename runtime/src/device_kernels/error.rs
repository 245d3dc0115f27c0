//! Why a move was refused: every message names the argument, its value and what it takes.

use crate::device::DeviceError;
use crate::tensor::TensorError;
use flashpage_codegen::program::DType;

/// Why a move was refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// A tensor of the wrong shape.
    #[error("`{name}` has shape {given:?}: it takes {takes}")]
    Shape {
        /// The argument.
        name: &'static str,
        /// Its shape.
        given: Vec<usize>,
        /// What it should be.
        takes: String,
    },
    /// A tensor of the wrong element type.
    #[error("`{name}` holds {given}: it takes {takes}")]
    DType {
        /// The argument.
        name: &'static str,
        /// What it holds.
        given: DType,
        /// What it should hold.
        takes: String,
    },
    /// Memory that ends too early.
    #[error("`{name}` has {given} bytes from offset {offset} on: {takes} are needed")]
    TooShort {
        /// The argument.
        name: &'static str,
        /// Where it begins in its buffer.
        offset: usize,
        /// What there is from there on.
        given: usize,
        /// What is needed.
        takes: usize,
    },
    /// Numbers that do not lie at a multiple of their size.
    #[error("`{name}` begins at byte {offset}: it must begin at a multiple of {align}")]
    Unaligned {
        /// The argument.
        name: &'static str,
        /// Where it begins in its buffer.
        offset: usize,
        /// The size of a number.
        align: usize,
    },
    /// More than a grid has, or than indices count.
    #[error("{what} is {given}, and can be {most} at most: split the work")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        given: usize,
        /// How many there can be.
        most: usize,
    },
    /// A slot or block outside the pool.
    #[error(
        "`{name}`[{index}] is {given}, and the pool has {len}: give less, or a negative slot for padding"
    )]
    OutOfPool {
        /// The argument.
        name: &'static str,
        /// Which of them.
        index: usize,
        /// Its value.
        given: i64,
        /// Slots or blocks of the pool.
        len: usize,
    },
    /// Another number of host values than of device values.
    #[error("`{name}` has {given} values, and there are {takes}")]
    Count {
        /// The argument.
        name: &'static str,
        /// How many were given.
        given: usize,
        /// How many there should be.
        takes: usize,
    },
    /// A scale that nothing can be divided by.
    #[error("the scale of {name} is {given}: it must be finite and above zero")]
    Scale {
        /// Of what.
        name: &'static str,
        /// Its value.
        given: f32,
    },
    /// A scale where nothing is scaled.
    #[error("{name} holds {given}, which takes no scale: leave it out, or use a pool of e4m3 or e5m2")]
    NoScale {
        /// Of what.
        name: &'static str,
        /// The pool's type.
        given: DType,
    },
    /// Memory of another device.
    #[error("`{0}` belongs to another device: move it, or launch there")]
    OtherDevice(&'static str),
    /// A tensor could not be made.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The device refused or failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

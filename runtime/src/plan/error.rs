//! Why a batch was not planned: every message names the value and the way out.

use crate::device::DeviceError;
use crate::device_kernels::MoveError;
use crate::launch_error::LaunchError;
use crate::tensor::TensorError;

/// Why there is no plan, or why one could not be run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// More of something than the planner was made for.
    #[error("the batch has {value} {what}, and the planner was made for {most}: raise `Capacity::{field}`")]
    OverCapacity {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        value: usize,
        /// How much there may be.
        most: usize,
        /// The field of [`super::Capacity`] that says so.
        field: &'static str,
    },
    /// Parts asked for of a kernel that stores nothing to merge them by.
    #[error(
        "kernel `{kernel}` stores no `Output`, and partial results are merged into one: its rows are computed whole; leave \
         `PlanOptions::parts` out, or ask for 1"
    )]
    NoOutput {
        /// The kernel.
        kernel: String,
    },
    /// Parts asked for of a kernel without a softmax.
    #[error(
        "kernel `{kernel}` has no softmax, by which partial results are merged, so its keys are not cut into parts: leave \
         `PlanOptions::parts` out, or ask for 1"
    )]
    NoSoftmax {
        /// The kernel.
        kernel: String,
    },
    /// More parts asked for than partial results have room.
    #[error(
        "{parts} parts of every row, as `PlanOptions::parts` asks, are more than {items} items of a kernel or {rows} \
         rows of partial results: raise `Capacity::split_items` or `Capacity::partial_rows`, or ask for fewer"
    )]
    Parts {
        /// Parts of each row.
        parts: usize,
        /// Most items of one kernel.
        items: usize,
        /// Most rows of partial results.
        rows: usize,
    },
    /// A capacity that holds nothing, or more than words count.
    #[error("`Capacity::{field}` is {value}: {takes}")]
    Capacity {
        /// The field.
        field: &'static str,
        /// Its value.
        value: usize,
        /// What it takes.
        takes: &'static str,
    },
    /// Arguments of another make than those the planner was made with.
    #[error("{what} was {was} when the planner was made, and is {is} now: make a planner for each")]
    Changed {
        /// What changed.
        what: &'static str,
        /// Its value then.
        was: String,
        /// Its value now.
        is: String,
    },
    /// A shared prefix that its sequences do not share.
    #[error("the prefix of {tokens} tokens shared by sequences {first} to {last}: {why}")]
    Prefix {
        /// First sequence.
        first: usize,
        /// Last sequence.
        last: usize,
        /// Its tokens.
        tokens: usize,
        /// What is wrong, and what to give instead.
        why: String,
    },
    /// A plan of another planner.
    #[error(
        "the plan has {given} words of workspace, and this planner's {takes}, laid out otherwise: run it with its own"
    )]
    OtherPlanner {
        /// Words of the plan.
        given: usize,
        /// Words of the planner.
        takes: usize,
    },
    /// Arguments that do not fit the kernel or each other, or a kernel that cannot be compiled.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Scalars other than those of the plan, which may say which columns are seen.
    #[error("the plan is for the scalars {planned:?}, and these are {given:?}: plan them")]
    OtherScalars {
        /// The integers and booleans it was made of, in order.
        planned: Vec<i32>,
        /// Those given.
        given: Vec<i32>,
    },
    /// Arguments of other lengths than the plan's.
    #[error(
        "the plan is for {} query tokens and {} keys in other sequences than these, which have {} and {}: plan them",
        .planned.0, .planned.1, .given.0, .given.1
    )]
    OtherBatch {
        /// Query tokens and keys of the plan.
        planned: (usize, usize),
        /// Query tokens and keys of the arguments.
        given: (usize, usize),
    },
    /// Outputs that cannot be merged into.
    #[error(transparent)]
    Merge(#[from] MoveError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A tensor could not be made or read.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

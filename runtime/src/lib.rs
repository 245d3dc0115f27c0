//! Running attention kernels: devices, tensors, launches, the paged KV cache, and what says whether a result
//! is right.
//!
//! - [`device`]: a GPU or the emulator, behind the same calls; raw PTX runs on either.
//! - [`tensor`], [`args`], [`cache`]: what a launch is given.
//! - [`device_kernels`]: what moves keys, values, blocks and partial results.
//! - [`launch()`](launch()): checks arguments, compiles, fills parameters, runs.
//! - [`plan`]: batches of any mix of lengths, cut into work that fills the device; launches that a graph can replay.
//! - [`reference`](mod@reference) and [`check`]: what a result should have been, and whether it is.
//! - [`case`]: `launch.json`, so that any PTX can be run and checked without writing a program.
//!
//! Invariants: PTX is passed on, never printed or changed here. Arguments are checked before anything runs, so
//! a bad block table is an error value and never an address. Nothing panics on what a user can give.

pub mod args;
mod batch;
mod bit_mask;
mod bulk_copy;
pub mod cache;
pub mod case;
pub mod check;
pub mod device;
pub mod device_kernels;
pub mod equivalence;
mod interpreter;
mod kernels;
pub mod launch;
mod launch_error;
mod normals;
pub mod npy;
mod npy_header;
pub mod plan;
pub mod problem;
pub mod reference;
mod rounding;
mod scalar;
pub mod tensor;
#[cfg(test)]
mod test_kernels;

pub use args::{Argument, BlockTable, Pool, PoolLayout, Ragged, Starts};
pub use device::{
    AsyncPolicy, Device, DeviceError, EmulatorOptions, Faults, Finding, HostBuffer, Monitor, ProductSums,
    Profile, Properties, Report, Roofline, Sanitize, Stream, Target, Timing, TimingOptions, Transfer,
    WarpOrder,
};
pub use flashpage_codegen::program::{DType, LogBase};
pub use flashpage_codegen::{HeadDim, ValueLayout};
pub use launch::{LaunchError, LaunchOptions, LaunchReport, launch};
pub use plan::{Capacity, Plan, PlanError, PlanOptions, Planner, SharedPrefix};
pub use reference::{
    Expected, Progress, ReferenceError, Row, plain, plain_rows, plain_watched, reference, reference_rows,
    reference_watched,
};
pub use rounding::Factors;
pub use tensor::{HostElement, Tensor, TensorError};

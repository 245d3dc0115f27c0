//! What a kernel costs, and how fast it runs.
//!
//! - [`workload`]: the batches that are timed, named and counted by one convention.
//! - [`results`]: what a run leaves behind, a JSON line for each thing it found.
//!
//! Invariants: kernels come in as programs, PTX or machine code; none is made here. A figure is either measured,
//! counted or taken from a named source, and says which. Nothing here needs a GPU to be read.

pub mod results;
pub mod workload;

//! What a kernel costs, and how fast it runs.
//!
//! - [`workload`]: a batch, named and counted by one convention; [`suite`]: those that are timed.
//! - [`check`](mod@check): problems of the catalogue on a device; [`bench`]: workloads on a device, timed.
//! - [`results`]: what a run leaves behind, a JSON line for each thing it found.
//!
//! Invariants: kernels come in as programs, PTX or machine code; none is made here. A figure is either measured,
//! counted or taken from a named source, and says which. Nothing here needs a GPU to be read.

pub mod bench;
pub mod check;
pub mod results;
pub mod suite;
pub mod workload;

//! What a kernel costs, and how fast it runs.
//!
//! - [`workload`]: a batch, named and counted by one convention; [`suite`]: those that are timed.
//! - [`check`](mod@check): problems of the catalogue on a device; [`bench`](mod@bench): workloads on a device, timed.
//! - [`parity`](mod@parity): one launch on a GPU and on the emulator.
//! - [`toolchain`]: NVIDIA's assembler and disassembler; [`verdicts`]: what they said before; [`machine_code`]: what they say of a kernel's main loop.
//! - [`gpu`]: what a GPU can do and hold; [`limits`]: how fast a main loop can be there; [`l2_cache`]: what of K and V
//!   memory has to move; [`predict`](mod@predict): a launch.
//! - [`counted`]: bytes and bank conflicts of a launch, from the emulator; [`leaders`]: what others' loops cost;
//!   [`cost`]: all of this about one kernel; [`tune`]: schedules ranked by it; [`experiments`]: what only a GPU can settle.
//! - [`doctor`]: what a machine has of all that can be used.
//! - [`results`]: what a run leaves behind, a JSON line for each thing it found, and the report that is made of it.
//!
//! Invariants: kernels come in as programs, PTX or machine code; none is made here. A figure is either measured,
//! counted or taken from a named source, and says which. Nothing here needs a GPU to be read.

pub mod bench;
pub mod check;
pub mod cost;
pub mod counted;
pub mod doctor;
pub mod experiments;
pub mod gpu;
pub mod head_dim;
pub mod l2_cache;
pub mod leaders;
pub mod limits;
pub mod machine_code;
pub mod parallel;
pub mod parity;
pub mod predict;
pub mod results;
pub mod suite;
pub mod toolchain;
pub mod tune;
pub mod verdicts;
pub mod workload;

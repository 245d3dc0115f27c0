//! From a kernel function to PTX, in one direction:
//!
//! ```text
//! tokens ─ frontend ─▶ program ─ attention, bounds ─▶ schedule ─ lower ─▶ flashpage_ptx::ast::Module
//! ```
//!
//! - [`frontend`]: reads the function.
//! - [`program`]: the tile IR and its meaning.
//! - [`spec`]: what a program is specialised to.
//! - [`abi`]: the entry's parameters.
//!
//! Invariants: no device is touched here; PTX is built as data, never by pasting strings; nothing panics on
//! a program or a spec that a user can write.

pub mod abi;
pub mod attention;
pub mod bounds;
pub mod frontend;
pub mod layout;
mod lower;
pub mod program;
pub mod schedule;
pub mod spec;

pub use lower::{CompileError, Compiled, compile};
pub use program::Program;
pub use spec::{Arch, ShapeClass, Spec};

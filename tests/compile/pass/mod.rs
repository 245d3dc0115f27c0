//! Kernels that rustc and the front end take. Theirs is the crate's own build: if trybuild had one to run, it would build, and not
//! only check, all that a kernel depends on.

mod reference;
mod spellings;
mod strict;

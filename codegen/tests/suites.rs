//! All suites in one binary, which is linked once: `cargo test -p flashpage-codegen frontend::` runs one of them.

mod columns;
mod frontend;
mod hopper;
mod language;
mod validate;

//! What the code that `#[attention_kernel]` emits calls. Not for anybody else: it changes without notice.

use flashpage_codegen::{Program, frontend};

/// Reads the source that the macro accepted when the kernel was compiled.
///
/// # Panics
/// If the front end that reads it now is not the one that accepted it.
pub fn program(source: &str) -> Program {
    match frontend::parse_source(source) {
        Ok(program) => program,
        Err(error) => panic!("flashpage-macros and flashpage-codegen are of different versions: {error}"),
    }
}

//! What the compiler says of kernels with mistakes: each file of `ui/` beside what it makes rustc print.
//!
//! The messages of rustc itself change between its versions, so they are compared only under the version they
//! were pinned with; what the front end says is tested under every version in `codegen/tests`. No case makes
//! rustc list the types that implement an operator: every dependency adds to those.
//! To accept new output: `TRYBUILD=overwrite cargo test -p flashpage-compile-tests`.

mod pass;

use std::io::Write;
use std::process::Command;

/// The rustc whose messages are in the `.stderr` files.
const PINNED: &str = "rustc 1.95.";

#[test]
fn ui() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    if version.starts_with(PINNED) {
        trybuild::TestCases::new().compile_fail("ui/*.rs");
        return;
    }
    // Past the harness, which keeps what a passing test prints to itself.
    let why = format!("messages are pinned with {PINNED}x, and this is {}", version.trim());
    writeln!(std::io::stderr(), "skipped the failing cases of ui: {why}").unwrap();
    assert!(std::env::var_os("CI").is_none(), "CI must have {PINNED}x: pin the messages anew");
}

//! What the compiler says of kernels with mistakes: each file of `tests/ui` beside what it makes rustc print.
//!
//! The messages of rustc itself change between its versions, so the cases that need them (`rustc_*`) are
//! few, and no case makes rustc list the types that implement an operator: every dependency adds to those.
//! To accept new output: `TRYBUILD=overwrite cargo test -p flashpage-tests --test ui`.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/*.rs");
}

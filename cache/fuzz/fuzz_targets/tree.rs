//! The prefix tree under a fuzzer: `cargo fuzz run tree` in `cache/`, or without a nightly toolchain
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none tree`.

#![no_main]

#[path = "../driver.rs"]
mod driver;

libfuzzer_sys::fuzz_target!(|data: &[u8]| driver::run(data));

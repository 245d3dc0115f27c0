//! The fuzz target of the prefix tree on bytes drawn at random, without a fuzzer.

#[path = "../fuzz/driver.rs"]
mod driver;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..600)) {
        driver::run(&data);
    }
}

//! Running a test on what proptest draws: failures are kept beside the tests, and CI draws the same every time.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestRunner};

/// Runs `test` on what `strategy` draws, `cases` times unless `PROPTEST_CASES` says otherwise. Failures are kept in the
/// file `regressions`; CI draws from `seed`.
pub fn check<S: Strategy>(
    regressions: &'static str,
    (cases, seed): (u32, u64),
    strategy: S,
    test: impl Fn(S::Value) -> Result<(), String>,
) {
    let mut config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        source_file: Some(file!()),
        max_shrink_iters: 200,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("CI").is_some() {
        config.rng_seed = RngSeed::Fixed(seed);
    }
    let test = |value| test(value).map_err(TestCaseError::fail);
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

//! One problem of the catalogue on a device, against the f64 reference, as a row of results.

use crate::results::{Checked, CheckedOutput};
use flashpage_codegen::Program;
use flashpage_runtime::check::Verdict;
use flashpage_runtime::equivalence;
use flashpage_runtime::problem::Problem;
use flashpage_runtime::{Device, LaunchOptions};

/// What came of a row, and whether the device may go on.
#[derive(Clone, Debug)]
pub struct Outcome<R> {
    /// The row.
    pub row: R,
    /// Whether the device failed in a way that spoils what this process does on it from now on.
    pub spoiled: bool,
}

/// Runs `program` on a problem and says whether every output is right.
pub fn check(
    device: &Device,
    program: &Program,
    batch: &str,
    problem: &Problem,
    options: &LaunchOptions,
) -> Outcome<Checked> {
    let mut row = Checked {
        kernel: program.name.clone(),
        batch: batch.to_owned(),
        problem: problem.to_string(),
        dtype: problem.dtype.to_string(),
        head_dim: problem.head_dim,
        ..Checked::default()
    };
    let mut spoiled = false;
    match equivalence::run(device, program, problem, options) {
        Ok(found) => {
            row.passed = found.passed();
            row.block_size = found.report.spec.block_size;
            row.shape = Some(found.report.spec.shape.to_string());
            row.outputs = found.verdicts.iter().map(|(name, verdict)| output(name, verdict)).collect();
        }
        Err(error) => {
            spoiled = !device.is_emulator() && error.is_device_failure();
            row.message = Some(error.to_string());
        }
    }
    Outcome { row, spoiled }
}

fn output(name: &str, verdict: &Verdict) -> CheckedOutput {
    CheckedOutput {
        output: name.to_owned(),
        passed: verdict.passed,
        failure: if verdict.passed { String::new() } else { verdict.to_string() },
        // JSON has no NaN.
        error: verdict.worst.map(|worst| worst.error).filter(|error| error.is_finite()),
        allowed: verdict.worst.map(|worst| worst.allowed),
        cosine_distance: Some(verdict.cosine_distance).filter(|x| x.is_finite()),
        relative_l2: Some(verdict.relative_l2).filter(|x| x.is_finite()),
    }
}

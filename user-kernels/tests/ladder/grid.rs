//! Kernels that are launched by themselves, against the program in f64.

use crate::batches::{BATCHES, problem};
use crate::devices::{ARCHS, POLICIES, device};
use crate::sample::{failures, is_taken, kernels, report};
use flashpage::codegen::Arch;
use flashpage::codegen::schedule::{F32Products, Tuning};
use flashpage::prelude::*;
use flashpage::runtime::{Factors, equivalence, launch};
use user_kernels::Kernel;

fn check(kernel: &Kernel, arch: Arch, batch: usize, number: usize) -> Result<(), String> {
    let program = (kernel.program)();
    let problem = problem(kernel, arch, BATCHES[batch], number);
    let device = device(arch, POLICIES[number % POLICIES.len()]);
    let f32_products =
        (problem.dtype == DType::F32).then(|| F32Products::ALL[number / 2 % F32Products::ALL.len()]);
    let options =
        LaunchOptions { tuning: Tuning { f32_products, ..Tuning::default() }, ..LaunchOptions::default() };
    let what =
        |said: String| format!("{}: {said}\nof {problem} --arch {arch} {}", kernel.name, options.tuning);
    let inputs = kernel.inputs(&device, &problem).map_err(|error| what(error.to_string()))?;
    launch(&device, program, &inputs.arguments(), &options).map_err(|error| what(error.to_string()))?;
    let factors = Factors::of(problem.dtype, options.tuning.f32_products());
    let verdicts = equivalence::check(program, &inputs, factors).map_err(|error| what(error.to_string()))?;
    assert!(!verdicts.is_empty(), "{}", kernel.name);
    match verdicts.iter().find(|(_, verdict)| !verdict.passed) {
        None => Ok(()),
        Some((output, verdict)) => Err(what(format!("{output}: {verdict}"))),
    }
}

#[test]
fn grid() {
    let mut items = Vec::new();
    for (number, kernel) in kernels() {
        for (of_arch, arch) in ARCHS.into_iter().enumerate() {
            let taken =
                (0..BATCHES.len()).filter(|batch| is_taken(number + batch + 3 * of_arch, 2 * BATCHES.len()));
            items.extend(taken.map(|batch| (kernel, arch, batch, 3 * number + 5 * batch)));
        }
    }
    let failures = failures(&items, |(kernel, arch, batch, number)| check(kernel, *arch, *batch, *number));
    report("launches", items.len(), &failures);
}

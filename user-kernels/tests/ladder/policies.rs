//! When copies complete and which warp comes first change no bit.

use crate::batches::{Batch, problem};
use crate::devices::{ARCHS, POLICIES, device};
use crate::sample::{failures, is_taken, kernels, report};
use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::launch;
use user_kernels::Kernel;

const BATCH: Batch = (&[(70, 131), (1, 190), (0, 7), (9, 40)], 2, 1);

fn check(kernel: &Kernel, arch: Arch, number: usize) -> Result<(), String> {
    let program = (kernel.program)();
    let problem = problem(kernel, arch, BATCH, number);
    let mut first: Option<Vec<Vec<u8>>> = None;
    for policy in POLICIES {
        let device = device(arch, policy);
        let what = |said: &str| {
            format!("{}: {said}\nof {problem} --arch {arch}, {} and {}", kernel.name, policy.0, policy.1)
        };
        let inputs = kernel.inputs(&device, &problem).map_err(|error| what(&error.to_string()))?;
        launch(&device, program, &inputs.arguments(), &LaunchOptions::default())
            .map_err(|error| what(&error.to_string()))?;
        let outputs = (0..program.params.len()).filter_map(|index| inputs.output(index));
        let bits = outputs.map(|tensor| tensor.buffer().to_bytes().expect("the emulator reads")).collect();
        match &first {
            None => first = Some(bits),
            Some(first) if *first == bits => {}
            Some(_) => return Err(what("other bits")),
        }
    }
    Ok(())
}

#[test]
fn policies() {
    let taken = kernels().into_iter().flat_map(|(number, kernel)| {
        let archs =
            ARCHS.into_iter().enumerate().filter(move |(of_arch, _)| is_taken(number + 8 * of_arch, 16));
        archs.map(move |(_, arch)| (kernel, arch, 7 * number + 1))
    });
    let items: Vec<_> = taken.collect();
    let failures = failures(&items, |(kernel, arch, number)| check(kernel, *arch, *number));
    report("policies", items.len(), &failures);
}

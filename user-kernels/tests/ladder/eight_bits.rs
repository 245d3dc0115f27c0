//! Kernels whose queries, keys and values are of 8 bits, which Hopper multiplies as they are: with an output of its own type, for no kernel
//! stores 8 bits.

use crate::batches::{BATCHES, is_paged, problem};
use crate::devices::{POLICIES, device};
use crate::sample::{failures, is_taken, kernels, report};
use flashpage::codegen::layout::transposed_copy::HEAD_DIMS;
use flashpage::codegen::program::{Element as ElementId, ElementOf, Generic};
use flashpage::codegen::{Arch, HeadDim, Program};
use flashpage::prelude::*;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Factors, equivalence, launch};
use std::sync::atomic::{AtomicUsize, Ordering};
use user_kernels::Kernel;

/// The kernel with outputs of another type than its inputs; `None` of one that there are no products of 8 bits for: its author fixed its types
/// or a head dimension, its values are its keys, or it has no softmax.
fn of_eight_bits(kernel: &Kernel, head_dim: HeadDim) -> Option<Program> {
    let mut program = (kernel.program)().clone();
    let open = matches!(program.input_element(), Generic::Open(_))
        && matches!(program.kv_element(), Generic::Open(_));
    let plain = !program.has_values_in_keys() && program.takes(head_dim).is_ok();
    if !open || !plain {
        return None;
    }
    if program.output_element() == program.input_element() {
        program.elements.push(Generic::Open("Of8".to_owned()));
        let own = ElementId(program.elements.len() - 1);
        let outputs = program.params.iter_mut().filter(|param| param.kind.element_of() == ElementOf::Outputs);
        outputs.filter(|param| param.element.is_some()).for_each(|param| param.element = Some(own));
    }
    Some(program)
}

/// Whether it was launched.
fn check(kernel: &Kernel, batch: usize, number: usize) -> Result<bool, String> {
    let head_dim = HeadDim::from(HEAD_DIMS[number % HEAD_DIMS.len()]);
    let Some(program) = of_eight_bits(kernel, head_dim) else { return Ok(false) };
    let types = [DType::E4m3, DType::E5m2];
    let [kv_types, outputs] = [program.kv_types(types[number % 2]), program.output_types(types[number % 2])];
    let problem = problem(kernel, Arch::Sm90a, BATCHES[batch], number);
    let may_be_transposed =
        is_paged(&program) && problem.block_size.is_multiple_of(16) && (number / 2).is_multiple_of(2);
    let problem = Problem {
        dtype: types[number % 2],
        kv_dtype: Some(kv_types[number / 3 % kv_types.len()]),
        output: Some(outputs[number % outputs.len()]),
        head_dim,
        values: if may_be_transposed { ValueLayout::Transposed } else { ValueLayout::Rows },
        ..problem
    };
    let device = device(Arch::Sm90a, POLICIES[number % POLICIES.len()]);
    let what = |said: String| format!("{}: {said}\nof {problem}", kernel.name);
    let inputs = kernel.inputs_of(&program, &device, &problem).map_err(|error| what(error.to_string()))?;
    match launch(&device, &program, &inputs.arguments(), &LaunchOptions::default()) {
        Ok(_) => {}
        Err(error) if error.to_string().contains("without a softmax") => return Ok(false),
        Err(error) => return Err(what(error.to_string())),
    }
    let verdicts =
        equivalence::check(&program, &inputs, Factors::EightBits).map_err(|error| what(error.to_string()))?;
    assert!(!verdicts.is_empty(), "{}", kernel.name);
    match verdicts.iter().find(|(_, verdict)| !verdict.passed) {
        None => Ok(true),
        Some((output, verdict)) => Err(what(format!("{output}: {verdict}"))),
    }
}

#[test]
fn eight_bits() {
    let mut items = Vec::new();
    for (number, kernel) in kernels() {
        let taken = (0..BATCHES.len()).filter(|batch| is_taken(number + batch, 2 * BATCHES.len()));
        items.extend(taken.map(|batch| (kernel, batch, 3 * number + 5 * batch)));
    }
    let launched = AtomicUsize::new(0);
    let failures = failures(&items, |(kernel, batch, number)| {
        let ran = check(kernel, *batch, *number)?;
        launched.fetch_add(usize::from(ran), Ordering::Relaxed);
        Ok(())
    });
    let launched = launched.into_inner();
    report("launches of 8 bits", launched, &failures);
    assert!(2 * launched > items.len(), "{launched} of {} were launched", items.len());
}

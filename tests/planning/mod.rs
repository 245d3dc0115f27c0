//! Plans a batch, runs it and holds every output against the reference.
#![allow(dead_code)]

use flashpage::codegen::Program;
use flashpage::codegen::program::{Element as ElementId, Generic, ParamKind};
use flashpage::kernels::find;
use flashpage::prelude::*;
use flashpage::runtime::check::{check_lse_beside, check_output, judged_as, lse_allowance};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    Argument, Capacity, Factors, Plan, PlanOptions, Planner, SharedPrefix, plain, reference,
};

pub fn stock(name: &str) -> &'static Program {
    (find(name).unwrap().program)()
}

/// A stock kernel that stores an output of this element type.
pub fn storing(kernel: &str, output: Generic<DType>) -> Program {
    let mut program = stock(kernel).clone();
    program.elements.push(output);
    for param in program.params.iter_mut().filter(|param| param.kind == ParamKind::Output) {
        param.element = Some(ElementId(program.elements.len() - 1));
    }
    program.validate().unwrap();
    program
}

/// Room for a problem and no more.
pub fn capacity(problem: &Problem) -> Capacity {
    let tokens: usize = problem.lens.iter().map(|pair| pair.0).sum();
    Capacity {
        split_items: Some(600),
        partial_rows: Some(40_000),
        ..Capacity::new(tokens.max(1), problem.lens.len().max(1))
    }
}

pub fn forced(parts: usize) -> PlanOptions {
    PlanOptions { parts: Some(parts), ..PlanOptions::default() }
}

/// The first row where an output differs from the reference by more than the rule allows; outputs of tokens that belong
/// to no sequence are not looked at.
pub fn wrong(program: &Program, arguments: &[Argument<'_>]) -> Option<String> {
    let (expected, plain) = (reference(program, arguments).unwrap(), plain(program, arguments).unwrap());
    let query = program.params.iter().zip(arguments).find_map(|(param, argument)| match argument {
        Argument::Ragged(ragged) if param.kind == ParamKind::Query => Some(*ragged),
        _ => None,
    });
    let query = query.expect("a kernel has a query");
    let rows = query.starts.tokens() * query.tensor.shape()[1];
    for (expected, plain) in expected.iter().zip(&plain) {
        let Argument::Output(tensor) = arguments[expected.param.0] else { continue };
        let count = if expected.is_vector { rows } else { rows * tensor.shape()[2] };
        let got: Vec<f64> = tensor.read_f32(0, count).unwrap().into_iter().map(f64::from).collect();
        let (expected_values, plain) = (&expected.values[..count], &plain.values[..count]);
        let factors = Factors::from(query.tensor.dtype());
        let verdict = match expected.is_vector {
            true => check_lse_beside(&got, expected_values, lse_allowance(plain, expected_values, factors)),
            false => check_output(&got, expected_values, plain, judged_as(factors, tensor.dtype())),
        };
        if !verdict.passed {
            return Some(format!("{}: {}: {verdict}", program.name, expected.name));
        }
    }
    None
}

/// Plans and runs these arguments. Gives the plan, or what is wrong with it.
pub fn judge_arguments(
    device: &Device,
    program: &Program,
    arguments: &[Argument<'_>],
    (capacity, options): (Capacity, PlanOptions),
    prefixes: &[SharedPrefix],
) -> Result<Plan, String> {
    let what = |error: &dyn std::fmt::Display| format!("{}: {options:?}: {error}", program.name);
    let planner =
        Planner::new(device, program, arguments, capacity, options).map_err(|error| what(&error))?;
    let plan = planner.plan(arguments, prefixes).map_err(|error| what(&error))?;
    planner.run(&plan, arguments).map_err(|error| format!("{}\n{plan}", what(&error)))?;
    match wrong(program, arguments) {
        None => Ok(plan),
        Some(error) => Err(format!("{}\n{plan}", what(&error))),
    }
}

/// Makes a problem up, plans it and runs it.
pub fn judge(
    device: &Device,
    program: &Program,
    problem: &Problem,
    options: PlanOptions,
) -> Result<Plan, String> {
    let inputs = problem.inputs(device, program).map_err(|error| error.to_string())?;
    judge_arguments(device, program, &inputs.arguments(), (capacity(problem), options), &[])
        .map_err(|error| format!("{problem}: {error}"))
}

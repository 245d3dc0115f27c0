//! Kernels of planned batches, against the program in f64: keys in parts that are merged, and prefixes that several sequences
//! share.

use crate::batches::{Batch, MIXED, is_paged, problem};
use crate::devices::{ARCHS, POLICIES, device};
use crate::sample::{failures, is_all, is_taken, kernels, report};
use flashpage::codegen::Arch;
use flashpage::codegen::program::{ParamKind, StateKind};
use flashpage::prelude::*;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    Argument, Capacity, Factors, Plan, PlanOptions, Planner, SharedPrefix, equivalence,
};
use std::sync::Mutex;
use user_kernels::Kernel;

/// Sequences of which some begin alike.
const ALIKE: Batch = (&[(1, 40), (40, 300), (1, 210), (0, 200), (7, 240), (3, 90), (2, 64)], 4, 2);

/// The kernels whose prefixes are computed once: what they say of a score of the prefix is the same for every sequence and row.
const SHARING: &[&str] = &["softmaxes:growing_sinks", "numbers:latent_rows", "calls:after_a_prefix"];

fn has_softmax(kernel: &Kernel) -> bool {
    let program = (kernel.program)();
    program.states.iter().any(|state| state.kind == StateKind::OnlineSoftmax)
}

/// Plans the arguments, runs them and compares what came out.
fn judge(
    kernel: &Kernel,
    device: &Device,
    problem: &Problem,
    arguments: &[Argument<'_>],
    (options, prefixes): (PlanOptions, &[SharedPrefix]),
) -> Result<Plan, String> {
    let program = (kernel.program)();
    let what = |said: String| {
        format!("{}: {said}\nof {problem}, planned for {}, {options:?}", kernel.name, device.arch())
    };
    let tokens = problem.lens.iter().map(|lens| lens.0).sum();
    let capacity = Capacity {
        split_items: Some(600),
        partial_rows: Some(40_000),
        cascade: !prefixes.is_empty(),
        ..Capacity::new(tokens, problem.lens.len())
    };
    let planner = Planner::new(device, program, arguments, capacity, options)
        .map_err(|error| what(error.to_string()))?;
    let plan = planner.plan(arguments, prefixes).map_err(|error| what(error.to_string()))?;
    planner.run(&plan, arguments).map_err(|error| what(format!("{error}\n{plan}")))?;
    let factors = Factors::of(problem.dtype, options.tuning.f32_products());
    let verdicts =
        equivalence::check_arguments(program, arguments, factors).map_err(|error| what(error.to_string()))?;
    match verdicts.iter().find(|(_, verdict)| !verdict.passed) {
        None => Ok(plan),
        Some((output, verdict)) => Err(what(format!("{output}: {verdict}\n{plan}"))),
    }
}

/// In one part to four.
fn parts(kernel: &Kernel, arch: Arch, number: usize) -> Result<(), String> {
    let device = device(arch, POLICIES[number % POLICIES.len()]);
    let problem = problem(kernel, arch, MIXED, number);
    let inputs = kernel.inputs(&device, &problem).map_err(|error| error.to_string())?;
    let parts = has_softmax(kernel).then_some(1 + number % 4);
    let options = PlanOptions { parts, ..PlanOptions::default() };
    judge(kernel, &device, &problem, &inputs.arguments(), (options, &[])).map(drop)
}

#[test]
fn in_parts() {
    let taken = kernels().into_iter().flat_map(|(number, kernel)| {
        let archs =
            ARCHS.into_iter().enumerate().filter(move |(of_arch, _)| is_taken(number + 2 * of_arch, 8));
        archs.map(move |(of_arch, arch)| (kernel, arch, number + of_arch))
    });
    let items: Vec<_> = taken.collect();
    let failures = failures(&items, |(kernel, arch, number)| parts(kernel, *arch, *number));
    report("plans in parts", items.len(), &failures);
}

/// A table in which four sequences begin with the blocks of the first of them.
fn shared(
    device: &Device,
    table: &DeviceBlockTable,
    prefix: &SharedPrefix,
    block_size: usize,
) -> DeviceBlockTable {
    let blocks = prefix.tokens / block_size;
    let row = |sequence: usize| {
        let mut row = table.row(sequence).to_vec();
        if prefix.sequences.contains(&sequence) {
            row[..blocks].copy_from_slice(&table.row(prefix.sequences.start)[..blocks]);
        }
        row
    };
    let entries: Vec<i32> = (0..table.sequences()).flat_map(row).collect();
    DeviceBlockTable::new(device, &entries, table.width(), table.seq_lens())
        .expect("a table of the same shape")
}

/// With a prefix of 192 tokens; whether it was computed once.
fn cascade(kernel: &Kernel, arch: Arch, number: usize) -> Result<bool, String> {
    let device = device(arch, POLICIES[number % POLICIES.len()]);
    let block_size = [16, 1, 8, 24, 2, 4, 64][number % 7];
    let problem = Problem { block_size, ..problem(kernel, arch, ALIKE, number) };
    let inputs = kernel.inputs(&device, &problem).map_err(|error| error.to_string())?;
    let prefix = SharedPrefix { sequences: 1..5, tokens: 192 };
    let mut arguments = inputs.arguments();
    let at = (kernel.program)().params.iter().position(|param| param.kind == ParamKind::BlockTable);
    let at = at.expect("a paged kernel has a table");
    let Argument::Table(own) = arguments[at] else { panic!("a table is a table") };
    let table = shared(&device, own, &prefix, block_size);
    arguments[at] = Argument::Table(&table);
    let parts = has_softmax(kernel).then_some(1 + number % 3);
    let options = PlanOptions { parts, always_cascade: true, ..PlanOptions::default() };
    let plan = judge(kernel, &device, &problem, &arguments, (options, &[prefix]))?;
    Ok(!plan.groups.is_empty())
}

#[test]
fn with_a_shared_prefix() {
    let paged = kernels().into_iter().filter(|(_, kernel)| is_paged((kernel.program)()));
    let items: Vec<_> = paged
        .enumerate()
        .flat_map(|(turn, (number, kernel))| ARCHS.map(|arch| (turn, number, kernel, arch)))
        .filter(|(turn, _, _, arch)| is_taken(turn + 2 * usize::from(*arch == Arch::Sm90a), 8))
        .collect();
    let sharing = Mutex::new(std::collections::BTreeSet::new());
    let failures = failures(&items, |(_, number, kernel, arch)| {
        if cascade(kernel, *arch, *number)? {
            sharing.lock().unwrap().insert(kernel.name);
        }
        Ok(())
    });
    report("plans with a shared prefix", items.len(), &failures);
    let tried: Vec<&str> = items.iter().map(|item| item.2.name).collect();
    let expected: Vec<&str> = SHARING.iter().copied().filter(|name| tried.contains(name)).collect();
    let mut sharing: Vec<&str> = sharing.into_inner().unwrap().into_iter().collect();
    sharing.sort_by_key(|name| user_kernels::KERNELS.iter().position(|kernel| kernel.name == *name));
    assert_eq!(sharing, expected, "{}", if is_all() { "of all" } else { "of today's" });
}

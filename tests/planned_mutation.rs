//! Whatever synchronises in a planned kernel is needed, and the emulator says so when it is gone: as `mutation.rs` has
//! it of grid kernels, here of one paged kernel with a window in every class, with and without partial results. On Hopper
//! what is mutated is what a planned kernel has beyond a grid kernel: that it waits for the launch before it.

use crate::mutants;
use crate::planning;

use flashpage::codegen::schedule::Tuning;
use flashpage::codegen::{Arch, ShapeClass, Spec, Work, compile};
use flashpage::prelude::*;
use flashpage::runtime::device::Launch;
use flashpage::runtime::problem::{Inputs, Problem};
use flashpage::runtime::{AsyncPolicy, EmulatorOptions, Plan, Planner, WarpOrder};
use mutants::mutants;
use planning::{capacity, forced, stock};

/// A way to run the batch, which has run once.
struct Harness {
    device: Device,
    inputs: Inputs,
    planner: Planner,
    plan: Plan,
}

impl Harness {
    fn new(problem: &Problem, parts: usize, options: EmulatorOptions) -> Harness {
        let device = Device::emulator_with(EmulatorOptions { instruction_budget: 20_000_000, ..options });
        let program = stock("paged_attention");
        let inputs = problem.inputs(&device, program).unwrap();
        let arguments = inputs.arguments();
        let planner = Planner::new(&device, program, &arguments, capacity(problem), forced(parts)).unwrap();
        let plan = planner.plan(&arguments, &[]).unwrap();
        planner.run(&plan, &arguments).unwrap();
        drop(arguments);
        Harness { device, inputs, planner, plan }
    }

    fn outputs(&self) -> Vec<Vec<u8>> {
        let outputs =
            (0..stock("paged_attention").params.len()).filter_map(|index| self.inputs.output(index));
        outputs.map(|tensor| tensor.buffer().to_bytes().unwrap()).collect()
    }

    /// Whether this text in place of the kernel `entry` is objected to, or leaves other outputs.
    fn objects(&self, entry: &str, text: &str, want: &[Vec<u8>]) -> bool {
        self.objection(entry, text, want).is_some()
    }

    /// What is objected to. On Hopper the launch may begin before the one before it has ended.
    fn objection(&self, entry: &str, text: &str, want: &[Vec<u8>]) -> Option<String> {
        let launches = self.planner.launches(&self.inputs.arguments()).unwrap();
        let planned = launches.iter().find(|launch| launch.entry == entry).unwrap();
        let merge = launches.last().unwrap();
        let module = match self.device.load(text) {
            Ok(module) => module,
            Err(error) => return Some(error.to_string()),
        };
        let programmatic = self.device.has_programmatic_launches();
        let launch = Launch { programmatic, ..planned.launch.clone() };
        let ran = self.device.launch(&module, entry, &launch);
        let same = ran.is_ok() && merge.run(&self.device).is_ok() && self.outputs() == want;
        if !same {
            // Nothing of the mutant is left for the next.
            self.planner.run(&self.plan, &self.inputs.arguments()).unwrap();
        }
        let other = || "other results".to_string();
        (!same).then(|| ran.err().map_or_else(other, |error| error.to_string()))
    }
}

#[test]
fn every_mutant_of_a_planned_kernel_is_caught() {
    let mut survivors = Vec::new();
    for (class, q_len) in [(ShapeClass::Prefill, 150), (ShapeClass::Append, 20), (ShapeClass::Decode, 3)] {
        // Every loop goes round in each part of a window, whose left end lies in two tiles even for three rows, from
        // column 511 on; and a sequence has no keys at all.
        let window = (1500 - q_len - 510) as f64;
        let problem = Problem {
            q_heads: 2,
            kv_heads: 1,
            lens: vec![(q_len, 1500), (q_len, 0)],
            scalars: [("window".to_owned(), window)].into(),
            ..Problem::default()
        };
        for (parts, work) in [(1, Work::List), (2, Work::Partials)] {
            let spec = Spec {
                arch: Arch::Sm80,
                dtype: problem.dtype,
                kv_dtype: problem.dtype,
                output: problem.dtype,
                head_dim: problem.head_dim,
                block_size: Some(problem.block_size),
                shape: class,
                tuning: Tuning::default(),
                work,
                values: Default::default(),
                fold_scale: true,
            };
            let compiled = compile(stock("paged_attention"), &spec).unwrap();
            let ways = [
                (AsyncPolicy::Eager, WarpOrder::InOrder, true),
                (AsyncPolicy::Lazy, WarpOrder::InOrder, true),
                (AsyncPolicy::Lazy, WarpOrder::InOrder, false),
                (AsyncPolicy::Random(1), WarpOrder::Random(1), true),
                (AsyncPolicy::Random(2), WarpOrder::Random(2), true),
            ];
            let harnesses = ways.map(|(policy, warp_order, sanitize)| {
                Harness::new(
                    &problem,
                    parts,
                    EmulatorOptions {
                        policy,
                        warp_order,
                        sanitize: sanitize.into(),
                        ..EmulatorOptions::default()
                    },
                )
            });
            let want = harnesses[0].outputs();
            let all = mutants(&compiled.text());
            assert!(all.len() > 5, "{} mutants of {}", all.len(), compiled.entry);
            for mutant in all {
                let mut objectors =
                    harnesses.iter().filter(|harness| harness.objects(&compiled.entry, &mutant.text, &want));
                if objectors.next().is_none() {
                    survivors.push(format!("{}, line {}: {}", compiled.entry, mutant.line, mutant.what));
                }
            }
        }
    }
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
}

/// What is for speed alone: instruction and reason.
const FOR_SPEED: &[(&str, &str)] =
    &[("griddepcontrol.launch_dependents", "without it dependents begin when the grid has ended")];

/// A planned kernel for Hopper that may begin before the launch before it has ended: it has to wait, every thread that
/// touches global memory of it.
#[test]
fn every_mutant_of_a_programmatic_launch_is_caught() {
    for (class, q_len) in [(ShapeClass::Prefill, 150), (ShapeClass::Append, 20), (ShapeClass::Decode, 3)] {
        let problem = Problem {
            q_heads: 2,
            kv_heads: 1,
            lens: vec![(q_len, 900), (q_len, 0)],
            scalars: [("window".to_owned(), 500.0)].into(),
            ..Problem::default()
        };
        for (parts, work) in [(1, Work::List), (2, Work::Partials)] {
            let spec = Spec {
                arch: Arch::Sm90a,
                dtype: problem.dtype,
                kv_dtype: problem.dtype,
                output: problem.dtype,
                head_dim: problem.head_dim,
                block_size: Some(problem.block_size),
                shape: class,
                tuning: Tuning::default(),
                work,
                values: Default::default(),
                fold_scale: true,
            };
            let compiled = compile(stock("paged_attention"), &spec).unwrap();
            let ways = [
                (AsyncPolicy::Eager, WarpOrder::InOrder),
                (AsyncPolicy::Lazy, WarpOrder::InOrder),
                (AsyncPolicy::Random(1), WarpOrder::Random(1)),
            ];
            let harnesses = ways.map(|(policy, warp_order)| {
                let sanitize = true.into();
                let arch = Arch::Sm90a;
                let options = EmulatorOptions { arch, policy, warp_order, sanitize, ..Default::default() };
                Harness::new(&problem, parts, options)
            });
            let want = harnesses[0].outputs();
            let text = compiled.text();
            let all: Vec<_> =
                mutants(&text).into_iter().filter(|mutant| mutant.what.contains("griddepcontrol")).collect();
            assert_eq!(
                all.len(),
                3,
                "the wait in two ways and what lets dependents begin: {}",
                compiled.entry
            );
            for harness in &harnesses {
                assert_eq!(harness.objection(&compiled.entry, &text, &want), None, "the kernel itself");
                for mutant in &all {
                    let found = harness.objection(&compiled.entry, &mutant.text, &want);
                    let is_gone = mutant.what.contains("became `nothing`");
                    let expected = match FOR_SPEED.iter().any(|(known, _)| mutant.what.contains(known)) {
                        true => None,
                        false if is_gone => Some("this entry has no `griddepcontrol.wait`"),
                        false => Some("reads global memory before `griddepcontrol.wait`"),
                    };
                    let told = found.as_deref().unwrap_or_default();
                    let entry = &compiled.entry;
                    assert_eq!(found.is_some(), expected.is_some(), "{entry}: {}: {told}", mutant.what);
                    assert!(told.contains(expected.unwrap_or_default()), "{entry}: {}: {told}", mutant.what);
                }
            }
        }
    }
}

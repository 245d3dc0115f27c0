//! Planned batches against the reference: tiles from a work list, keys cut into parts and merged, for either target.
//!
//! Lengths, masks and maps are those on which a part could be told from the whole: none, one, primes, one past a tile;
//! windows, slopes and caps; groups of heads of every make; block sizes that tiles cut.

mod targets;

use flashpage::codegen::Program;
use flashpage::kernels::find;
use flashpage::prelude::*;
use flashpage::runtime::equivalence;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Capacity, PlanOptions, Planner, SharedPrefix};
use std::collections::BTreeMap;
use targets::{ARCHS, harsh};

/// Room for a problem and no more.
fn capacity(problem: &Problem) -> Capacity {
    let tokens: usize = problem.lens.iter().map(|pair| pair.0).sum();
    Capacity {
        split_items: Some(600),
        partial_rows: Some(40_000),
        ..Capacity::new(tokens.max(1), problem.lens.len())
    }
}

/// Plans a problem, runs it and holds every output against the reference. Gives what the plan says.
fn judge(
    device: &Device,
    program: &Program,
    problem: &Problem,
    capacity: Capacity,
    options: PlanOptions,
    prefixes: &[SharedPrefix],
) -> Result<String, String> {
    let what = |error: &dyn std::fmt::Display| format!("{}: {problem} {options:?}: {error}", program.name);
    let inputs = problem.inputs(device, program).map_err(|error| what(&error))?;
    let arguments = inputs.arguments();
    let planner =
        Planner::new(device, program, &arguments, capacity, options).map_err(|error| what(&error))?;
    let plan = planner.plan(&arguments, prefixes).map_err(|error| what(&error))?;
    planner.run(&plan, &arguments).map_err(|error| what(&error))?;
    let verdicts = equivalence::check(program, &inputs, problem.dtype).map_err(|error| what(&error))?;
    for (name, verdict) in verdicts.iter().filter(|(_, verdict)| !verdict.passed) {
        return Err(format!("{}\n{plan}", what(&format!("{name}: {verdict}"))));
    }
    Ok(plan.to_string())
}

fn stock(name: &str) -> &'static Program {
    (find(name).unwrap().program)()
}

fn forced(parts: usize) -> PlanOptions {
    PlanOptions { parts: Some(parts), ..PlanOptions::default() }
}

/// Prefill, append and decode in one batch, with sequences of nothing between them.
const MIXED: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (1, 1), (3, 0), (1, 65), (17, 17)];

/// More queries than keys.
const FEW_KEYS: &[(usize, usize)] = &[(20, 3), (1, 64), (2, 129)];

#[test]
fn parts_give_what_the_whole_gives() {
    for arch in ARCHS {
        let device = harsh(arch);
        // Kernel, lengths, query heads, KV heads, block size, scalars, parts.
        type Row<'a> = (&'a str, &'a [(usize, usize)], usize, usize, usize, &'a [(&'a str, f64)], usize);
        let table: [Row; 12] = [
            ("attention", MIXED, 2, 1, 16, &[], 1),
            ("attention", MIXED, 4, 2, 16, &[], 3),
            ("causal_attention", MIXED, 3, 1, 16, &[], 2),
            ("causal_attention", FEW_KEYS, 2, 2, 16, &[], 4),
            ("sliding_window_attention", MIXED, 2, 2, 16, &[("window", 37.0)], 2),
            ("sliding_window_attention", &[(1, 700), (40, 390)], 2, 1, 16, &[("window", 150.0)], 5),
            ("softcap_attention", MIXED, 2, 1, 16, &[("cap", 5.0)], 4),
            ("alibi_attention", MIXED, 4, 2, 16, &[], 3),
            ("paged_attention", MIXED, 8, 2, 16, &[("window", 100.0)], 3),
            ("paged_attention", FEW_KEYS, 2, 1, 8, &[], 6),
            ("paged_attention", &[(1, 500), (33, 97), (4, 113)], 6, 2, 24, &[], 7),
            ("paged_full_attention", &[(1, 517), (2, 600)], 8, 1, 24, &[], 8),
        ];
        for (seed, (kernel, lens, q_heads, kv_heads, block_size, scalars, parts)) in table.iter().enumerate()
        {
            let scalars: BTreeMap<String, f64> =
                scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            let problem = Problem {
                lens: lens.to_vec(),
                q_heads: *q_heads,
                kv_heads: *kv_heads,
                block_size: *block_size,
                scalars,
                seed: seed as u64,
                dtype: if seed % 3 == 2 { DType::Bf16 } else { DType::F16 },
                layout: if seed % 2 == 0 { PoolLayout::Nhd } else { PoolLayout::Hnd },
                ..Problem::default()
            };
            judge(&device, stock(kernel), &problem, capacity(&problem), forced(*parts), &[]).unwrap();
            judge(&device, stock(kernel), &problem, capacity(&problem), PlanOptions::default(), &[]).unwrap();
        }
    }
}

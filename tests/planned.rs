//! Planned batches against the reference: tiles from a work list, keys cut into parts and merged, for either target.
//!
//! Lengths, masks and maps are those on which a part could be told from the whole: none, one, primes, one past a tile;
//! windows, slopes and caps; groups of heads of every make; block sizes that tiles cut.

use crate::drawn;
use crate::kernel_source;
use crate::planning;
use crate::targets;
use crate::user_sources;

use flashpage::codegen::Arch;
use flashpage::codegen::choice::tuned_head_dims;
use flashpage::prelude::*;
use flashpage::runtime::equivalence::check_rows;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Argument, AsyncPolicy, PlanOptions, Planner, Row, WarpOrder};
use kernel_source::{Cache, kernel, program};
use planning::{capacity, forced, judge, stock};
use proptest::prelude::*;
use std::collections::BTreeMap;
use targets::{ARCHS, harsh, options, plain};
use user_sources::{HUGE, SEQUENCES, SOFTMAXES, TABLES, form_source};

/// Prefill, append and decode in one batch, with sequences of nothing between them.
const MIXED: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (1, 1), (3, 0), (1, 65), (17, 17)];

/// More queries than keys.
const FEW_KEYS: &[(usize, usize)] = &[(20, 3), (1, 64), (2, 129)];

#[test]
fn parts_give_what_the_whole_gives() {
    for arch in ARCHS {
        let device = harsh(arch);
        // Kernel, lengths, query heads, KV heads, block size, scalars, parts.
        type Case<'a> = (&'a str, &'a [(usize, usize)], usize, usize, usize, &'a [(&'a str, f64)], usize);
        let table: [Case; 15] = [
            ("attention", MIXED, 2, 1, 16, &[], 1),
            ("attention", MIXED, 4, 2, 16, &[], 3),
            ("causal_attention", MIXED, 3, 1, 16, &[], 2),
            ("causal_attention", FEW_KEYS, 2, 2, 16, &[], 4),
            ("sliding_window_attention", MIXED, 2, 2, 16, &[("window", 37.0)], 2),
            ("sliding_window_attention", &[(1, 700), (40, 390)], 2, 1, 16, &[("window", 150.0)], 5),
            ("softcap_attention", MIXED, 2, 1, 16, &[("cap", 5.0)], 4),
            ("alibi_attention", MIXED, 4, 2, 16, &[], 3),
            ("paged_attention", MIXED, 8, 2, 16, &[("window", 100.0)], 3),
            ("paged_attention", FEW_KEYS, 2, 1, 4, &[], 6),
            ("paged_attention", &[(1, 500), (33, 97), (4, 113)], 6, 2, 24, &[], 7),
            ("paged_full_attention", &[(1, 517), (2, 600)], 8, 1, 24, &[], 8),
            // Groups that no tile of a short class holds.
            ("paged_full_attention", &[(1, 300), (3, 210)], 80, 1, 1, &[], 2),
            ("causal_attention", &[(1, 300), (5, 210)], 20, 1, 16, &[], 2),
            ("alibi_attention", &[(1, 300), (30, 210)], 14, 2, 16, &[], 3),
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
            let plan = judge(&device, stock(kernel), &problem, forced(*parts)).unwrap();
            assert!(plan.classes.iter().all(|class| class.parts <= *parts), "{plan}");
            // Tiles for Hopper may be wider than these sequences are long.
            assert!(*parts == 1 || plan.merged_rows > 0 || device.arch() == Arch::Sm90a, "{plan}");
            judge(&device, stock(kernel), &problem, PlanOptions::default()).unwrap();
        }
    }
}

/// What users write: vectors by token, tables, sinks and weights, each in parts. Without a softmax nothing is merged, and parts
/// that are asked for are an error.
#[test]
fn users_kernels_in_parts() {
    let rows =
        SEQUENCES.iter().chain(TABLES).chain(HUGE).zip([Cache::Paged, Cache::Contiguous].into_iter().cycle());
    // What it is, its source, and values of its scalars.
    type Source = (&'static str, String, &'static [(&'static str, f64)]);
    let mut sources: Vec<Source> = rows
        .map(|((what, params, steps, scalars), cache)| (*what, kernel(cache, params, steps), *scalars))
        .collect();
    sources.extend(SOFTMAXES.iter().map(|form| (form.0, form_source(form), &[][..])));
    for (number, (what, source, scalars)) in sources.iter().enumerate() {
        let program = program(source);
        let arch = ARCHS[number % 2];
        let device = harsh(arch);
        let problem = Problem {
            lens: MIXED.to_vec(),
            q_heads: 4,
            kv_heads: 2,
            seed: number as u64,
            dtype: if number % 3 == 2 { DType::Bf16 } else { DType::F16 },
            scalars: scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            ..Problem::default()
        };
        let has_softmax = source.contains("softmax");
        let in_parts = judge(&device, &program, &problem, forced(2 + number % 2));
        match has_softmax {
            true => drop(in_parts.unwrap_or_else(|error| panic!("{what}: {error}\n{source}"))),
            false => assert!(in_parts.is_err_and(|error| error.contains("has no softmax")), "{what}"),
        }
        if !has_softmax {
            judge(&device, &program, &problem, PlanOptions::default())
                .unwrap_or_else(|error| panic!("{what}: {error}\n{source}"));
        }
    }
}

/// Every number of parts of one long decode and one long prompt, in every head dimension.
#[test]
fn one_to_eight_parts() {
    for arch in ARCHS {
        let device = harsh(arch);
        for (index, &head_dim) in tuned_head_dims(arch).iter().enumerate() {
            // In the larger ones as many as tell parts from the whole.
            for parts in (1..=8).step_by(if index < 2 { 1 } else { 3 }) {
                let problem = Problem {
                    head_dim,
                    lens: vec![(1, 521), (19, 530)],
                    q_heads: 4,
                    kv_heads: 2,
                    block_size: [8, 16, 24, 1][parts % 4],
                    seed: (parts + 10 * index) as u64,
                    ..Problem::default()
                };
                let program = stock(if parts % 2 == 0 { "paged_attention" } else { "causal_attention" });
                judge(&device, program, &problem, forced(parts)).unwrap();
            }
        }
    }
}

/// Columns of other sequences, and past an item's end, may be NaN.
#[test]
fn neighbours_may_be_nan() {
    for arch in ARCHS {
        let device = harsh(arch);
        let program = stock("attention");
        let problem = Problem {
            lens: vec![(2, 131), (3, 70), (1, 197)],
            q_heads: 2,
            kv_heads: 2,
            ..Problem::default()
        };
        let inputs = problem.inputs(&device, program).unwrap();
        let arguments = inputs.arguments();
        // Keys and values of the sequence in the middle.
        for argument in &arguments {
            if let Argument::Ragged(Ragged { tensor, starts }) = argument
                && starts.tokens() == 131 + 70 + 197
            {
                let line = 2 * problem.head_dim.qk;
                tensor.write(131 * line, &vec![f16::NAN; 70 * line]).unwrap();
            }
        }
        for parts in [1, 2, 3] {
            let planner =
                Planner::new(&device, program, &arguments, capacity(&problem), forced(parts)).unwrap();
            let plan = planner.plan(&arguments, &[]).unwrap();
            planner.run(&plan, &arguments).unwrap();
            let rows: Vec<Row> = [(0, 0), (0, 1), (2, 0)]
                .into_iter()
                .flat_map(|(sequence, index)| (0..2).map(move |head| Row { sequence, index, head }))
                .collect();
            for (name, verdict) in check_rows(program, &inputs, problem.dtype, &rows).unwrap() {
                assert!(verdict.passed, "{arch}, {parts} parts: {name}: {verdict}");
            }
        }
    }
}

/// The bytes of every output of a planned run.
fn outputs(device: &Device, problem: &Problem, parts: PlanOptions) -> Vec<Vec<u8>> {
    let program = stock("paged_attention");
    let inputs = problem.inputs(device, program).unwrap();
    let arguments = inputs.arguments();
    let planner = Planner::new(device, program, &arguments, capacity(problem), parts).unwrap();
    let plan = planner.plan(&arguments, &[]).unwrap();
    assert_eq!(plan, planner.plan(&arguments, &[]).unwrap());
    planner.run(&plan, &arguments).unwrap();
    let outputs = (0..program.params.len()).filter_map(|index| inputs.output(index));
    outputs.map(|tensor| tensor.buffer().to_bytes().unwrap()).collect()
}

/// When copies complete and which warp comes first change no bit, nor does running again.
#[test]
fn the_same_bits_every_time() {
    for arch in ARCHS {
        let problem =
            Problem { lens: MIXED.to_vec(), q_heads: 4, kv_heads: 2, block_size: 24, ..Problem::default() };
        for parts in [PlanOptions::default(), forced(3)] {
            let expected = outputs(&plain(arch), &problem, parts);
            for (policy, order) in [
                (AsyncPolicy::Lazy, WarpOrder::InOrder),
                (AsyncPolicy::Random(1), WarpOrder::Random(2)),
                (AsyncPolicy::Random(3), WarpOrder::Random(4)),
                (AsyncPolicy::Eager, WarpOrder::InOrder),
            ] {
                let device = targets::device(options(arch, policy, order));
                assert!(outputs(&device, &problem, parts) == expected, "{arch} under {policy} and {order}");
            }
        }
    }
}

/// Without parts, a planned kernel computes what the grid kernel does, bit for bit, where both have the same tiles.
#[test]
fn one_part_is_the_grid_kernel() {
    for arch in ARCHS {
        let device = plain(arch);
        for kernel in ["paged_attention", "causal_attention", "alibi_attention"] {
            let program = stock(kernel);
            // Of one class, and heads that nobody packs.
            let problem = Problem { lens: vec![(70, 300), (129, 131), (66, 66)], ..Problem::default() };
            let inputs = problem.inputs(&device, program).unwrap();
            let arguments = inputs.arguments();
            let read = || -> Vec<Vec<u8>> {
                let outputs = (0..program.params.len()).filter_map(|index| inputs.output(index));
                outputs.map(|tensor| tensor.buffer().to_bytes().unwrap()).collect()
            };
            let planner = Planner::new(&device, program, &arguments, capacity(&problem), forced(1)).unwrap();
            planner.run(&planner.plan(&arguments, &[]).unwrap(), &arguments).unwrap();
            let planned = read();
            flashpage::runtime::launch(&device, program, &arguments, &LaunchOptions::default()).unwrap();
            assert!(planned == read(), "{kernel} for {arch}");
        }
    }
}

/// Cases a test draws, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 40;

/// Batches of any make.
#[test]
fn random_batches() {
    let lens = prop::collection::vec(
        prop_oneof![
            3 => (1..3usize, 0..400usize),
            2 => (0..30usize, 0..200usize),
            1 => (60..140usize, 0..150usize),
        ],
        0..6,
    );
    let kernels = [
        "attention",
        "causal_attention",
        "sliding_window_attention",
        "softcap_attention",
        "alibi_attention",
        "paged_attention",
        "paged_full_attention",
    ];
    let block_sizes = prop::sample::select(vec![8usize, 1, 2, 4, 16, 24, 32, 40, 48]);
    let strategy = (
        (lens, prop::sample::select(vec![(1, 1), (2, 2), (4, 1), (6, 2), (5, 1)]), block_sizes),
        prop::sample::select(kernels.to_vec()),
        (prop::option::of(1..9usize), 1..200i32, any::<u64>(), prop::bool::ANY, prop::bool::ANY),
    );
    let test = |((lens, (q_heads, kv_heads), block_size), kernel, (parts, window, seed, hopper, bf16))| {
        let mut scalars = BTreeMap::new();
        if matches!(kernel, "sliding_window_attention" | "paged_attention") {
            scalars.insert("window".to_owned(), f64::from(window));
        }
        let problem = Problem {
            lens,
            q_heads,
            kv_heads,
            block_size,
            scalars,
            seed,
            dtype: if bf16 { DType::Bf16 } else { DType::F16 },
            layout: if seed % 2 == 0 { PoolLayout::Nhd } else { PoolLayout::Hnd },
            ..Problem::default()
        };
        let arch = if hopper { Arch::Sm90a } else { Arch::Sm80 };
        let (policy, order) = match seed % 3 {
            0 => (AsyncPolicy::Lazy, WarpOrder::InOrder),
            1 => (AsyncPolicy::Random(seed), WarpOrder::InOrder),
            _ => (AsyncPolicy::Random(seed), WarpOrder::Random(seed)),
        };
        let device = targets::device(options(arch, policy, order));
        let options = PlanOptions { parts, ..PlanOptions::default() };
        judge(&device, stock(kernel), &problem, options).map(drop)
    };
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/planned.txt");
    drawn::check(regressions, (CASES, 21), strategy, test);
}

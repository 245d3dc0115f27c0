//! Kernels beyond the stock ones, given as source text: masks and maps that users write, against the f64
//! reference. Each runs for both targets on batches where its boundary crosses tiles, contiguous or paged by turns.

use crate::judge;
use crate::kernel_source;
use crate::opaque_masks;
use crate::targets;
use crate::user_sources;

use flashpage::codegen::program::Generic;
use flashpage::codegen::{Arch, Program};
use flashpage::runtime::equivalence::{self, head_dims};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, LaunchOptions, PoolLayout};
use judge::judge;
use kernel_source::{Cache, kernel, program};
use targets::{ARCHS, harsh};
use user_sources::{
    DIVIDED, FORMS, HUGE, INDICES, MAPS, MASKS, NUMBERS, SEQUENCES, SOFTMAXES, TABLES, form_source,
};

/// Query and key lengths, query heads, KV heads.
type Batch = (&'static [(usize, usize)], usize, usize);

const BATCHES: &[Batch] = &[
    (&[(100, 230), (0, 5), (20, 20)], 2, 1),
    (&[(1, 190), (1, 3), (1, 65)], 8, 2),
    (&[(9, 130), (4, 9)], 4, 1),
    (&[(150, 150)], 1, 1),
    (&[(70, 9), (3, 0)], 2, 2),
];

fn problems(arch: Arch, program: &Program, scalars: &[(&str, f64)], first: usize) -> Vec<Problem> {
    let tuned = head_dims(program, arch, &equivalence::DTYPES);
    let problem = |(index, &(lens, q_heads, kv_heads)): (usize, &Batch)| {
        let number = first + index;
        let head_dim = tuned[number / 2 % tuned.len()];
        let dtype = match program.input_element() {
            Generic::Fixed(dtype) => *dtype,
            Generic::Open(_) => [DType::F16, DType::Bf16][number % 2],
        };
        let (outputs, stored) = (program.output_types(dtype), program.kv_types(dtype));
        Problem {
            values: Default::default(),
            dtype,
            kv_dtype: (stored.len() > 1).then(|| stored[(number + number / 3) % stored.len()]),
            output: (outputs.len() > 1).then(|| outputs[number % outputs.len()]),
            head_dim,
            q_heads,
            kv_heads,
            lens: lens.to_vec(),
            block_size: [16, 8, 40, 128, 1, 2, 4][number % 7],
            layout: if number.is_multiple_of(3) { PoolLayout::Hnd } else { PoolLayout::Nhd },
            seed: number as u64,
            scalars: scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    };
    // Kernels for Hopper take a while: two of the batches each, by turns.
    let is_taken = |index: usize| arch == Arch::Sm80 || (first + index) % 5 < 2;
    BATCHES.iter().enumerate().filter(|(index, _)| is_taken(*index)).map(problem).collect()
}

/// A source over all batches.
fn run(what: &str, source: &str, scalars: &[(&str, f64)], first: usize, failures: &mut Vec<String>) {
    let program = program(source);
    for arch in ARCHS {
        let device = harsh(arch);
        for problem in problems(arch, &program, scalars, first) {
            let result = judge(&device, "user.rs", &program, &problem, &LaunchOptions::default());
            failures.extend(result.err().map(|e| format!("{what}: {e}\nwhere user.rs is\n{source}")));
        }
    }
}

#[test]
fn masks() {
    let mut failures = Vec::new();
    for (index, (what, params, steps, scalars)) in MASKS.iter().enumerate() {
        let cache = [Cache::Contiguous, Cache::Paged][index % 2];
        run(what, &kernel(cache, params, steps), scalars, index, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn maps() {
    let mut failures = Vec::new();
    for (index, (what, params, steps, scalars)) in MAPS.iter().chain(NUMBERS).chain(HUGE).enumerate() {
        let cache = [Cache::Paged, Cache::Contiguous][index % 2];
        run(what, &kernel(cache, params, steps), scalars, index, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What lies outside a vector is read nowhere, chosen or not.
#[test]
fn indices() {
    let mut failures = Vec::new();
    for (index, (what, params, steps, scalars)) in INDICES.iter().chain(SEQUENCES).chain(TABLES).enumerate() {
        for cache in [Cache::Contiguous, Cache::Paged] {
            run(what, &kernel(cache, params, steps), scalars, index, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The masks that `ptxas.rs` holds against the assembler.
#[test]
fn opaque() {
    let mut failures = Vec::new();
    for (index, (what, params, steps, scalars)) in opaque_masks::OPAQUE.iter().enumerate() {
        let cache = [Cache::Contiguous, Cache::Paged][index % 2];
        run(what, &kernel(cache, params, steps), scalars, index, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A scalar that expressions divide by, whose multiplier the host makes: of any sign and size, and 0, by which all is 0.
#[test]
fn divisors() {
    let mut failures = Vec::new();
    for (index, n) in [0, 1, -1, 3, -3, 64, 1000, i32::MAX, -i32::MAX, i32::MIN].into_iter().enumerate() {
        let source = kernel([Cache::Contiguous, Cache::Paged][index % 2], "n: i32", DIVIDED);
        run(&format!("by {n}"), &source, &[("n", f64::from(n))], index, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Scales that cannot be folded into the exponential, and scores so large that one key takes all.
#[test]
fn scales() {
    let causal = "let s = (s * scale).mask(|at| at.col <= at.row);";
    let squeezed = "let s = (s * scale).map(|x, _| x.min(5.0)); let s = s.mask(|at| at.col <= at.row);";
    let table: &[(&str, &str, f64, Option<DType>)] = &[
        ("zero", causal, 0.0, None),
        ("negative zero", causal, -0.0, None),
        ("negative", causal, -0.125, None),
        ("tiny", causal, 1e-30, None),
        ("large", causal, 100.0, None),
        // A plain computation in f16 overflows, and allows nothing.
        ("huge", causal, 1e6, Some(DType::Bf16)),
        ("steep and negative", causal, -1.0, None),
        ("negative before a map", squeezed, -1.0, None),
    ];
    let mut failures = Vec::new();
    for (number, (what, steps, scale, dtype)) in table.iter().enumerate() {
        let source = kernel([Cache::Contiguous, Cache::Paged][number % 2], "", steps);
        let program = program(&source);
        for arch in ARCHS {
            let device = targets::plain(arch);
            for mut problem in problems(arch, &program, &[("scale", *scale)], number) {
                problem.dtype = dtype.unwrap_or(problem.dtype);
                let result = judge(&device, "user.rs", &program, &problem, &LaunchOptions::default());
                failures.extend(result.err().map(|e| format!("{what}: {e}\nwhere user.rs is\n{source}")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What a mask that keeps nothing leaves: zeros and minus infinity, exactly.
#[test]
fn rows_that_see_nothing() {
    for (arch, cache) in ARCHS.into_iter().flat_map(|a| [(a, Cache::Contiguous), (a, Cache::Paged)]) {
        let device = targets::plain(arch);
        let program = program(&kernel(cache, "", "let s = (s * scale).mask(|_at| false);"));
        for problem in problems(arch, &program, &[], 0) {
            let inputs = problem.inputs(&device, &program).unwrap();
            flashpage::runtime::launch(&device, &program, &inputs.arguments(), &LaunchOptions::default())
                .unwrap();
            for (index, param) in program.params.iter().enumerate() {
                let expected = if param.name == "lse" { f32::NEG_INFINITY } else { 0.0 };
                if let Some(output) = inputs.output(index) {
                    let got = output.to_f32_vec().unwrap();
                    let wrong = got.iter().position(|value| *value != expected);
                    assert_eq!(wrong.map(|at| (at, got[at])), None, "{} of {problem}, {arch}", param.name);
                }
            }
        }
    }
}

/// Edits of a whole kernel: what it stores, and what its author fixed.
#[test]
fn forms() {
    let mut failures = Vec::new();
    let device = targets::plain(Arch::Sm80);
    for (number, form) in FORMS.iter().chain(SOFTMAXES).enumerate() {
        let (what, _, _, outputs) = form;
        let source = form_source(form);
        let parsed = program(&source);
        let problem = &problems(Arch::Sm80, &parsed, &[], number)[0];
        let result = equivalence::run(&device, &parsed, problem, &LaunchOptions::default());
        assert_eq!(result.map(|r| r.verdicts.len()).ok(), Some(*outputs), "{what}");
        run(what, &source, &[], number, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

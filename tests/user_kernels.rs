//! Kernels beyond the stock ones, given as source text: masks and maps that users write, against the f64
//! reference. Each runs for both targets on batches where its boundary crosses tiles, contiguous or paged by turns.

mod judge;
mod kernel_source;
mod opaque_masks;
mod targets;

use flashpage::codegen::program::Generic;
use flashpage::codegen::schedule::head_dims;
use flashpage::codegen::{Arch, Program};
use flashpage::runtime::equivalence;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{DType, LaunchOptions, PoolLayout};
use judge::judge;
use kernel_source::{Cache, kernel, program};
use targets::{ARCHS, harsh};

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
    let problem = |(index, &(lens, q_heads, kv_heads)): (usize, &Batch)| {
        let number = first + index;
        let head_dim = match program.head_dim {
            Generic::Fixed(dim) => dim,
            Generic::Open(_) => head_dims(arch)[number / 2 % head_dims(arch).len()],
        };
        let dtype = match program.element {
            Generic::Fixed(dtype) => dtype,
            Generic::Open(_) => [DType::F16, DType::Bf16][number % 2],
        };
        Problem {
            dtype,
            head_dim,
            q_heads,
            kv_heads,
            lens: lens.to_vec(),
            block_size: [16, 8, 40, 128][number % 4],
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

/// What it is, further parameters, the steps from products to the softmax's scores, values of parameters.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, f64)]);

const MASKS: &[Row] = &[
    (
        "prefix-LM",
        "prefix: i32",
        "let s = (s * scale).mask(|at| at.col < prefix || at.col <= at.row);",
        &[("prefix", 70.0)],
    ),
    (
        "window on both sides",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col - at.row < w && at.row - at.col < w);",
        &[("w", 33.0)],
    ),
    ("causal, negated", "", "let s = (s * scale).mask(|at| !(at.col > at.row));", &[]),
    ("anti-causal", "", "let s = (s * scale).mask(|at| !(at.col <= at.row));", &[]),
    ("the diagonal", "", "let s = (s * scale).mask(|at| at.col == at.row);", &[]),
    ("all but the diagonal", "", "let s = (s * scale).mask(|at| at.col != at.row);", &[]),
    ("block-diagonal", "", "let s = (s * scale).mask(|at| at.col / 16 == at.row / 16);", &[]),
    (
        "strided",
        "stride: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.row - at.col) % stride == 0);",
        &[("stride", 7.0)],
    ),
    (
        "a window that grows with the head",
        "",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 8 * (at.head + 1));",
        &[],
    ),
    (
        "a window per head",
        "windows: PerHead<i32>",
        "let s = (s * scale).mask(|at| at.col <= at.row && at.row - at.col < 10 * windows[at.head] + 3);",
        &[],
    ),
    (
        "causal for one sequence, full for the others",
        "",
        "let s = (s * scale).mask(|at| at.seq != 0 || at.col <= at.row);",
        &[],
    ),
    (
        "a bound that depends on the sequence",
        "",
        "let s = (s * scale).mask(|at| at.col < 100 - 60 * at.seq);",
        &[],
    ),
    (
        "twice the row, which is no interval of unit slope",
        "",
        "let s = (s * scale).mask(|at| 2 * at.col <= at.row);",
        &[],
    ),
    (
        "attention sink and window",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col <= at.row && (at.col < 4 || at.row - at.col < w));",
        &[("w", 20.0)],
    ),
    (
        "minima and maxima of bounds",
        "w: i32",
        "let s = (s * scale).mask(|at| at.col >= 5 && at.col > at.row - w && at.col <= at.row + 3 && at.col < 140);",
        &[("w", 50.0)],
    ),
    (
        "an empty window",
        "w: i32",
        "let s = (s * scale).mask(|at| at.row - at.col < w && at.col <= at.row);",
        &[("w", 0.0)],
    ),
    ("nothing", "", "let s = (s * scale).mask(|_at| false);", &[]),
    ("everything", "", "let s = (s * scale).mask(|_at| true);", &[]),
    (
        "nothing or everything, by a flag",
        "full: bool",
        "let s = (s * scale).mask(|at| full || at.col <= at.row);",
        &[("full", 1.0)],
    ),
    (
        "a branch",
        "",
        "let s = (s * scale).mask(|at| if at.row % 2 == 0 { at.col <= at.row } else { at.col < 10 });",
        &[],
    ),
    (
        "two masks",
        "w: i32",
        "let s = s * scale; let s = s.mask(|at| at.col <= at.row); let s = s.mask(|at| at.row - at.col < w);",
        &[("w", 45.0)],
    ),
    (
        "a mask before a map",
        "",
        "let s = s.mask(|at| at.col <= at.row); let s = s.map(|x, at| x * scale - 0.01 * at.col as f32);",
        &[],
    ),
    (
        "mask, map, mask",
        "",
        "let s = s.mask(|at| at.col % 5 != 0); let s = s * scale; let s = s.mask(|at| at.col <= at.row);",
        &[],
    ),
];

const MAPS: &[Row] = &[
    (
        "softcap after scale",
        "cap: f32",
        "let s = (s * scale).map(|x, _| cap * (x / cap).tanh()); let s = s.mask(|at| at.col <= at.row);",
        &[("cap", 3.0)],
    ),
    (
        "a relative bias through select",
        "",
        "let s = (s * scale).map(|x, at| x + select(at.col < at.row, 0.5, -0.25));",
        &[],
    ),
    (
        "a relative bias through if",
        "",
        "let s = (s * scale).map(|x, at| if at.row - at.col < 10 { x } else { x - 1.0 });",
        &[],
    ),
    (
        "the score in a condition",
        "",
        "let s = (s * scale).map(|x, _| if x > 0.0 { x } else { 0.5 * x });",
        &[],
    ),
    (
        "slopes and positions",
        "slopes: PerHead<f32>",
        "let s = s.map(|x, at| x * scale + slopes[at.head] * (at.col - at.row) as f32);",
        &[],
    ),
    (
        "a temperature per head, after the scale",
        "temperature: PerHead<f32>",
        "let s = (s * scale).map(|x, at| x * temperature[at.head]);",
        &[],
    ),
    (
        "every function",
        "",
        "let s = (s * scale).map(|x, _| (x.abs() + 1.0).ln() + (x.abs() + 0.5).sqrt() + (x.min(1.0).max(-1.0)).exp());",
        &[],
    ),
    (
        "lets, casts and constants",
        "",
        "let s = s.map(|x, at| { const SLOPE: f32 = 0.125; let distance = (at.row - at.col).abs().min(20); x * scale - SLOPE * distance as f32 });",
        &[],
    ),
    (
        "a mask written as a low score",
        "",
        "let s = (s * scale).map(|x, at| select(at.col <= at.row && at.col < 200, x, -10000.0));",
        &[],
    ),
    (
        "a mask written as a very low score",
        "",
        "let s = (s * scale).map(|x, at| select(at.col < 3 || (at.col - at.row).abs() < 7, x, -1e9));",
        &[],
    ),
    (
        "a mask written as the lowest score",
        "",
        "let s = (s * scale).map(|x, at| if at.col < 3 || (at.col - at.row).abs() < 7 { x } else { f32::MIN });",
        &[],
    ),
    ("no scale at all", "", "let s = s.map(|x, _| x * 0.1 + 0.0 * scale);", &[]),
    ("one score for all", "", "let s = s.map(|_, _| scale + 0.5);", &[]),
    (
        "one score for a row",
        "slopes: PerHead<f32>",
        "let s = s.map(|_, at| slopes[at.head] * scale + 0.01 * at.row as f32);",
        &[],
    ),
    ("a constant score", "", "let s = s.map(|_, at| at.col as f32 * 0.01 * scale);", &[]),
];

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
    for (index, (what, params, steps, scalars)) in MAPS.iter().enumerate() {
        let cache = [Cache::Paged, Cache::Contiguous][index % 2];
        run(what, &kernel(cache, params, steps), scalars, index, &mut failures);
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
    let steps = "let s = (s * scale).mask(|at| (at.row - at.col) % n != 1 && at.col / n <= at.row / n + 3);
        let s = s.map(|x, at| x + 0.01 * ((at.col - 40) / n % 7) as f32 + 0.02 * (100 / n) as f32);";
    let mut failures = Vec::new();
    for (index, n) in [0, 1, -1, 3, -3, 64, 1000, i32::MAX, -i32::MAX, i32::MIN].into_iter().enumerate() {
        let source = kernel([Cache::Contiguous, Cache::Paged][index % 2], "n: i32", steps);
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
    type Edit = (&'static str, &'static str);
    let table: &[(&str, Cache, &[Edit], usize)] = &[
        (
            "only o",
            Cache::Contiguous,
            &[("    lse: RowOutput,\n", ""), ("    lse.store(softmax.lse());\n", "")],
            1,
        ),
        (
            "only lse",
            Cache::Paged,
            &[("    o: Output<T, D>,\n", ""), ("    o.store(softmax.finish(acc));\n", "")],
            1,
        ),
        (
            "lse first",
            Cache::Contiguous,
            &[(
                "o.store(softmax.finish(acc));\n    lse.store(softmax.lse());",
                "lse.store(softmax.lse());\n    o.store(softmax.finish(acc));",
            )],
            2,
        ),
        (
            "bf16",
            Cache::Paged,
            &[("<T: Element, const D: usize>", "<const D: usize>"), ("<T, D>", "<bf16, D>")],
            2,
        ),
        (
            "head_dim 128",
            Cache::Contiguous,
            &[("<T: Element, const D: usize>", "<T: Element>"), ("<T, D>", "<T, 128>")],
            2,
        ),
        (
            "f16, head_dim 64",
            Cache::Paged,
            &[("<T: Element, const D: usize>", ""), ("<T, D>", "<f16, 64>")],
            2,
        ),
    ];
    let mut failures = Vec::new();
    let device = targets::plain(Arch::Sm80);
    for (number, (what, cache, edits, outputs)) in table.iter().enumerate() {
        let mut source = kernel(*cache, "", "let s = (s * scale).mask(|at| at.col <= at.row);");
        for (from, to) in *edits {
            assert!(source.contains(from), "{what}: `{from}` is not in the kernel");
            source = source.replace(from, to);
        }
        let parsed = program(&source);
        let problem = &problems(Arch::Sm80, &parsed, &[], number)[0];
        let result = equivalence::run(&device, &parsed, problem, &LaunchOptions::default());
        assert_eq!(result.map(|r| r.verdicts.len()).ok(), Some(*outputs), "{what}");
        run(what, &source, &[], number, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

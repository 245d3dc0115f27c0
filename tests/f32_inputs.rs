//! Inputs of f32, multiplied in either way: against the reference, for both targets, dense and paged, planned and merged; and
//! that the two ways are as exact as they say.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::choice::{HEAD_DIMS, LATENT};
use flashpage::codegen::program::{self, Generic, ParamKind};
use flashpage::codegen::schedule::{F32Products, Family, Tuning};
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass, Spec, Work, compile};
use flashpage::prelude::*;
use flashpage::runtime::case::{Case, make_case};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Argument, Factors, LaunchOptions, PoolLayout, equivalence};
use planning::{forced, stock};
use std::fs;
use targets::{ARCHS, by_turns, harsh, plain};

fn by(products: F32Products) -> LaunchOptions {
    let tuning = Tuning { f32_products: Some(products), ..Tuning::default() };
    LaunchOptions { tuning, ..LaunchOptions::default() }
}

/// Kernels, lengths, query heads and KV heads.
type Batch = (&'static str, &'static [(usize, usize)], usize, usize);

/// Rows past the end, rows that see nothing, sequences of nothing, heads packed, columns of all parts of the main loop.
const BATCHES: [Batch; 7] = [
    ("causal_attention", &[(130, 130), (0, 7), (70, 9)], 2, 1),
    ("paged_attention", &[(65, 129), (3, 0), (20, 20)], 3, 3),
    ("alibi_attention", &[(5, 140), (9, 9), (12, 70)], 10, 2),
    ("sliding_window_attention", &[(4, 230), (0, 10), (3, 66)], 12, 4),
    ("attention", &[(1, 1), (1, 300), (0, 9)], 8, 2),
    ("paged_full_attention", &[(1, 77), (1, 0), (1, 200)], 16, 1),
    ("softcap_attention", &[(17, 17), (33, 97)], 4, 2),
];

fn problem(&(kernel, lens, q_heads, kv_heads): &Batch, number: usize) -> Problem {
    let window = matches!(kernel, "paged_attention" | "sliding_window_attention");
    Problem {
        dtype: DType::F32,
        head_dim: HEAD_DIMS[4 * number % HEAD_DIMS.len()].into(),
        lens: lens.to_vec(),
        q_heads,
        kv_heads,
        block_size: [16, 8, 24, 64][number % 4],
        layout: [PoolLayout::Nhd, PoolLayout::Hnd][number % 2],
        seed: number as u64,
        scalars: window.then(|| ("window".to_owned(), 37.0)).into_iter().collect(),
        ..Problem::default()
    }
}

/// Every head dimension twice, by turns.
#[test]
fn every_batch_holds() {
    let mut failures = Vec::new();
    for (turn, arch) in ARCHS.into_iter().enumerate() {
        let device = harsh(arch);
        for (index, batch) in BATCHES.iter().enumerate() {
            for (way, products) in F32Products::ALL.into_iter().enumerate() {
                let number = (turn * BATCHES.len() + index) * 2 + way;
                let shapes = if index == 0 { &ShapeClass::ALL[..] } else { &[] };
                for shape in [None].into_iter().chain(shapes.iter().map(|shape| Some(*shape))) {
                    let options = LaunchOptions { shape, ..by(products) };
                    let problem = problem(batch, number);
                    failures.extend(judge::judge(&device, batch.0, stock(batch.0), &problem, &options).err());
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every head dimension and pairs of two, in every shape, in blocks of every kind and contiguous, where `wgmma` multiplies: copies as late as
/// may be and at once, warps in any order.
#[test]
fn every_head_dim_holds_by_wgmma() {
    const BLOCK_SIZES: [usize; 8] = [16, 1, 24, 2, 8, 4, 128, 40];
    let batches: [Batch; 4] = [
        ("paged_attention", &[(70, 190), (3, 0), (20, 20)], 3, 3),
        ("causal_attention", &[(66, 130), (0, 7), (70, 9)], 2, 1),
        ("paged_full_attention", &[(1, 77), (1, 0), (3, 200)], 10, 2),
        ("alibi_attention", &[(5, 140), (9, 9), (12, 70)], 10, 2),
    ];
    let pairs = [(192, 128), (64, 112), (48, 256), (256, 32), (96, 240)];
    let pairs = pairs.map(|(qk, v)| HeadDim { qk, v });
    let devices = by_turns(Arch::Sm90a);
    let mut failures = Vec::new();
    for (turn, head_dim) in HEAD_DIMS.map(HeadDim::from).into_iter().chain(pairs).enumerate() {
        for (index, shape) in ShapeClass::ALL.into_iter().enumerate() {
            let number = 3 * turn + index;
            let batch = &batches[(turn + index) % batches.len()];
            let block_size = BLOCK_SIZES[number % BLOCK_SIZES.len()];
            let problem = Problem { head_dim, block_size, ..problem(batch, number) };
            let options = LaunchOptions { shape: Some(shape), ..by(F32Products::Bf16x3) };
            let device = &devices[number % devices.len()];
            failures.extend(judge::judge(device, batch.0, stock(batch.0), &problem, &options).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Which family makes a kernel: roles where they multiply as asked and have room, and what the launch says, if it can be.
#[test]
fn families_are_chosen() {
    let compiled = |kernel: &str, arch, dtype, head_dim, tuning| {
        let spec = Spec {
            arch,
            dtype,
            kv_dtype: dtype,
            output: dtype,
            head_dim,
            block_size: Some(16),
            shape: ShapeClass::Prefill,
            tuning,
            work: Work::Grid,
            values: Default::default(),
            fold_scale: true,
        };
        let compiled = compile(stock(kernel), &spec).map_err(|error| error.to_string())?;
        Ok::<Family, String>(compiled.schedule.family())
    };
    use Arch::{Sm80, Sm90a};
    use F32Products::{Bf16x3, Tf32};
    use Family::{Ring, Roles};
    let plain = HeadDim::from(128);
    type Row =
        (&'static str, Arch, HeadDim, Option<F32Products>, Option<Family>, Result<Family, &'static str>);
    let refused = |why| Err(why);
    let rows: [Row; 9] = [
        ("attention", Sm90a, plain, None, None, Ok(Roles)),
        ("attention", Sm90a, plain, Some(Tf32), None, Ok(Ring)),
        ("attention", Sm90a, plain, Some(Bf16x3), Some(Ring), Ok(Ring)),
        ("attention", Sm90a, plain, None, Some(Roles), Ok(Roles)),
        ("latent_attention", Sm90a, LATENT, None, None, Ok(Ring)),
        ("latent_attention", Sm90a, 96.into(), None, None, Ok(Roles)),
        ("attention", Sm80, plain, None, None, Ok(Ring)),
        (
            "attention",
            Sm80,
            plain,
            None,
            Some(Roles),
            refused("the family `roles` makes no kernels of f32 for sm_80 by bf16x3"),
        ),
        (
            "attention",
            Sm90a,
            plain,
            Some(Tf32),
            Some(Roles),
            refused("the family `roles` makes no kernels of f32 for sm_90a by tf32"),
        ),
    ];
    for (kernel, arch, head_dim, f32_products, family, expected) in rows {
        let tuning = Tuning { f32_products, family, ..Tuning::default() };
        let got = compiled(kernel, arch, DType::F32, head_dim, tuning);
        let what = format!("{kernel} {arch} {head_dim} {f32_products:?} {family:?}: {got:?}");
        match expected {
            Ok(family) => assert_eq!(got, Ok(family), "{what}"),
            Err(why) => assert!(got.is_err_and(|error| error.starts_with(why)), "{what}"),
        }
    }
    let of_halves = |family| Tuning { family: Some(family), ..Tuning::default() };
    assert_eq!(compiled("attention", Sm90a, DType::F16, plain, of_halves(Roles)), Ok(Roles));
    let error = compiled("attention", Sm90a, DType::F16, plain, of_halves(Ring)).unwrap_err();
    assert_eq!(error, "the family `ring` makes no kernels of f16 for sm_90a: leave `--family ring` out");
}

/// Either family gives the same, but for the order of its sums.
#[test]
fn the_other_family_holds_on_hopper() {
    let device = harsh(Arch::Sm90a);
    for (index, batch) in BATCHES.iter().enumerate().step_by(3) {
        let tuning = Tuning { family: Some(Family::Ring), ..Tuning::default() };
        let options = LaunchOptions { tuning, ..LaunchOptions::default() };
        let problem = problem(batch, index);
        judge::judge(&device, batch.0, stock(batch.0), &problem, &options).unwrap();
    }
}

/// Values of another width than keys, and values that are keys.
#[test]
fn two_widths_hold() {
    let table = [("paged_attention", "192/128"), ("attention", "64/112"), ("latent_attention", "96/64")];
    for (number, (kernel, head_dim)) in table.into_iter().enumerate() {
        for (arch, products) in ARCHS.into_iter().zip(F32Products::ALL) {
            let batch = (kernel, &[(3, 70), (66, 90)][..], 4, 1);
            let problem = Problem {
                head_dim: head_dim.parse().unwrap(),
                scalars: Default::default(),
                ..problem(&batch, number)
            };
            judge::judge(&harsh(arch), kernel, stock(kernel), &problem, &by(products)).unwrap();
        }
    }
    let batch = ("latent_attention", &[(2, 50), (1, 0)][..], 16, 1);
    for (arch, products) in ARCHS.into_iter().zip(F32Products::ALL) {
        let problem = Problem { head_dim: LATENT, ..problem(&batch, 0) };
        judge::judge(&harsh(arch), batch.0, stock(batch.0), &problem, &by(products)).unwrap();
    }
}

/// A stock kernel that stores an output of a type of its own.
fn storing(kernel: &str, output: DType) -> Program {
    let mut program = stock(kernel).clone();
    program.elements.push(Generic::Fixed(output));
    for param in program.params.iter_mut().filter(|param| param.kind == ParamKind::Output) {
        param.element = Some(program::Element(1));
    }
    program.validate().unwrap();
    program
}

/// O of 16 bits goes over rows of Q that are twice as wide.
#[test]
fn outputs_of_16_bits_hold() {
    for arch in ARCHS {
        for (number, output) in [DType::F16, DType::Bf16].into_iter().enumerate() {
            for (index, batch) in BATCHES[..2].iter().enumerate() {
                let program = storing(batch.0, output);
                let problem = Problem { output: Some(output), ..problem(batch, 5 * index + number) };
                judge::judge(&harsh(arch), batch.0, &program, &problem, &LaunchOptions::default()).unwrap();
            }
        }
    }
}

#[test]
fn planned_batches_hold() {
    let mixed: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (3, 0), (17, 17)];
    let mut number = 0;
    for arch in ARCHS {
        for device in by_turns(arch) {
            for kernel in ["causal_attention", "paged_attention"] {
                for parts in [1, 3] {
                    let head_dim = [64, 128, 80, 256][number / 2 % 4].into();
                    let problem = Problem { head_dim, ..problem(&(kernel, mixed, 4, 2), number) };
                    planning::judge(&device, stock(kernel), &problem, forced(parts)).unwrap();
                    number += 1;
                }
            }
        }
    }
}

/// Products of tf32 are right to three digits, split ones to five; and what is judged as one is not taken for the other.
#[test]
fn each_way_is_as_exact_as_it_says() {
    let device = plain(ARCHS[0]);
    let problem = Problem { lens: vec![(70, 200)], dtype: DType::F32, ..Problem::default() };
    let program = stock("attention");
    let inputs = problem.inputs(&device, program).unwrap();
    let verdicts = |products, judged| {
        let arguments = inputs.arguments();
        flashpage::runtime::launch(&device, program, &arguments, &by(products)).unwrap();
        equivalence::check(program, &inputs, Factors::F32(judged)).unwrap()
    };
    use F32Products::{Bf16x3, Tf32};
    let error = |products| {
        let found = verdicts(products, products);
        assert!(found.iter().all(|(_, verdict)| verdict.passed), "{products}: {found:?}");
        found[0].1.worst.unwrap().error
    };
    let (coarse, fine) = (error(Tf32), error(Bf16x3));
    assert!(coarse > 1e-5 && coarse < 1e-3, "{coarse:e}");
    assert!(fine < coarse / 16.0, "{fine:e} of {coarse:e}");
    assert!(verdicts(Tf32, Bf16x3).iter().all(|(_, verdict)| !verdict.passed));
}

/// What is infinite among the values a row sees: of tf32 infinite as in f32, split NaN, for nothing is left of it for its small
/// part. What lies behind a mask is like any other number that is multiplied by a probability of 0.
#[test]
fn infinities_are_what_they_are_said_to_be() {
    let problem = Problem { lens: vec![(3, 40)], dtype: DType::F32, ..Problem::default() };
    let program = stock("attention");
    for arch in ARCHS {
        let device = plain(arch);
        let inputs = problem.inputs(&device, program).unwrap();
        let arguments = inputs.arguments();
        let of_values = program.params.iter().position(|param| param.kind == ParamKind::Values).unwrap();
        let Argument::Ragged(values) = arguments[of_values] else { panic!("values are ragged") };
        let (number, width) = (7 * problem.head_dim.v + 5, problem.head_dim.v);
        values.tensor.write(number, &[f32::INFINITY]).unwrap();
        let output = program.params.iter().position(|param| param.kind == ParamKind::Output).unwrap();
        for products in F32Products::ALL {
            flashpage::runtime::launch(&device, program, &arguments, &by(products)).unwrap();
            let got = inputs.output(output).unwrap().to_f32_vec().unwrap();
            for (index, x) in got.iter().enumerate() {
                let expected = match (index % width == number % width, products) {
                    (false, _) => x.is_finite(),
                    (true, F32Products::Tf32) => *x == f32::INFINITY,
                    (true, F32Products::Bf16x3) => x.is_nan(),
                };
                assert!(expected, "{arch}, {products}: {x} at {index}");
            }
        }
    }
}

/// A kernel that drops what is left of numbers or of probabilities, or leaves out one of the small products, is not taken for
/// one that splits.
#[test]
fn a_wrong_split_is_found() {
    // Of `mma.sync` six products for each pair of blocks of columns, three for each of two; of `wgmma` three for each step.
    for (arch, product, [alike, each]) in
        [(Arch::Sm80, "mma.sync", [6, 2]), (Arch::Sm90a, "wgmma.mma_async", [3, 1])]
    {
        wrong_splits_are_found(arch, product, alike, each);
    }
}

fn wrong_splits_are_found(arch: Arch, product: &str, alike: usize, each: usize) {
    let folder = std::env::temp_dir().join(format!("flashpage-f32-{arch}-{}", std::process::id()));
    let problem = Problem { lens: vec![(20, 90)], dtype: DType::F32, ..Problem::default() };
    let options = LaunchOptions { arch: Some(arch), ..by(F32Products::Bf16x3) };
    make_case(&folder, stock("causal_attention"), &problem, &options).unwrap();
    let text = fs::read_to_string(folder.join("kernel.ptx")).unwrap();
    let run = |text: &str| {
        fs::write(folder.join("kernel.ptx"), text).unwrap();
        Case::load(folder.join("launch.json")).unwrap().run(&plain(arch)).unwrap().passed()
    };
    assert!(run(&text));
    // What is left of numbers of tiles, then of probabilities.
    for group in ["%x", "%pf"] {
        let is_low = |line: &&str| {
            let line = line.trim();
            line.starts_with(&format!("cvt.rn.bf16x2.f32 {group}")) && line.contains(", %l")
        };
        assert!(text.lines().any(|line| is_low(&line)), "{group}");
        let without = |line: &str| {
            let to = line.trim().split([' ', ',']).nth(1).unwrap_or_default().to_owned();
            format!("mov.b32 {to}, 0;")
        };
        let lines = text.lines().map(|line| if is_low(&line) { without(line) } else { line.to_owned() });
        assert!(!run(&lines.collect::<Vec<_>>().join("\n")), "{group}");
    }
    // A small product left out.
    for left_out in 0..2 {
        let mut count = 0;
        let lines = text.lines().filter(|line| {
            let is_product = line.trim().starts_with(product);
            count += usize::from(is_product);
            !(is_product && (count - 1) % alike / each == left_out && count > alike)
        });
        let lines: Vec<&str> = lines.collect();
        assert!(!run(&lines.join("\n")), "{left_out}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

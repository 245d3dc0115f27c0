//! Head dimensions that no row of a table is for, and pairs of two, on both targets against the reference: each in every shape,
//! contiguous and paged, with values of their own and in the keys, and planned. No product reads another head's numbers, and no
//! access loses a pass to bank conflicts.
//!
//! Small problems run always; the whole suite of shapes, for every kernel, with `FLASHPAGE_HEAD_SIZES=all`.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::choice::{HEAD_DIMS, LATENT, untuned_head_dims};
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass};
use flashpage::kernels::catalogue;
use flashpage::prelude::*;
use flashpage::runtime::equivalence::{check_rows, suite_in};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    Argument, AsyncPolicy, EmulatorOptions, LaunchOptions, PoolLayout, Profile, Row, WarpOrder, launch,
};
use planning::{forced, stock};
use targets::{ARCHS, device, options};

/// Keys whose first numbers are the values, contiguous: the stock kernel's are paged.
#[attention_kernel]
fn latent_contiguous<T: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    o: Output<T, E>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let k = k.load(cols);
        let s = (dot(q, k.t()) * scale).mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, k.slice::<E>());
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A stock kernel, or this file's.
fn kernel(name: &str) -> &'static Program {
    if name == "latent_contiguous" { latent_contiguous::program() } else { stock(name) }
}

/// A launch: the kernel, the class it is made for, lengths, query heads and KV heads, block size.
type Case = (&'static str, ShapeClass, &'static [(usize, usize)], (usize, usize), usize);

/// Head dimensions of queries and keys, and of values and output: keys or values the wider, spans of three widths, and those of
/// latent attention, whose columns of O are cut into parts.
const PAIRS: [HeadDim; 8] = [
    HeadDim { qk: 192, v: 128 },
    HeadDim { qk: 96, v: 64 },
    HeadDim { qk: 256, v: 64 },
    HeadDim { qk: 64, v: 256 },
    HeadDim { qk: 48, v: 128 },
    HeadDim { qk: 176, v: 112 },
    HeadDim { qk: 80, v: 240 },
    LATENT,
];

fn head_dims(arch: Arch) -> Vec<HeadDim> {
    untuned_head_dims(arch).map(HeadDim::from).chain(PAIRS).collect()
}

/// Whether a kernel has a head dimension: a slice is no larger than what it is cut from.
fn takes(name: &str, head_dim: HeadDim) -> bool {
    kernel(name).takes(head_dim).is_ok()
}

/// Ends inside a tile, rows stored whole and one by one, boxes of one block, of half a block, and of eight rows, and rows of
/// small blocks.
const CASES: [Case; 9] = [
    ("causal_attention", ShapeClass::Prefill, &[(131, 150), (0, 9), (20, 33)], (2, 1), 16),
    ("paged_attention", ShapeClass::Append, &[(9, 140), (4, 66)], (4, 2), 16),
    ("paged_full_attention", ShapeClass::Decode, &[(1, 200), (1, 7)], (6, 2), 16),
    ("paged_attention", ShapeClass::Decode, &[(1, 75), (1, 0)], (4, 2), 2),
    ("paged_attention", ShapeClass::Prefill, &[(70, 81)], (3, 3), 24),
    ("latent_attention", ShapeClass::Decode, &[(1, 139), (1, 3), (2, 64)], (8, 1), 16),
    ("latent_attention", ShapeClass::Prefill, &[(70, 75)], (2, 2), 1),
    ("latent_contiguous", ShapeClass::Decode, &[(1, 139), (1, 3), (2, 64)], (8, 1), 16),
    ("latent_contiguous", ShapeClass::Prefill, &[(70, 75)], (2, 2), 16),
];

/// Eager, lazy and random copies, by turns.
fn devices(arch: Arch) -> [Device; 3] {
    use AsyncPolicy::{Eager, Lazy, Random};
    let all = [(Lazy, WarpOrder::InOrder), (Random(1), WarpOrder::Random(2)), (Eager, WarpOrder::Random(3))];
    all.map(|(policy, warp_order)| device(options(arch, policy, warp_order)))
}

fn problem(
    (_, _, lens, (q_heads, kv_heads), block_size): &Case,
    head_dim: HeadDim,
    number: usize,
) -> Problem {
    Problem {
        head_dim,
        lens: lens.to_vec(),
        q_heads: *q_heads,
        kv_heads: *kv_heads,
        block_size: *block_size,
        dtype: [DType::F16, DType::Bf16, DType::F32][number % 3],
        layout: [PoolLayout::Nhd, PoolLayout::Hnd][number / 2 % 2],
        seed: number as u64,
        ..Problem::default()
    }
}

fn every_shape(arch: Arch) {
    let devices = devices(arch);
    let mut failures = Vec::new();
    for (turn, head_dim) in head_dims(arch).into_iter().enumerate() {
        for (index, case) in CASES.iter().enumerate().filter(|(_, case)| takes(case.0, head_dim)) {
            let number = turn + index;
            let (device, problem) = (&devices[number % devices.len()], problem(case, head_dim, number));
            let options = LaunchOptions { shape: Some(case.1), ..LaunchOptions::default() };
            failures.extend(judge::judge(device, case.0, kernel(case.0), &problem, &options).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_shape_for_ampere() {
    every_shape(Arch::Sm80);
}

#[test]
fn every_shape_for_hopper() {
    every_shape(Arch::Sm90a);
}

/// Every pair of two that there is, once for each target: contiguous and paged, shapes, types and blocks by turns.
fn every_pair(arch: Arch) {
    let devices = devices(arch);
    let cases: [Case; 5] = [
        ("causal_attention", ShapeClass::Prefill, &[(20, 33)], (1, 1), 16),
        ("paged_attention", ShapeClass::Append, &[(4, 40), (2, 0)], (2, 1), 16),
        ("paged_attention", ShapeClass::Decode, &[(1, 75)], (2, 1), 16),
        ("causal_attention", ShapeClass::Append, &[(5, 40), (0, 3)], (2, 1), 16),
        ("paged_attention", ShapeClass::Prefill, &[(30, 41)], (1, 1), 24),
    ];
    let pairs = HEAD_DIMS.into_iter().flat_map(|qk| HEAD_DIMS.map(|v| HeadDim { qk, v }));
    let mut failures = Vec::new();
    for (turn, head_dim) in pairs.filter(|head_dim| head_dim.qk != head_dim.v).enumerate() {
        let case = &cases[turn % cases.len()];
        let (device, problem) = (&devices[turn % devices.len()], problem(case, head_dim, turn));
        let options = LaunchOptions { shape: Some(case.1), ..LaunchOptions::default() };
        failures.extend(judge::judge(device, case.0, kernel(case.0), &problem, &options).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_pair_for_ampere() {
    every_pair(Arch::Sm80);
}

#[test]
fn every_pair_for_hopper() {
    every_pair(Arch::Sm90a);
}

/// Long keys cut into parts, and the parts merged.
#[test]
fn planned() {
    for arch in ARCHS {
        let devices = devices(arch);
        for (turn, head_dim) in head_dims(arch).into_iter().enumerate() {
            let lens = vec![(1, 521), (5, 230)];
            let (q_heads, kv_heads) = [(4, 2), (3, 1)][turn % 2];
            let (block_size, layout) =
                ([16, 8, 24, 4][turn % 4], [PoolLayout::Nhd, PoolLayout::Hnd][turn / 3 % 2]);
            let of = Problem { head_dim, lens, q_heads, kv_heads, block_size, layout, ..Problem::default() };
            let own = ["paged_attention", "causal_attention"][turn / 2 % 2];
            let names = [own, "latent_attention", "latent_contiguous"];
            for name in names.into_iter().filter(|name| takes(name, head_dim)) {
                let plan = planning::judge(&devices[turn % 3], kernel(name), &of, forced(3)).unwrap();
                assert!(plan.merged_rows > 0, "{plan}");
            }
        }
    }
}

/// All heads but one hold NaN, in queries, keys, values and pools: whatever reads past its head reads that.
#[test]
fn other_heads_may_be_nan() {
    let mut failures = Vec::new();
    for arch in ARCHS {
        let devices = devices(arch);
        for (turn, head_dim) in head_dims(arch).into_iter().enumerate() {
            let names = ["causal_attention", "paged_attention", "latent_attention", "latent_contiguous"];
            for (index, name) in names.into_iter().enumerate().filter(|(_, name)| takes(name, head_dim)) {
                let number = turn + index;
                let (heads, sound) = (3, turn % 3);
                let lens: &[(usize, usize)] = [&[(40, 70), (3, 33)][..], &[(1, 90), (2, 17)]][turn / 2 % 2];
                let case = (name, ShapeClass::Append, &[][..], (heads, heads), 16);
                let problem =
                    Problem { dtype: DType::F16, lens: lens.to_vec(), ..problem(&case, head_dim, number) };
                let (device, program) = (&devices[number % 3], kernel(name));
                let inputs = problem.inputs(device, program).unwrap();
                let arguments = inputs.arguments();
                for argument in &arguments {
                    poison(argument, heads, sound);
                }
                let what = format!("{name} for {arch}: {problem}, head {sound} alone is sound");
                if let Err(error) = launch(device, program, &arguments, &LaunchOptions::default()) {
                    failures.push(format!("{what}: {error}"));
                    continue;
                }
                let rows: Vec<Row> = (0..lens.len())
                    .flat_map(|sequence| (0..lens[sequence].0).map(move |index| (sequence, index)))
                    .map(|(sequence, index)| Row { sequence, head: sound, index })
                    .collect();
                for (output, verdict) in check_rows(program, &inputs, problem.dtype, &rows).unwrap() {
                    if !verdict.passed {
                        failures.push(format!("{what}: {output}: {verdict}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// NaN in all heads of a tensor but one.
fn poison(argument: &Argument<'_>, heads: usize, sound: usize) {
    let (tensor, lines, of_token, of_head, head_dim) = match argument {
        Argument::Ragged(ragged) => {
            let (tokens, width) = (ragged.tensor.shape()[0], ragged.tensor.shape()[2]);
            (ragged.tensor, vec![(0, tokens)], heads * width, width, width)
        }
        Argument::Pool(pool) => {
            let shape = pool.shape().unwrap();
            let (block, token, head) = shape.strides();
            let blocks = (0..shape.blocks).map(|index| (index * block, shape.block_size)).collect();
            (pool.tensor, blocks, token, head, shape.head_dim)
        }
        _ => return,
    };
    let line = vec![f16::NAN; head_dim];
    for (first, tokens) in lines {
        for token in 0..tokens {
            for head in (0..heads).filter(|head| *head != sound) {
                tensor.write(first + token * of_token + head * of_head, &line).unwrap();
            }
        }
    }
}

/// Launches and counts.
fn count(arch: Arch, case: &Case, head_dim: HeadDim) -> Profile {
    let emulator = options(arch, AsyncPolicy::Eager, WarpOrder::InOrder);
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..emulator });
    let (program, problem) = (kernel(case.0), problem(case, head_dim, 0));
    let inputs = problem.inputs(&device, program).unwrap();
    let options = LaunchOptions { shape: Some(case.1), ..LaunchOptions::default() };
    let report = launch(&device, program, &inputs.arguments(), &options).unwrap();
    report.emulated.and_then(|emulated| emulated.profile).unwrap()
}

/// Rows that are no multiple of a line of banks lie so that nothing loses a pass all the same.
#[test]
fn no_bank_conflicts() {
    let mut lost = Vec::new();
    for arch in ARCHS {
        for head_dim in head_dims(arch) {
            let cases = [&CASES[..3], &CASES[5..]].concat();
            for case in cases.iter().filter(|case| takes(case.0, head_dim)) {
                let profile = count(arch, case, head_dim);
                assert!(profile.totals.wavefronts > 0);
                for (line, passes) in profile.bank_conflicts() {
                    let (number, text) = (line.line, &line.instruction);
                    let what = format!("{} for {arch}, head_dim {head_dim}, {}", case.0, case.1);
                    lost.push(format!("{what}: {passes} passes at line {number}: {text}"));
                }
            }
        }
    }
    assert!(lost.is_empty(), "lost to bank conflicts:\n  {}", lost.join("\n  "));
}

/// What no product is deep enough for, or no accumulator wide enough, is refused with what to do about it.
#[test]
fn sizes_without_kernels() {
    let table = [
        (16, "heads padded with zeros to 32"),
        (72, "heads padded with zeros to 80"),
        (100, "heads padded with zeros to 112"),
        (272, "multiples of 16 from 32 to 256"),
    ];
    for arch in ARCHS {
        let device = targets::plain(arch);
        for (head_dim, advice) in table {
            let problem = Problem { head_dim: head_dim.into(), lens: vec![(2, 3)], ..Problem::default() };
            let inputs = problem.inputs(&device, kernel("attention")).unwrap();
            let arguments = inputs.arguments();
            let refused = launch(&device, kernel("attention"), &arguments, &LaunchOptions::default());
            let message = refused.unwrap_err().to_string();
            let named = format!("head_dim {head_dim} has no kernels");
            assert!(message.contains(&named) && message.contains(advice), "{message}");
        }
    }
}

/// Every kernel over the whole suite of shapes in every head dimension of these: minutes, so only where it is asked for.
fn whole_suite(arch: Arch) {
    if std::env::var("FLASHPAGE_HEAD_SIZES").is_err() {
        return;
    }
    let (devices, head_dims) = (devices(arch), head_dims(arch));
    let mut failures = Vec::new();
    for stock in catalogue() {
        let program = (stock.program)();
        let head_dims: Vec<HeadDim> =
            head_dims.iter().copied().filter(|head_dim| program.takes(*head_dim).is_ok()).collect();
        for (turn, (_, problem)) in suite_in(program, arch, &head_dims).iter().enumerate() {
            let device = &devices[turn % devices.len()];
            let options = LaunchOptions::default();
            failures.extend(judge::judge(device, stock.name, program, problem, &options).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_whole_suite_for_ampere() {
    whole_suite(Arch::Sm80);
}

#[test]
fn the_whole_suite_for_hopper() {
    whole_suite(Arch::Sm90a);
}

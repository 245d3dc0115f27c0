//! The stock kernels for both targets on the emulator against the f64 reference: over the whole suite of shapes under
//! the harshest policies, in every shape class, and with tiles chosen by hand. Which class and which tile a launch
//! gets is a matter of speed and must never show in a result. Nor may what neighbours hold: NaN, at the worst.

use crate::judge;
use crate::targets;

use flashpage::codegen::choice::tuned_head_dims;
use flashpage::codegen::program::{ParamKind, Program};
use flashpage::codegen::schedule::{F32Products, Overlap, PassTurn, Tuning};
use flashpage::codegen::{Arch, ShapeClass};
use flashpage::kernels::{catalogue, find, paged_attention};
use flashpage::prelude::f16;
use flashpage::runtime::equivalence::{check_rows, suite};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    Argument, DType, Device, Expected, LaunchOptions, Row, launch, plain, plain_rows, reference,
    reference_rows,
};
use judge::judge;
use targets::{ARCHS, by_turns, harsh};

/// Every kernel over one of so many parts of its suite, or each over another part.
fn over_the_suite(arch: Arch, part: usize, parts: usize, another: bool) {
    let devices = by_turns(arch);
    let mut failures = Vec::new();
    for (index, stock) in catalogue().iter().enumerate() {
        let program = (stock.program)();
        let problems = suite(program, arch);
        assert!(problems.len() >= 40, "the suite of {} has {} problems", stock.name, problems.len());
        let part = if another { (part + index) % parts } else { part };
        for (turn, (_, problem)) in problems.iter().skip(part).step_by(parts).enumerate() {
            let device = &devices[turn % devices.len()];
            failures.extend(judge(device, stock.name, program, problem, &LaunchOptions::default()).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn stock_kernels_first_half() {
    over_the_suite(Arch::Sm80, 0, 2, false);
}

#[test]
fn stock_kernels_second_half() {
    over_the_suite(Arch::Sm80, 1, 2, false);
}

/// Each problem with two or three of the kernels: they are many and take a while. `kgen check --arch sm_90a` has all.
#[test]
fn stock_kernels_for_hopper_first_part() {
    over_the_suite(Arch::Sm90a, 0, 7, true);
}

#[test]
fn stock_kernels_for_hopper_second_part() {
    over_the_suite(Arch::Sm90a, 3, 7, true);
}

/// Each batch of the suite once, in one of the combinations of head dimension and type by turns.
fn trimmed(problems: Vec<(String, Problem)>) -> Vec<Problem> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in &problems {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let pick = |(index, name): (usize, &&String)| {
        let same: Vec<&Problem> = problems.iter().filter(|(n, _)| n == *name).map(|(_, p)| p).collect();
        same[3 * index % same.len()].clone()
    };
    names.iter().enumerate().map(pick).collect()
}

/// Packing heads changes which rows share a tile, and nothing else.
fn every_shape_class(arch: Arch) {
    // Blocks for Hopper walk several tiles: what one leaves behind, the next may find.
    let device = if arch == Arch::Sm80 { Device::emulator() } else { harsh(arch) };
    let mut failures = Vec::new();
    for (number, stock) in catalogue().iter().enumerate() {
        let program = (stock.program)();
        let problems = trimmed(suite(program, arch));
        assert!(problems.len() >= 10, "{}", stock.name);
        // Kernels for Hopper take a while: a third of the batches each.
        let (first, step) = if arch == Arch::Sm80 { (0, 1) } else { (number % 3, 3) };
        for problem in problems.iter().skip(first).step_by(step) {
            for shape in ShapeClass::ALL {
                let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
                failures.extend(judge(&device, stock.name, program, problem, &options).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_shape_class_fits_every_batch() {
    every_shape_class(Arch::Sm80);
}

#[test]
fn every_shape_class_for_hopper_fits_every_batch() {
    every_shape_class(Arch::Sm90a);
}

/// Rows and columns of a tile, and the head dimensions it fits.
const TILES: &[((usize, usize), &[usize])] = &[
    ((16, 16), &[64, 128]),
    ((16, 64), &[64, 128, 192, 256]),
    ((16, 128), &[64, 128]),
    ((16, 256), &[64]),
    ((32, 16), &[64, 128]),
    ((32, 64), &[64, 128]),
    ((64, 32), &[64, 128, 192, 256]),
    ((64, 64), &[64, 128]),
    ((64, 128), &[64, 128]),
    ((128, 32), &[64, 128]),
    ((128, 64), &[64, 128]),
    ((128, 128), &[64]),
];

#[test]
fn every_tile_gives_the_same_result() {
    let device = Device::emulator();
    let mut failures = Vec::new();
    let lens = vec![(70, 150), (1, 97), (0, 9), (17, 17)];
    let problem = Problem { q_heads: 4, kv_heads: 2, lens, ..Problem::default() };
    let kernels = ["paged_attention", "alibi_attention"];
    for (number, (tile, head_dims)) in TILES.iter().enumerate() {
        for &head_dim in *head_dims {
            for name in kernels {
                let program = (find(name).unwrap().program)();
                let dtype = [DType::F16, DType::Bf16][number % 2];
                let mut problem = Problem {
                    head_dim: head_dim.into(),
                    dtype,
                    block_size: [8, 24, 40, 1, 2, 4][number % 6],
                    ..problem.clone()
                };
                if name == "paged_attention" {
                    problem.scalars.insert("window".to_owned(), 60.0);
                }
                // Packing or not, by turns.
                let shape = Some(ShapeClass::ALL[number % 2]);
                let options = LaunchOptions {
                    tuning: Tuning { tile: Some(*tile), ..Tuning::default() },
                    shape,
                    ..LaunchOptions::default()
                };
                failures.extend(judge(&device, name, program, &problem, &options).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Rows and columns of a tile, stages, blocks on a multiprocessor, and the head dimensions it fits, for Hopper.
type HopperTile = ((usize, usize), usize, u32, &'static [usize]);

const HOPPER_TILES: &[HopperTile] = &[
    ((64, 16), 1, 1, &[64, 256]),
    ((64, 64), 8, 1, &[96]),
    ((64, 80), 3, 2, &[64]),
    ((64, 256), 1, 1, &[64]),
    ((64, 128), 2, 1, &[192]),
    ((128, 16), 3, 1, &[128]),
    ((128, 48), 2, 1, &[256]),
    ((128, 64), 4, 1, &[96, 128]),
    ((128, 176), 1, 1, &[128]),
    ((128, 224), 2, 1, &[64]),
    ((192, 32), 2, 1, &[64, 128]),
    ((192, 64), 2, 1, &[128]),
    ((192, 96), 1, 1, &[64]),
];

#[test]
fn every_tile_for_hopper_gives_the_same_result() {
    let device = harsh(Arch::Sm90a);
    let mut failures = Vec::new();
    let lens = vec![(70, 350), (1, 97), (0, 9), (17, 17)];
    let problem = Problem { q_heads: 6, kv_heads: 2, lens, ..Problem::default() };
    let kernels = ["paged_attention", "alibi_attention"];
    for (number, (tile, stages, blocks, head_dims)) in HOPPER_TILES.iter().enumerate() {
        for (turn, &head_dim) in head_dims.iter().enumerate() {
            let name = kernels[(number + turn) % 2];
            let program = (find(name).unwrap().program)();
            let dtype = [DType::F16, DType::Bf16][number % 2];
            let mut problem = Problem {
                head_dim: head_dim.into(),
                dtype,
                block_size: [8, 24, 40, 16, 1, 2, 4][number % 7],
                ..problem.clone()
            };
            if name == "paged_attention" {
                problem.scalars.insert("window".to_owned(), [60.0, 250.0][number / 2 % 2]);
            }
            // Packing or not, rescaling always or not, polynomials or none, exponentials pinned or free, turns passed early
            // or late, by turns.
            let tuning = Tuning {
                tile: Some(*tile),
                stages: Some(*stages),
                blocks_per_sm: Some(*blocks),
                rescale: Some(number % 3 == 0),
                polynomial: Some([0, 4, 16][number / 2 % 3]),
                overlap: Some([Overlap::Pinned, Overlap::Free][(number + turn) % 2]),
                pass: Some([PassTurn::Scored, PassTurn::Issued][number / 2 % 2]),
                ..Tuning::default()
            };
            let shape = Some(ShapeClass::ALL[number % 2]);
            let options = LaunchOptions { tuning, shape, ..LaunchOptions::default() };
            failures.extend(judge(&device, name, program, &problem, &options).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Fills the rows of `sequences` in a tensor of tokens end to end with NaN, infinity, or both by turns.
fn poison(argument: &Argument, sequences: &[usize], number: usize) {
    let Argument::Ragged(ragged) = argument else { return };
    let width: usize = ragged.tensor.shape()[1..].iter().product();
    for &sequence in sequences {
        let (first, last) = (ragged.starts.start_of(sequence), ragged.starts.start_of(sequence + 1));
        let values = [f16::NAN, f16::INFINITY, f16::NEG_INFINITY];
        let row: Vec<f16> =
            (0..(last - first) * width).map(|at| values[[0, 1 + at % 2, at % 3][number % 3]]).collect();
        ragged.tensor.write(first * width, &row).unwrap();
    }
}

/// A tile that reaches past its sequence's end reaches into the next one: what lies there is multiplied by a probability
/// of zero, and zero times NaN is NaN. Here neighbours hold nothing but NaN and infinity, in queries, keys and values.
#[test]
fn neighbours_full_of_nan() {
    // By the place in the tile where the sequence ends: at its start, in it, at its end. Sequences of no query or no
    // key lie between.
    type Batch = (&'static [(usize, usize)], &'static [usize]);
    let batches: &[Batch] = &[
        (&[(1, 1), (3, 40), (5, 65), (0, 300), (3, 0), (2, 5), (1, 130), (2, 2), (7, 7)], &[1, 3, 5, 7]),
        (&[(9, 9), (70, 129), (90, 250), (0, 3), (4, 0), (64, 64), (30, 30)], &[0, 2, 3, 5]),
    ];
    let mut failures = Vec::new();
    for arch in ARCHS {
        let device = harsh(arch);
        let contiguous = catalogue().iter().filter(|stock| !is_paged((stock.program)()));
        for (index, stock) in contiguous.enumerate() {
            for (turn, &head_dim) in tuned_head_dims(arch).iter().enumerate() {
                let number = index + turn;
                let (lens, poisoned) = batches[number % batches.len()];
                let problem = Problem {
                    head_dim,
                    lens: lens.to_vec(),
                    q_heads: [4, 3][number / 2 % 2],
                    kv_heads: [2, 1][number / 2 % 2],
                    ..Problem::default()
                };
                let program = (stock.program)();
                let inputs = problem.inputs(&device, program).unwrap();
                let arguments = inputs.arguments();
                arguments.iter().for_each(|argument| poison(argument, poisoned, number));
                let what = format!("{} for {arch}, head_dim {head_dim}, {lens:?}", stock.name);
                if let Err(error) = launch(&device, program, &arguments, &LaunchOptions::default()) {
                    failures.push(format!("{what}: {error}"));
                    continue;
                }
                let sound = (0..lens.len()).filter(|sequence| !poisoned.contains(sequence));
                let rows: Vec<Row> = sound
                    .flat_map(|sequence| (0..lens[sequence].0).map(move |index| (sequence, index)))
                    .flat_map(|(sequence, index)| {
                        (0..problem.q_heads).map(move |head| Row { sequence, head, index })
                    })
                    .collect();
                for (name, verdict) in check_rows(program, &inputs, problem.dtype, &rows).unwrap() {
                    if !verdict.passed {
                        failures.push(format!("{what}: {name}: {verdict}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn is_paged(program: &Program) -> bool {
    program.params.iter().any(|param| param.kind == ParamKind::BlockTable)
}

/// Rows that are looked at alone are those of the whole reference, and one that is wrong is found.
#[test]
fn sampled_rows() {
    let device = Device::emulator();
    let program = paged_attention::program();
    let problem = Problem {
        lens: vec![(5, 70), (0, 9), (3, 33)],
        q_heads: 4,
        kv_heads: 2,
        block_size: 24,
        ..Problem::default()
    };
    let inputs = problem.inputs(&device, program).unwrap();
    let arguments = inputs.arguments();
    launch(&device, program, &arguments, &LaunchOptions::default()).unwrap();
    let row = |sequence, head, index| Row { sequence, head, index };
    // In no order, and one twice.
    let rows = [row(2, 3, 1), row(0, 0, 4), row(0, 2, 0), row(2, 3, 1), row(0, 1, 4)];
    let token = |row: &Row| if row.sequence == 0 { row.index } else { 5 + row.index };
    let pairs: [(Vec<Expected>, Vec<Expected>); 2] = [
        (reference(program, &arguments).unwrap(), reference_rows(program, &arguments, &rows).unwrap()),
        (
            plain(program, &arguments).unwrap(),
            plain_rows(program, &arguments, F32Products::default(), &rows).unwrap(),
        ),
    ];
    for (all, some) in pairs.iter().flat_map(|(all, some)| all.iter().zip(some)) {
        let width = if all.is_vector { 1 } else { problem.head_dim.v };
        let line = |row: &Row| (token(row) * 4 + row.head) * width;
        let expected: Vec<f64> = rows.iter().flat_map(|r| &all.values[line(r)..][..width]).copied().collect();
        assert_eq!(some.values, expected, "{}", all.name);
    }
    let verdicts = |rows: &[Row]| check_rows(program, &inputs, problem.dtype, rows).unwrap();
    assert!(verdicts(&rows).iter().all(|(_, verdict)| verdict.passed), "{:?}", verdicts(&rows));
    let missing = check_rows(program, &inputs, problem.dtype, &[row(1, 0, 0)]).unwrap_err().to_string();
    assert!(missing.starts_with("the batch has no row"), "{missing}");

    // One element of query 4 of head 1, and the log-sum-exp of another row.
    let output =
        |name: &str| inputs.output(program.params.iter().position(|p| p.name == name).unwrap()).unwrap();
    output("o").write((4 * 4 + 1) * problem.head_dim.v + 7, &[f16::from_f32(9.0)]).unwrap();
    output("lse").write(6 * 4 + 3, &[0.0f32]).unwrap();
    let passed = |rows: &[Row]| verdicts(rows).iter().map(|(_, verdict)| verdict.passed).collect::<Vec<_>>();
    assert_eq!(passed(&rows), [false, false]);
    assert_eq!(passed(&rows[4..]), [false, true]);
    assert_eq!(passed(&rows[..1]), [true, false]);
    assert_eq!(passed(&rows[1..3]), [true, true]);
}

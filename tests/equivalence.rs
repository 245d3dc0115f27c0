//! The stock kernels on the emulator against the f64 reference: over the whole suite of shapes under the
//! harshest policy, in every shape class, and with tiles chosen by hand. Which class and which tile a launch
//! gets is a matter of speed and must never show in a result.

mod judge;

use flashpage::codegen::ShapeClass;
use flashpage::codegen::schedule::Tuning;
use flashpage::kernels::{catalogue, find};
use flashpage::runtime::equivalence::suite;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, DType, Device, EmulatorOptions, LaunchOptions};
use judge::judge;

/// Copies complete only when a wait forces them, and reads of what nobody wrote are faults.
fn harsh() -> Device {
    let options = EmulatorOptions { policy: AsyncPolicy::Lazy, sanitize: true, ..EmulatorOptions::default() };
    Device::emulator_with(options)
}

/// One kernel over its suite, one part of it.
fn over_the_suite(part: usize, parts: usize) {
    let device = harsh();
    let mut failures = Vec::new();
    for stock in catalogue().iter().skip(part).step_by(parts) {
        let program = (stock.program)();
        let problems = suite(program);
        assert!(problems.len() >= 40, "the suite of {} has {} problems", stock.name, problems.len());
        for (_, problem) in problems {
            failures.extend(judge(&device, stock.name, program, &problem, &LaunchOptions::default()).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn stock_kernels_first_half() {
    over_the_suite(0, 2);
}

#[test]
fn stock_kernels_second_half() {
    over_the_suite(1, 2);
}

/// Each batch of the suite once, in one of the combinations of head dimension and type.
fn trimmed(problems: Vec<(String, Problem)>) -> Vec<Problem> {
    let combinations = [(64, DType::F16), (128, DType::Bf16), (64, DType::Bf16), (128, DType::F16)];
    let mut names: Vec<String> = problems.iter().map(|(name, _)| name.clone()).collect();
    names.dedup();
    names.truncate(names.len() / combinations.len());
    let pick = |(index, name): (usize, &String)| {
        let wanted = combinations[index % combinations.len()];
        let fits = |(n, p): &&(String, Problem)| n == name && (p.head_dim, p.dtype) == wanted;
        problems.iter().find(fits).map(|(_, problem)| problem.clone())
    };
    names.iter().enumerate().filter_map(pick).collect()
}

#[test]
fn every_shape_class_fits_every_batch() {
    let device = Device::emulator();
    let mut failures = Vec::new();
    for stock in catalogue() {
        let program = (stock.program)();
        let problems = trimmed(suite(program));
        assert_eq!(problems.len(), 10, "{}", stock.name);
        for problem in &problems {
            for shape in ShapeClass::ALL {
                let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
                failures.extend(judge(&device, stock.name, program, problem, &options).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Rows and columns of a tile, and the head dimensions it fits.
const TILES: &[((usize, usize), &[usize])] = &[
    ((16, 16), &[64, 128]),
    ((16, 64), &[64, 128]),
    ((16, 128), &[64, 128]),
    ((16, 256), &[64]),
    ((32, 16), &[64, 128]),
    ((32, 64), &[64, 128]),
    ((64, 32), &[64, 128]),
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
                let mut problem =
                    Problem { head_dim, dtype, block_size: 8 + 16 * (number % 3), ..problem.clone() };
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

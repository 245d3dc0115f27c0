//! The stock kernels on the emulator against the f64 reference: over the whole suite of shapes under the
//! harshest policy, in every shape class, and with tiles chosen by hand. Which class and which tile a launch
//! gets is a matter of speed and must never show in a result.

mod judge;

use flashpage::codegen::ShapeClass;
use flashpage::codegen::schedule::Tuning;
use flashpage::kernels::{catalogue, find, paged_attention};
use flashpage::prelude::f16;
use flashpage::runtime::equivalence::{check_rows, suite};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    AsyncPolicy, DType, Device, EmulatorOptions, Expected, LaunchOptions, Row, launch, plain, plain_rows,
    reference, reference_rows,
};
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
        (plain(program, &arguments).unwrap(), plain_rows(program, &arguments, &rows).unwrap()),
    ];
    for (all, some) in pairs.iter().flat_map(|(all, some)| all.iter().zip(some)) {
        let width = if all.is_row_output { 1 } else { problem.head_dim };
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
    output("o").write((4 * 4 + 1) * problem.head_dim + 7, &[f16::from_f32(9.0)]).unwrap();
    output("lse").write(6 * 4 + 3, &[0.0f32]).unwrap();
    let passed = |rows: &[Row]| verdicts(rows).iter().map(|(_, verdict)| verdict.passed).collect::<Vec<_>>();
    assert_eq!(passed(&rows), [false, false]);
    assert_eq!(passed(&rows[4..]), [false, true]);
    assert_eq!(passed(&rows[..1]), [true, false]);
    assert_eq!(passed(&rows[1..3]), [true, true]);
}

//! Whatever synchronises in a kernel that we emit is needed, and the emulator says so when it is gone.
//!
//! Each synchronising instruction of every stock kernel is deleted or weakened in turn, and the kernel is run: under
//! the sanitizer or some policy the emulator must object, or the results must change. A mutant that survives is
//! either a fault that the emulator cannot see or an instruction that has to go from what we emit.

mod mutants;

use flashpage::codegen::ShapeClass;
use flashpage::kernels::catalogue;
use flashpage::runtime::case::{Case, make_case};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, DType, Device, EmulatorOptions, LaunchOptions, Schedule};
use mutants::mutants;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// How a mutant is run until something objects: cheap and telling ones first.
fn harnesses() -> Vec<EmulatorOptions> {
    let options = |policy, schedule, sanitize| EmulatorOptions {
        policy,
        schedule,
        sanitize,
        instruction_budget: 20_000_000,
        ..EmulatorOptions::default()
    };
    let mut all = vec![
        options(AsyncPolicy::Eager, Schedule::InOrder, true),
        options(AsyncPolicy::Lazy, Schedule::InOrder, true),
        options(AsyncPolicy::Lazy, Schedule::InOrder, false),
    ];
    all.extend((0..4).map(|seed| options(AsyncPolicy::Random(seed), Schedule::Random(seed), true)));
    all
}

/// A folder that goes when the test is done with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The bytes of every output file of a case.
fn outputs(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("out_")))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("an output")).collect()
}

/// Who objects to the kernel in `folder`, or to its results, which should be `want`; `None` if nobody does.
fn objection(folder: &Path, want: &[Vec<u8>]) -> Option<String> {
    let case = match Case::load(folder.join("launch.json")) {
        Ok(case) => case,
        Err(error) => return Some(format!("not loaded: {error}")),
    };
    harnesses().into_iter().find_map(|options| {
        let report = match case.run(&Device::emulator_with(options)) {
            Ok(report) => report,
            Err(error) => return Some(error.to_string().lines().next().unwrap_or_default().to_string()),
        };
        let same = report.passed() && outputs(folder) == want;
        (!same).then(|| format!("other results under {} and {}", options.policy, options.schedule))
    })
}

/// Runs every mutant of every stock kernel at this head dimension and type.
fn survivors(head_dim: usize, dtype: DType) -> (String, Vec<String>) {
    let mut table = String::new();
    let mut survivors = Vec::new();
    for stock in catalogue() {
        for (shape, q_len) in [(ShapeClass::Prefill, 150), (ShapeClass::Append, 20), (ShapeClass::Decode, 3)]
        {
            // Keys enough that every loop goes round, those before and behind a window too (whose left end lies in two
            // tiles even for three rows); and none at all, where nothing was waited for before the end.
            let program = (stock.program)();
            let windowed = program.params.iter().any(|p| p.name == "window");
            let problem = Problem {
                head_dim,
                dtype,
                q_heads: 2,
                kv_heads: 1,
                lens: vec![(q_len, 900), (3, 0)],
                scalars: windowed.then(|| ("window".to_string(), 515.0)).into_iter().collect(),
                ..Problem::default()
            };
            let name = format!("flashpage-mutants-{}-{}-{head_dim}-{shape}", std::process::id(), stock.name);
            let folder = Folder(std::env::temp_dir().join(name));
            let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
            make_case(&folder.0, program, &problem, &options).expect("a case");
            let original = Case::load(folder.0.join("launch.json")).expect("the case");
            let sane = EmulatorOptions { sanitize: true, ..EmulatorOptions::default() };
            let report = original.run(&Device::emulator_with(sane)).expect("the kernel itself runs");
            assert!(report.passed(), "{} is wrong before anything is changed", stock.name);
            let want = outputs(&folder.0);
            let all = mutants(original.ptx());
            let mut caught = 0;
            for mutant in &all {
                fs::write(folder.0.join("kernel.ptx"), &mutant.text).expect("written");
                match objection(&folder.0, &want) {
                    Some(_) => caught += 1,
                    None => {
                        let (name, line) = (stock.name, mutant.line);
                        survivors.push(format!("{name} {shape} {head_dim}, line {line}: {}", mutant.what));
                    }
                }
            }
            writeln!(table, "{:26} {shape:8} {head_dim:4} {caught:4} of {:4}", stock.name, all.len())
                .unwrap();
        }
    }
    (table, survivors)
}

fn all_are_caught(head_dim: usize, dtype: DType) {
    let (table, survivors) = survivors(head_dim, dtype);
    // Past the harness, which keeps what a passing test prints.
    let heading = "mutants caught: kernel, shape class, head dimension, caught of all";
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{heading}\n{table}").as_bytes());
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
}

#[test]
fn every_mutant_is_caught_head_dim_64() {
    all_are_caught(64, DType::F16);
}

#[test]
fn every_mutant_is_caught_head_dim_128() {
    all_are_caught(128, DType::Bf16);
}

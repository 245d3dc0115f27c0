//! Whatever synchronises in a kernel that we emit is needed, and the emulator says so when it is gone.
//!
//! Each synchronising instruction of every stock kernel is deleted or weakened in turn, and the kernel is run: under
//! the sanitizer or some policy the emulator must object, or the results must change. A mutant that survives is
//! either a fault that the emulator cannot see or an instruction that has to go from what we emit.
//!
//! Hopper's instructions are mutated in kernels of the oracle, which are not ours to mend: what is redundant there is
//! listed with the reason.

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

/// Mutants of the oracle's kernels that nobody need object to: case, what stands in the line, why.
const REDUNDANT: &[(&str, &str, &str)] = &[(
    "cuda_warp_specialized_sm90",
    "fence.proxy.async.shared::cta",
    "after mbarrier.init: Triton has none there, so hardware does without",
)];

/// Every mutant of a case of the oracle whose line is executed there: how many there are, and which survive.
fn survivors_of_case(name: &str) -> (usize, Vec<String>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/cases").join(name);
    let folder =
        Folder(std::env::temp_dir().join(format!("flashpage-mutants-{}-{name}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder");
    for entry in fs::read_dir(from).expect("the case") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.0.join(entry.file_name())).expect("copied");
    }
    let original = Case::load(folder.0.join("launch.json")).expect("the case");
    let counting = EmulatorOptions { sanitize: true, profile: true, ..EmulatorOptions::default() };
    let report = original.run(&Device::emulator_with(counting)).expect("the kernel itself runs");
    assert!(report.passed(), "{name} is wrong before anything is changed");
    let profile = report.emulated.and_then(|emulated| emulated.profile).expect("it was asked for");
    let executed: Vec<usize> =
        profile.lines.iter().filter(|line| line.lanes > 0).map(|line| line.line as usize).collect();
    let want = outputs(&folder.0);
    let (mut survivors, mut count) = (Vec::new(), 0);
    for mutant in mutants(original.ptx()) {
        let known = |(case, text, _): &(&str, &str, &str)| *case == name && mutant.what.contains(text);
        if !executed.contains(&mutant.line) || REDUNDANT.iter().any(known) {
            continue;
        }
        count += 1;
        fs::write(folder.0.join("kernel.ptx"), &mutant.text).expect("written");
        if objection(&folder.0, &want).is_none() {
            survivors.push(format!("{name}, line {}: {}", mutant.line, mutant.what));
        }
    }
    (count, survivors)
}

#[test]
fn every_mutant_of_hoppers_instructions_is_caught() {
    let mut table = String::from("mutants caught: case of the oracle, caught of all that are executed\n");
    let mut survivors = Vec::new();
    for name in ["cuda_warp_specialized_sm90", "cuda_multicast_sm90", "cuda_cluster_sm90"] {
        let (count, left) = survivors_of_case(name);
        writeln!(table, "{name:30} {:4} of {count:4}", count - left.len()).unwrap();
        survivors.extend(left);
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), table.as_bytes());
    assert!(survivors.is_empty(), "nobody objects to\n  {}", survivors.join("\n  "));
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

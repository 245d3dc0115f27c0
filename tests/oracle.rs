//! PTX of compilers that are known to be right on hardware, on the emulator, against f64 references: this is how
//! we know that it reads PTX as the hardware does. `oracle/README.md` says which case proves what.
//!
//! A few small cases are committed. Of the rest a quarter is generated, another each day, where Python has Triton
//! (`TRITON_PYTHON`, by default `python3`); elsewhere that is skipped, but for CI, which must have it. `ORACLE_SHARE=0/1`
//! generates them all, `ORACLE_CASES=DIR` runs what lies in DIR instead, `ORACLE_ONLY=TEXT` only those whose name has TEXT in it.

use flashpage::runtime::case::{Case, CaseReport};
use flashpage::runtime::device::WarpOrder;
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, Sanitize};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The ways that each case runs; all of them must give the same bits.
fn runs() -> Vec<EmulatorOptions> {
    let in_order = [AsyncPolicy::Eager, AsyncPolicy::Lazy].map(|policy| (policy, WarpOrder::InOrder));
    let drawn = (0..10).map(|seed| (AsyncPolicy::Random(seed), WarpOrder::Random(seed)));
    let options = |(policy, warp_order)| EmulatorOptions {
        policy,
        warp_order,
        sanitize: Sanitize::USUAL,
        // The cases are spread over the cores, not a case's blocks.
        threads: 1,
        instruction_budget: 1 << 26,
        ..EmulatorOptions::default()
    };
    in_order.into_iter().chain(drawn).map(options).collect()
}

/// What a case came to: warp instructions of one run, or what is wrong.
struct Verdict {
    name: String,
    outcome: Result<u64, String>,
    seconds: f64,
}

fn judge(folder: &Path) -> Result<u64, String> {
    let case = Case::load(folder.join("launch.json")).map_err(|error| error.to_string())?;
    let mut first: Option<CaseReport> = None;
    for options in runs() {
        let how = options.policy;
        let report = case.evaluate(&Device::emulator_with(options)).map_err(|error| {
            format!("{how}: {}", error.to_string().replace(&*folder.to_string_lossy(), ""))
        })?;
        if !report.passed() {
            return Err(format!("{how}: {}", report.to_string().trim()));
        }
        let Some(first) = &first else {
            first = Some(report);
            continue;
        };
        for (name, array) in &report.arrays {
            if first.arrays.get(name).is_none_or(|other| other.bytes != array.bytes) {
                return Err(format!("{how}: `{name}` differs from what the first run gave"));
            }
        }
    }
    let report = first.ok_or("no runs")?;
    Ok(report.emulated.map_or(0, |report| report.instructions))
}

/// Judges every case of a folder, on all cores.
fn judge_all(folder: &Path) -> Vec<Verdict> {
    let only = std::env::var("ORACLE_ONLY").unwrap_or_default();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("launch.json").is_file() && path.to_string_lossy().contains(&only))
        .collect();
    cases.sort();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            let outcome = judge(case);
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let verdict = Verdict { name, outcome, seconds: started.elapsed().as_secs_f64() };
            verdicts.lock().unwrap().push(verdict);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by(|a, b| a.name.cmp(&b.name));
    verdicts
}

/// Prints the table past the harness, which keeps what a passing test prints to itself, and fails if a case did.
fn report(title: &str, verdicts: &[Verdict]) {
    let mut table =
        format!("{title}\n{:<44} {:<6} {:>12} {:>7}  verdict\n", "case", "target", "instructions", "s");
    for Verdict { name, outcome, seconds } in verdicts {
        let (name, target) = name.rsplit_once('_').unwrap_or((name, ""));
        let (count, word) = match outcome {
            Ok(count) => (count.to_string(), "ok".to_string()),
            Err(message) => (String::new(), message.lines().take(3).collect::<Vec<_>>().join(" | ")),
        };
        let _ = writeln!(table, "{name:<44} {target:<6} {count:>12} {seconds:>7.2}  {word}");
    }
    let failed = verdicts.iter().filter(|verdict| verdict.outcome.is_err()).count();
    let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
    let _ = writeln!(
        table,
        "{} of {} as expected, {seconds:.0} s of one core",
        verdicts.len() - failed,
        verdicts.len()
    );
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(failed == 0, "{failed} of {} cases are not as expected:\n{table}", verdicts.len());
    assert!(!verdicts.is_empty(), "no cases");
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

#[test]
fn committed_cases() {
    report("committed cases", &judge_all(&here().join("cases")));
}

#[test]
fn generated_cases() {
    if let Some(folder) = std::env::var_os("ORACLE_CASES") {
        return report("cases of ORACLE_CASES", &judge_all(Path::new(&folder)));
    }
    let python = std::env::var("TRITON_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_triton =
        Command::new(&python).args(["-c", "import triton, numpy; print(triton.__version__)"]).output();
    if !has_triton.as_ref().is_ok_and(|output| output.status.success()) {
        let why =
            format!("{python} has no Triton: pip install triton==3.6.0 numpy, and name it in TRITON_PYTHON");
        assert!(std::env::var_os("CI").is_none(), "{why}");
        writeln!(std::io::stderr(), "skipped generated_cases: {why}").unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let days = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
    let share = std::env::var("ORACLE_SHARE").unwrap_or_else(|_| format!("{}/4", days % 4));
    let make = [here().join("make.py").as_os_str(), folder.path().as_os_str()].map(ToOwned::to_owned);
    let made = Command::new(&python).args(make).args(["--share", &share]).output().unwrap();
    let output = String::from_utf8_lossy(&made.stdout) + String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{output}");
    report(&format!("generated cases, share {share}"), &judge_all(folder.path()));
}

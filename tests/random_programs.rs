//! Whole programs drawn at random: each is read, run for both targets, and held to the f64 reference; and some that rustc
//! compiled with this suite run on the host as well.
//!
//! 300 are drawn in CI, the same ones every time, and 60 elsewhere, others each time. `FLASHPAGE_PROGRAMS=5000` draws so many,
//! `FLASHPAGE_PROGRAM_SEED=17` begins there, and alone draws that one. A failure is said with its seed, the command that draws
//! it again, and the source with those steps left out that it does not take.
//!
//! After a change of the grammar: `FLASHPAGE_REWRITE=1 cargo test -p flashpage-tests --test random_programs compiled` writes
//! the kernels that rustc compiles anew.

#[rustfmt::skip]
mod drawn_kernels;
mod judge;
mod programs;
mod targets;

use flashpage::codegen::frontend::parse_file;
use flashpage::codegen::{Arch, ShapeClass};
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, LaunchOptions, WarpOrder};
use judge::judge;
use programs::{Drawn, drawn};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Programs drawn in CI, and elsewhere.
const IN_CI: u64 = 300;
const ELSEWHERE: u64 = 60;
/// Failures that are told of.
const MOST_FAILURES: usize = 3;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: write a number")))
}

/// The first seed, and how many.
fn seeds() -> (u64, u64) {
    let in_ci = std::env::var_os("CI").is_some();
    let (first, count) = (number("FLASHPAGE_PROGRAM_SEED"), number("FLASHPAGE_PROGRAMS"));
    let count = count.unwrap_or(match (first, in_ci) {
        (Some(_), _) => 1,
        (None, true) => IN_CI,
        (None, false) => ELSEWHERE,
    });
    let first = first.unwrap_or_else(|| match in_ci || std::env::var_os("FLASHPAGE_PROGRAMS").is_some() {
        true => 0,
        false => std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() % 1_000_000 * 1000),
    });
    (first, count)
}

/// How the emulator of a target runs a seed's program.
fn device(arch: Arch, seed: u64) -> Device {
    let (policy, warp_order) = match seed % 3 {
        0 => (AsyncPolicy::Eager, WarpOrder::InOrder),
        1 => (AsyncPolicy::Lazy, WarpOrder::InOrder),
        _ => (AsyncPolicy::Random(seed), WarpOrder::Random(seed)),
    };
    // Programs run beside each other already.
    targets::device(EmulatorOptions { threads: 1, ..targets::options(arch, policy, warp_order) })
}

/// Whether a program is what it is meant to be.
fn check(drawn: &Drawn) -> Result<(), String> {
    let program = parse_file(&drawn.source(), None).map_err(|error| format!("is not read: {error}"))?;
    // A launch chooses a shape by its batch; every kernel is right for every one.
    let shape = ShapeClass::ALL.get(drawn.seed as usize % 7).copied();
    let options = LaunchOptions { shape, ..LaunchOptions::default() };
    for arch in targets::ARCHS {
        let device = device(arch, drawn.seed);
        judge(&device, "drawn.rs", &program, &drawn.problem, &options)?;
    }
    Ok(())
}

/// The same failure without the steps that it does not take.
fn smaller(mut failing: Drawn) -> Drawn {
    let mut index = 0;
    while index < failing.steps.len() {
        let mut without = failing.clone();
        without.steps.remove(index);
        match check(&without) {
            Err(_) => failing = without,
            Ok(()) => index += 1,
        }
    }
    failing
}

/// How many kernels rustc compiles.
const COMPILED: usize = 40;
/// How far the host, in f32 with sums in f64, may be from the reference.
const HOST_TOLERANCE: f64 = 1e-5;

#[test]
fn compiled_kernels_are_those_that_are_drawn() {
    let seeds: Vec<u64> = (0..).filter(|seed| programs::runs_on_the_host(*seed)).take(COMPILED).collect();
    let text = programs::host::file(&seeds);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/drawn_kernels/mod.rs");
    if std::env::var_os("FLASHPAGE_REWRITE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let same = std::fs::read_to_string(path).unwrap() == text;
    assert!(
        same,
        "the grammar draws other kernels than tests/drawn_kernels has: write them anew, as random_programs.rs says"
    );
}

#[test]
fn the_host_gives_what_the_reference_gives() {
    let device = targets::plain(Arch::Sm80);
    for (seed, host) in drawn_kernels::KERNELS {
        let drawn = drawn(*seed);
        let program = parse_file(&drawn.source(), None).unwrap();
        let inputs = drawn.problem.inputs(&device, &program).unwrap();
        let arguments = inputs.arguments();
        let wanted = flashpage::runtime::reference(&program, &arguments).unwrap();
        let got = host(&arguments).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(wanted.len(), got.len(), "seed {seed}");
        for want in &wanted {
            let (_, got) = got.iter().find(|(name, _)| *name == want.name).unwrap();
            assert_eq!(want.values.len(), got.len(), "seed {seed}: {}", want.name);
            for (index, (&want_value, &value)) in want.values.iter().zip(got).enumerate() {
                let value = f64::from(value);
                let near = value == want_value
                    || (value - want_value).abs() <= HOST_TOLERANCE * (1.0 + want_value.abs());
                assert!(
                    near,
                    "seed {seed}: {}[{index}] is {value}, not {want_value}, of {}\n{}",
                    want.name,
                    drawn.problem,
                    drawn.source()
                );
            }
        }
    }
}

#[test]
fn drawn_programs() {
    let (first, count) = seeds();
    eprintln!("programs of the seeds {first} to {}", first + count.max(1) - 1);
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if index >= count || failures.lock().unwrap().len() >= MOST_FAILURES {
                        return;
                    }
                    let seed = first + index;
                    let tried = drawn(seed);
                    if check(&tried).is_ok() {
                        continue;
                    }
                    let failing = smaller(tried);
                    let said = check(&failing).err().unwrap_or_else(|| "fails by turns".to_owned());
                    failures.lock().unwrap().push(format!(
                        "{said}\nwhere drawn.rs is\n{}\nseed {seed}, again: FLASHPAGE_PROGRAM_SEED={seed} cargo test -p \
                         flashpage-tests --test random_programs drawn_programs",
                        failing.source()
                    ));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

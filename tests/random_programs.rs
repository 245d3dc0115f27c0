//! Whole programs drawn at random: each is read, run for both targets, and held to the f64 reference; and some that rustc
//! compiled with this suite run on the host as well.
//!
//! 300 are drawn in CI, the same ones every time, and 60 elsewhere, others each time. `FLASHPAGE_PROGRAMS=5000` draws so many,
//! `FLASHPAGE_PROGRAM_SEED=17` begins there, and alone draws that one. A failure is said with its seed, the command that draws
//! it again, and the source with those steps left out that it does not take.
//!
//! Beside the kernels that compile, programs of any form are drawn (`programs/forms.rs`), which the host run and the reference
//! alone know.
//!
//! After a change of a grammar: `FLASHPAGE_REWRITE=1 cargo test -p flashpage-tests random_programs::compiled` writes
//! the kernels that rustc compiles anew; with `FLASHPAGE_COMPILED=1000` so many of each, for once.

use crate::drawn_forms;
use crate::drawn_kernels;
use crate::judge;
use crate::planning;
use crate::programs;
use crate::targets;

use flashpage::codegen::frontend::{parse_file, parse_program_source};
use flashpage::codegen::program::{Axis, Generic, ParamKind};
use flashpage::codegen::schedule::{F32Products, Tuning};
use flashpage::codegen::{Arch, Program, ShapeClass};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, DType, Device, EmulatorOptions, LaunchOptions, Row, WarpOrder};
use judge::judge;
use programs::forms::form;
use programs::host::{Host, Source};
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

/// The element type that a program is run with: as drawn, of 16 bits; of one in three that leave it open, f32.
fn dtype(drawn: &Drawn, program: &Program) -> DType {
    match program.input_element() {
        Generic::Open(_) if drawn.seed.is_multiple_of(3) => DType::F32,
        _ => drawn.problem.dtype,
    }
}

/// Whether a program is what it is meant to be.
fn check(drawn: &Drawn) -> Result<(), String> {
    let program = parse_file(&drawn.source(), None).map_err(|error| format!("is not read: {error}"))?;
    // A launch chooses a shape by its batch; every kernel is right for every one.
    let shape = ShapeClass::ALL.get(drawn.seed as usize % 7).copied();
    let problem = &Problem { dtype: dtype(drawn, &program), ..drawn.problem.clone() };
    let f32_products = F32Products::ALL.get(drawn.seed as usize / 3 % 3).copied();
    let options = LaunchOptions {
        shape,
        tuning: Tuning { f32_products, ..Tuning::default() },
        ..LaunchOptions::default()
    };
    for arch in targets::ARCHS {
        let device = device(arch, drawn.seed);
        judge(&device, "drawn.rs", &program, problem, &options)?;
        // Planned as well, with keys in one part or in several that are merged.
        if drawn.seed.is_multiple_of(4) {
            // Parts are merged into an output.
            let has_output = program.params.iter().any(|param| param.kind == ParamKind::Output);
            let parts = if has_output { 1 + drawn.seed as usize / 4 % 3 } else { 1 };
            planning::judge(&device, &program, problem, planning::forced(parts))
                .map_err(|error| format!("planned in {parts} parts for {arch}: {error}"))?;
        }
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

/// A file that rustc compiles is what is drawn, or is written anew.
fn compiled(file: &str, kernels: impl Iterator<Item = Source>) {
    let path = format!("{}/{file}/mod.rs", env!("CARGO_MANIFEST_DIR"));
    let rewrite = std::env::var_os("FLASHPAGE_REWRITE").is_some();
    let count = number("FLASHPAGE_COMPILED").filter(|_| rewrite).map_or(COMPILED, |count| count as usize);
    let text = programs::host::file(kernels.take(count));
    if rewrite {
        std::fs::write(&path, &text).unwrap();
    }
    let same = std::fs::read_to_string(&path).unwrap() == text;
    assert!(
        same,
        "the grammar draws other kernels than tests/{file} has: write them anew, as random_programs.rs says"
    );
}

#[test]
fn compiled_kernels_are_those_that_are_drawn() {
    compiled("drawn_kernels", (0..).map(|seed| drawn(seed).for_rustc()));
    compiled("drawn_forms", (0..).map(|seed| form(seed).source()));
}

/// What a kernel's own function gives on the host against the reference.
fn host_is_right(
    seed: u64,
    (source, program): (&str, Program),
    problem: &Problem,
    host: Host,
) -> Result<(), String> {
    let device = targets::plain(Arch::Sm80);
    let inputs = problem.inputs(&device, &program).unwrap();
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
            if !near {
                let name = &want.name;
                return Err(format!(
                    "seed {seed}: {name}[{index}] is {value}, not {want_value}, of {problem:?}\n{source}"
                ));
            }
        }
    }
    Ok(())
}

/// A drawn function, whatever it is for.
fn parse_program_file(source: &str) -> Program {
    let function = source.split_once('\n').expect("an attribute stands above it").1;
    parse_program_source(function).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

#[test]
fn the_host_gives_what_the_reference_gives() {
    let kernels = drawn_kernels::KERNELS.iter().map(|(seed, host)| {
        let drawn = drawn(*seed);
        let source = drawn.source();
        let program = parse_file(&source, None).unwrap_or_else(|error| panic!("{error}\n{source}"));
        host_is_right(*seed, (&source, program), &drawn.problem, *host)
    });
    let forms = drawn_forms::KERNELS.iter().map(|(seed, host)| {
        let form = form(*seed);
        host_is_right(*seed, (&form.source, parse_program_file(&form.source)), &form.problem, *host)
    });
    let failures: Vec<String> = kernels.chain(forms).filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

/// Programs of any form are read, what they give does not depend on which lines are asked for, and no wrong kernel is made of them.
#[test]
fn drawn_forms() {
    let device = targets::plain(Arch::Sm80);
    let (first, count) = seeds();
    for seed in first..first + count {
        let form = form(seed);
        let program = parse_program_file(&form.source);
        match parse_file(&form.source.replace("(reference)", ""), None) {
            Err(error) => assert!(!error.to_string().contains("misread"), "{}", form.source),
            // What happens to be attention is right as such.
            Ok(attention) => judge(&device, "form.rs", &attention, &form.problem, &LaunchOptions::default())
                .unwrap_or_else(|error| panic!("{error}\n{}", form.source)),
        }
        let inputs = form.problem.inputs(&device, &program).unwrap();
        let arguments = inputs.arguments();
        let all = flashpage::runtime::reference(&program, &arguments).unwrap();
        let (owns_rows, problem) = (program.owned() == Axis::Rows, &form.problem);
        let heads = if owns_rows { problem.q_heads } else { problem.kv_heads };
        let mut lines = Vec::new();
        for (sequence, (q_len, kv_len)) in problem.lens.iter().enumerate() {
            let len = if owns_rows { *q_len } else { *kv_len };
            lines
                .extend((0..len).flat_map(|index| (0..heads).map(move |head| Row { sequence, head, index })));
        }
        let asked: Vec<usize> = (0..lines.len()).rev().step_by(7).collect();
        let some: Vec<Row> = asked.iter().map(|line| lines[*line]).collect();
        let some = flashpage::runtime::reference_rows(&program, &arguments, &some).unwrap();
        for (all, some) in all.iter().zip(&some) {
            let width = all.values.len() / lines.len().max(1);
            for (number, line) in asked.iter().enumerate() {
                let (of_all, own) =
                    (&all.values[line * width..][..width], &some.values[number * width..][..width]);
                let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() <= 1e-9 * (1.0 + a.abs());
                assert!(
                    of_all.iter().zip(own).all(near),
                    "seed {seed}: {}, line {line}\n{}",
                    all.name,
                    form.source
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
                         flashpage-tests random_programs::drawn_programs",
                        failing.source()
                    ));
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

//! How fast the emulator runs our kernels, in time and in warp instructions a second, without sanitizers and with
//! all of them. `cargo bench -p flashpage-bench --bench emulate`

use divan::Bencher;
use divan::counter::ItemsCount;
use flashpage::kernels;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{AsyncPolicy, Device, EmulatorOptions, LaunchOptions, launch};

fn main() {
    divan::main();
}

/// 4 heads x 512 x 512 x 64, f16, full attention: 268 MFLOP.
fn square() -> Problem {
    Problem { head_dim: 64.into(), q_heads: 4, kv_heads: 4, lens: vec![(512, 512)], ..Problem::default() }
}

/// A decode step of 16 sequences over a paged cache.
fn decode() -> Problem {
    Problem { head_dim: 128.into(), q_heads: 8, kv_heads: 2, lens: vec![(1, 500); 16], ..Problem::default() }
}

fn run(bencher: Bencher, kernel: &str, problem: &Problem, sanitize: bool) {
    let policy = if sanitize { AsyncPolicy::Lazy } else { AsyncPolicy::Eager };
    let device = Device::emulator_with(EmulatorOptions {
        policy,
        sanitize: sanitize.into(),
        ..EmulatorOptions::default()
    });
    let program = (kernels::find(kernel).expect("a stock kernel").program)();
    let inputs = problem.inputs(&device, program).expect("inputs");
    let arguments = inputs.arguments();
    let run = || launch(&device, program, &arguments, &LaunchOptions::default()).expect("runs");
    let instructions = run().emulated.map_or(0, |report| report.instructions);
    bencher.counter(ItemsCount::new(instructions)).bench(run);
}

#[divan::bench(args = [false, true])]
fn prefill_sanitized(bencher: Bencher, sanitize: bool) {
    run(bencher, "attention", &square(), sanitize);
}

#[divan::bench(args = [false, true])]
fn paged_decode_sanitized(bencher: Bencher, sanitize: bool) {
    run(bencher, "paged_attention", &decode(), sanitize);
}

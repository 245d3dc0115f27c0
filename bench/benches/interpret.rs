//! How fast the reference is, in time and in floating-point operations a second: those of the two products of every row
//! and column, whether a mask keeps the score or not. `cargo bench -p flashpage-bench --bench interpret`

use divan::Bencher;
use divan::counter::ItemsCount;
use flashpage::kernels;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{Argument, Device, Expected, ReferenceError, plain, reference};

fn main() {
    divan::main();
}

const KERNELS: [&str; 4] = ["attention", "causal_attention", "softcap_attention", "alibi_attention"];

/// One head x 4,096 x 4,096 x 64, f16: 4.3 GFLOP.
fn square() -> Problem {
    Problem { head_dim: 64.into(), q_heads: 1, kv_heads: 1, lens: vec![(4096, 4096)], ..Problem::default() }
}

/// A decode step of 16 sequences over a paged cache: 0.26 GFLOP.
fn decode() -> Problem {
    Problem { head_dim: 128.into(), q_heads: 8, kv_heads: 2, lens: vec![(1, 4000); 16], ..Problem::default() }
}

type Evaluation = fn(&flashpage::codegen::Program, &[Argument<'_>]) -> Result<Vec<Expected>, ReferenceError>;

fn run(bencher: Bencher, kernel: &str, problem: &Problem, evaluation: Evaluation) {
    let device = Device::emulator();
    let program = (kernels::find(kernel).expect("a stock kernel").program)();
    let inputs = problem.inputs(&device, program).expect("inputs");
    let arguments = inputs.arguments();
    let scores: usize = problem.lens.iter().map(|(q_len, kv_len)| q_len * kv_len * problem.q_heads).sum();
    let operations = ItemsCount::new(2 * scores * (problem.head_dim.qk + problem.head_dim.v));
    bencher.counter(operations).bench(|| evaluation(program, &arguments).expect("evaluates"));
}

#[divan::bench(args = KERNELS, sample_count = 20)]
fn exact(bencher: Bencher, kernel: &str) {
    run(bencher, kernel, &square(), reference);
}

#[divan::bench(args = KERNELS, sample_count = 20)]
fn plainly(bencher: Bencher, kernel: &str) {
    run(bencher, kernel, &square(), plain);
}

#[divan::bench(sample_count = 20)]
fn exact_paged_decode(bencher: Bencher) {
    run(bencher, "paged_attention", &decode(), reference);
}

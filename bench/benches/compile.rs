//! How long a kernel takes from source to PTX text, stage by stage. `cargo bench -p flashpage-bench --bench compile`

use divan::Bencher;
use flashpage::codegen::program::{DType, ParamKind};
use flashpage::codegen::{Arch, Program, ShapeClass, Spec, Work, compile, frontend};
use flashpage::kernels;

fn main() {
    divan::main();
}

const KERNELS: [&str; 4] = ["attention", "causal_attention", "alibi_attention", "paged_attention"];

fn program(name: &str) -> &'static Program {
    (kernels::find(name).expect("a stock kernel").program)()
}

fn spec(program: &Program, arch: Arch, head_dim: usize) -> Spec {
    let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
    Spec {
        arch,
        dtype: DType::F16,
        kv_dtype: DType::F16,
        output: program.output_type(DType::F16),
        head_dim: head_dim.into(),
        block_size: paged.then_some(16),
        shape: ShapeClass::Prefill,
        tuning: Default::default(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// Program to PTX text: what the first launch of a kernel pays before the driver sees it. The bar is 5 ms.
#[divan::bench(args = KERNELS, consts = [64, 128, 256])]
fn ampere<const HEAD_DIM: usize>(bencher: Bencher, name: &str) {
    program_to_text(bencher, name, Arch::Sm80, HEAD_DIM);
}

/// The same for Hopper.
#[divan::bench(args = KERNELS, consts = [64, 128, 256])]
fn hopper<const HEAD_DIM: usize>(bencher: Bencher, name: &str) {
    program_to_text(bencher, name, Arch::Sm90a, HEAD_DIM);
}

fn program_to_text(bencher: Bencher, name: &str, arch: Arch, head_dim: usize) {
    let program = program(name);
    let spec = spec(program, arch, head_dim);
    bencher.bench(|| compile(program, &spec).expect("compiles").text());
}

/// Rust source to program: what `kgen` pays for a file.
#[divan::bench]
fn source_to_program(bencher: Bencher) {
    let text = include_str!("../../src/kernels.rs");
    bencher.bench(|| frontend::parse_file(text, Some("paged_attention")).expect("parses"));
}

/// PTX text to tree and its verification.
#[divan::bench]
fn parse_and_verify(bencher: Bencher) {
    let program = program("paged_attention");
    let text = compile(program, &spec(program, Arch::Sm80, 128)).expect("compiles").text();
    bencher.bench(|| flashpage::ptx::verify(&flashpage::ptx::parse(&text).expect("parses")));
}

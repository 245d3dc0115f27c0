//! What the compiler emits, as text: every schedule, and a handful of whole kernels. A change here is a change
//! of what runs on a GPU; look at it, then `cargo insta accept`.
//!
//! And what must hold of all kernels: the text parses back to the module it was printed from, and the verifier
//! finds nothing.

use flashpage::codegen::choice::tuned_head_dims;
use flashpage::codegen::program::{DType, ParamKind, Program};
use flashpage::codegen::schedule::Tuning;
use flashpage::codegen::{Arch, Compiled, HeadDim, ShapeClass, Spec, Work, compile};
use flashpage::kernels::{catalogue, find};
use flashpage::ptx::ast::{Function, Item, Module, Statement};
use flashpage::ptx::{parse, verify};

fn spec(dtype: DType, head_dim: impl Into<HeadDim>, block_size: Option<usize>, shape: ShapeClass) -> Spec {
    Spec {
        arch: Arch::Sm80,
        dtype,
        kv_dtype: dtype,
        output: dtype,
        head_dim: head_dim.into(),
        block_size,
        shape,
        tuning: Tuning::default(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

fn for_hopper(spec: Spec) -> Spec {
    Spec { arch: Arch::Sm90a, ..spec }
}

fn compiled(kernel: &str, spec: &Spec) -> Compiled {
    compile((find(kernel).unwrap().program)(), spec).unwrap()
}

/// What the tables choose: Ampere for what lanes carry, Hopper for masks.
#[test]
fn schedules() {
    let mut text = String::new();
    for arch in Arch::ALL {
        for kernel in ["attention", "causal_attention", "alibi_attention"] {
            for &head_dim in tuned_head_dims(arch) {
                for shape in ShapeClass::ALL {
                    let spec = Spec { arch, ..spec(DType::F16, head_dim, None, shape) };
                    let tuning = compiled(kernel, &spec).schedule.tuning();
                    text += &format!("{arch} {kernel} head_dim {head_dim} {shape}: {tuning}\n");
                }
            }
        }
    }
    insta::assert_snapshot!(text);
}

/// A schedule of each family, in words.
#[test]
fn schedules_in_words() {
    let prefill = spec(DType::F16, 128, None, ShapeClass::Prefill);
    for (name, spec) in [("schedule_ring", prefill), ("schedule_roles", for_hopper(prefill))] {
        insta::assert_snapshot!(name, compiled("causal_attention", &spec).schedule);
    }
}

/// A main loop of each family, run.
#[test]
fn timelines() {
    let prefill = spec(DType::F16, 128, None, ShapeClass::Prefill);
    for (name, spec) in [("timeline_ring", prefill), ("timeline_roles", for_hopper(prefill))] {
        insta::assert_snapshot!(name, compiled("causal_attention", &spec).plan.timeline().unwrap());
    }
}

/// What becomes of a plan for Ampere.
#[test]
fn a_kernel() {
    let compiled = compiled("causal_attention", &spec(DType::F16, 64, None, ShapeClass::Decode));
    insta::assert_snapshot!(compiled.entry.clone(), compiled.text());
}

/// A ring of one stage and of two, Q in registers and in shared memory, blocks of a cache, conditions that no tile escapes.
#[test]
fn plans_for_ampere() {
    use ShapeClass::*;
    let table = [
        ("causal_attention", spec(DType::F16, 64, None, Decode)),
        ("paged_attention", spec(DType::Bf16, 128, Some(16), Prefill)),
        ("paged_attention", Spec { work: Work::Partials, ..spec(DType::F16, 64, Some(16), Append) }),
    ];
    for (kernel, spec) in table {
        let compiled = compiled(kernel, &spec);
        insta::assert_snapshot!(format!("plan_sm_80_{}", compiled.entry), compiled.plan);
    }
}

/// Two consumers that take turns; one alone, with blocks of a cache; O over Q; partial results; rows of small blocks.
#[test]
fn plans() {
    use ShapeClass::*;
    let table = [
        ("causal_attention", spec(DType::Bf16, 128, None, Prefill)),
        ("paged_full_attention", spec(DType::F16, 64, Some(16), Decode)),
        ("attention", spec(DType::F16, 256, None, Prefill)),
        ("paged_attention", Spec { work: Work::Partials, ..spec(DType::F16, 128, Some(16), Append) }),
        ("paged_attention", spec(DType::F16, 128, Some(1), Prefill)),
    ];
    for (kernel, spec) in table {
        let compiled = compiled(kernel, &for_hopper(spec));
        insta::assert_snapshot!(format!("plan_{}", compiled.entry), compiled.plan);
    }
}

/// What becomes of a plan.
#[test]
fn a_kernel_for_hopper() {
    let spec = for_hopper(spec(DType::Bf16, 128, None, ShapeClass::Prefill));
    let compiled = compiled("causal_attention", &spec);
    insta::assert_snapshot!(format!("sm_90a_{}", compiled.entry), compiled.text());
}

/// Blocks smaller than eight rows, smaller than a tile, equal, larger, and neither multiple nor divisor.
const BLOCK_SIZES: [usize; 6] = [2, 8, 16, 24, 64, 128];

/// What a program is compiled to: four of seven for Ampere, and two for Hopper, whose head dimensions are many.
fn specs(program: &Program, arch: Arch) -> Vec<Spec> {
    let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
    let block_sizes = if paged { BLOCK_SIZES.map(Some).to_vec() } else { vec![None] };
    let mut specs = Vec::new();
    for dtype in [DType::F16, DType::Bf16] {
        for &head_dim in tuned_head_dims(arch) {
            for &block_size in &block_sizes {
                for shape in ShapeClass::ALL {
                    let spec = Spec { arch, ..spec(dtype, head_dim, block_size, shape) };
                    specs.extend([spec, Spec { fold_scale: false, ..spec }]);
                }
            }
        }
    }
    // Seven is prime to the number of choices in each place.
    let of_seven = if arch == Arch::Sm80 { 4 } else { 2 };
    let is_taken = |index: usize| index % 7 < of_seven;
    specs.into_iter().enumerate().filter(|(index, _)| is_taken(*index)).map(|(_, spec)| spec).collect()
}

/// A module without what text does not keep: comments go, lines come.
fn bare(mut module: Module) -> Module {
    module.items.retain(|item| !matches!(item, Item::Comment(_)));
    for item in &mut module.items {
        match item {
            Item::Variable(variable) => variable.line = 0,
            Item::Function(Function { line, params, returns, body, .. }) => {
                *line = 0;
                params.iter_mut().chain(returns).for_each(|param| param.line = 0);
                body.iter_mut().for_each(bare_body);
            }
            Item::Comment(_) => {}
        }
    }
    module
}

fn bare_body(body: &mut Vec<Statement>) {
    body.retain(|statement| !matches!(statement, Statement::Comment(_) | Statement::Pragma(_)));
    for statement in body {
        match statement {
            Statement::Label(_, line) => *line = 0,
            Statement::Registers(registers) => registers.line = 0,
            Statement::Variable(variable) => variable.line = 0,
            Statement::Instruction(instruction) => instruction.line = 0,
            Statement::Block(body) => bare_body(body),
            _ => {}
        }
    }
}

#[test]
fn text_is_the_module() {
    for stock in catalogue() {
        let program = (stock.program)();
        for spec in specs(program, Arch::Sm80).into_iter().chain(specs(program, Arch::Sm90a)) {
            let compiled = compile(program, &spec).unwrap();
            let text = compiled.text();
            let what = format!(
                "{} for {}, scale {}",
                compiled.entry,
                spec.arch,
                if spec.fold_scale { "folded" } else { "apart" }
            );
            let parsed = parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
            let problems: Vec<String> = verify(&parsed).iter().map(ToString::to_string).collect();
            assert!(problems.is_empty(), "{what}: {problems:#?}");
            let (parsed, built) = (bare(parsed), bare(compiled.module));
            if parsed != built {
                let (parsed, built) = (format!("{parsed:#?}"), format!("{built:#?}"));
                let first = parsed.lines().zip(built.lines()).enumerate().find(|(_, (a, b))| a != b);
                panic!("{what}: text and module differ, first in {first:#?}");
            }
        }
    }
}

//! What everything compiles to, a line for each kernel: a hash of its PTX in canonical form, which stays as it is where
//! registers are numbered otherwise or comments say something else. A change of the compiler that is to change no kernel leaves
//! this as it is; one that is to change some shows here which.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test -p flashpage-tests manifest::`, and the commit says why.

use crate::canonical;
use crate::kernel_source;
use crate::opaque_masks;
use crate::user_sources;

use canonical::{canonical, hash};
use flashpage::codegen::choice::{tuned_head_dims, untuned_head_dims};
use flashpage::codegen::layout::transposed_copy;
use flashpage::codegen::program::{DType, Generic, ParamKind, Program};
use flashpage::codegen::schedule::{F32Products, Tuning};
use flashpage::codegen::{Arch, CompileError, Compiled, HeadDim, ShapeClass, Spec, Work, compile};
use flashpage::kernels::{catalogue, find};
use kernel_source::{Cache, kernel, program};
use user_sources::{
    DIVIDED, FORMS, HUGE, INDICES, MAPS, MASKS, NUMBERS, SEQUENCES, SOFTMAXES, TABLES, form_source,
};

/// Steps that the grammar of `random_problems.rs` drew, 200 of them by the seed 15; as text, since a grammar grows.
const DRAWN: &str = include_str!("manifest/drawn.txt");

/// Parameters that drawn steps may ask for.
const DRAWN_PARAMS: &str = "w: i32,\n    flag: bool,\n    slopes: PerHead<f32>,\n    ids: PerHead<i32>,";

const ARCHS: [Arch; 2] = [Arch::Sm80, Arch::Sm90a];
/// Blocks smaller than a tile, no divisor of one, and larger.
const BLOCK_SIZES: [usize; 4] = [16, 24, 8, 128];

/// A kernel of the manifest.
struct Entry {
    name: String,
    program: Program,
    spec: Spec,
}

/// Head dimensions with rows of their own, of those that all tensors share.
fn same_of_all(arch: Arch) -> Vec<HeadDim> {
    tuned_head_dims(arch).iter().copied().filter(|head_dim| head_dim.qk == head_dim.v).collect()
}

/// A program's `index`th choice of what is not told: dtype, head dimension and block size.
fn spec(program: &Program, arch: Arch, shape: ShapeClass, work: Work, index: usize) -> Spec {
    let dims = same_of_all(arch);
    let paged = program.params.iter().any(|param| param.kind == ParamKind::BlockTable);
    let dtype = match program.input_element() {
        Generic::Fixed(dtype) => *dtype,
        Generic::Open(_) => [DType::F16, DType::Bf16][index % 2],
    };
    let stored = program.kv_types(dtype);
    Spec {
        arch,
        dtype,
        kv_dtype: stored[index / 4 % stored.len()],
        output: program.output_type(dtype),
        head_dim: program.with_fixed(dims[index % dims.len()]),
        block_size: paged.then(|| BLOCK_SIZES[index / 2 % BLOCK_SIZES.len()]),
        shape,
        tuning: Tuning::default(),
        work,
        // Once in a while the scale is an operation of its own.
        values: Default::default(),
        fold_scale: index % 11 != 10,
    }
}

/// The catalogue in every head dimension, shape and way to get work; in either type, and paged in every block size, by turns. Of
/// scaled inputs one kernel is enough.
fn stock() -> Vec<Entry> {
    let mut entries = Vec::new();
    for stock in catalogue().iter().filter(|stock| stock.name != "scaled_attention") {
        let program = (stock.program)();
        for arch in ARCHS {
            for (dim, head_dim) in same_of_all(arch).into_iter().enumerate() {
                for (shape, work) in shapes_and_works() {
                    let index = entries.len() + dim;
                    let spec = Spec { head_dim, ..spec(program, arch, shape, work, index) };
                    entries.push(Entry { name: format!("{arch}"), program: program.clone(), spec });
                }
            }
        }
    }
    entries
}

/// Head dimensions without rows of their own, each in a shape and a way to get work by turns.
fn other_head_dims() -> Vec<Entry> {
    let mut entries = Vec::new();
    for arch in ARCHS {
        for (number, head_dim) in untuned_head_dims(arch).enumerate() {
            let name = ["causal_attention", "paged_attention"][number % 2];
            let program = (find(name).unwrap().program)();
            let (shape, work) = shapes_and_works().nth(number % 9).unwrap();
            let spec = Spec { head_dim: head_dim.into(), ..spec(program, arch, shape, work, number) };
            entries.push(Entry { name: format!("{arch}"), program: program.clone(), spec });
        }
    }
    entries
}

/// Two head dimensions, and values in the keys, in every shape and way to get work.
fn pairs() -> Vec<Entry> {
    let pairs = ["192/128", "96/64", "48/240", "576/512"].map(|text| text.parse().unwrap());
    let mut entries = Vec::new();
    for (name, head_dim) in ["causal_attention", "paged_attention", "latent_attention"]
        .iter()
        .flat_map(|name| pairs.map(|of| (name, of)))
    {
        let program = (find(name).unwrap().program)();
        for arch in ARCHS.into_iter().filter(|_| program.takes(head_dim).is_ok()) {
            for (shape, work) in shapes_and_works() {
                let spec = Spec { head_dim, ..spec(program, arch, shape, work, entries.len()) };
                entries.push(Entry { name: format!("{arch}"), program: program.clone(), spec });
            }
        }
    }
    entries
}

/// Blocks of fewer than eight tokens, in every head dimension and shape, with a way to get work by turns.
fn small_blocks() -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in ["paged_attention", "latent_attention"] {
        let program = (find(name).unwrap().program)();
        for arch in ARCHS {
            let head_dims = tuned_head_dims(arch).iter().filter(|head_dim| program.takes(**head_dim).is_ok());
            for (&head_dim, shape) in head_dims.flat_map(|of| ShapeClass::ALL.map(|shape| (of, shape))) {
                let index = entries.len();
                let work = Work::ALL[index % 3];
                let block_size = Some([1, 2, 4][index / 2 % 3]);
                let spec = Spec { head_dim, block_size, ..spec(program, arch, shape, work, index) };
                entries.push(Entry { name: format!("{arch}"), program: program.clone(), spec });
            }
        }
    }
    entries
}

/// The catalogue of f32 inputs, by both ways to multiply them, each in a head dimension, a shape and a way to get work by turns.
fn of_f32() -> Vec<Entry> {
    let mut entries = Vec::new();
    for stock in catalogue() {
        let program = (stock.program)();
        for f32_products in F32Products::ALL {
            for head_dim in [64, 80, 128, 192, 256] {
                let number = entries.len();
                let (shape, work) = shapes_and_works().nth(number % 9).unwrap();
                let arch = ARCHS[number / 9 % ARCHS.len()];
                let tuning = Tuning { f32_products: Some(f32_products), ..Tuning::default() };
                let of_16_bits = spec(program, arch, shape, work, number);
                let (dtype, kv_dtype, output) = (DType::F32, DType::F32, DType::F32);
                let spec = Spec { dtype, kv_dtype, output, head_dim: head_dim.into(), tuning, ..of_16_bits };
                entries.push(Entry { name: format!("{arch}"), program: program.clone(), spec });
            }
        }
    }
    entries
}

/// Scaled inputs of 8 bits, in every head dimension, shape and way to get work; in types and block sizes by turns.
fn of_eight_bits() -> Vec<Entry> {
    let mut entries = Vec::new();
    for name in ["scaled_attention", "scaled_paged_attention"] {
        let program = (find(name).unwrap().program)();
        for head_dim in transposed_copy::HEAD_DIMS {
            for (shape, work) in shapes_and_works() {
                let number = entries.len();
                let types = [DType::E4m3, DType::E5m2];
                let outputs = program.output_types(types[0]);
                let spec = Spec {
                    dtype: types[number % 2],
                    kv_dtype: types[number / 2 % 2],
                    output: outputs[number % outputs.len()],
                    head_dim: head_dim.into(),
                    ..spec(program, Arch::Sm90a, shape, work, number)
                };
                entries.push(Entry { name: "sm_90a".to_owned(), program: program.clone(), spec });
            }
        }
    }
    entries
}

fn shapes_and_works() -> impl Iterator<Item = (ShapeClass, Work)> {
    ShapeClass::ALL.into_iter().flat_map(|shape| Work::ALL.map(|work| (shape, work)))
}

/// What the tests of users' kernels have, in every shape and way to get work.
fn users() -> Vec<Entry> {
    let rows = MASKS.iter().chain(MAPS).chain(opaque_masks::OPAQUE);
    let caches = [Cache::Contiguous, Cache::Paged].into_iter().cycle();
    let mut sources: Vec<(String, String)> = rows
        .zip(caches)
        .map(|((what, params, steps, _), cache)| ((*what).to_owned(), kernel(cache, params, steps)))
        .collect();
    sources.push(("divided".to_owned(), kernel(Cache::Paged, "n: i32", DIVIDED)));
    sources.extend(FORMS.iter().map(|form| (form.0.to_owned(), form_source(form))));
    let indices = INDICES
        .iter()
        .map(|(what, params, steps, _)| ((*what).to_owned(), kernel(Cache::Contiguous, params, steps)));
    sources.extend(indices);
    let asked = SEQUENCES
        .iter()
        .chain(TABLES)
        .chain(NUMBERS)
        .zip([Cache::Paged, Cache::Contiguous].into_iter().cycle());
    sources.extend(
        asked.map(|((what, params, steps, _), cache)| ((*what).to_owned(), kernel(cache, params, steps))),
    );
    let huge = HUGE
        .iter()
        .map(|(what, params, steps, _)| ((*what).to_owned(), kernel(Cache::Contiguous, params, steps)));
    sources.extend(huge);
    let in_all = sources.len();
    sources.extend(SOFTMAXES.iter().map(|form| (form.0.to_owned(), form_source(form))));
    let mut entries = Vec::new();
    for (number, (what, source)) in sources.into_iter().enumerate() {
        let program = program(&source);
        for arch in ARCHS {
            // Of softmaxes every shape, each with one of the ways to get work.
            let is_taken = |(index, _): &(usize, _)| number < in_all || (index / 3 + index + number) % 3 == 0;
            for (_, (shape, work)) in shapes_and_works().enumerate().filter(is_taken) {
                let spec = spec(&program, arch, shape, work, entries.len());
                entries.push(Entry { name: format!("{arch} {what}:"), program: program.clone(), spec });
            }
        }
    }
    entries
}

/// Drawn programs, each for both targets, in a shape and a way to get work by turns.
fn drawn() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, steps) in DRAWN.split("\n\n").enumerate() {
        let cache = [Cache::Contiguous, Cache::Paged][number % 2];
        let program = program(&kernel(cache, DRAWN_PARAMS, steps.trim()));
        for arch in ARCHS {
            let (shape, work) = shapes_and_works().nth(number % 9).unwrap();
            let spec = spec(&program, arch, shape, work, number);
            entries.push(Entry { name: format!("{arch} drawn {number}:"), program: program.clone(), spec });
        }
    }
    entries
}

/// The line of a kernel.
fn line(Entry { name, program, spec }: &Entry) -> String {
    match compile(program, spec) {
        Ok(compiled) => {
            let fold = if spec.fold_scale { "" } else { " scale apart" };
            format!("{name} {}{fold} {:016x}", compiled.entry, hash(&canonical(&compiled)))
        }
        // What a schedule has no room for is refused, in the same words.
        Err(error @ CompileError::Schedule(_)) => format!("{name} {spec:?}: {error}"),
        Err(error) => panic!("{name} {spec:?}: {error}"),
    }
}

#[test]
fn what_everything_compiles_to() {
    let entries: Vec<Entry> =
        [stock(), users(), drawn(), other_head_dims(), pairs(), small_blocks(), of_f32(), of_eight_bits()]
            .into_iter()
            .flatten()
            .collect();
    assert!(entries.len() <= 3100, "{} kernels: too many to be made each time", entries.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(threads);
    let lines: Vec<String> = std::thread::scope(|scope| {
        let work: Vec<_> = entries
            .chunks(share)
            .map(|some| scope.spawn(|| some.iter().map(line).collect::<Vec<String>>()))
            .collect();
        work.into_iter().flat_map(|work| work.join().unwrap()).collect()
    });
    insta::with_settings!({ snapshot_path => "manifest", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("kernels", lines.join("\n"));
    });
}

/// A form that hides what does not run, and nothing else.
#[test]
fn canonical_kernels() {
    let stock = flashpage::kernels::find("causal_attention").unwrap();
    let spec = spec((stock.program)(), Arch::Sm80, ShapeClass::Decode, Work::Grid, 0);
    let compiled = compile((stock.program)(), &spec).unwrap();
    let text = compiled.text();
    let of = |text: &str| {
        let module = flashpage::ptx::parse(text).unwrap();
        canonical(&Compiled { module, ..compiled.clone() })
    };
    // Other names, a comment, a parameter more, and declarations in another order.
    let param = text.lines().find(|line| line.trim_start().starts_with(".param")).unwrap();
    let mut disguised = text.replace("%acc", "%zacc").replace("columns", "zcolumns").replacen(
        param,
        &format!("    .param .u32 nobody_reads_this, // a comment\n{param}"),
        1,
    );
    let declared = disguised.lines().find(|line| line.contains(".reg")).unwrap().to_owned();
    disguised = disguised.replacen(&format!("{declared}\n"), "", 1);
    let next = disguised.lines().find(|line| line.contains(".reg")).unwrap().to_owned();
    disguised = disguised.replacen(&next, &format!("{next}\n{declared}"), 1);
    assert_ne!(disguised, text);
    assert_eq!(of(&disguised), of(&text));
    assert_eq!(of(&text), canonical(&compiled));
    // An order, a constant, a register and an instruction are seen.
    for (from, to) in
        [("ex2.approx.ftz", "lg2.approx.ftz"), (", 31;", ", 30;"), (".wait_group 1", ".wait_group 0")]
    {
        assert!(text.contains(from), "{from}");
        assert_ne!(of(&text.replacen(from, to, 1)), of(&text), "{from}");
    }
    let swapped = text.replacen("%acc0, %acc1", "%acc1, %acc0", 1);
    assert!(swapped != text && of(&swapped) != of(&text));
}

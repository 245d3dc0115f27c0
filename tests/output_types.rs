//! Outputs of another element type than the inputs: f32, which leaves straight from the accumulators, and the other type of
//! 16 bits. Each against the reference, for both targets, in every shape class, dense and paged, planned and merged.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::Arch;
use flashpage::codegen::program::{Generic, ParamKind};
use flashpage::prelude::*;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{self, LaunchOptions, PlanOptions, Planner};
use planning::{capacity, forced, stock, storing};
use targets::{ARCHS, harsh, plain};

/// Types of the output, by the type of the inputs.
const TYPES: [(DType, DType); 4] = [
    (DType::F16, DType::F32),
    (DType::F16, DType::Bf16),
    (DType::Bf16, DType::F32),
    (DType::Bf16, DType::F16),
];

/// Kernels, lengths, query heads and KV heads: rows past the end, rows that see nothing, sequences of nothing, heads packed
/// that divide no tile.
type Batch = (&'static str, &'static [(usize, usize)], usize, usize);

const BATCHES: [Batch; 6] = [
    ("causal_attention", &[(130, 130), (0, 7), (70, 9)], 2, 1),
    ("paged_attention", &[(65, 129), (3, 0), (20, 20)], 3, 3),
    ("causal_attention", &[(5, 140), (9, 9), (12, 70)], 10, 2),
    ("paged_attention", &[(4, 130), (0, 10), (3, 66)], 12, 4),
    ("attention", &[(1, 1), (1, 300), (0, 9)], 8, 2),
    ("paged_full_attention", &[(1, 77), (1, 0), (1, 200)], 16, 1),
];

fn problem(&(_, lens, q_heads, kv_heads): &Batch, number: usize) -> Problem {
    let (dtype, output) = TYPES[number % TYPES.len()];
    Problem {
        dtype,
        output: Some(output),
        head_dim: [64, 128, 96, 80, 256][number % 5].into(),
        lens: lens.to_vec(),
        q_heads,
        kv_heads,
        block_size: [16, 8, 24, 2][number % 4],
        seed: number as u64,
        ..Problem::default()
    }
}

#[test]
fn every_shape_class_stores_every_type() {
    let mut failures = Vec::new();
    for arch in ARCHS {
        let device = harsh(arch);
        for (index, batch) in BATCHES.iter().enumerate() {
            let program = storing(batch.0, Generic::Open("U".into()));
            for turn in 0..TYPES.len() {
                let problem = problem(batch, 5 * index + turn);
                failures.extend(
                    judge::judge(&device, batch.0, &program, &problem, &LaunchOptions::default()).err(),
                );
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Warps that have O's columns among them, and V in K's rows.
#[test]
fn latent_attention_stores_f32() {
    for arch in ARCHS {
        let device = plain(arch);
        let program = storing("latent_attention", Generic::Fixed(DType::F32));
        let problem = Problem {
            head_dim: "576/512".parse().unwrap(),
            lens: vec![(2, 70), (1, 0)],
            q_heads: 16,
            ..Problem::default()
        };
        judge::judge(&device, "latent_attention", &program, &problem, &LaunchOptions::default()).unwrap();
    }
}

/// The numbers of a launch's output.
fn stored(device: &Device, problem: &Problem, kernel: &str) -> Vec<f32> {
    let program = storing(kernel, Generic::Open("U".into()));
    let inputs = problem.inputs(device, &program).unwrap();
    runtime::launch(device, &program, &inputs.arguments(), &LaunchOptions::default()).unwrap();
    let output = program.params.iter().position(|param| param.kind == ParamKind::Output);
    inputs.output(output.unwrap()).unwrap().to_f32_vec().unwrap()
}

/// What is stored in f32 has not been rounded; rounded it is what a kernel stores that rounds.
#[test]
fn f32_rounds_to_what_16_bits_hold() {
    for arch in ARCHS {
        let device = plain(arch);
        for (index, batch) in BATCHES.iter().enumerate() {
            let of = |output| Problem { output: Some(output), ..problem(batch, index) };
            let wide = stored(&device, &of(DType::F32), batch.0);
            for output in [DType::F16, DType::Bf16] {
                let round = |x: &f32| match output {
                    DType::F16 => f16::from_f32(*x).to_f32(),
                    _ => bf16::from_f32(*x).to_f32(),
                };
                let narrow = stored(&device, &of(output), batch.0);
                let rounded: Vec<f32> = wide.iter().map(round).collect();
                let first = narrow.iter().zip(&rounded).position(|(a, b)| a != b);
                assert_eq!(first, None, "{arch}: {} in {output}", batch.0);
                let differ = wide.iter().zip(&rounded).filter(|(a, b)| a != b).count();
                assert!(2 * differ > wide.len() / 2, "{arch}: {differ} of {} are no {output}", wide.len());
            }
        }
    }
}

#[test]
fn planned_batches_store_every_type() {
    let mixed: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (3, 0), (17, 17)];
    let mut number = 0;
    for arch in ARCHS {
        let device = harsh(arch);
        for kernel in ["causal_attention", "paged_attention"] {
            let program = storing(kernel, Generic::Open("U".into()));
            for parts in [1, 3] {
                let problem = Problem { head_dim: 64.into(), ..problem(&(kernel, mixed, 4, 2), number) };
                planning::judge(&device, &program, &problem, forced(parts)).unwrap();
                number += 1;
            }
        }
    }
}

#[test]
fn a_planner_keeps_to_the_type_that_it_was_made_for() {
    let device = Device::emulator();
    let program = storing("attention", Generic::Open("U".into()));
    let of = |output| Problem { output: Some(output), ..Problem::default() };
    let (was, is) = (of(DType::F32), of(DType::F16));
    let [was_inputs, is_inputs] = [&was, &is].map(|problem| problem.inputs(&device, &program).unwrap());
    let planner =
        Planner::new(&device, &program, &was_inputs.arguments(), capacity(&was), PlanOptions::default())
            .unwrap();
    let said = planner.plan(&is_inputs.arguments(), &[]).unwrap_err().to_string();
    assert!(said.contains("the element type of the output") && said.contains("f32"), "{said}");
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let device = Device::emulator();
    let table = [
        (Generic::Open("T".into()), DType::F32, "`o` holds f32, and must hold f16: as the queries do"),
        (
            Generic::Fixed(DType::F32),
            DType::F16,
            "`o` holds f16, and must hold f32: kernel `attention` is written for an output of f32",
        ),
        (
            Generic::Open("U".into()),
            DType::E4m3,
            "`o` holds e4m3, and must hold f16: as the queries do, or one of",
        ),
    ];
    for (element, output, expected) in table {
        let program = match element {
            Generic::Open(name) if name == "T" => stock("attention").clone(),
            element => storing("attention", element),
        };
        let inputs =
            Problem { output: Some(output), ..Problem::default() }.inputs(&device, &program).unwrap();
        let error =
            runtime::launch(&device, &program, &inputs.arguments(), &LaunchOptions::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Attention whose output has a type that the caller chooses.
#[attention_kernel]
fn chosen<T: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<U, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()) * 0.125, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
}

/// As a user has it: one source, launched with an output of f32, and run on the host.
#[test]
fn the_host_runs_it_too() {
    let device = plain(Arch::Sm80);
    let (tokens, shape) = (20, [20, 1, 64]);
    let numbers = |seed: usize| -> Vec<f16> {
        (0..tokens * 64).map(|i| f16::from_f32(((i * 37 + seed) % 101) as f32 / 50.0 - 1.0)).collect()
    };
    let tensor = |seed| Tensor::from_slice(&device, &numbers(seed), &shape).unwrap();
    let (q, k, v) = (tensor(1), tensor(2), tensor(3));
    let starts = Starts::from_lens(&device, &[tokens as i32]).unwrap();
    let o = Tensor::zeros(&device, DType::F32, &shape).unwrap();
    let ragged = |tensor| Ragged { tensor, starts: &starts };
    let args = chosen::Args { q: ragged(&q), k: ragged(&k), v: ragged(&v), o: &o };
    args.launch(&device).unwrap();
    let host = chosen::reference::<f16, f32, 64>(&args).unwrap();
    let worst = host.o.iter().zip(o.to_f32_vec().unwrap()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 3e-4, "{worst}");
}

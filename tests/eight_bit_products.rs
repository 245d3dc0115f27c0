//! Queries, keys and values of 8 bits, multiplied as they are: against the reference on the stored bytes, dense and paged, in every shape,
//! planned and merged, under users' scores; that every key comes to its probability; and what two levels of sums keep.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::layout::transposed_copy::HEAD_DIMS;
use flashpage::codegen::program::Generic;
use flashpage::codegen::schedule::{Sums, Tuning};
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass, Spec, ValueLayout, Work, compile};
use flashpage::prelude::*;
use flashpage::runtime::check::{Verdict, check_output, judged_as};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    AsyncPolicy, EmulatorOptions, Factors, LaunchOptions, PoolLayout, ProductSums, WarpOrder, launch, plain,
    reference,
};
use planning::{forced, stock};
use targets::{by_turns, harsh};

/// Scores of a long way: capped, then a slope of each head, in a window; some probabilities are dropped; a sink.
#[attention_kernel]
fn mapped<T: Element, C: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<C, D>,
    v: PagedValues<C, D>,
    table: BlockTable,
    o: Output<U, D>,
    lse: RowOutput,
    slopes: PerHead<f32>,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()) * scale;
        let s = s.map(|x, at| 20.0 * (x / 20.0).tanh() - 0.01 * slopes[at.head] * (at.row - at.col) as f32);
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        let p = p.map(|p, at| select(at.random(7) < 0.75, p * (1.0 / 0.75), 0.0));
        acc += dot(p, v.gather(table, cols));
    }
    softmax.sink(|at| slopes[at.head]);
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Scores that stand for minus infinity, and a condition that is no interval.
#[attention_kernel]
fn huge<T: Element, C: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<C, D>,
    v: Values<C, D>,
    o: Output<U, D>,
    lse: RowOutput,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t());
        let s = s.map(|x, at| if at.col % 5 == 1 { x - 1e9 } else { x }) * scale;
        let s = s.mask(|at| (at.row + at.col) % 3 != 0);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// Each query sees one key, that of its own position: O is V.
#[attention_kernel]
fn diagonal<T: Element, C: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<C, D>,
    v: PagedValues<C, D>,
    table: BlockTable,
    o: Output<f32, D>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let s = dot(q, k.gather(table, cols).t()).mask(|at| at.col == at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
}

/// Lengths, query heads and KV heads.
type Batch = (&'static [(usize, usize)], usize, usize);

const BATCHES: [Batch; 6] = [
    (&[(70, 190), (3, 0), (20, 20)], 3, 3),
    (&[(66, 130), (0, 7), (70, 9)], 4, 2),
    (&[(1, 77), (1, 0), (3, 200)], 10, 2),
    (&[(5, 140), (9, 9), (12, 70)], 12, 4),
    (&[(1, 1), (1, 300), (0, 9)], 8, 1),
    (&[(129, 259)], 2, 1),
];

/// Of queries, of keys and values, of the output.
const TYPES: [(DType, DType, DType); 5] = [
    (DType::E4m3, DType::E4m3, DType::F16),
    (DType::E4m3, DType::E5m2, DType::Bf16),
    (DType::E5m2, DType::E4m3, DType::F32),
    (DType::E5m2, DType::E5m2, DType::F16),
    (DType::E4m3, DType::E4m3, DType::Bf16),
];

fn problem(program: &Program, number: usize) -> Problem {
    let (dtype, kv_dtype, output) = TYPES[number % TYPES.len()];
    let (lens, q_heads, kv_heads) = BATCHES[number % BATCHES.len()];
    let block_size = [16, 1, 24, 2, 8, 4, 128, 40, 48, 32, 16][number % 11];
    let fixed = matches!(program.output_element(), Generic::Fixed(_));
    let scalars = program.params.iter().any(|param| param.name == "window").then(|| {
        let window = [37.0, 300.0, f64::from(i32::MAX)][number % 3];
        ("window".to_owned(), window)
    });
    Problem {
        dtype,
        kv_dtype: Some(kv_dtype),
        output: (!fixed).then_some(output),
        head_dim: HEAD_DIMS[number / 2 % HEAD_DIMS.len()].into(),
        lens: lens.to_vec(),
        q_heads,
        kv_heads,
        block_size,
        layout: [PoolLayout::Nhd, PoolLayout::Hnd][number % 2],
        values: if block_size.is_multiple_of(16) && !number.is_multiple_of(3) {
            ValueLayout::Transposed
        } else {
            ValueLayout::Rows
        },
        seed: number as u64,
        scalars: scalars.into_iter().collect(),
    }
}

fn programs() -> [(&'static str, &'static Program); 4] {
    [
        ("scaled_attention", stock("scaled_attention")),
        ("scaled_paged_attention", stock("scaled_paged_attention")),
        ("tests/eight_bit_products.rs:mapped", mapped::program()),
        ("tests/eight_bit_products.rs:huge", huge::program()),
    ]
}

/// Every head dimension in every shape, of every pair of types, with blocks of all sizes.
#[test]
fn every_shape_holds() {
    let devices = by_turns(Arch::Sm90a);
    let mut failures = Vec::new();
    let mut number = 0;
    for (name, program) in programs() {
        for head_dim in HEAD_DIMS.map(HeadDim::from) {
            for shape in ShapeClass::ALL {
                for _ in 0..2 {
                    let problem = Problem { head_dim, ..problem(program, number) };
                    let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
                    let device = &devices[number / 3 % devices.len()];
                    failures.extend(judge::judge(device, name, program, &problem, &options).err());
                    number += 1;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn planned_batches_hold() {
    let mixed: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (3, 0), (17, 17)];
    let mut number = 0;
    for device in by_turns(Arch::Sm90a) {
        for (_, program) in programs() {
            for parts in [1, 3] {
                let problem =
                    Problem { lens: mixed.to_vec(), q_heads: 4, kv_heads: 2, ..problem(program, number) };
                planning::judge(&device, program, &problem, forced(parts)).unwrap();
                number += 1;
            }
        }
    }
}

/// A key's probability meets that key's values wherever both lie: with one key a query, O is its values, in every column of a tile
/// and every number of the head dimension, of every block size, and however many keys the last tile has.
#[test]
fn every_key_comes_to_its_probability() {
    let program = diagonal::program();
    for (turn, head_dim) in HEAD_DIMS.into_iter().enumerate() {
        for (index, block_size) in [16, 8, 1, 24, 64, 4, 16, 48, 32].into_iter().enumerate() {
            let device = harsh(Arch::Sm90a);
            let (number, tokens) = (turn + index, [192, 193, 217, 225, 239, 255, 201, 246, 227][index]);
            let values = if index < 6 { ValueLayout::Rows } else { ValueLayout::Transposed };
            let problem = Problem {
                head_dim: head_dim.into(),
                lens: vec![(tokens, tokens)],
                q_heads: 1,
                kv_heads: 1,
                block_size,
                values,
                ..problem(program, number)
            };
            let inputs = problem.inputs(&device, program).unwrap();
            let arguments = inputs.arguments();
            let shape = ShapeClass::ALL[number % 3];
            let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
            launch(&device, program, &arguments, &options).unwrap();
            let flashpage::runtime::Argument::Output(o) = arguments[4] else { panic!("an output") };
            let expected = reference(program, &arguments).unwrap();
            let got = o.to_f32_vec().unwrap();
            for (at, (got, wanted)) in got.iter().zip(&expected[0].values).enumerate() {
                // But for the exponential and the division.
                let is_same = (f64::from(*got) - wanted).abs() <= 1e-5 * wanted.abs();
                let place = (at / head_dim, at % head_dim);
                assert!(is_same, "{problem}: token and number {place:?}: {got}, not {wanted}");
            }
        }
    }
}

fn spec(arch: Arch, head_dim: impl Into<HeadDim>) -> Spec {
    Spec {
        arch,
        dtype: DType::E4m3,
        kv_dtype: DType::E4m3,
        output: DType::F16,
        head_dim: head_dim.into(),
        block_size: Some(16),
        shape: ShapeClass::Prefill,
        tuning: Default::default(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// Values that are the keys' first numbers.
#[attention_kernel]
fn latent<T: Element, U: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    cache: PagedKeys<T, D>,
    table: BlockTable,
    o: Output<U, E>,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let row = cache.gather(table, cols);
        let p = softmax.step(dot(q, row.t()), &mut acc);
        acc += dot(p, row.slice::<E>());
    }
    o.store(softmax.finish(acc));
}

/// Scores that are weights as they are.
#[attention_kernel]
fn linear<T: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<U, D>,
) {
    let q = q.tile();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        acc += dot(dot(q, k.load(cols).t()), v.load(cols));
    }
    o.store(acc);
}

/// What has no such kernel says so, with what is given and the way out.
#[test]
fn what_has_no_kernel_says_so() {
    let scaled = stock("scaled_attention");
    let said = |program: &Program, spec: Spec| compile(program, &spec).unwrap_err().to_string();
    let table: [(&Program, Spec, &[&str]); 6] = [
        (scaled, spec(Arch::Sm80, 64), &["queries of e4m3 for sm_80", "give queries f16 or bf16"]),
        (scaled, spec(Arch::Sm90a, 96), &["head_dim 96", "e4m3", "64, 128 and 256", "f16 or bf16"]),
        (scaled, spec(Arch::Sm90a, HeadDim { qk: 128, v: 64 }), &["head_dim 128/64", "64, 128 and 256"]),
        (latent::program(), spec(Arch::Sm90a, HeadDim { qk: 576, v: 512 }), &["these are keys as well"]),
        (linear::program(), spec(Arch::Sm90a, 64), &["without a softmax"]),
        (
            scaled,
            Spec { kv_dtype: DType::F16, ..spec(Arch::Sm90a, 64) },
            &["queries of e4m3 with keys and values of f16"],
        ),
    ];
    for (program, spec, words) in table {
        let said = said(program, spec);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let stored = said(scaled, Spec { output: DType::E4m3, ..spec(Arch::Sm90a, 64) });
    assert!(stored.contains("no kernel stores an output of e4m3"), "{stored}");
    let one = said(stock("causal_attention"), spec(Arch::Sm90a, 64));
    assert!(one.contains("`T`") && one.contains("write the output with another"), "{one}");
}

/// Over so many keys: the root mean square of the error of O over that of O, and the verdict, with products that add up at these levels.
fn over_many_keys(keys: usize, sums: Sums) -> (f64, Verdict) {
    const HEADS: usize = 4;
    const DIM: usize = 128;
    let device = Device::emulator_with(EmulatorOptions {
        arch: Arch::Sm90a,
        product_sums: ProductSums::Hopper,
        ..EmulatorOptions::default()
    });
    let mut state = 1u32;
    // The sum of four uniform numbers is as good as normal.
    let mut normal = || {
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (uniform() + uniform() + uniform() + uniform()) * 3f32.sqrt()
    };
    let mut tensor = |shape: [usize; 3], mean: f32| {
        let numbers: Vec<E4m3> =
            (0..shape.iter().product()).map(|_| E4m3::from_f32(mean + normal())).collect();
        Tensor::from_slice(&device, &numbers, &shape).unwrap()
    };
    let (q, k, v) = (tensor([4, HEADS, DIM], 0.0), tensor([keys, 1, DIM], 0.0), tensor([keys, 1, DIM], 0.5));
    let starts = [4, keys].map(|len| Starts::from_lens(&device, &[len as i32]).unwrap());
    let scales = Tensor::from_slice(&device, &[1f32], &[1, 1]).unwrap();
    let o = Tensor::filled_nan(&device, DType::F16, &[4, HEADS, DIM]).unwrap();
    let lse = Tensor::filled_nan(&device, DType::F32, &[4, HEADS]).unwrap();
    let args = flashpage::kernels::scaled_attention::Args {
        q: Ragged { tensor: &q, starts: &starts[0] },
        k: Ragged { tensor: &k, starts: &starts[1] },
        v: Ragged { tensor: &v, starts: &starts[1] },
        o: &o,
        lse: &lse,
        k_scales: &scales,
        v_scales: &scales,
        scale: 1.0 / (DIM as f32).sqrt(),
        window: i32::MAX,
    };
    let tuning = Tuning { sums: Some(sums), ..Tuning::default() };
    let program = flashpage::kernels::scaled_attention::program();
    let options = LaunchOptions { tuning, ..LaunchOptions::default() };
    launch(&device, program, &args.arguments(), &options).unwrap();
    let expected = reference(program, &args.arguments()).unwrap();
    let plain = plain(program, &args.arguments()).unwrap();
    let got: Vec<f64> = o.to_f32_vec().unwrap().into_iter().map(f64::from).collect();
    let judged = judged_as(Factors::EightBits, DType::F16);
    let verdict = check_output(&got, &expected[0].values, &plain[0].values, judged);
    (verdict.relative_l2, verdict)
}

/// Sums that tensor cores keep for all keys lose what each key adds, from some length on; those of a tile that are added in f32 do not.
#[test]
fn one_level_loses_what_two_keep() {
    for (keys, lost) in [(2048, 0.0), (32768, 0.02), (131_072, 0.3)] {
        let [one, two] = [Sums::OneLevel, Sums::TwoLevels].map(|sums| over_many_keys(keys, sums));
        println!("{keys} keys: one level {:.1e}, two levels {:.1e}", one.0, two.0);
        assert!(two.1.passed && two.0 < 3e-3, "{keys} keys, two levels: {}", two.1);
        assert!(one.0 >= lost, "{keys} keys, one level: {}", one.1);
        if keys == 131_072 {
            let worst = one.1.worst.unwrap();
            assert!(!one.1.passed && worst.error > 3.0 * worst.allowed, "one level: {}", one.1);
        }
    }
}

/// A decode asks for half the bytes of keys and values of 16 bits, and nothing of shared memory is lost to bank conflicts: rows that are
/// transposed, what is made of them, and what products read; of values by rows and stored transposed.
#[test]
fn half_the_bytes_and_no_bank_conflicts() {
    let program = stock("scaled_paged_attention");
    let count = |problem: &Problem, shape| {
        let emulator = targets::options(Arch::Sm90a, AsyncPolicy::Eager, WarpOrder::InOrder);
        let device = Device::emulator_with(EmulatorOptions { profile: true, ..emulator });
        let inputs = problem.inputs(&device, program).unwrap();
        let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
        let mut report = launch(&device, program, &inputs.arguments(), &options).unwrap();
        report.emulated.as_mut().and_then(|emulated| emulated.profile.take()).unwrap()
    };
    for head_dim in HEAD_DIMS {
        for (shape, lens) in [
            (ShapeClass::Decode, vec![(1, 1024), (1, 1008)]),
            (ShapeClass::Prefill, vec![(150, 300), (30, 77)]),
        ] {
            let wide =
                Problem { head_dim: head_dim.into(), lens, q_heads: 8, kv_heads: 1, ..Problem::default() };
            let of_16_bits = count(&wide, shape);
            for (block_size, values) in
                [(16, ValueLayout::Transposed), (16, ValueLayout::Rows), (2, ValueLayout::Rows)]
            {
                let problem = Problem {
                    dtype: DType::E4m3,
                    kv_dtype: Some(DType::E4m3),
                    output: Some(DType::F16),
                    block_size,
                    values,
                    ..wide.clone()
                };
                let profile = count(&problem, shape);
                let what = format!("head_dim {head_dim}, {shape}, blocks of {block_size}, {values}");
                if shape == ShapeClass::Decode {
                    let share =
                        profile.totals.distinct_sectors as f64 / of_16_bits.totals.distinct_sectors as f64;
                    assert!((0.48..0.56).contains(&share), "{what}: {share} of the bytes");
                }
                let lost = profile.totals.wavefronts - profile.totals.least_wavefronts;
                let before = of_16_bits.totals.wavefronts - of_16_bits.totals.least_wavefronts;
                let lines: Vec<String> = profile
                    .bank_conflicts()
                    .iter()
                    .take(4)
                    .map(|(line, lost)| format!("{lost}: {line:?}"))
                    .collect();
                assert!(lost <= before, "{what}: {lost} lost, {before} of 16 bits:\n{}", lines.join("\n"));
            }
        }
    }
}

//! Keys and values of 8 bits under queries of 16: against the reference on the stored bytes, for both targets, dense and paged, planned
//! and merged, in every head dimension; that all bytes come to what they stand for; and that scales cost nothing a score.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::choice::{HEAD_DIMS, LATENT, tuned_head_dims};
use flashpage::codegen::frontend::parse_source;
use flashpage::codegen::{Arch, HeadDim, Program, ShapeClass, Spec, Work, compile};
use flashpage::prelude::*;
use flashpage::runtime::case::{Case, make_case};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    Argument, AsyncPolicy, EmulatorOptions, LaunchOptions, PoolLayout, Profile, WarpOrder, launch, reference,
};
use planning::{forced, stock};
use targets::{ARCHS, by_turns, harsh, plain};

/// Contiguous, with a scale of each tensor and the values' where their probabilities are.
#[attention_kernel]
fn dense<T: Element, C: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    k: Keys<C, D>,
    v: Values<C, E>,
    o: Output<T, E>,
    lse: RowOutput,
    k_scale: f32,
    v_scale: f32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()) * scale * k_scale;
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc) * v_scale;
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A latent cache of 8 bits, as DeepSeek's, with a map that asks where a score stands.
#[attention_kernel]
fn latent<T: Element, C: Element, const D: usize, const E: usize>(
    q: Query<T, D>,
    cache: PagedKeys<C, D>,
    table: BlockTable,
    o: Output<T, E>,
    lse: RowOutput,
    scales: HeadScales,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let row = cache.gather(table, cols);
        let s = dot(q, row.t()).map(|x, at| x * scale * scales[at.kv_head]);
        let s = s.mask(|at| at.col <= at.row);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, row.slice::<E>());
    }
    o.store(softmax.finish(acc).map(|x, at| x * scales[at.kv_head]));
    lse.store(softmax.lse());
}

/// Lengths, query heads and KV heads.
type Batch = (&'static [(usize, usize)], usize, usize);

const BATCHES: [Batch; 5] = [
    (&[(70, 190), (3, 0), (20, 20)], 3, 3),
    (&[(66, 130), (0, 7), (70, 9)], 4, 2),
    (&[(1, 77), (1, 0), (3, 200)], 10, 2),
    (&[(5, 140), (9, 9), (12, 70)], 12, 4),
    (&[(1, 1), (1, 300), (0, 9)], 8, 1),
];

const TYPES: [(DType, DType); 4] = [
    (DType::F16, DType::E4m3),
    (DType::Bf16, DType::E4m3),
    (DType::F16, DType::E5m2),
    (DType::Bf16, DType::E5m2),
];

fn problem(program: &Program, number: usize) -> Problem {
    let (dtype, kv_dtype) = TYPES[number % TYPES.len()];
    let (lens, q_heads, kv_heads) = BATCHES[number % BATCHES.len()];
    let mut scalars = [("k_scale", 0.25), ("v_scale", 3.0), ("window", [37.0, 300.0][number % 2])].to_vec();
    scalars.retain(|(name, _)| program.params.iter().any(|param| param.name == *name));
    Problem {
        dtype,
        kv_dtype: Some(kv_dtype),
        lens: lens.to_vec(),
        q_heads,
        kv_heads,
        block_size: [16, 1, 24, 2, 8, 4, 128, 40][number % 8],
        layout: [PoolLayout::Nhd, PoolLayout::Hnd][number % 2],
        seed: number as u64,
        scalars: scalars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..Problem::default()
    }
}

/// Every head dimension and pairs of two, in every shape, contiguous and paged by turns.
#[test]
fn every_head_dim_holds() {
    let pairs = [(192, 128), (64, 112), (48, 256), (256, 32), (96, 240)].map(|(qk, v)| HeadDim { qk, v });
    let mut failures = Vec::new();
    for arch in ARCHS {
        let devices = by_turns(arch);
        for (turn, head_dim) in HEAD_DIMS.map(HeadDim::from).into_iter().chain(pairs).enumerate() {
            for (index, shape) in ShapeClass::ALL.into_iter().enumerate() {
                let number = 3 * turn + index + arch as usize;
                let (name, program) = match (turn + index) % 2 {
                    0 => ("scaled_paged_attention", stock("scaled_paged_attention")),
                    _ => ("tests/eight_bits.rs:dense", dense::program()),
                };
                let problem = Problem { head_dim, ..problem(program, number) };
                let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
                let device = &devices[number % devices.len()];
                failures.extend(judge::judge(device, name, program, &problem, &options).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn latent_caches_hold() {
    for (index, arch) in ARCHS.into_iter().enumerate() {
        for (turn, shape) in [ShapeClass::Decode, ShapeClass::Prefill].into_iter().enumerate() {
            let number = 2 * index + turn;
            let program = latent::program();
            let lens = vec![(2, 70), (0, 3), (1, 129)];
            let head_dim = HeadDim { qk: 576, v: 512 };
            let problem = Problem { head_dim, lens, q_heads: 16, kv_heads: 1, ..problem(program, number) };
            let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
            judge::judge(&harsh(arch), "tests/eight_bits.rs:latent", program, &problem, &options)
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn planned_batches_hold() {
    let mixed: &[(usize, usize)] = &[(1, 300), (70, 131), (0, 9), (5, 200), (3, 0), (17, 17)];
    let mut number = 0;
    for arch in ARCHS {
        for device in by_turns(arch) {
            for program in [stock("scaled_paged_attention"), dense::program()] {
                for parts in [1, 3] {
                    let head_dim = [64, 128, 80, 256][number / 2 % 4].into();
                    let lens = mixed.to_vec();
                    let problem =
                        Problem { head_dim, lens, q_heads: 4, kv_heads: 2, ..problem(program, number) };
                    planning::judge(&device, program, &problem, forced(parts)).unwrap();
                    number += 1;
                }
            }
        }
    }
}

/// Attention without scales, of which outputs show what keys and values came to.
#[attention_kernel]
fn bare<T: Element, C: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<C, D>,
    v: Values<C, D>,
    o: Output<f32, D>,
    lse: RowOutput,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// A sequence for each byte, with one key and one query. Its score is the byte's number, which stands at another place of the head in each;
/// its values are all bytes from it on, and O is what these stand for.
#[test]
fn every_byte_is_what_it_stands_for() {
    const D: usize = 128;
    const BYTES: usize = 256;
    let (shape, each) = ([BYTES, 1, D], [1; BYTES]);
    for (arch, (dtype, kv_dtype)) in ARCHS.into_iter().flat_map(|arch| TYPES.map(|types| (arch, types))) {
        let value = |byte: u8| match kv_dtype {
            DType::E4m3 => E4m3::from_bits(byte).to_f32(),
            _ => E5m2::from_bits(byte).to_f32(),
        };
        let device = harsh(arch);
        let starts = Starts::from_lens(&device, &each).unwrap();
        let place = |byte: usize| byte * 7 % D;
        let (mut q, mut k, mut v) = (vec![0.0; BYTES * D], vec![0u8; BYTES * D], vec![0u8; BYTES * D]);
        for byte in 0..BYTES {
            q[byte * D + place(byte)] = 1.0;
            k[byte * D + place(byte)] = byte as u8;
            (0..D).for_each(|dim| v[byte * D + dim] = (byte + dim) as u8);
        }
        let q = match dtype {
            DType::F16 => {
                let q: Vec<f16> = q.into_iter().map(f16::from_f32).collect();
                Tensor::from_slice(&device, &q, &shape)
            }
            _ => {
                let q: Vec<bf16> = q.into_iter().map(bf16::from_f32).collect();
                Tensor::from_slice(&device, &q, &shape)
            }
        }
        .unwrap();
        let nothing = vec![0u8; BYTES * D];
        let [k, v, nothing] =
            [k, v, nothing].map(|bytes| Tensor::from_bytes(&device, kv_dtype, &bytes, &shape).unwrap());
        let run = |k: &Tensor| {
            let o = Tensor::filled_nan(&device, DType::F32, &shape).unwrap();
            let lse = Tensor::filled_nan(&device, DType::F32, &[BYTES, 1]).unwrap();
            let ragged = |tensor| Ragged { tensor, starts: &starts };
            let args = bare::Args { q: ragged(&q), k: ragged(k), v: ragged(&v), o: &o, lse: &lse };
            args.launch(&device).unwrap();
            (o.to_f32_vec().unwrap(), lse.to_f32_vec().unwrap())
        };
        let ((_, lse), (o, _)) = (run(&k), run(&nothing));
        // The weight of an only key is one but for the rounding of its exponential, and of its division.
        let same = |got: f32, wanted: f32| {
            got == wanted || got.is_nan() && wanted.is_nan() || (got - wanted).abs() <= 1e-6 * wanted.abs()
        };
        for byte in 0..BYTES {
            let (got, wanted) = (lse[byte], value(byte as u8));
            // A score of infinity has no softmax, and on Hopper what is past the last key is what that one is, times 0.
            let is_neither = |got: f32, wanted: f32| wanted.is_infinite() && !got.is_finite();
            assert!(
                same(got, wanted) || is_neither(got, wanted),
                "{arch}, {dtype} over {kv_dtype}: key {byte:#x} is {got}, not {wanted}"
            );
            for dim in 0..D {
                let (got, wanted) = (o[byte * D + dim], value((byte + dim) as u8));
                assert!(
                    same(got, wanted) || is_neither(got, wanted),
                    "{arch}, {dtype} over {kv_dtype}: value {} is {got}, not {wanted}",
                    byte + dim
                );
            }
        }
    }
}

/// Of 8 bits is what is added to scores, whatever these are products of.
const BIASED: &str = "
    #[attention_kernel]
    fn biased<T: Element, const D: usize>(
        q: Query<T, D>,
        k: Keys<T, D>,
        v: Values<T, D>,
        bias: Bias<NUMBER>,
        o: Output<f32, D>,
        lse: RowOutput,
    ) {
        let q = q.tile();
        let mut softmax = OnlineSoftmax::new();
        let mut acc = Tile::zeros();
        for cols in k.tiles() {
            let s = dot(q, k.load(cols).t()).map(|x, at| x + bias.at(at.head, at.query, at.col));
            let p = softmax.step(s, &mut acc);
            acc += dot(p, v.load(cols));
        }
        o.store(softmax.finish(acc));
        lse.store(softmax.lse());
    }";

/// A row for each byte and one key: a row's log-sum-exp is the number that is added to its only score, which is 0.
#[test]
fn every_byte_of_a_bias_is_what_it_stands_for() {
    const D: usize = 64;
    const BYTES: usize = 256;
    let bytes: Vec<u8> = (0..=255).collect();
    let of_others =
        ARCHS.into_iter().flat_map(|arch| [DType::F16, DType::Bf16, DType::F32].map(|q| (arch, q)));
    let of_its_own = [DType::E4m3, DType::E5m2].map(|own| (Arch::Sm90a, own, own, "T"));
    let cases = of_others
        .flat_map(|(arch, q)| {
            [(DType::E4m3, "E4m3"), (DType::E5m2, "E5m2")].map(|(own, name)| (arch, q, own, name))
        })
        .chain(of_its_own);
    for (arch, dtype, own, name) in cases {
        let program = parse_source(&BIASED.replace("NUMBER", name)).unwrap();
        let device = harsh(arch);
        let zeros = |tokens: usize| {
            let bytes = vec![0; tokens * D * dtype.bytes()];
            Tensor::from_bytes(&device, dtype, &bytes, &[tokens, 1, D]).unwrap()
        };
        let (q, k, v) = (zeros(BYTES), zeros(1), zeros(1));
        let [of_rows, of_keys] = [BYTES as i32, 1].map(|count| Starts::from_lens(&device, &[count]).unwrap());
        let bias = Tensor::from_bytes(&device, own, &bytes, &[1, BYTES, 1]).unwrap();
        let o = Tensor::filled_nan(&device, DType::F32, &[BYTES, 1, D]).unwrap();
        let lse = Tensor::filled_nan(&device, DType::F32, &[BYTES, 1]).unwrap();
        let of = |tensor, starts| Argument::Ragged(Ragged { tensor, starts });
        let arguments = [
            of(&q, &of_rows),
            of(&k, &of_keys),
            of(&v, &of_keys),
            Argument::Vector(&bias),
            Argument::Output(&o),
            Argument::Output(&lse),
        ];
        launch(&device, &program, &arguments, &LaunchOptions::default()).unwrap();
        for (byte, got) in bytes.iter().zip(lse.to_f32_vec().unwrap()) {
            let wanted = match own {
                DType::E4m3 => E4m3::from_bits(*byte).to_f32(),
                _ => E5m2::from_bits(*byte).to_f32(),
            };
            // A row of which no score is above minus infinity has nothing in it; one of infinity has no softmax.
            let holds = match wanted {
                _ if wanted.is_finite() => (got - wanted).abs() <= 1e-6 * wanted.abs(),
                f32::NEG_INFINITY => got == f32::NEG_INFINITY,
                _ => !got.is_finite() && got != f32::NEG_INFINITY,
            };
            assert!(holds, "{arch}, queries of {dtype}: {byte:#x} of {own} is {got}, not {wanted}");
        }
    }
}

/// What is not above zero is no scale: it makes all rows of its KV head NaN, in the kernel, the reference and the host run, and those of no
/// other.
#[test]
fn what_is_no_scale_is_nan() {
    let program = stock("scaled_paged_attention");
    for (number, arch) in ARCHS.into_iter().enumerate() {
        let device = plain(arch);
        let lens = vec![(3, 40), (1, 20)];
        let problem = Problem { lens, q_heads: 4, kv_heads: 2, ..problem(program, number) };
        let inputs = problem.inputs(&device, program).unwrap();
        for bad in [0.0, -1.0, f32::NAN, -0.0] {
            let scales = Tensor::from_slice(&device, &[1.0, bad, 0.5, 2.0], &[2, 2]).unwrap();
            for which in ["k_scales", "v_scales"] {
                let mut arguments = inputs.arguments();
                let at = program.params.iter().position(|param| param.name == which).unwrap();
                arguments[at] = Argument::Vector(&scales);
                launch(&device, program, &arguments, &LaunchOptions::default()).unwrap();
                let at = program.params.iter().position(|param| param.name == "o").unwrap();
                let Argument::Output(o) = arguments[at] else { panic!("an output") };
                let (o, expected) = (o.to_f32_vec().unwrap(), reference(program, &arguments).unwrap());
                for (index, (got, wanted)) in o.iter().zip(&expected[0].values).enumerate() {
                    // The second KV head of the first sequence.
                    let (token, head) = (index / 64 / 4, index / 64 % 4);
                    let is_bad = token < 3 && head >= 2;
                    assert_eq!((got.is_nan(), wanted.is_nan()), (is_bad, is_bad), "{which} {bad} {index}");
                }
            }
        }
    }
}

/// A scale joins the exponent's factor, or what O is multiplied by in the end: nothing is left to do for a score.
#[test]
fn scales_cost_nothing_a_score() {
    for program in [stock("scaled_paged_attention"), dense::program(), latent::program()] {
        for arch in ARCHS {
            let compiled = compile(program, &spec(arch, DType::F16, DType::E4m3)).unwrap();
            let attention = &compiled.attention;
            assert!(attention.scores.is_empty() && attention.weights.is_empty(), "{}", program.name);
            assert!(attention.scale.is_some(), "{}", program.name);
            assert!(
                attention.value_factor.is_some() != attention.output_factor.is_some(),
                "{}",
                program.name
            );
        }
    }
}

fn spec(arch: Arch, dtype: DType, kv_dtype: DType) -> Spec {
    Spec {
        arch,
        dtype,
        kv_dtype,
        output: dtype,
        head_dim: 64.into(),
        block_size: Some(16),
        shape: ShapeClass::Prefill,
        tuning: Default::default(),
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// The host run reads the stored bytes, and a case carries them.
#[test]
fn the_host_and_cases_read_the_bytes() {
    let program = stock("scaled_paged_attention");
    let device = plain(Arch::Sm80);
    let problem = Problem { lens: vec![(3, 20)], ..problem(program, 0) };
    let problem = Problem { q_heads: 2, kv_heads: 1, ..problem };
    let inputs = problem.inputs(&device, program).unwrap();
    let arguments = inputs.arguments();
    let expected = reference(program, &arguments).unwrap();
    let args = {
        use Argument::*;
        use flashpage::kernels::scaled_paged_attention::Args;
        let [Ragged(q), Pool(k), Pool(v), Table(table), Output(o), Output(lse), rest @ ..] = &arguments[..]
        else {
            panic!("the kernel's arguments")
        };
        let [Vector(k_scales), Vector(v_scales), F32(scale), I32(window)] = rest else {
            panic!("its scales")
        };
        Args { q: *q, k: *k, v: *v, table, o, lse, k_scales, v_scales, scale: *scale, window: *window }
    };
    let host =
        flashpage::kernels::scaled_paged_attention::reference::<f16, E4m3, f16, 64, 64>(&args).unwrap();
    for (expected, got) in expected.iter().zip([&host.o, &host.lse]) {
        for (wanted, got) in expected.values.iter().zip(got) {
            assert!((wanted - f64::from(*got)).abs() <= 3e-6 * (1.0 + wanted.abs()), "{}", expected.name);
        }
    }
    let said = flashpage::kernels::scaled_paged_attention::reference::<f16, E5m2, f16, 64, 64>(&args);
    assert!(said.unwrap_err().to_string().contains("holds e4m3, and the reference is of e5m2"));
    let folder = std::env::temp_dir().join(format!("flashpage-eight-bits-{}", std::process::id()));
    for arch in ARCHS {
        let options = LaunchOptions { arch: Some(arch), ..LaunchOptions::default() };
        make_case(&folder, program, &problem, &options).unwrap();
        assert!(Case::load(folder.join("launch.json")).unwrap().run(&harsh(arch)).unwrap().passed());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn types_that_do_not_go_together_are_refused() {
    let refused = |program: &Program, dtype, kv_dtype, expected: &str| {
        let said = compile(program, &spec(Arch::Sm80, dtype, kv_dtype)).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    };
    let scaled = stock("scaled_paged_attention");
    refused(
        scaled,
        DType::F32,
        DType::E4m3,
        "no kernel multiplies queries of f32 with keys and values of e4m3",
    );
    refused(scaled, DType::F16, DType::Bf16, "give keys and values the queries' type, or e4m3 or e5m2");
    refused(
        scaled,
        DType::E4m3,
        DType::F16,
        "no kernel multiplies queries of e4m3 with keys and values of f16",
    );
    let paged = stock("paged_attention");
    refused(paged, DType::F16, DType::E4m3, "write keys and values with another (`PagedKeys<C, D>`");
    // As a launch is given them.
    let device = plain(Arch::Sm80);
    let problem = Problem { kv_dtype: Some(DType::E5m2), ..problem(scaled, 0) };
    let inputs = problem.inputs(&device, scaled).unwrap();
    let others = Problem { kv_dtype: Some(DType::E4m3), ..problem }.inputs(&device, scaled).unwrap();
    let mut arguments = inputs.arguments();
    arguments[2] = others.arguments()[2];
    let said = launch(&device, scaled, &arguments, &LaunchOptions::default()).unwrap_err().to_string();
    assert!(said.contains("`v`") && said.contains("as the first of keys and values does"), "{said}");
    let [unscaled @ .., _, _, scale, window] = &inputs.arguments()[..] else { panic!("its arguments") };
    let arguments = [unscaled, &[*scale, *window]].concat();
    let said = launch(&device, paged, &arguments, &LaunchOptions::default()).unwrap_err().to_string();
    assert!(said.contains("`k`") && said.contains("as the queries do"), "{said}");
    // As an author fixes them.
    let source = |query: &str, keys: &str| {
        format!(
            "fn f<const D: usize>(q: Query<{query}, D>, k: Keys<{keys}, D>, v: Values<{keys}, D>, o: Output<f16, D>) {{
            let q = q.tile();
            let mut softmax = OnlineSoftmax::new();
            let mut acc = Tile::zeros();
            for cols in k.tiles() {{
                let p = softmax.step(dot(q, k.load(cols).t()), &mut acc);
                acc += dot(p, v.load(cols));
            }}
            o.store(softmax.finish(acc));
        }}"
        )
    };
    for (query, keys, expected) in [
        ("f16", "E4m3", ""),
        ("f16", "bf16", "there are no kernels of queries of f16 over keys and values of bf16"),
        ("f32", "E5m2", "there are no kernels of queries of f32 over keys and values of E5m2"),
        ("E5m2", "E4m3", ""),
        ("E4m3", "bf16", "there are no kernels of queries of E4m3 over keys and values of bf16"),
    ] {
        match parse_source(&source(query, keys)) {
            Ok(program) => {
                assert!(expected.is_empty(), "{query} over {keys}");
                assert!(program.to_string().contains("@k: Keys<E4m3, D>"), "{program}");
            }
            Err(error) => assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}"),
        }
    }
}

/// Launches the stock kernel on a target, and counts.
fn count(arch: Arch, problem: &Problem, shape: ShapeClass) -> Profile {
    let emulator = targets::options(arch, AsyncPolicy::Eager, WarpOrder::InOrder);
    let device = Device::emulator_with(EmulatorOptions { profile: true, ..emulator });
    let program = stock("scaled_paged_attention");
    let inputs = problem.inputs(&device, program).unwrap();
    let options = LaunchOptions { shape: Some(shape), ..LaunchOptions::default() };
    let mut report = launch(&device, program, &inputs.arguments(), &options).unwrap();
    report.emulated.as_mut().and_then(|emulated| emulated.profile.take()).unwrap()
}

/// A decode asks for half the bytes of keys and values, and no access to shared memory is lost to bank conflicts: copies, what is read to
/// be widened, what is written, what products read.
#[test]
fn half_the_bytes_and_no_bank_conflicts() {
    for arch in ARCHS {
        for (number, &head_dim) in tuned_head_dims(arch).iter().filter(|dim| **dim != LATENT).enumerate() {
            for shape in [ShapeClass::Decode, ShapeClass::Prefill] {
                let lens = match shape {
                    ShapeClass::Decode => vec![(1, 1024), (1, 1000)],
                    _ => vec![(150, 300), (30, 77)],
                };
                let (q_heads, kv_heads) = if shape == ShapeClass::Decode { (8, 1) } else { (2, 1) };
                let block_size = if number % 2 == 0 { 16 } else { 2 };
                let problem = |kv_dtype| Problem {
                    kv_dtype: Some(kv_dtype),
                    head_dim,
                    lens: lens.clone(),
                    q_heads,
                    kv_heads,
                    block_size,
                    ..Problem::default()
                };
                let [narrow, wide] = [DType::E4m3, DType::F16].map(|kv| count(arch, &problem(kv), shape));
                let what = format!("{arch} {head_dim} {shape}");
                if shape == ShapeClass::Decode {
                    // Q, O, the table and lengths are the same of both. A row past the end is the last one again, from a cache.
                    let share = narrow.totals.distinct_sectors as f64 / wide.totals.distinct_sectors as f64;
                    assert!((0.48..0.58).contains(&share), "{what}: {share} of the bytes");
                }
                let [lost, lost_before] = [&narrow, &wide].map(|profile| {
                    let totals = &profile.totals;
                    totals.wavefronts - totals.least_wavefronts
                });
                let lines: Vec<String> = narrow
                    .bank_conflicts()
                    .iter()
                    .take(4)
                    .map(|(line, lost)| format!("{lost}: {line:?}"))
                    .collect();
                assert!(
                    lost <= lost_before,
                    "{what}: {lost} lost, {lost_before} of 16 bits: {}",
                    lines.join("\n")
                );
            }
        }
    }
}

//! What attention in 8 bits loses, and what finer scales and the Hadamard transform make of it: queries, keys, values and probabilities of e4m3,
//! multiplied as they are, against f64 on the numbers as they were. On a Hopper GPU if there is one, on the emulator if not, which then adds
//! as Hopper's tensor cores do.
//!
//! The protocol is that of FlashAttention-3 (Shah et al. 2024, 4.3): queries, keys and values are standard normal, and one in a thousand has
//! another normal number added that is ten times as large. The ratios of its table 3 are printed beside ours.
//!
//! `cargo run --release --example fp8`

use flashpage::codegen::Arch;
use flashpage::prelude::*;
use flashpage::runtime::device_kernels::{Hadamard, hadamard};
use flashpage::runtime::reference::reference;
use flashpage::runtime::{EmulatorOptions, ProductSums};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::error::Error;

const HEAD_DIM: usize = 128;
const KEYS: usize = 2048;
/// The last of the keys' tokens have queries.
const QUERIES: usize = 256;
/// Draws of all, of which a few queries with outliers decide the error: one alone says little.
const DRAWS: u64 = 8;
/// Tokens that share a scale, where not all do.
const RUN: usize = 128;

/// Attention of scaled queries, keys and values: a scale for each of them, of which many may be the same. Those of values weigh
/// probabilities, which are e4m3 by then and of which small ones lose bits: so they are given as parts of the greatest, which O is
/// multiplied by.
#[attention_kernel]
fn scaled<T: Element, U: Element, const D: usize>(
    q: Query<T, D>,
    k: Keys<T, D>,
    v: Values<T, D>,
    o: Output<U, D>,
    q_scales: PerQuery<f32>,
    k_scales: PerKey<f32>,
    v_weights: PerKey<f32>,
    v_scale: f32,
    scale: f32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in k.tiles() {
        let s = dot(q, k.load(cols).t()).map(|x, at| x * (q_scales[at.query] * k_scales[at.col])) * scale;
        let p = softmax.step(s, &mut acc).map(|p, at| p * v_weights[at.col]);
        acc += dot(p, v.load(cols));
    }
    o.store(softmax.finish(acc) * v_scale);
}

/// The largest e4m3.
const LARGEST: f32 = 448.0;

/// How numbers become 8 bits.
struct Way {
    name: &'static str,
    /// Tokens that share a scale.
    run: usize,
    /// Whether scales are powers of two apart.
    powers: bool,
    /// Whether queries and keys are turned by the Hadamard transform.
    turned: bool,
    /// The root mean square that the paper has, over that of one scale for each tensor.
    paper: f64,
}

const WAYS: [Way; 5] = [
    Way { name: "a scale each for Q, K and V", run: usize::MAX, powers: true, turned: false, paper: 1.0 },
    Way { name: "a scale for each 128 tokens", run: RUN, powers: true, turned: false, paper: 1.0 },
    Way {
        name: "a scale each, Q and K turned",
        run: usize::MAX,
        powers: true,
        turned: true,
        paper: 0.93 / 2.4,
    },
    Way {
        name: "a scale for each 128, Q and K turned",
        run: RUN,
        powers: true,
        turned: true,
        paper: 0.91 / 2.4,
    },
    Way {
        name: "the same, scales no powers of two apart",
        run: RUN,
        powers: false,
        turned: true,
        paper: 0.91 / 2.4,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let device = match Device::cuda(0) {
        Ok(device) if device.arch() == Arch::Sm90a => device,
        _ => Device::emulator_with(EmulatorOptions {
            arch: Arch::Sm90a,
            product_sums: ProductSums::Hopper,
            ..EmulatorOptions::default()
        }),
    };
    println!(
        "on {}; e4m3, a head of {HEAD_DIM}, {QUERIES} queries over {KEYS} keys, one number in a thousand an outlier, drawn {DRAWS} times",
        device.name()
    );
    let mut draws = Vec::new();
    for seed in 0..DRAWS {
        let mut rng = StdRng::seed_from_u64(seed);
        let inputs = [QUERIES, KEYS, KEYS].map(|tokens| draw(&mut rng, tokens * HEAD_DIM));
        let exact = exact(&inputs)?;
        draws.push((inputs, exact));
        eprint!("\r{} of {DRAWS} drawn, and computed in f64", draws.len());
    }
    eprintln!();
    println!("{:<40} {:>10} {:>22} {:>8} {:>12}", "", "RMSE of O", "of a draw", "of the", "the paper's");
    println!("{:<40} {:>10} {:>22} {:>8} {:>12}", "", "", "", "first", "ratio");
    let mut first = None;
    for way in &WAYS {
        // The mean square of each draw.
        let mut errors = Vec::new();
        for (inputs, exact) in &draws {
            let got = attention(&device, inputs, way)?;
            let squares = got.iter().zip(exact).map(|(got, exact)| (f64::from(*got) - exact).powi(2));
            errors.push(squares.sum::<f64>() / exact.len() as f64);
        }
        errors.sort_by(f64::total_cmp);
        let error = (errors.iter().sum::<f64>() / errors.len() as f64).sqrt();
        let [least, most] = [errors[0], errors[errors.len() - 1]].map(f64::sqrt);
        let ratio = error / *first.get_or_insert(error);
        println!(
            "{:<40} {error:>10.2e}   {least:.2e} to {most:.2e} {ratio:>8.2} {:>12.2}",
            way.name, way.paper
        );
    }
    Ok(())
}

fn draw(rng: &mut StdRng, count: usize) -> Vec<f32> {
    let mut number = || {
        let mut number: f32 = StandardNormal.sample(rng);
        if rng.random_bool(0.001) {
            let large: f32 = StandardNormal.sample(rng);
            number += 10.0 * large;
        }
        number
    };
    (0..count).map(|_| number()).collect()
}

/// Queries, keys and values of a launch, with their scales and an output.
struct Launch {
    tensors: [Tensor; 3],
    scales: [Tensor; 3],
    /// The greatest of the values', of which theirs are parts.
    v_scale: f32,
    starts: [Starts; 2],
    o: Tensor,
}

impl Launch {
    fn new(device: &Device, tensors: [Tensor; 3], scales: [Vec<f32>; 3]) -> Result<Launch, Box<dyn Error>> {
        let [q_scales, k_scales, v_scales] = scales;
        let v_scale = v_scales.iter().copied().fold(0.0, f32::max);
        let weights = v_scales.into_iter().map(|scale| scale / v_scale).collect();
        let [q, k, v] = [q_scales, k_scales, weights]
            .map(|scales: Vec<f32>| Tensor::from_slice(device, &scales, &[scales.len()]));
        let starts =
            [Starts::from_lens(device, &[QUERIES as i32])?, Starts::from_lens(device, &[KEYS as i32])?];
        let o = Tensor::filled_nan(device, DType::F32, &[QUERIES, 1, HEAD_DIM])?;
        Ok(Launch { tensors, scales: [q?, k?, v?], v_scale, starts, o })
    }

    fn args(&self) -> scaled::Args<'_> {
        let [q_starts, k_starts] = &self.starts;
        let [q, k, v] = &self.tensors;
        let [q_scales, k_scales, v_weights] = &self.scales;
        scaled::Args {
            q: Ragged { tensor: q, starts: q_starts },
            k: Ragged { tensor: k, starts: k_starts },
            v: Ragged { tensor: v, starts: k_starts },
            o: &self.o,
            q_scales,
            k_scales: Ragged { tensor: k_scales, starts: k_starts },
            v_weights: Ragged { tensor: v_weights, starts: k_starts },
            v_scale: self.v_scale,
            scale: 1.0 / (HEAD_DIM as f32).sqrt(),
        }
    }
}

/// O of the numbers as they are, in f64.
fn exact(inputs: &[Vec<f32>; 3]) -> Result<Vec<f64>, Box<dyn Error>> {
    let device = Device::emulator_with(EmulatorOptions::default());
    let tensor =
        |numbers: &Vec<f32>| Tensor::from_slice(&device, numbers, &[numbers.len() / HEAD_DIM, 1, HEAD_DIM]);
    let tensors = [tensor(&inputs[0])?, tensor(&inputs[1])?, tensor(&inputs[2])?];
    let launch = Launch::new(&device, tensors, [vec![1.0; QUERIES], vec![1.0; KEYS], vec![1.0; KEYS]])?;
    let expected = reference(scaled::program(), &launch.args().arguments())?;
    Ok(expected.into_iter().flat_map(|output| output.values).collect())
}

/// O as the kernel computes it of numbers that became 8 bits in this way.
fn attention(device: &Device, inputs: &[Vec<f32>; 3], way: &Way) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut tensors = Vec::new();
    let mut scales = Vec::new();
    for (index, numbers) in inputs.iter().enumerate() {
        let tokens = numbers.len() / HEAD_DIM;
        let mut numbers = numbers.clone();
        if way.turned && index < 2 {
            let rows = Tensor::from_slice(device, &numbers, &[tokens, 1, HEAD_DIM])?;
            hadamard(device, &Hadamard { rows: &rows, tokens, seed: 1 })?;
            numbers = rows.to_vec()?;
        }
        let (quantised, of_tokens) = quantised(&numbers, way);
        tensors.push(Tensor::from_slice(device, &quantised, &[tokens, 1, HEAD_DIM])?);
        scales.push(of_tokens);
    }
    let (Ok(tensors), Ok(scales)) = (tensors.try_into(), scales.try_into()) else {
        return Err("three tensors".into());
    };
    let launch = Launch::new(device, tensors, scales)?;
    launch.args().launch(device)?;
    Ok(launch.o.to_f32_vec()?)
}

/// Numbers over a scale under which none of a run of tokens is above the largest of the type, and that of each token. Scales that are powers
/// of two apart are not the least, by which a float loses nothing; and a weight that is such a power moves a probability without rounding
/// it, when one close to 1 would be rounded by as much as a sixteenth.
fn quantised(numbers: &[f32], way: &Way) -> (Vec<E4m3>, Vec<f32>) {
    let largest = |part: &[f32]| part.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    let of_all = largest(numbers);
    let (mut quantised, mut scales) = (Vec::new(), Vec::new());
    for part in numbers.chunks(way.run.min(numbers.len() / HEAD_DIM) * HEAD_DIM) {
        let share = largest(part) / of_all;
        let share = if way.powers { share.log2().ceil().exp2() } else { share };
        let scale = of_all / LARGEST * share;
        quantised.extend(part.iter().map(|x| E4m3::from_f32(x / scale)));
        scales.extend(vec![scale; part.len() / HEAD_DIM]);
    }
    (quantised, scales)
}

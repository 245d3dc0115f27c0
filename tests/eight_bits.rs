//! Keys and values of 8 bits under queries of 16: against the reference on the stored bytes, for both targets, dense and paged, planned
//! and merged, in every head dimension; that all bytes come to what they stand for; and that scales cost nothing a score.

use crate::judge;
use crate::planning;
use crate::targets;

use flashpage::codegen::choice::HEAD_DIMS;
use flashpage::codegen::{HeadDim, Program, ShapeClass};
use flashpage::prelude::*;
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{LaunchOptions, PoolLayout};
use planning::stock;
use targets::{ARCHS, by_turns, harsh};

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
    scales: KvScales,
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

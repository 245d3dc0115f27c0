//! `hadamard` against the matrix by its definition, and what it is for: scores that stay, and outliers that no scale is made for.

use crate::numbers::{FLOATS, decode, encode_all};
use crate::{Rng, devices};
use flashpage_device_kernels::hadamard::{SHARE, signs, span};
use flashpage_runtime::device_kernels::{FindScales, Hadamard, MoveError, ScalePer, find_scales, hadamard};
use flashpage_runtime::{DType, Device, Tensor};

/// A head turned in f64, by the definition.
fn turned(head: &[f32], seed: u32) -> Vec<f64> {
    let span = span(head.len() as u32) as usize;
    let sign = |at: usize| if signs(seed, (at / SHARE) as u32) >> (at % SHARE) & 1 == 1 { -1.0 } else { 1.0 };
    let element = |i: usize, j: usize| if (i & j).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
    (0..head.len())
        .map(|at| {
            let (first, i) = (at / span * span, at % span);
            let term = |j: usize| element(i, j) * sign(first + j) * f64::from(head[first + j]);
            (0..span).map(term).sum::<f64>() / (span as f64).sqrt()
        })
        .collect()
}

#[test]
fn heads_in_place() {
    for device in devices() {
        // Spans of a head, of a part of it, within a thread's share and over all of a warp; the last warp full or not.
        for (number, shape) in [
            [9, 3, 64],
            [5, 2, 128],
            [3, 1, 256],
            [2, 3, 512],
            [7, 1, 80],
            [4, 2, 96],
            [3, 2, 192],
            [1, 1, 16],
            [1, 3, 576],
        ]
        .into_iter()
        .enumerate()
        {
            for dtype in FLOATS {
                check(&device, dtype, shape, 5 + number as u32);
            }
        }
    }
}

fn check(device: &Device, dtype: DType, [tokens, heads, head_dim]: [usize; 3], seed: u32) {
    let label = format!("{dtype} {tokens} x {heads} x {head_dim}");
    let mut rng = Rng(head_dim as u64);
    // A row more than is turned.
    let values: Vec<f32> = (0..(tokens + 1) * heads * head_dim).map(|_| rng.number()).collect();
    let bytes = encode_all(dtype, &values);
    let rows = Tensor::from_bytes(device, dtype, &bytes, &[tokens + 1, heads, head_dim]).unwrap();
    hadamard(device, &Hadamard { rows: &rows, tokens, seed }).unwrap();
    let got = rows.buffer().to_bytes().unwrap();
    let size = dtype.bytes();
    let (turned_bytes, rest) = got.split_at(tokens * heads * head_dim * size);
    assert_eq!(rest, &bytes[turned_bytes.len()..], "{label}: rows past the end");
    let held =
        |bytes: &[u8]| -> Vec<f32> { bytes.chunks_exact(size).map(|bytes| decode(dtype, bytes)).collect() };
    let row = head_dim * size;
    for (head, (before, after)) in bytes.chunks_exact(row).zip(turned_bytes.chunks_exact(row)).enumerate() {
        let ulp = match dtype {
            DType::F16 => 2f64.powi(-11),
            DType::Bf16 => 2f64.powi(-8),
            _ => 2f64.powi(-23),
        };
        for (at, (got, want)) in held(after).iter().zip(turned(&held(before), seed)).enumerate() {
            let bound = ulp * want.abs() + 4e-6;
            assert!(
                (f64::from(*got) - want).abs() <= bound,
                "{label}: {at} of head {head}: {got}, not {want}"
            );
        }
    }
}

/// One number of a head stands out a hundredfold: the scale for e4m3 is some ten times smaller after the transform, and the scores of
/// queries and keys that are both turned are as before.
#[test]
fn outliers_are_spread() {
    let device = &devices()[0];
    let (tokens, head_dim) = (64, 128);
    let mut rng = Rng(4);
    let mut numbers = |outlier: f32| -> Vec<f32> {
        (0..tokens * head_dim)
            .map(|at| if at % head_dim == 77 { outlier } else { rng.number() / 4.0 })
            .collect()
    };
    let (queries, keys) = (numbers(1.0), numbers(100.0));
    let tensor = |values: &[f32]| Tensor::from_slice(device, values, &[tokens, 1, head_dim]).unwrap();
    let (q, k) = (tensor(&queries), tensor(&keys));
    let scale = |rows: &Tensor| {
        let args = FindScales { rows, tokens, to: DType::E4m3, per: ScalePer::Tensor };
        find_scales(device, &args).unwrap().to_f32_vec().unwrap()[0]
    };
    let before = scale(&k);
    for rows in [&q, &k] {
        hadamard(device, &Hadamard { rows, tokens, seed: 3 }).unwrap();
    }
    let after = scale(&k);
    assert!(after * 8.0 < before, "{before}, then {after}");
    let (turned_q, turned_k) = (q.to_f32_vec().unwrap(), k.to_f32_vec().unwrap());
    for i in 0..tokens {
        for j in 0..tokens {
            let score = |q: &[f32], k: &[f32]| -> f64 {
                let (q, k) = (&q[i * head_dim..][..head_dim], &k[j * head_dim..][..head_dim]);
                q.iter().zip(k).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let (want, got) = (score(&queries, &keys), score(&turned_q, &turned_k));
            assert!((want - got).abs() < 1e-3, "query {i}, key {j}: {got}, not {want}");
        }
    }
}

#[test]
fn refusals() {
    let (device, other) = (Device::emulator(), Device::emulator());
    let told = |rows: &Tensor, tokens: usize| -> String {
        let result: Result<(), MoveError> = hadamard(&device, &Hadamard { rows, tokens, seed: 0 });
        result.map_or_else(|error| error.to_string(), |()| String::new())
    };
    let zeros = |device: &Device, dtype, shape: &[usize]| Tensor::zeros(device, dtype, shape).unwrap();
    let table = [
        (zeros(&device, DType::F16, &[4, 2, 64]), 0, ""),
        (zeros(&device, DType::F16, &[4, 2, 64]), 5, "`rows` has 4 values, and there are 5"),
        (zeros(&device, DType::F16, &[4, 0, 64]), 4, ""),
        (zeros(&device, DType::E4m3, &[4, 2, 64]), 4, "`rows` holds e4m3: it takes f16, bf16 or f32"),
        (
            zeros(&device, DType::F16, &[4, 64]),
            4,
            "`rows` has shape [4, 64]: it takes [rows, heads, head_dim]",
        ),
        (
            zeros(&device, DType::F32, &[4, 2, 72]),
            4,
            "`rows` has shape [4, 2, 72]: it takes a head_dim that is a multiple of 16: fill it up with zeros",
        ),
        (
            zeros(&other, DType::F16, &[4, 2, 64]),
            4,
            "`rows` belongs to another device: move it, or launch there",
        ),
    ];
    for (rows, tokens, want) in &table {
        assert_eq!(told(rows, *tokens), *want);
    }
}

//! `rotate_queries`, and the tables and the oracle that `append_kv` is tested with as well.

use crate::numbers::{FLOATS, decode, encode_all};
use crate::{Rng, devices, ints};
use flashpage_runtime::device_kernels::{Rotary, RotaryStyle, RotateQueries, rotate_queries};
use flashpage_runtime::{DType, Device, Tensor};

/// Cosines and sines of the usual angles.
pub struct Tables {
    pub half: usize,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
}

impl Tables {
    pub fn new(positions: usize, rotary_dim: usize) -> Tables {
        let half = rotary_dim / 2;
        let angle = |at: usize| (at / half) as f64 * 10000f64.powf(-((at % half) as f64) / half as f64);
        let of = |f: fn(f64) -> f64| (0..positions * half).map(|at| f(angle(at)) as f32).collect();
        Tables { half, cos: of(f64::cos), sin: of(f64::sin) }
    }

    pub fn tensors(&self, device: &Device) -> [Tensor; 2] {
        [&self.cos, &self.sin]
            .map(|values| Tensor::from_slice(device, values, &[values.len() / self.half, self.half]).unwrap())
    }

    /// A head turned, each product and sum rounded to f32; `None` outside the tables.
    pub fn turned(&self, head: &[f32], position: i32, style: RotaryStyle) -> Option<Vec<f32>> {
        let row = usize::try_from(position).ok()? * self.half;
        let (cos, sin) = (self.cos.get(row..row + self.half)?, self.sin.get(row..row + self.half)?);
        let mut turned = head.to_vec();
        for i in 0..self.half {
            let (first, second) = match style {
                RotaryStyle::Halves => (i, i + self.half),
                RotaryStyle::Interleaved => (2 * i, 2 * i + 1),
            };
            turned[first] = head[first] * cos[i] - head[second] * sin[i];
            turned[second] = head[second] * cos[i] + head[first] * sin[i];
        }
        Some(turned)
    }
}

pub const STYLES: [RotaryStyle; 2] = [RotaryStyle::Halves, RotaryStyle::Interleaved];

#[test]
fn queries_in_place() {
    let positions = [5, 0, 39, -1, 40, 17, 3];
    for device in devices() {
        // head_dim, rotary_dim: whole chunks, part of the head, halves that are no chunks, nothing aligned.
        for (head_dim, rotary_dim) in [(64, 64), (128, 64), (80, 32), (40, 24), (33, 10), (7, 2), (8, 8)] {
            for (dtype, style) in FLOATS.into_iter().flat_map(|dtype| STYLES.map(|style| (dtype, style))) {
                check(&device, dtype, style, head_dim, rotary_dim, &positions);
            }
        }
    }
}

fn check(
    device: &Device,
    dtype: DType,
    style: RotaryStyle,
    head_dim: usize,
    rotary_dim: usize,
    positions: &[i32],
) {
    const HEADS: usize = 3;
    let mut rng = Rng(head_dim as u64);
    let rows = positions.len() + 1;
    let values: Vec<f32> = (0..rows * HEADS * head_dim).map(|_| rng.number()).collect();
    let bytes = encode_all(dtype, &values);
    let queries = Tensor::from_bytes(device, dtype, &bytes, &[rows, HEADS, head_dim]).unwrap();
    let tables = Tables::new(40, rotary_dim);
    let ([cos, sin], on_device) = (tables.tensors(device), ints(device, positions));
    let rotary = Rotary { positions: (&on_device).into(), cos: &cos, sin: &sin, style };
    rotate_queries(device, &RotateQueries { queries: &queries, tokens: positions.len(), rotary }).unwrap();
    let size = dtype.bytes();
    let mut expected = bytes.clone();
    for (head, bytes) in expected.chunks_exact_mut(head_dim * size).enumerate().take(positions.len() * HEADS)
    {
        let values: Vec<f32> = bytes.chunks_exact(size).map(|bytes| decode(dtype, bytes)).collect();
        if let Some(turned) = tables.turned(&values, positions[head / HEADS], style) {
            bytes.copy_from_slice(&encode_all(dtype, &turned));
        }
    }
    let got = queries.buffer().to_bytes().unwrap();
    let wrong = got.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(
        wrong, None,
        "{dtype} {style:?} head_dim {head_dim} rotary_dim {rotary_dim}: first wrong byte"
    );
    assert_ne!(got, bytes);
}

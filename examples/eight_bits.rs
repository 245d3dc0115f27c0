//! What a cache of 8 bits costs in accuracy, and what scales and the Hadamard transform make of it: attention over quantised keys and
//! values, on a GPU if there is one, on the emulator if not, against f64 on the numbers as they were.
//!
//! Numbers are those of FlashAttention-3 (Shah et al. 2024, 4.3): queries, keys and values are standard normal, and one in a thousand has
//! another normal number added that is ten times as large.
//!
//! `cargo run --release --example eight_bits`

use flashpage::kernels::scaled_paged_attention;
use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, NewRows, PagedCache};
use flashpage::runtime::device_kernels::{Hadamard, hadamard};
use flashpage::runtime::reference::reference;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::error::Error;

const HEADS: usize = 2;
const HEAD_DIM: usize = 128;
const KEYS: usize = 2048;
/// The last of the keys' tokens have queries.
const QUERIES: usize = 16;

/// Queries, keys and values, `[tokens, HEADS, HEAD_DIM]`.
type Inputs = [Vec<f16>; 3];

/// How a cache keeps its numbers.
struct Way {
    name: &'static str,
    dtype: DType,
    /// Whether keys and values are divided by what makes the largest of them the largest of the type.
    scaled: bool,
    /// Whether queries and keys are turned by the Hadamard transform.
    turned: bool,
}

const WAYS: [Way; 6] = [
    Way { name: "f16", dtype: DType::F16, scaled: false, turned: false },
    Way { name: "f16, Q and K turned", dtype: DType::F16, scaled: false, turned: true },
    Way { name: "e4m3, no scales", dtype: DType::E4m3, scaled: false, turned: false },
    Way { name: "e4m3, scales", dtype: DType::E4m3, scaled: true, turned: false },
    Way { name: "e4m3, scales, Q and K turned", dtype: DType::E4m3, scaled: true, turned: true },
    Way { name: "e5m2, scales, Q and K turned", dtype: DType::E5m2, scaled: true, turned: true },
];

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::auto();
    println!(
        "on {}; {HEADS} heads of {HEAD_DIM}, {QUERIES} queries over {KEYS} keys, root mean square of the error of O",
        device.name()
    );
    println!("{:<30} {:>12} {:>12}", "cache", "normal", "outliers");
    let inputs = [0.0, 0.001].map(draw);
    let exact = [attention(&device, &inputs[0], &WAYS[0])?.1, attention(&device, &inputs[1], &WAYS[0])?.1];
    for way in &WAYS {
        let mut errors = [0.0; 2];
        for ((error, inputs), exact) in errors.iter_mut().zip(&inputs).zip(&exact) {
            let (got, _) = attention(&device, inputs, way)?;
            let squares = got.iter().zip(exact).map(|(got, exact)| (f64::from(*got) - exact).powi(2));
            *error = (squares.sum::<f64>() / got.len() as f64).sqrt();
        }
        println!("{:<30} {:>12.2e} {:>12.2e}", way.name, errors[0], errors[1]);
    }
    Ok(())
}

/// Inputs of which this share has something large added.
fn draw(outliers: f64) -> Inputs {
    let mut rng = StdRng::seed_from_u64(1);
    [QUERIES, KEYS, KEYS].map(|tokens| {
        let mut number = || {
            let mut number: f32 = StandardNormal.sample(&mut rng);
            if rng.random_bool(outliers) {
                let large: f32 = StandardNormal.sample(&mut rng);
                number += 10.0 * large;
            }
            f16::from_f32(number)
        };
        (0..tokens * HEADS * HEAD_DIM).map(|_| number()).collect()
    })
}

/// O as the kernel computes it over a cache that is kept this way, and in f64 over what the cache holds.
fn attention(device: &Device, [q, k, v]: &Inputs, way: &Way) -> Result<(Vec<f32>, Vec<f64>), Box<dyn Error>> {
    let rows = |numbers: &[f16]| {
        Tensor::from_slice(device, numbers, &[numbers.len() / HEADS / HEAD_DIM, HEADS, HEAD_DIM])
    };
    let (queries, keys, values) = (rows(q)?, rows(k)?, rows(v)?);
    if way.turned {
        hadamard(device, &Hadamard { rows: &queries, tokens: QUERIES, seed: 1 })?;
        hadamard(device, &Hadamard { rows: &keys, tokens: KEYS, seed: 1 })?;
    }
    let options = CacheOptions {
        dtype: way.dtype,
        num_kv_heads: HEADS,
        head_dim: HEAD_DIM.into(),
        blocks: KEYS / 16,
        ..CacheOptions::default()
    };
    let mut cache = PagedCache::new(device, options)?;
    let id = cache.create();
    let slots = cache.append(id, KEYS)?;
    let slot_mapping = cache.slot_mapping(&slots)?;
    let new = NewRows {
        keys: &keys,
        values: Some(&values),
        tokens: KEYS,
        slot_mapping: (&slot_mapping).into(),
        rotary: None,
    };
    if way.scaled {
        cache.fit_scales(0, &new, 1.0)?;
    }
    cache.write_rows(0, &new)?;
    let [k_scales, v_scales] = cache.head_scales(0, 1)?;
    let (starts, table) = (Starts::from_lens(device, &[QUERIES as i32])?, cache.table(&[id])?);
    let o = Tensor::filled_nan(device, DType::F16, &[QUERIES, HEADS, HEAD_DIM])?;
    let lse = Tensor::filled_nan(device, DType::F32, &[QUERIES, HEADS])?;
    let args = scaled_paged_attention::Args {
        q: Ragged { tensor: &queries, starts: &starts },
        k: cache.keys(0)?,
        v: cache.values(0)?,
        table: &table,
        o: &o,
        lse: &lse,
        k_scales: &k_scales,
        v_scales: &v_scales,
        scale: 1.0 / (HEAD_DIM as f32).sqrt(),
        window: i32::MAX,
    };
    args.launch(device)?;
    let [expected, ..] = &reference(scaled_paged_attention::program(), &args.arguments())?[..] else {
        return Err("the kernel has an output".into());
    };
    Ok((o.to_f32_vec()?, expected.values.clone()))
}

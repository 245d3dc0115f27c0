//! Paged attention, written here, compiled here, run here: on a GPU if there is one, on the emulator if not.
//!
//! One batch holds a prefill, a chunked prefill and decodes of different lengths, behind one block table. Eight
//! query heads share two KV heads; the cache has blocks of 16 tokens, shuffled over the pool. Each sequence is
//! compared with a naive f64 reference.
//!
//! `cargo run --release --example paged_attention`

use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, PagedCache, SequenceId};
use flashpage::runtime::check::{check_lse, check_output};
use flashpage::runtime::reference::{plain, reference};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::error::Error;
use std::process::ExitCode;

/// Causal attention over a paged KV cache, in a window.
#[attention_kernel]
pub fn my_paged_attention<T: Element, const D: usize>(
    q: Query<T, D>,
    k: PagedKeys<T, D>,
    v: PagedValues<T, D>,
    table: BlockTable,
    o: Output<T, D>,
    lse: RowOutput,
    scale: f32,
    window: i32,
) {
    let q = q.tile();
    let mut softmax = OnlineSoftmax::new();
    let mut acc = Tile::zeros();
    for cols in table.tiles() {
        let k = k.gather(table, cols);
        let s = dot(q, k.t()) * scale;
        let s = s.mask(|at| at.col <= at.row && at.row - at.col < window);
        let p = softmax.step(s, &mut acc);
        acc += dot(p, v.gather(table, cols));
    }
    o.store(softmax.finish(acc));
    lse.store(softmax.lse());
}

/// What a sequence is doing, its new query tokens, and its keys with them.
const SEQUENCES: [(&str, usize, usize); 6] = [
    ("prefill", 200, 200),
    ("chunked prefill", 48, 300),
    ("decode", 1, 513),
    ("decode", 1, 16),
    ("decode", 1, 77),
    ("first token", 1, 1),
];
const Q_HEADS: usize = 8;
const KV_HEADS: usize = 2;
const BLOCK_SIZE: usize = 16;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::auto();
    println!("on {}; {Q_HEADS} query heads, {KV_HEADS} KV heads, blocks of {BLOCK_SIZE}", device.name());
    println!(
        "{:<5} {:>4}  {:<16} {:>5} {:>5}  {:>9} {:>9}  {:>9}  verdict",
        "dtype", "dim", "sequence", "q_len", "kv", "error", "allowed", "lse error"
    );
    let mut passed = true;
    for head_dim in [64, 128] {
        passed &= batch::<f16>(&device, head_dim, 1)?;
        passed &= batch::<bf16>(&device, head_dim, 2)?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the batch and prints a row for each sequence; whether all of them hold.
fn batch<T: Element + HostElement>(
    device: &Device,
    head_dim: usize,
    seed: u64,
) -> Result<bool, Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut random = |numbers: usize| -> Vec<T> {
        (0..numbers).map(|_| T::from_f32(StandardNormal.sample(&mut rng))).collect()
    };

    // The cache. Sequences grow by turns, so their blocks lie scattered over the pool.
    let blocks: usize = SEQUENCES.iter().map(|(_, _, kv_len)| kv_len.div_ceil(BLOCK_SIZE)).sum();
    let options = CacheOptions {
        dtype: T::DTYPE,
        blocks: blocks + 4,
        block_size: BLOCK_SIZE,
        num_kv_heads: KV_HEADS,
        head_dim: head_dim.into(),
        ..CacheOptions::default()
    };
    let mut cache = PagedCache::new(device, options)?;
    let ids: Vec<SequenceId> = SEQUENCES.iter().map(|_| cache.create()).collect();
    let mut turns: Vec<usize> =
        (0..SEQUENCES.len()).flat_map(|s| vec![s; SEQUENCES[s].2.div_ceil(BLOCK_SIZE)]).collect();
    turns.shuffle(&mut StdRng::seed_from_u64(seed));
    for sequence in turns {
        let id = ids[sequence];
        let tokens = BLOCK_SIZE.min(SEQUENCES[sequence].2 - cache.len(id)?);
        let slots = cache.append(id, tokens)?;
        let rows = tokens * KV_HEADS * head_dim;
        cache.write(0, &slots, &random(rows), &random(rows))?;
    }

    // The queries, sequences end to end, and where results go: NaN until the kernel writes them.
    let q_lens: Vec<i32> = SEQUENCES.iter().map(|(_, q_len, _)| *q_len as i32).collect();
    let starts = Starts::from_lens(device, &q_lens)?;
    let shape = [starts.tokens(), Q_HEADS, head_dim];
    let q = Tensor::from_slice(device, &random(shape.iter().product()), &shape)?;
    let o = Tensor::filled_nan(device, T::DTYPE, &shape)?;
    let lse = Tensor::filled_nan(device, DType::F32, &shape[..2])?;

    let table = cache.table(&ids)?;
    let args = my_paged_attention::Args {
        q: Ragged { tensor: &q, starts: &starts },
        k: cache.keys(0)?,
        v: cache.values(0)?,
        table: &table,
        o: &o,
        lse: &lse,
        scale: 1.0 / (head_dim as f32).sqrt(),
        window: i32::MAX,
    };
    args.launch(device)?;

    let (program, arguments) = (my_paged_attention::program(), args.arguments());
    let (expected, plain) = (reference(program, &arguments)?, plain(program, &arguments)?);
    let wide = |numbers: Vec<f32>| -> Vec<f64> { numbers.into_iter().map(f64::from).collect() };
    let (o, lse) = (wide(o.to_f32_vec()?), wide(lse.to_f32_vec()?));
    let mut passed = true;
    for (sequence, (what, q_len, kv_len)) in SEQUENCES.iter().enumerate() {
        let rows = starts.start_of(sequence) * Q_HEADS..(starts.start_of(sequence) + q_len) * Q_HEADS;
        let numbers = rows.start * head_dim..rows.end * head_dim;
        let output = check_output(
            &o[numbers.clone()],
            &expected[0].values[numbers.clone()],
            &plain[0].values[numbers],
            T::DTYPE,
        );
        let row = check_lse(&lse[rows.clone()], &expected[1].values[rows]);
        let holds = output.passed && row.passed;
        let (error, allowed) = output.worst.map_or((0.0, 0.0), |worst| (worst.error, worst.allowed));
        println!(
            "{:<5} {head_dim:>4}  {what:<16} {q_len:>5} {kv_len:>5}  {error:>9.2e} {allowed:>9.2e}  {:>9.2e}  {}",
            T::DTYPE.as_str(),
            row.worst.map_or(0.0, |worst| worst.error),
            if holds { "ok" } else { "FAILS" }
        );
        passed &= holds;
    }
    Ok(passed)
}

//! Multi-head latent attention (DeepSeek's MLA), decoding over a paged cache of latent rows: on a GPU if there is one, on the
//! emulator if not.
//!
//! The cache has one row of 576 numbers for a token and all query heads: a latent vector of 512, which is the value, and 64
//! numbers behind it that are rotated by the token's position. The whole row is the key. So the cache has no pools of values,
//! and queries come multiplied by what would expand the latent vectors into keys. Each sequence is compared with a naive
//! f64 reference.
//!
//! `cargo run --release --example latent_attention`

use flashpage::kernels::latent_attention;
use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, PagedCache, SequenceId, StoredValues};
use flashpage::runtime::check::{check_lse, check_output};
use flashpage::runtime::reference::{plain, reference};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::error::Error;
use std::process::ExitCode;

/// Numbers of a row, and how many of them, the first, are its values.
const HEAD_DIM: HeadDim = HeadDim { qk: 576, v: 512 };
const Q_HEADS: usize = 16;

/// The prompts' tokens.
const PROMPTS: [usize; 3] = [300, 129, 16];

/// Steps of a batch: what it is, which prompt it goes on from, and its new tokens.
const SEQUENCES: [(&str, usize, usize); 5] = [
    ("decode", 0, 1),
    ("another sample of it", 0, 1),
    ("drafts to verify", 1, 4),
    ("decode", 2, 1),
    ("chunked prefill", 2, 30),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::auto();
    let mut rng = StdRng::seed_from_u64(1);
    let options = CacheOptions {
        dtype: DType::Bf16,
        blocks: 64,
        head_dim: HEAD_DIM,
        values: StoredValues::InKeys,
        ..CacheOptions::default()
    };
    let mut cache = PagedCache::new(&device, options)?;
    let (bytes, apart) = (cache.bytes_of_block(), 2 * (HEAD_DIM.qk + HEAD_DIM.v) * options.block_size);
    println!("on {}; {Q_HEADS} query heads of {HEAD_DIM}", device.name());
    println!("a block of {} tokens has {bytes} bytes, {apart} if values were apart", options.block_size);

    // Prompts, and what goes on from each: a fork shares the prompt's blocks.
    let mut prompts = Vec::new();
    for tokens in PROMPTS {
        let id = cache.create();
        extend(&mut cache, id, tokens, &mut rng)?;
        prompts.push(id);
    }
    let mut ids = Vec::new();
    let mut queries = Vec::new();
    for (_, prompt, new) in SEQUENCES {
        let id = cache.fork(prompts[prompt])?;
        extend(&mut cache, id, new, &mut rng)?;
        for position in PROMPTS[prompt]..PROMPTS[prompt] + new {
            for _ in 0..Q_HEADS {
                queries.extend(row(position, &mut rng));
            }
        }
        ids.push(id);
    }

    // The queries, sequences end to end, and where results go: NaN until the kernel writes them.
    let q_lens: Vec<i32> = SEQUENCES.iter().map(|(_, _, new)| *new as i32).collect();
    let starts = Starts::from_lens(&device, &q_lens)?;
    let q = Tensor::from_slice(&device, &queries, &[starts.tokens(), Q_HEADS, HEAD_DIM.qk])?;
    let o = Tensor::filled_nan(&device, DType::Bf16, &[starts.tokens(), Q_HEADS, HEAD_DIM.v])?;
    let lse = Tensor::filled_nan(&device, DType::F32, &[starts.tokens(), Q_HEADS])?;
    let table = cache.table(&ids)?;
    let args = latent_attention::Args {
        q: Ragged { tensor: &q, starts: &starts },
        cache: cache.keys(0)?,
        table: &table,
        o: &o,
        lse: &lse,
        // For numbers that are made up. A model's is that of its heads before they were multiplied: 1 / sqrt(192).
        scale: 1.0 / (HEAD_DIM.qk as f32).sqrt(),
    };
    args.launch(&device)?;

    let (program, arguments) = (latent_attention::program(), args.arguments());
    let (expected, plain) = (reference(program, &arguments)?, plain(program, &arguments)?);
    let wide = |numbers: Vec<f32>| -> Vec<f64> { numbers.into_iter().map(f64::from).collect() };
    let (o, lse) = (wide(o.to_f32_vec()?), wide(lse.to_f32_vec()?));
    println!(
        "{:<21} {:>5} {:>5}  {:>9} {:>9}  {:>9}  verdict",
        "sequence", "q_len", "kv", "error", "allowed", "lse error"
    );
    let mut passed = true;
    for (sequence, (what, _, q_len)) in SEQUENCES.iter().enumerate() {
        let rows = starts.start_of(sequence) * Q_HEADS..(starts.start_of(sequence) + q_len) * Q_HEADS;
        let numbers = rows.start * HEAD_DIM.v..rows.end * HEAD_DIM.v;
        let output = check_output(
            &o[numbers.clone()],
            &expected[0].values[numbers.clone()],
            &plain[0].values[numbers],
            DType::Bf16,
        );
        let row = check_lse(&lse[rows.clone()], &expected[1].values[rows]);
        let holds = output.passed && row.passed;
        let (error, allowed) = output.worst.map_or((0.0, 0.0), |worst| (worst.error, worst.allowed));
        println!(
            "{what:<21} {q_len:>5} {:>5}  {error:>9.2e} {allowed:>9.2e}  {:>9.2e}  {}",
            cache.len(ids[sequence])?,
            row.worst.map_or(0.0, |worst| worst.error),
            if holds { "ok" } else { "FAILS" }
        );
        passed &= holds;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Appends tokens to a sequence and writes their rows.
fn extend(
    cache: &mut PagedCache,
    id: SequenceId,
    tokens: usize,
    rng: &mut StdRng,
) -> Result<(), Box<dyn Error>> {
    let first = cache.len(id)?;
    let slots = cache.append(id, tokens)?;
    let rows: Vec<bf16> = (first..first + tokens).flat_map(|position| row(position, rng)).collect();
    Ok(cache.write_keys(0, &slots, &rows)?)
}

/// A row of the cache, or of the queries: numbers as a model would compute them, the last 64 of them rotated. The cache stores
/// what it is given, so that this is ours to do.
fn row(position: usize, rng: &mut StdRng) -> Vec<bf16> {
    let mut numbers: Vec<f32> = (0..HEAD_DIM.qk).map(|_| StandardNormal.sample(rng)).collect();
    let rotated = &mut numbers[HEAD_DIM.v..];
    let pairs = rotated.len() / 2;
    for (pair, numbers) in rotated.chunks_exact_mut(2).enumerate() {
        let angle = position as f32 / 10_000f32.powf(pair as f32 / pairs as f32);
        let (sin, cos) = angle.sin_cos();
        let [a, b] = [numbers[0], numbers[1]];
        numbers.copy_from_slice(&[a * cos - b * sin, a * sin + b * cos]);
    }
    numbers.into_iter().map(bf16::from_f32).collect()
}

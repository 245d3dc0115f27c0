//! A server's day in small: requests that share a system prompt and templates, several samples of one prompt, and
//! conversations that go on, over one paged cache with a prefix tree. Attention is really computed, on a GPU if there is
//! one and on the emulator if not, and every output is compared, bit for bit, with that of a cache that shares nothing.
//!
//! `cargo run --release --example prefix_cache`

use flashpage::cache::{CacheStats, Waste, waste_of_max};
use flashpage::prelude::*;
use flashpage::runtime::cache::{CacheOptions, DeviceTable, PagedCache, SequenceId};
use flashpage::runtime::check::{check_lse, check_output};
use flashpage::runtime::reference::{plain, reference};
use std::error::Error;
use std::process::ExitCode;

const Q_HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 64;
const BLOCK_SIZE: usize = 16;
/// What a system without paging would reserve for each sequence.
const MAX_LEN: usize = 512;
/// Few enough that prefixes have to be evicted, to the host.
const BLOCKS: usize = 36;
const HOST_BLOCKS: usize = 32;

/// A prompt and what becomes of it.
struct Request {
    prompt: Vec<u32>,
    /// Answers drawn from it, sharing its blocks.
    samples: usize,
    answer: usize,
}

/// Two runs side by side: one that shares what it can, one where every request is alone.
struct Server {
    device: Device,
    shared: PagedCache,
    alone: PagedCache,
    table: DeviceTable,
    compared: usize,
    different: usize,
    wrong: usize,
    prompt_tokens: usize,
    cached_tokens: usize,
    /// When sharing saved most blocks.
    fullest: Option<CacheStats>,
    paged: Waste,
    contiguous: Waste,
}

/// A sequence in both caches, with its tokens.
struct Running {
    shared: SequenceId,
    alone: SequenceId,
    tokens: Vec<u32>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let device = Device::auto();
    let mut server = Server::new(&device)?;
    println!("on {}; {BLOCKS} blocks of {BLOCK_SIZE} tokens, {HOST_BLOCKS} more on the host", device.name());
    println!("{:<34} {:>8} {:>8} {:>8}  outputs", "wave", "prompts", "cached", "blocks");

    let text = |seed: u32, len: u32| (0..len).map(move |i| (seed * 7919 + i * 104_729) % 32_000);
    let system: Vec<u32> = text(1, 100).collect();
    let template = |t: u32| text(10 + t, 50);
    let mut answers: Vec<Vec<u32>> = Vec::new();
    let questions = |first: u32| (0..6).map(|r| (r % 3, first + r, 1)).collect::<Vec<_>>();
    for (name, requests) in [
        ("three templates, first time", (0..3).map(|t| (t, 0, 1)).collect::<Vec<_>>()),
        ("the same templates, other questions", questions(10)),
        ("three samples of each prompt", (0..2).map(|r| (r, 20 + r, 3)).collect()),
        ("a new template, old ones again", vec![(3, 30, 1), (0, 31, 1), (3, 32, 1)]),
        ("questions that were asked before", questions(10)),
    ] {
        let requests = requests.into_iter().map(|(t, question, samples)| Request {
            prompt: system
                .iter()
                .copied()
                .chain(template(t))
                .chain(text(100 + question, 9 + question % 23))
                .collect(),
            samples,
            answer: 12,
        });
        answers = server.serve(name, requests.collect())?;
    }
    // The last answers are read, and asked about again.
    let follow_ups = answers.into_iter().take(3).map(|tokens| Request {
        prompt: tokens.into_iter().chain(text(999, 17)).collect(),
        samples: 2,
        answer: 8,
    });
    server.serve("conversations that go on", follow_ups.collect())?;
    server.report();
    Ok(if server.different + server.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Server {
    fn new(device: &Device) -> Result<Server, Box<dyn Error>> {
        let options = CacheOptions {
            dtype: DType::F16,
            blocks: BLOCKS,
            block_size: BLOCK_SIZE,
            num_kv_heads: KV_HEADS,
            head_dim: HEAD_DIM.into(),
            host_blocks: HOST_BLOCKS,
            ..CacheOptions::default()
        };
        Ok(Server {
            device: device.clone(),
            shared: PagedCache::new(device, options)?,
            alone: PagedCache::new(device, CacheOptions { blocks: 1024, host_blocks: 0, ..options })?,
            table: DeviceTable::new(device, 16, MAX_LEN / BLOCK_SIZE)?,
            compared: 0,
            different: 0,
            wrong: 0,
            prompt_tokens: 0,
            cached_tokens: 0,
            fullest: None,
            paged: Waste::default(),
            contiguous: Waste::default(),
        })
    }

    /// Serves some requests together; gives the first answer of each, with its prompt.
    fn serve(&mut self, name: &str, requests: Vec<Request>) -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
        let before = (self.prompt_tokens, self.cached_tokens, self.compared, self.different + self.wrong);
        let mut running = Vec::new();
        let mut firsts = Vec::new();
        let answer = requests.iter().map(|request| request.answer).max().unwrap_or(0);
        for Request { prompt, samples, .. } in requests {
            // What is cached is not computed again, but for the prompt's last token.
            let admitted = self.shared.admit("", &prompt)?;
            self.prompt_tokens += prompt.len();
            self.cached_tokens += admitted.cached;
            let mut sequence =
                Running { shared: admitted.id, alone: self.alone.create(), tokens: Vec::new() };
            let cached = self.alone.append(sequence.alone, admitted.cached)?;
            write(&self.alone, &cached, &prompt[..admitted.cached], 0)?;
            sequence.tokens = prompt[..admitted.cached].to_vec();
            self.extend(std::slice::from_mut(&mut sequence), &[&prompt[admitted.cached..]])?;
            // From here on others find the prompt, and samples share it.
            self.shared.publish(sequence.shared, "", &sequence.tokens)?;
            firsts.push(running.len());
            for _ in 1..samples {
                running.push(Running {
                    shared: self.shared.fork(sequence.shared)?,
                    alone: self.alone.fork(sequence.alone)?,
                    tokens: sequence.tokens.clone(),
                });
            }
            running.push(sequence);
        }
        for step in 0..answer as u32 {
            let drawn: Vec<[u32; 1]> =
                (0..running.len() as u32).map(|r| [(31 * r + 17 * step) % 32_000]).collect();
            let next: Vec<&[u32]> = drawn.iter().map(|token| &token[..]).collect();
            self.extend(&mut running, &next)?;
        }
        let stats = self.shared.stats();
        let contiguous = waste_of_max(&stats.lens, MAX_LEN);
        for (sum, now) in [(&mut self.paged, stats.paged), (&mut self.contiguous, contiguous)] {
            sum.reserved += now.reserved;
            sum.used += now.used;
        }
        let blocks = stats.physical_blocks;
        let saved = |stats: &CacheStats| stats.logical_blocks - stats.physical_blocks;
        if self.fullest.as_ref().is_none_or(|fullest| saved(&stats) > saved(fullest)) {
            self.fullest = Some(stats);
        }
        let answers = firsts.into_iter().map(|first| running[first].tokens.clone()).collect();
        for sequence in running {
            self.shared.finish(sequence.shared, "", &sequence.tokens)?;
            self.alone.free(sequence.alone)?;
        }
        let (prompts, cached) = (self.prompt_tokens - before.0, self.cached_tokens - before.1);
        let (compared, bad) = (self.compared - before.2, self.different + self.wrong - before.3);
        let verdict = if bad == 0 { "all equal".to_string() } else { format!("{bad} DIFFER") };
        println!("{name:<34} {prompts:>8} {cached:>8} {blocks:>8}  {compared} rows, {verdict}");
        Ok(answers)
    }

    /// Appends tokens to every sequence, in both caches, and computes attention for them.
    fn extend(&mut self, running: &mut [Running], tokens: &[&[u32]]) -> Result<(), Box<dyn Error>> {
        let counts = tokens.iter().map(|tokens| tokens.len());
        let of = |ids: Vec<SequenceId>| ids.into_iter().zip(counts.clone()).collect::<Vec<_>>();
        let (shared, alone): (Vec<_>, Vec<_>) = running.iter().map(|r| (r.shared, r.alone)).unzip();
        let (mut slots, mut slots_alone) = (Vec::new(), Vec::new());
        self.shared.step(of(shared.clone()), &mut slots)?;
        self.alone.step(of(alone.clone()), &mut slots_alone)?;
        let mut at = 0;
        let mut queries = Vec::new();
        for (sequence, new) in running.iter_mut().zip(tokens) {
            let (position, end) = (sequence.tokens.len(), at + new.len());
            write(&self.shared, &slots[at..end], new, position)?;
            write(&self.alone, &slots_alone[at..end], new, position)?;
            queries.extend(rows(new, position, Q_HEADS, 3));
            sequence.tokens.extend_from_slice(new);
            at = end;
        }
        let lens: Vec<i32> = tokens.iter().map(|tokens| tokens.len() as i32).collect();
        let starts = Starts::from_lens(&self.device, &lens)?;
        let q = Tensor::from_slice(&self.device, &queries, &[at, Q_HEADS, HEAD_DIM])?;
        let table = self.table.sync(&self.shared, &shared)?;
        let (with, holds) = attend(&self.device, &self.shared, table, &q, &starts, true)?;
        let table = self.alone.table(&alone)?;
        let (without, _) = attend(&self.device, &self.alone, &table, &q, &starts, false)?;
        self.compared += at;
        self.wrong += usize::from(!holds);
        self.different += with
            .chunks(Q_HEADS * HEAD_DIM)
            .zip(without.chunks(Q_HEADS * HEAD_DIM))
            .filter(|(a, b)| a != b)
            .count();
        Ok(())
    }

    fn report(&self) {
        let percent = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
        println!();
        println!(
            "hit rate         {:.1} %: {} of {} prompt tokens were not computed",
            percent(self.cached_tokens, self.prompt_tokens),
            self.cached_tokens,
            self.prompt_tokens
        );
        println!("waste, paged     {:.1} % of the slots in use", 100.0 * self.paged.fraction());
        println!(
            "waste, contiguous {:.1} % if each sequence reserved {MAX_LEN} tokens",
            100.0 * self.contiguous.fraction()
        );
        println!("block table      {} bytes uploaded in all", self.table.uploaded_bytes());
        println!(
            "outputs          {} rows: {} differ from those without sharing, {} launches off the f64 reference",
            self.compared, self.different, self.wrong
        );
        if let Some(stats) = &self.fullest {
            println!("\nwhen sharing saved most:\n{stats}");
        }
        println!("\nwhat is cached:\n{}", self.shared.manager().tree());
    }
}

/// Numbers that a token at a position always has: what a layer would compute of it.
fn rows(tokens: &[u32], position: usize, heads: usize, salt: u32) -> Vec<f16> {
    let mut numbers = Vec::with_capacity(tokens.len() * heads * HEAD_DIM);
    for (index, token) in tokens.iter().enumerate() {
        let mut state =
            token.wrapping_mul(0x9e37_79b1) ^ ((position + index) as u32).wrapping_mul(0x85eb_ca6b) ^ salt;
        for _ in 0..heads * HEAD_DIM {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            numbers.push(f16::from_f32((state >> 8) as f32 / (1 << 23) as f32 - 1.0));
        }
    }
    numbers
}

fn write(cache: &PagedCache, slots: &[i64], tokens: &[u32], position: usize) -> Result<(), Box<dyn Error>> {
    let (keys, values) = (rows(tokens, position, KV_HEADS, 1), rows(tokens, position, KV_HEADS, 2));
    Ok(cache.write(0, slots, &keys, &values)?)
}

/// Causal attention of new rows over a cache; with `check`, whether they are right by the f64 reference.
fn attend(
    device: &Device,
    cache: &PagedCache,
    table: &DeviceBlockTable,
    q: &Tensor,
    starts: &Starts,
    check: bool,
) -> Result<(Vec<f16>, bool), Box<dyn Error>> {
    let o = Tensor::filled_nan(device, DType::F16, q.shape())?;
    let lse = Tensor::filled_nan(device, DType::F32, &q.shape()[..2])?;
    let args = flashpage::kernels::paged_attention::Args {
        q: Ragged { tensor: q, starts },
        k: cache.keys(0)?,
        v: cache.values(0)?,
        table,
        o: &o,
        lse: &lse,
        scale: 1.0 / (HEAD_DIM as f32).sqrt(),
        window: i32::MAX,
    };
    args.launch(device)?;
    let mut holds = true;
    if check {
        let (program, arguments) = (flashpage::kernels::paged_attention::program(), args.arguments());
        let (expected, plain) = (reference(program, &arguments)?, plain(program, &arguments)?);
        let wide = |numbers: Vec<f32>| numbers.into_iter().map(f64::from).collect::<Vec<_>>();
        holds &=
            check_output(&wide(o.to_f32_vec()?), &expected[0].values, &plain[0].values, DType::F16).passed;
        holds &= check_lse(&wide(lse.to_f32_vec()?), &expected[1].values).passed;
    }
    Ok((o.to_vec()?, holds))
}

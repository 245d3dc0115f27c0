//! The workloads that are timed, the most telling first, so that a run that is cut short has those.
//!
//! Prefill follows FlashAttention's table: 16 Ki tokens in all, hidden size 2048, so the same work per head at every
//! length; beside it the shapes of current models (64 query heads on 8) at the lengths of cuDNN's published table.
//! Decode is bound by memory: bandwidth by batch, and by how many query heads share a KV head.

use crate::workload::{Mask, Phase, Workload};
use flashpage_codegen::program::DType;
use flashpage_codegen::{HeadDim, Program, ShapeClass};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Which workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Everything.
    Full,
    /// What two minutes are enough for.
    Quick,
    /// Small enough for the emulator; every kind of workload once.
    Tiny,
}

impl FromStr for Suite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Suite::Full),
            "quick" => Ok(Suite::Quick),
            "tiny" => Ok(Suite::Tiny),
            _ => Err(format!("unknown suite `{text}`: write full, quick or tiny")),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suite::Full => "full",
            Suite::Quick => "quick",
            Suite::Tiny => "tiny",
        })
    }
}

/// Head dimension, query heads and KV heads.
type Heads = (usize, usize, usize);

fn prefill(mask: Mask, (head_dim, heads, kv_heads): Heads, batch: usize, len: usize) -> Workload {
    Workload {
        kernel: if mask == Mask::Causal { "causal_attention" } else { "attention" }.to_owned(),
        phase: Phase::Prefill,
        mask,
        window: None,
        softcap: None,
        alibi: false,
        dtype: "bf16".to_owned(),
        kv_dtype: None,
        head_dim: head_dim.into(),
        latent: false,
        heads,
        kv_heads,
        q_len: len,
        kv_lens: vec![len; batch],
        block_size: None,
    }
}

fn decode((head_dim, heads, kv_heads): Heads, kv_lens: Vec<usize>, block_size: usize) -> Workload {
    Workload {
        kernel: "paged_full_attention".to_owned(),
        phase: Phase::Decode,
        q_len: 1,
        kv_lens,
        block_size: Some(block_size),
        ..prefill(Mask::Full, (head_dim, heads, kv_heads), 0, 0)
    }
}

fn paged(workload: Workload, block_size: usize) -> Workload {
    Workload { kernel: "paged_attention".to_owned(), block_size: Some(block_size), ..workload }
}

/// Over a cache of 8 bits.
fn over_e4m3(workload: Workload, block_size: usize) -> Workload {
    Workload {
        kernel: "scaled_paged_attention".to_owned(),
        kv_dtype: Some("e4m3".to_owned()),
        block_size: Some(block_size),
        ..workload
    }
}

fn append(workload: Workload, q_len: usize, block_size: usize) -> Workload {
    paged(Workload { phase: Phase::Append, q_len, ..workload }, block_size)
}

fn windowed(workload: Workload, window: usize) -> Workload {
    Workload { kernel: "sliding_window_attention".to_owned(), window: Some(window), ..workload }
}

fn capped(workload: Workload, cap: u32) -> Workload {
    Workload { kernel: "softcap_attention".to_owned(), softcap: Some(cap), ..workload }
}

fn biased(workload: Workload) -> Workload {
    Workload { kernel: "alibi_attention".to_owned(), alibi: true, ..workload }
}

fn in_f16(workload: Workload) -> Workload {
    Workload { dtype: "f16".to_owned(), ..workload }
}

/// Sequences of very different lengths, as a server sees them: most short, some long; `longest` at the most.
fn skewed(batch: usize, longest: usize) -> Vec<usize> {
    (0..batch).map(|i| if i % 8 == 0 { longest } else { longest * (i % 8) / 32 + 17 * i + 1 }).collect()
}

use Mask::{Causal, Full};

/// A small batch of the kind that a shape class is made for, for any program: what it masks is left to it, and counted
/// as full attention.
pub fn representative(
    program: &Program,
    dtype: DType,
    head_dim: HeadDim,
    block_size: Option<usize>,
    shape: ShapeClass,
) -> Workload {
    let (phase, q_len, kv_len, heads, kv_heads) = match shape {
        ShapeClass::Prefill => (Phase::Prefill, 512, 512, 2, 2),
        ShapeClass::Append => (Phase::Append, 16, 512, 4, 1),
        ShapeClass::Decode => (Phase::Decode, 1, 1024, 8, 1),
    };
    Workload {
        kernel: program.name.clone(),
        phase,
        dtype: dtype.to_string(),
        q_len,
        kv_lens: vec![kv_len; 2],
        block_size,
        head_dim,
        latent: program.has_values_in_keys(),
        ..prefill(Mask::Full, (head_dim.qk, heads, kv_heads), 0, 0)
    }
}

/// FlashAttention's hidden size of 2048, without grouping.
const D64: Heads = (64, 32, 32);
const D128: Heads = (128, 16, 16);
/// Llama 3.1 8B and 70B.
const GQA4: Heads = (128, 32, 8);
const GQA8: Heads = (128, 64, 8);

impl Suite {
    /// Its workloads.
    pub fn workloads(self) -> Vec<Workload> {
        match self {
            Suite::Full => full(),
            Suite::Quick => quick(),
            Suite::Tiny => tiny(),
        }
    }
}

fn quick() -> Vec<Workload> {
    let mut all = Vec::new();
    for len in [4096, 16384, 1024] {
        for mask in [Causal, Full] {
            all.push(prefill(mask, D128, 16384 / len, len));
        }
    }
    all.extend([1, 16, 64].map(|batch| decode(GQA4, vec![4096; batch], 16)));
    all.push(prefill(Causal, D64, 4, 4096));
    all.push(paged(prefill(Causal, GQA4, 4, 4096), 16));
    all
}

fn full() -> Vec<Workload> {
    let mut all = Vec::new();
    for len in [4096, 16384, 1024, 8192, 2048, 512] {
        for heads in [D128, D64] {
            for mask in [Causal, Full] {
                all.push(prefill(mask, heads, 16384 / len, len));
            }
        }
        // Bandwidth by batch, between the lengths, so that a run cut short has some of both.
        let batch = match len {
            4096 => 32,
            16384 => 1,
            1024 => 128,
            8192 => 8,
            2048 => 64,
            _ => 16,
        };
        all.push(decode(GQA4, vec![4096; batch], 16));
    }
    for len in [4096, 8192, 16384] {
        for mask in [Causal, Full] {
            all.push(prefill(mask, GQA8, 1, len));
        }
    }
    all.extend([1, 8, 32].map(|batch| decode((128, 32, 32), vec![4096; batch], 16)));
    all.extend([1, 32, 128].map(|batch| decode((64, 32, 8), vec![4096; batch], 16)));
    all.extend([
        decode(GQA4, vec![4096; 32], 64),
        decode(GQA4, vec![16384; 16], 16),
        decode(GQA4, skewed(32, 8192), 16),
        decode((128, 32, 1), vec![4096; 32], 16),
        decode(GQA8, vec![4096; 32], 16),
        in_f16(decode(GQA4, vec![4096; 32], 16)),
        paged(prefill(Causal, GQA4, 4, 4096), 16),
        paged(prefill(Causal, GQA4, 4, 4096), 64),
        over_e4m3(decode(GQA4, vec![4096; 32], 16), 16),
        over_e4m3(decode(GQA4, vec![16384; 16], 16), 16),
        over_e4m3(decode(GQA8, vec![4096; 32], 16), 64),
        over_e4m3(prefill(Causal, GQA4, 4, 4096), 16),
        append(prefill(Causal, GQA4, 4, 8192), 512, 16),
        append(prefill(Causal, GQA4, 32, 4096), 4, 16),
        in_f16(prefill(Causal, D128, 4, 4096)),
        in_f16(prefill(Causal, D64, 4, 4096)),
        windowed(prefill(Causal, D128, 1, 16384), 1024),
        capped(prefill(Causal, D128, 2, 8192), 30),
        biased(prefill(Causal, D128, 2, 8192)),
    ]);
    most_telling_first(all)
}

/// An order in which a run that is cut short says the most, and the same of ours and of the peers, who go by it too: plain
/// attention with the head dimension of most models before variants of it, and in either prefill, paged decode and the rest
/// by turns.
fn most_telling_first(all: Vec<Workload>) -> Vec<Workload> {
    let rank = |workload: &Workload| {
        let is_plain = workload.window.is_none() && workload.softcap.is_none() && !workload.alibi;
        (!is_plain, workload.head_dim != D128.0.into())
    };
    let mut turns: HashMap<(Phase, bool), usize> = HashMap::new();
    let mut ranked = all;
    ranked.sort_by_key(rank);
    let mut placed: Vec<_> = ranked
        .into_iter()
        .map(|workload| {
            let turn = turns.entry((workload.phase, workload.block_size.is_some())).or_default();
            *turn += 1;
            ((rank(&workload), *turn), workload)
        })
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, workload)| workload).collect()
}

/// What schedules are tried on: FlashAttention's heads at a length that fills the chip, or few short ones.
pub(crate) fn experiment(suite: Suite, head_dim: usize, mask: Mask) -> Workload {
    let (_, heads, kv_heads) = if head_dim == D64.0 { D64 } else { D128 };
    match suite {
        Suite::Tiny => prefill(mask, (head_dim, 2, 2), 1, 300),
        Suite::Full | Suite::Quick => prefill(mask, (head_dim, heads, kv_heads), 4, 4096),
    }
}

fn tiny() -> Vec<Workload> {
    let mut all = Vec::new();
    for head_dim in [128, 64] {
        for len in [64, 128, 192] {
            for mask in [Causal, Full] {
                all.push(prefill(mask, (head_dim, 2, 2), 1, len));
            }
        }
    }
    all.extend([1, 2, 4].map(|batch| decode((128, 4, 2), vec![96; batch], 16)));
    all.extend([
        decode((64, 4, 1), vec![96; 2], 64),
        decode((128, 4, 2), skewed(4, 160), 16),
        in_f16(prefill(Causal, (64, 2, 1), 2, 80)),
        paged(prefill(Causal, (128, 4, 2), 2, 80), 16),
        over_e4m3(decode((128, 4, 2), vec![96; 2], 16), 16),
        append(prefill(Causal, (128, 4, 2), 2, 128), 4, 16),
        windowed(prefill(Causal, (64, 2, 2), 1, 192), 50),
        capped(prefill(Causal, (64, 2, 2), 1, 96), 30),
        biased(prefill(Causal, (64, 4, 4), 1, 96)),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn workloads_are_told_apart_by_their_ids() {
        for suite in [Suite::Full, Suite::Quick, Suite::Tiny] {
            let ids: Vec<String> = suite.workloads().iter().map(ToString::to_string).collect();
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:#?}");
            assert_eq!(suite.to_string().parse(), Ok(suite));
        }
    }

    /// Ten rows are enough to have both kinds of prefill and decode, long and short ones.
    #[test]
    fn what_is_cut_short_has_prefill_and_decode() {
        let first: Vec<Workload> = Suite::Full.workloads().into_iter().take(10).collect();
        let count = |holds: fn(&Workload) -> bool| first.iter().filter(|workload| holds(workload)).count();
        assert!(count(|w| w.phase == Phase::Decode) >= 2, "{first:#?}");
        for mask in [Causal, Full] {
            let is_there =
                first.iter().any(|w| w.phase == Phase::Prefill && w.mask == mask && w.longest() == 4096);
            assert!(is_there, "{mask:?}");
        }
        assert_eq!(count(|w| w.head_dim == 128.into() && w.window.is_none()), first.len());
    }

    #[test]
    fn the_quick_suite_is_part_of_the_full_one() {
        let full = Suite::Full.workloads();
        for workload in Suite::Quick.workloads() {
            assert!(full.contains(&workload), "{workload} is in the quick suite only");
        }
    }
}

//! A batch of attention, by the numbers that its work is counted from: what is timed, and what its id says.
//!
//! One convention for everybody, ours and the peers': a multiplication and an addition are two operations, only the
//! two products count, `2 · Σ (q_len · kv_len) · heads · (qk + v)` with the two head dimensions, of which a causal mask takes away `q_len² / 2` pairs a
//! sequence: prefill is halved, which is FlashAttention's convention, and a few queries behind many keys lose little.
//! Bytes are the least that can move: every tensor once.

use flashpage_codegen::HeadDim;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// All of its sequence.
    Full,
    /// Those up to its own position, aligned bottom-right.
    Causal,
}

/// What the queries of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// As many queries as keys.
    Prefill,
    /// Some queries at the end of many keys.
    Append,
    /// One query at the end of many keys.
    Decode,
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Workload {
    /// The stock kernel that computes it.
    pub kernel: String,
    /// Prefill, append or decode.
    pub phase: Phase,
    /// Which keys a query sees, the window apart.
    pub mask: Mask,
    /// The last keys that a query sees, where there is a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// `cap · tanh(score / cap)`, where scores are capped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softcap: Option<u32>,
    /// Whether scores have ALiBi's linear bias.
    #[serde(default)]
    pub alibi: bool,
    /// `f16` or `bf16`.
    pub dtype: String,
    /// Element type of keys and values, where it is not that of the queries: `e4m3` or `e5m2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_dtype: Option<String>,
    /// Head dimensions.
    #[serde(with = "crate::head_dim")]
    pub head_dim: HeadDim,
    /// Values are the first numbers of the keys, and not read besides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latent: bool,
    /// Query heads.
    pub heads: usize,
    /// KV heads.
    pub kv_heads: usize,
    /// Query tokens of every sequence.
    pub q_len: usize,
    /// Keys of each sequence: as many numbers as sequences.
    pub kv_lens: Vec<usize>,
    /// Tokens a block, where the cache is paged (NHD).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<usize>,
}

/// Bytes of an element: all that are timed have 16 bits.
const ELEMENT: f64 = 2.0;

impl Workload {
    /// Sequences.
    pub fn batch(&self) -> usize {
        self.kv_lens.len()
    }

    /// The longest sequence's keys.
    pub fn longest(&self) -> usize {
        self.kv_lens.iter().copied().max().unwrap_or(0)
    }

    /// Whether all sequences are as long as each other.
    pub fn is_even(&self) -> bool {
        self.kv_lens.iter().all(|len| *len == self.longest())
    }

    /// Pairs of a query and a key that are counted, over all sequences and one head.
    fn pairs(&self) -> f64 {
        let all = |kv_len: usize| self.q_len as f64 * kv_len as f64;
        let pairs = |kv_len: usize| match (self.window, self.mask) {
            // Windows are counted as they are: the convention does not speak of them.
            (Some(window), _) => {
                let first = kv_len.saturating_sub(self.q_len);
                (first..kv_len).map(|row| (row + 1).min(window) as f64).sum()
            }
            // More queries than keys see what as many as keys would.
            (None, Mask::Causal) if self.phase != Phase::Decode => {
                let square = self.q_len.min(kv_len) as f64;
                square * kv_len as f64 - square * square / 2.0
            }
            (None, _) => all(kv_len),
        };
        self.kv_lens.iter().map(|kv_len| pairs(*kv_len)).sum()
    }

    /// Operations, by the convention at the head of this module.
    pub fn flops(&self) -> f64 {
        2.0 * self.pairs() * self.heads as f64 * (self.head_dim.qk + self.head_dim.v) as f64
    }

    /// Bytes that must move at the least: Q, K, V and O once, the log-sum-exp, and a table entry a block.
    pub fn bytes(&self) -> f64 {
        let rows = (self.q_len * self.batch() * self.heads) as f64;
        let blocks = self.block_size.map_or(0, |size| {
            self.kv_lens.iter().map(|kv_len| self.needed(*kv_len).div_ceil(size)).sum::<usize>()
        });
        rows * (self.head_dim.qk + self.head_dim.v) as f64 * ELEMENT
            + self.kv_bytes()
            + 4.0 * rows
            + 4.0 * blocks as f64
    }

    /// Of these bytes, those of K and V.
    pub fn kv_bytes(&self) -> f64 {
        let keys: usize = self.kv_lens.iter().map(|kv_len| self.needed(*kv_len)).sum();
        let HeadDim { qk, v } = self.head_dim;
        // Of what is not the queries' type there are only types of 8 bits.
        let element = if self.kv_dtype.is_some() { 1.0 } else { ELEMENT };
        (keys * self.kv_heads * (qk + if self.latent { 0 } else { v })) as f64 * element
    }

    /// Keys of a sequence that some query sees: one far behind the window's end keeps those before it from being needed.
    fn needed(&self, kv_len: usize) -> usize {
        match self.window {
            Some(window) => kv_len.min(window + self.q_len - 1),
            None => kv_len,
        }
    }
}

impl fmt::Display for Workload {
    /// Its id: `prefill causal bf16 d128 h16/16 b4 s4096`, `decode full f16 d128 h32/8 b32 s4096 page16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Prefill => "prefill",
            Phase::Append => "append",
            Phase::Decode => "decode",
        };
        let mask = if self.mask == Mask::Causal { "causal" } else { "full" };
        write!(f, "{phase} {mask} {} d{} h{}/{}", self.dtype, self.head_dim, self.heads, self.kv_heads)?;
        write!(f, " b{} s{}", self.batch(), self.longest())?;
        if !self.is_even() {
            write!(f, " skewed")?;
        }
        if self.phase == Phase::Append {
            write!(f, " q{}", self.q_len)?;
        }
        if let Some(size) = self.block_size {
            write!(f, " page{size}")?;
        }
        if let Some(kv) = &self.kv_dtype {
            write!(f, " kv-{kv}")?;
        }
        if let Some(window) = self.window {
            write!(f, " window{window}")?;
        }
        if let Some(cap) = self.softcap {
            write!(f, " softcap{cap}")?;
        }
        if self.alibi {
            write!(f, " alibi")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_by_the_convention() {
        let base = Workload {
            kernel: String::new(),
            phase: Phase::Prefill,
            mask: Mask::Full,
            window: None,
            softcap: None,
            alibi: false,
            dtype: "bf16".to_owned(),
            kv_dtype: None,
            head_dim: 64.into(),
            latent: false,
            heads: 4,
            kv_heads: 2,
            q_len: 100,
            kv_lens: vec![100, 100],
            block_size: None,
        };
        let causal = Workload { mask: Mask::Causal, ..base.clone() };
        let append = Workload { phase: Phase::Append, q_len: 10, ..causal.clone() };
        let decode = Workload {
            phase: Phase::Decode,
            q_len: 1,
            kv_lens: vec![30, 50],
            block_size: Some(16),
            ..base.clone()
        };
        // Rows 0..=9 see one to ten keys, the other ninety ten each.
        let window = Workload { window: Some(10), ..causal.clone() };
        // Operations a pair of a query and a key of one head; elements a token of the keys; bytes of a row of Q, O and lse.
        let (pair, token, row) = (4.0 * 64.0, 2.0 * 64.0, 2.0 * 64.0 * 2.0 + 4.0);
        // Pairs over all sequences, keys that are needed, queries, blocks of a table.
        let table = [
            (&base, 20_000.0, 200.0, 200.0, 0.0),
            (&causal, 10_000.0, 200.0, 200.0, 0.0),
            (&append, 2.0 * (1000.0 - 50.0), 200.0, 20.0, 0.0),
            (&decode, 80.0, 80.0, 2.0, 2.0 + 4.0),
            (&window, 2.0 * (55.0 + 900.0), 200.0, 200.0, 0.0),
        ];
        for (workload, pairs, keys, queries, blocks) in table {
            assert_eq!(workload.flops(), pairs * 4.0 * pair, "{workload}");
            let bytes = queries * 4.0 * row + 2.0 * keys * 2.0 * token + 4.0 * blocks;
            assert_eq!(workload.bytes(), bytes, "{workload}");
        }
        assert_eq!(append.to_string(), "append causal bf16 d64 h4/2 b2 s100 q10");
        assert_eq!(decode.to_string(), "decode full bf16 d64 h4/2 b2 s50 skewed page16");
    }
}

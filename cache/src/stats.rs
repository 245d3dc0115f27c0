//! How much memory a cache uses, and how much it wastes, by the formulas of the PagedAttention paper.
//!
//! The paper (arXiv 2309.06180, §3.1, §4.4, §6.3) sets paging beside systems that keep each sequence in one contiguous
//! piece. Counted in slots, one for the keys and values of one token:
//!
//! - *contiguous*, a sequence of `len` tokens that may grow to `max` takes `max` slots (Orca Max), or the next power of
//!   two of its length (Orca Pow2). The waste is what it takes beyond `len`. What an allocator loses between pieces comes
//!   on top and is not counted here.
//! - *paged*, it takes whole blocks: the waste is the rest of the last one, less than a block for each sequence.
//! - *sharing* saves the blocks that would be there if every sequence had its own, less those that are there.

use crate::manager::BlockManager;
use crate::sequence::{ON_HOST, Residence};
use crate::tree::PrefixStats;
use std::fmt;

/// Slots taken and slots used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waste {
    /// Slots that are reserved.
    pub reserved: usize,
    /// Slots that hold a token.
    pub used: usize,
}

impl Waste {
    /// Slots that hold nothing.
    pub fn wasted(&self) -> usize {
        self.reserved - self.used
    }

    /// Of the reserved slots; 0 of none.
    pub fn fraction(&self) -> f64 {
        if self.reserved == 0 { 0.0 } else { self.wasted() as f64 / self.reserved as f64 }
    }
}

/// Sums as far as numbers go, so that no lengths overflow.
fn waste(lens: &[usize], reserved: impl Fn(usize) -> usize) -> Waste {
    let sum = |of: &dyn Fn(usize) -> usize| lens.iter().fold(0usize, |sum, len| sum.saturating_add(of(*len)));
    Waste { reserved: sum(&reserved), used: sum(&|len| len) }
}

/// Every sequence gets `max_len` slots when it comes (or its length, if it is longer).
pub fn waste_of_max(lens: &[usize], max_len: usize) -> Waste {
    waste(lens, |len| max_len.max(len))
}

/// Every sequence gets the next power of two of its length, `max_len` at most.
pub fn waste_of_pow2(lens: &[usize], max_len: usize) -> Waste {
    let power = |len: usize| len.checked_next_power_of_two().unwrap_or(len).min(max_len).max(len);
    waste(lens, |len| if len == 0 { 0 } else { power(len) })
}

/// Every sequence gets whole blocks, nothing shared.
pub fn waste_of_paging(lens: &[usize], block_size: usize) -> Waste {
    waste(lens, |len| len.checked_next_multiple_of(block_size).unwrap_or(len))
}

/// A cache at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Tokens of a block.
    pub block_size: usize,
    /// Blocks of the device.
    pub blocks: usize,
    /// Blocks free.
    pub free: usize,
    /// Blocks that only the prefix tree holds.
    pub idle: usize,
    /// Blocks of the prefix tree, idle or not.
    pub cached: usize,
    /// Blocks of the host, and how many of them are free and hold evicted prefixes.
    pub host: [usize; 3],
    /// Tokens of every sequence on the device.
    pub lens: Vec<usize>,
    /// Sequences that are swapped out or on their way.
    pub swapped: usize,
    /// Blocks that the sequences on the device would have if nobody shared.
    pub logical_blocks: usize,
    /// Blocks that they have.
    pub physical_blocks: usize,
    /// Slots of those blocks, and tokens in them: each physical block once.
    pub paged: Waste,
    /// What the prefix tree has seen.
    pub prefix: PrefixStats,
    /// Tokens that came back from the host, beyond what the tree found.
    pub restored_tokens: u64,
    /// Bytes of host memory that the bookkeeping of the prefix tree takes.
    pub tree_bytes: usize,
}

impl CacheStats {
    /// Blocks saved by sharing, of those without it (§6.3); 0 of none.
    pub fn sharing(&self) -> f64 {
        match self.logical_blocks {
            0 => 0.0,
            logical => (logical - self.physical_blocks) as f64 / logical as f64,
        }
    }

    /// What the same sequences would waste in contiguous pieces of `max_len` tokens.
    pub fn contiguous(&self, max_len: usize) -> Waste {
        waste_of_max(&self.lens, max_len)
    }
}

impl BlockManager {
    /// The cache at this moment. Looks at every block of every sequence: for people, not for every step.
    pub fn stats(&self) -> CacheStats {
        let mut lens = Vec::new();
        let (mut logical, mut swapped) = (0, 0);
        // Tokens in each block that some sequence holds: whoever has most of a shared one says.
        let mut tokens = vec![0usize; self.pool.total()];
        for sequence in self.sequences.live() {
            if sequence.residence != Residence::Device {
                swapped += 1;
                continue;
            }
            let len = sequence.len as usize;
            lens.push(len);
            logical += sequence.blocks.len();
            for (index, block) in sequence.blocks.iter().filter(|block| **block & ON_HOST == 0).enumerate() {
                let inside = (len - index * self.block_size).min(self.block_size);
                let known = &mut tokens[*block as usize];
                *known = inside.max(*known);
            }
        }
        let physical = tokens.iter().filter(|tokens| **tokens > 0).count();
        let host = self.host.pool();
        CacheStats {
            block_size: self.block_size,
            blocks: self.pool.total(),
            free: self.pool.free_blocks(),
            idle: self.pool.idle_blocks(),
            cached: self.pool.cached_blocks(),
            host: [host.total(), host.free_blocks(), self.host.prefix_blocks()],
            lens,
            swapped,
            logical_blocks: logical,
            physical_blocks: physical,
            paged: Waste { reserved: physical * self.block_size, used: tokens.iter().sum() },
            prefix: self.tree.stats(),
            restored_tokens: self.host.restored_tokens,
            tree_bytes: self.tree.bytes(),
        }
    }
}

impl fmt::Display for CacheStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let held = self.blocks - self.free - self.idle;
        writeln!(
            f,
            "blocks     {} of {} tokens: {held} in use, {} idle in the prefix tree, {} free",
            self.blocks, self.block_size, self.idle, self.free
        )?;
        let (sequences, tokens) = (self.lens.len(), self.lens.iter().sum::<usize>());
        writeln!(
            f,
            "sequences  {sequences} on the device, {tokens} tokens in {} blocks; {} swapped out",
            self.physical_blocks, self.swapped
        )?;
        writeln!(
            f,
            "sharing    {} blocks without it: {} saved",
            self.logical_blocks,
            percent(self.sharing())
        )?;
        writeln!(
            f,
            "waste      {} of the slots in use hold no token ({} slots, at most {} a sequence)",
            percent(self.paged.fraction()),
            self.paged.wasted(),
            self.block_size - 1
        )?;
        let longest = self.lens.iter().copied().max().unwrap_or(0);
        writeln!(
            f,
            "           {} if every sequence had a contiguous piece as long as the longest, {longest}",
            percent(self.contiguous(longest).fraction())
        )?;
        let p = &self.prefix;
        writeln!(
            f,
            "prefixes   {} of {} tokens found ({}) in {} lookups; {} blocks cached, {} evicted so far",
            p.hit_tokens,
            p.asked_tokens,
            percent(p.hit_rate()),
            p.lookups,
            self.cached,
            p.evicted_blocks
        )?;
        let [total, free, prefixes] = self.host;
        write!(
            f,
            "host       {total} blocks: {free} free, {prefixes} with evicted prefixes; {} tokens brought back",
            self.restored_tokens
        )
    }
}

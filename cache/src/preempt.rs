//! Whom to preempt when blocks run out, and whether to swap or to compute again.

use crate::error::CacheError;
use crate::id::SequenceId;
use crate::manager::BlockManager;
use std::collections::HashMap;
use std::time::Duration;

/// What is known of a sequence that may be preempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The sequence.
    pub id: SequenceId,
    /// When it arrived: larger is later.
    pub arrival: u64,
    /// The higher, the longer it keeps its blocks.
    pub priority: i32,
}

/// Puts candidates in the order in which they are preempted: lowest priority first, and of those the latest, so that who
/// came first is served first.
pub fn preemption_order(candidates: &mut [Candidate]) {
    candidates.sort_by_key(|candidate| (candidate.priority, std::cmp::Reverse(candidate.arrival)));
}

/// How a preempted sequence comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Its blocks go to the host and back.
    Swap,
    /// Its blocks are let go, and its keys and values computed anew.
    Recompute,
}

impl Recovery {
    /// The cheaper way: twice the transfer of `bytes` at `bytes_per_second`, or a prefill of `tokens` at
    /// `tokens_per_second`. Rates that are not above zero count as never done.
    pub fn cheaper(
        bytes: u64,
        bytes_per_second: f64,
        tokens: usize,
        tokens_per_second: f64,
    ) -> (Recovery, Duration) {
        let time = |amount: f64, rate: f64| {
            if rate > 0.0 {
                Duration::try_from_secs_f64(amount / rate).unwrap_or(Duration::MAX)
            } else {
                Duration::MAX
            }
        };
        let swap = time(2.0 * bytes as f64, bytes_per_second);
        let recompute = time(tokens as f64, tokens_per_second);
        if swap < recompute { (Recovery::Swap, swap) } else { (Recovery::Recompute, recompute) }
    }
}

impl BlockManager {
    /// Blocks that would become free or idle if these sequences let go of theirs.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device.
    pub fn reclaimable(&self, ids: &[SequenceId]) -> Result<usize, CacheError> {
        let mut holders: HashMap<u32, u32> = HashMap::new();
        for id in ids {
            self.blocks(*id)?.iter().for_each(|block| *holders.entry(*block).or_default() += 1);
        }
        let alone = |(block, count): &(&u32, &u32)| {
            **count + u32::from(self.pool.is_cached(**block)) == self.pool.count(**block)
        };
        Ok(holders.iter().filter(alone).count())
    }

    /// The fewest first sequences of `order` to preempt so that `needed` blocks can be had; `None` if all of them do not
    /// make room for that many. None at all where there is room already.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device.
    pub fn victims(
        &self,
        order: &[SequenceId],
        needed: usize,
    ) -> Result<Option<Vec<SequenceId>>, CacheError> {
        let mut available = self.pool.free_blocks() + self.pool.idle_blocks();
        let mut holders: HashMap<u32, u32> = HashMap::new();
        for (count, id) in order.iter().enumerate() {
            if available >= needed {
                return Ok(Some(order[..count].to_vec()));
            }
            for block in self.blocks(*id)? {
                let held = holders.entry(*block).or_default();
                *held += 1;
                let others = self.pool.count(*block) - u32::from(self.pool.is_cached(*block));
                available += usize::from(*held == others);
            }
        }
        Ok((available >= needed).then(|| order.to_vec()))
    }
}

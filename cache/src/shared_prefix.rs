//! Sequences of a batch that begin with the same blocks: attention over those can be computed once for all of them.

use crate::error::CacheError;
use crate::id::SequenceId;
use crate::manager::BlockManager;
use std::ops::Range;

/// Neighbours in a batch whose first blocks are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPrefix {
    /// Which sequences of the batch.
    pub sequences: Range<usize>,
    /// How many tokens they share: whole blocks, less than the shortest of them has.
    pub tokens: usize,
}

impl BlockManager {
    /// Puts sequences that share blocks next to each other, so that [`BlockManager::shared_prefixes`] finds them.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device; the order is as it was.
    pub fn order_by_prefix(&self, ids: &mut [SequenceId]) -> Result<(), CacheError> {
        let mut keyed =
            ids.iter().map(|id| Ok((self.blocks(*id)?, *id))).collect::<Result<Vec<_>, CacheError>>()?;
        keyed.sort();
        ids.iter_mut().zip(keyed).for_each(|(to, (_, id))| *to = id);
        Ok(())
    }

    /// The groups of neighbours of a batch that save most: of every group, all sequences but one need not read what it
    /// shares. At least one token of each sequence is outside, so that no sequence is empty without its group.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device.
    pub fn shared_prefixes(&self, ids: &[SequenceId]) -> Result<Vec<SharedPrefix>, CacheError> {
        // Blocks that each sequence shares with the one before it.
        let mut shared = vec![0; ids.len()];
        for index in 1..ids.len() {
            let (before, own) = (self.whole_blocks(ids[index - 1])?, self.whole_blocks(ids[index])?);
            shared[index] = before.iter().zip(own).take_while(|(a, b)| a == b).count();
        }
        // The most that the first sequences can save, and where their last group begins.
        let mut best = vec![(0, 0, 0); ids.len() + 1];
        for end in 1..=ids.len() {
            best[end] = (best[end - 1].0, end - 1, 0);
            let mut common = usize::MAX;
            for begin in (0..end.saturating_sub(1)).rev() {
                common = common.min(shared[begin + 1]);
                if common == 0 {
                    break;
                }
                let saves = best[begin].0 + (end - begin - 1) * common;
                if saves > best[end].0 {
                    best[end] = (saves, begin, common);
                }
            }
        }
        let (mut groups, mut end) = (Vec::new(), ids.len());
        while end > 0 {
            let (_, begin, blocks) = best[end];
            if blocks > 0 {
                groups.push(SharedPrefix { sequences: begin..end, tokens: blocks * self.block_size });
            }
            end = begin;
        }
        groups.reverse();
        Ok(groups)
    }

    /// Full blocks with a token after them.
    fn whole_blocks(&self, id: SequenceId) -> Result<&[u32], CacheError> {
        let whole = self.len(id)?.saturating_sub(1) / self.block_size;
        Ok(&self.blocks(id)?[..whole])
    }
}

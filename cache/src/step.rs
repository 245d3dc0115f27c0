//! Room for the next tokens of a batch, all or none.
//!
//! [`BlockManager::try_reserve`] finds the blocks for every sequence before anything is changed; the [`Step`] it gives
//! says which blocks are to be copied first. Committing it gives the slots; dropping it gives everything back. So a
//! device that fails half way leaves sequences as they were.

use crate::error::CacheError;
use crate::id::SequenceId;
use crate::manager::BlockManager;
use crate::sequence::{Sequence, check_len};
use crate::slot::{BlockMove, extend_slots, slot};
use crate::under_way::{Entry, Pending};

/// Room reserved for a step. Dropping it takes the reservation back.
#[derive(Debug)]
#[must_use = "dropping a step takes the reservation back"]
pub struct Step<'m> {
    manager: &'m mut BlockManager,
    committed: bool,
}

impl BlockManager {
    /// Finds room for that many more tokens of each sequence, evicting idle prefixes where it must.
    ///
    /// # Errors
    /// Out of blocks, a sequence that is not there or not on the device or named twice, or one that would become too
    /// long. All sequences are as they were, and out of blocks no prefix has been evicted either.
    pub fn try_reserve<W>(&mut self, work: W) -> Result<Step<'_>, CacheError>
    where
        W: IntoIterator<Item = (SequenceId, usize)>,
    {
        let mut pending = std::mem::take(&mut self.pending);
        let needed = self.plan_step(&mut pending, work);
        let reserved = needed.and_then(|needed| {
            self.make_room(needed, &mut pending.saves)?;
            for _ in 0..needed {
                pending.blocks.extend(self.pool.take());
            }
            Ok(needed)
        });
        self.pending = pending;
        // From here on whatever happens is taken back by dropping the step.
        let step = Step { manager: self, committed: false };
        if reserved? > 0 {
            step.manager.pending.assign_copies();
        }
        Ok(step)
    }

    /// Writes down what every sequence needs; gives the blocks of all together.
    #[inline]
    fn plan_step<W>(&mut self, pending: &mut Pending, work: W) -> Result<usize, CacheError>
    where
        W: IntoIterator<Item = (SequenceId, usize)>,
    {
        pending.clear();
        pending.serial = pending.serial.wrapping_add(1).max(1);
        let serial = pending.serial;
        let mut needed = 0;
        for (id, count) in work {
            let sequence = self.sequences.on_device(id)?;
            if std::mem::replace(&mut sequence.step, serial) == serial {
                return Err(CacheError::NamedTwice(id));
            }
            let fits = count <= sequence.room as usize;
            let mut entry = Entry { place: id.place, count: count as u32, fits, copies: false, grows: 0 };
            if !fits {
                let end = (sequence.len as usize).saturating_add(count);
                check_len(end)?;
                entry.grows = (end.div_ceil(self.block_size) - sequence.blocks.len()) as u32;
                if count > 0
                    && let Some(last) = shared_partial(sequence, self.block_size)
                {
                    // Who else writes to the block in this step gets a copy too; the last one left writes in place.
                    let copied = pending.copies.iter().filter(|copy| copy.from == last).count();
                    entry.copies = self.pool.count(last) as usize > copied + 1;
                    if entry.copies {
                        pending.copies.push(BlockMove { from: last, to: u32::MAX });
                    }
                }
                needed += entry.grows as usize + usize::from(entry.copies);
            }
            pending.entries.push(entry);
        }
        Ok(needed)
    }

    /// [`BlockManager::try_reserve`] for one sequence, committed at once: the slots of its new tokens, and the copies to
    /// make before they are written.
    ///
    /// # Errors
    /// As [`BlockManager::try_reserve`].
    pub fn append(&mut self, id: SequenceId, count: usize) -> Result<Appended, CacheError> {
        let step = self.try_reserve([(id, count)])?;
        let (copies, saves) = (step.copies().to_vec(), step.saves().to_vec());
        let mut slots = Vec::with_capacity(count);
        step.commit(&mut slots);
        Ok(Appended { slots, copies, saves })
    }
}

/// The room that one sequence got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Slot of each new token.
    pub slots: Vec<i64>,
    /// As [`Step::copies`].
    pub copies: Vec<BlockMove>,
    /// As [`Step::saves`].
    pub saves: Vec<BlockMove>,
}

/// The last block, if tokens are still to go into it.
#[inline]
fn shared_partial(sequence: &Sequence, block_size: usize) -> Option<u32> {
    let partial = !(sequence.len as usize).is_multiple_of(block_size);
    sequence.blocks.last().copied().filter(|_| partial)
}

impl Step<'_> {
    /// Device blocks to copy whole before new tokens are written: shared last blocks.
    pub fn copies(&self) -> &[BlockMove] {
        &self.manager.pending.copies
    }

    /// Device blocks (`from`) to copy to host blocks (`to`) before anything is written to the device: prefixes that were
    /// evicted to make room, and are kept on the host.
    pub fn saves(&self) -> &[BlockMove] {
        &self.manager.pending.saves
    }

    /// Tokens of the whole step.
    pub fn tokens(&self) -> usize {
        self.manager.pending.entries.iter().map(|entry| entry.count as usize).sum()
    }

    /// The saves could not be made: the evicted prefixes are forgotten, and the step goes on.
    pub fn forget_saves(&mut self) {
        for save in self.manager.pending.saves.drain(..) {
            self.manager.host.forget(save.to);
        }
    }

    /// The sequences have their tokens; the slot of each, in the order of the sequences, is added to `slots`. Copies and
    /// saves have been made.
    #[inline]
    pub fn commit(mut self, slots: &mut Vec<i64>) {
        self.committed = true;
        let BlockManager { pool, sequences, pending, block_size, host, .. } = &mut *self.manager;
        pending.saves.iter().for_each(|save| host.kept(save.to));
        let block_size = *block_size;
        let mut blocks = pending.blocks.drain(..);
        for entry in &pending.entries {
            let sequence = sequences.at(entry.place);
            if entry.fits {
                slots.extend(sequence.next_slot..sequence.next_slot + i64::from(entry.count));
                sequence.next_slot += i64::from(entry.count);
                sequence.len += entry.count;
                sequence.room -= entry.count;
                continue;
            }
            if entry.copies
                && let (Some(last), Some(copy)) = (sequence.blocks.last_mut(), blocks.next())
            {
                pool.let_go(std::mem::replace(last, copy));
                sequence.epoch += 1;
            }
            sequence.blocks.extend(blocks.by_ref().take(entry.grows as usize));
            let end = sequence.len as usize + entry.count as usize;
            extend_slots(slots, &sequence.blocks, sequence.len as usize..end, block_size);
            sequence.len = end as u32;
            sequence.room = (sequence.blocks.len() * block_size - end) as u32;
            if sequence.room > 0 {
                sequence.next_slot = slot(&sequence.blocks, end, block_size);
            }
        }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.forget_saves();
            for block in self.manager.pending.blocks.drain(..).rev() {
                self.manager.pool.let_go(block);
            }
        }
    }
}

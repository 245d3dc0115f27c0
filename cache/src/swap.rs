//! Swapping: sequences to host blocks and back, and prefixes back that were evicted to the host.
//!
//! A swap has two ends: it is begun, which says what to copy, and finished when the copies are made or aborted if they
//! failed. Between, the sequences can be read by nobody and nothing is let go, so a copy that fails loses nothing.
//!
//! What moves is what makes room: a block that somebody outside the swap holds stays on the device, whose it is anyway.

use crate::error::CacheError;
use crate::id::{SequenceId, SwapId};
use crate::manager::BlockManager;
use crate::sequence::{ON_HOST, Residence};
use crate::slot::BlockMove;
use crate::under_way::{Direction, Swap};
use std::collections::HashMap;

/// What a swap copies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a swap is to be finished or aborted"]
pub struct SwapPlan {
    /// For [`BlockManager::finish_swap`] and [`BlockManager::abort_swap`].
    pub id: SwapId,
    /// Blocks to copy: from the device to the host, or back.
    pub moves: Vec<BlockMove>,
    /// Device blocks to copy to the host before any of `moves`, as [`Step::saves`](crate::Step::saves): idle prefixes that
    /// had to go.
    pub saves: Vec<BlockMove>,
}

impl BlockManager {
    /// Begins to move sequences to the host, those of one family (forks of each other) best together: a block that they
    /// share moves once, and only if nobody else holds it.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device or named twice, or too few host blocks; nothing was changed.
    pub fn begin_swap_out(&mut self, ids: &[SequenceId]) -> Result<SwapPlan, CacheError> {
        self.check_all(ids, Residence::Device)?;
        // How many of these sequences hold each block, in the order in which blocks are met.
        let (mut holders, mut order) = (HashMap::new(), Vec::new());
        for id in ids {
            for block in &self.sequences.get(*id)?.blocks {
                let count: &mut u32 = holders.entry(*block).or_default();
                if *count == 0 {
                    order.push(*block);
                }
                *count += 1;
            }
        }
        // The tree is no reason to stay: what it alone holds it gives up.
        let alone =
            |block: &u32| holders[block] + u32::from(self.pool.is_cached(*block)) == self.pool.count(*block);
        order.retain(alone);
        let to = self.host.take_many(order.len())?;
        let moves = order.into_iter().zip(to).map(|(from, to)| BlockMove { from, to }).collect();
        Ok(self.begin(ids, moves, Vec::new(), Direction::Out))
    }

    /// Begins to move sequences back to the device.
    ///
    /// # Errors
    /// A sequence that is not there or not swapped out or named twice, or out of blocks; nothing was changed.
    pub fn begin_swap_in(&mut self, ids: &[SequenceId]) -> Result<SwapPlan, CacheError> {
        self.check_all(ids, Residence::Host)?;
        let mut order: Vec<u32> = Vec::new();
        let mut met = std::collections::HashSet::new();
        for id in ids {
            let on_host = self.sequences.get(*id)?.blocks.iter().filter(|block| **block & ON_HOST != 0);
            order.extend(on_host.map(|block| block & !ON_HOST).filter(|block| met.insert(*block)));
        }
        let mut saves = Vec::new();
        if let Err(error) = self.make_room(order.len(), &mut saves) {
            saves.iter().for_each(|save| self.host.forget(save.to));
            return Err(error);
        }
        let moves =
            order.into_iter().filter_map(|from| Some(BlockMove { from, to: self.pool.take()? })).collect();
        Ok(self.begin(ids, moves, saves, Direction::In))
    }

    /// The copies of a swap are made: its sequences are where they were to go, and what they left is free.
    ///
    /// # Errors
    /// There is no such swap.
    pub fn finish_swap(&mut self, plan: &SwapPlan) -> Result<(), CacheError> {
        let swap = self.swaps.under_way.remove(&plan.id.0).ok_or(CacheError::NoSwap(plan.id))?;
        plan.saves.iter().for_each(|save| self.host.kept(save.to));
        let targets: HashMap<u32, u32> = swap.moves.iter().map(|copy| (copy.from, copy.to)).collect();
        for id in &swap.sequences {
            let sequence = self.sequences.at(id.place);
            for entry in &mut sequence.blocks {
                match swap.direction {
                    Direction::Out => {
                        if let Some(to) = targets.get(entry) {
                            self.host.hold(*to);
                            self.pool.let_go(*entry);
                            *entry = to | ON_HOST;
                        }
                    }
                    Direction::In if *entry & ON_HOST != 0 => {
                        let from = *entry & !ON_HOST;
                        if let Some(to) = targets.get(&from) {
                            self.pool.hold(*to);
                            self.host.let_go(from);
                            *entry = *to;
                        }
                    }
                    Direction::In => {}
                }
            }
            sequence.epoch += 1;
            sequence.room = 0;
            sequence.residence =
                if swap.direction == Direction::Out { Residence::Host } else { Residence::Device };
        }
        self.let_targets_go(&swap);
        Ok(())
    }

    /// The copies of a swap could not be made: its sequences are as they were before it was begun.
    ///
    /// # Errors
    /// There is no such swap.
    pub fn abort_swap(&mut self, plan: &SwapPlan) -> Result<(), CacheError> {
        let swap = self.swaps.under_way.remove(&plan.id.0).ok_or(CacheError::NoSwap(plan.id))?;
        plan.saves.iter().for_each(|save| self.host.forget(save.to));
        for id in &swap.sequences {
            self.sequences.at(id.place).residence =
                if swap.direction == Direction::Out { Residence::Device } else { Residence::Host };
        }
        self.let_targets_go(&swap);
        Ok(())
    }

    /// A swap's saves could not be made: the evicted prefixes are forgotten, and the swap goes on.
    pub fn forget_saves(&mut self, plan: &mut SwapPlan) {
        plan.saves.drain(..).for_each(|save| self.host.forget(save.to));
    }

    /// The hold that the swap itself had on the blocks it copied to.
    fn let_targets_go(&mut self, swap: &Swap) {
        for copy in swap.moves.iter().rev() {
            match swap.direction {
                Direction::Out => self.host.let_go(copy.to),
                Direction::In => drop(self.pool.let_go(copy.to)),
            }
        }
    }

    fn begin(
        &mut self,
        ids: &[SequenceId],
        moves: Vec<BlockMove>,
        saves: Vec<BlockMove>,
        direction: Direction,
    ) -> SwapPlan {
        ids.iter().for_each(|id| self.sequences.at(id.place).residence = Residence::Moving);
        self.swaps.serial += 1;
        let id = SwapId(self.swaps.serial);
        let swap = Swap { sequences: ids.to_vec(), moves: moves.clone(), direction };
        self.swaps.under_way.insert(id.0, swap);
        SwapPlan { id, moves, saves }
    }

    fn check_all(&self, ids: &[SequenceId], wanted: Residence) -> Result<(), CacheError> {
        for (index, id) in ids.iter().enumerate() {
            match (self.sequences.get(*id)?.residence, wanted) {
                (Residence::Moving, _) => return Err(CacheError::Moving(*id)),
                (Residence::Host, Residence::Device) => return Err(CacheError::SwappedOut(*id)),
                (Residence::Device, Residence::Host) => return Err(CacheError::NotSwappedOut(*id)),
                _ if ids[..index].contains(id) => return Err(CacheError::NamedTwice(*id)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A prefix on its way back from the host. Dropping it leaves the sequence as it was.
#[derive(Debug)]
#[must_use = "dropping a restore leaves the sequence as it was"]
pub struct Restore<'m> {
    manager: &'m mut BlockManager,
    id: SequenceId,
    loads: Vec<BlockMove>,
    saves: Vec<BlockMove>,
    committed: bool,
}

impl BlockManager {
    /// Begins to bring back what the host has of a prompt beyond the tokens that the sequence has: all but the prompt's
    /// last token, in whole blocks, as far as it is there.
    ///
    /// # Errors
    /// The sequence is not there or not on the device, does not end in a whole block, or out of blocks; nothing was changed.
    pub fn restore(
        &mut self,
        id: SequenceId,
        namespace: &str,
        prompt: &[u32],
    ) -> Result<Restore<'_>, CacheError> {
        let block_size = self.block_size;
        let len = self.sequences.on_device(id)?.len as usize;
        if !len.is_multiple_of(block_size) {
            return Err(CacheError::Unaligned { len, block_size });
        }
        let sought = &prompt[..prompt.len().saturating_sub(1)];
        let from = self.host.hold_found(namespace, sought, len / block_size, block_size);
        let mut saves = Vec::new();
        if let Err(error) = self.make_room(from.len(), &mut saves) {
            from.iter().for_each(|block| self.host.let_go(*block));
            saves.iter().for_each(|save| self.host.forget(save.to));
            return Err(error);
        }
        let loads =
            from.into_iter().filter_map(|from| Some(BlockMove { from, to: self.pool.take()? })).collect();
        Ok(Restore { manager: self, id, loads, saves, committed: false })
    }
}

impl Restore<'_> {
    /// Host blocks (`from`) to copy to device blocks (`to`).
    pub fn loads(&self) -> &[BlockMove] {
        &self.loads
    }

    /// As [`Step::saves`](crate::Step::saves), to be made before the loads.
    pub fn saves(&self) -> &[BlockMove] {
        &self.saves
    }

    /// The saves could not be made: the evicted prefixes are forgotten, and the restore goes on.
    pub fn forget_saves(&mut self) {
        self.saves.drain(..).for_each(|save| self.manager.host.forget(save.to));
    }

    /// The loads are made: the sequence has these tokens more. Gives how many.
    pub fn commit(mut self) -> usize {
        self.committed = true;
        let manager = &mut *self.manager;
        self.saves.iter().for_each(|save| manager.host.kept(save.to));
        self.loads.iter().for_each(|load| manager.host.let_go(load.from));
        let sequence = manager.sequences.at(self.id.place);
        sequence.blocks.extend(self.loads.iter().map(|load| load.to));
        let tokens = self.loads.len() * manager.block_size;
        manager.host.restored_tokens += tokens as u64;
        sequence.len += tokens as u32;
        sequence.room = 0;
        tokens
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.saves.iter().for_each(|save| self.manager.host.forget(save.to));
            for load in self.loads.iter().rev() {
                self.manager.host.let_go(load.from);
                self.manager.pool.let_go(load.to);
            }
        }
    }
}

/// Prefixes on their way to the host. Their device blocks are free already: the saves are to be made before anything is
/// written. Dropping it forgets the prefixes.
#[derive(Debug)]
#[must_use = "dropping an eviction forgets the prefixes"]
pub struct EvictToHost<'m> {
    manager: &'m mut BlockManager,
    saves: Vec<BlockMove>,
    evicted: usize,
}

impl BlockManager {
    /// Takes up to `count` idle blocks out of the prefix tree, the least wanted first, and keeps them on the host as far as
    /// there is room.
    pub fn evict_to_host(&mut self, count: usize) -> EvictToHost<'_> {
        let mut saves = Vec::new();
        let evicted = self.evict_keeping(count, &mut saves);
        EvictToHost { manager: self, saves, evicted }
    }
}

impl EvictToHost<'_> {
    /// Device blocks (`from`) to copy to host blocks (`to`).
    pub fn saves(&self) -> &[BlockMove] {
        &self.saves
    }

    /// The saves are made: whoever comes with their tokens finds them. Gives how many device blocks became free.
    pub fn commit(mut self) -> usize {
        for save in self.saves.drain(..) {
            self.manager.host.kept(save.to);
        }
        self.evicted
    }
}

impl Drop for EvictToHost<'_> {
    fn drop(&mut self) {
        self.saves.iter().for_each(|save| self.manager.host.forget(save.to));
    }
}

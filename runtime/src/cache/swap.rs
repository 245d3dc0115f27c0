//! Swapping on a device: copies that go on beside the caller.

use super::store::Copies;
use super::{PagedCache, PagedCacheError, SequenceId};
use flashpage_cache::SwapPlan;

/// A swap whose copies were begun. To be given to [`PagedCache::finish_swap`]; until then its sequences are nobody's to
/// read.
#[derive(Debug)]
#[must_use = "the sequences are neither here nor there until the swap is finished"]
pub struct PagedSwap {
    plan: SwapPlan,
    copies: Copies,
}

impl PagedSwap {
    /// Whether finishing would not wait.
    ///
    /// # Errors
    /// A copy failed: finish the swap, which puts everything back.
    pub fn is_done(&self) -> Result<bool, PagedCacheError> {
        self.copies.are_done()
    }

    /// Blocks that move.
    pub fn blocks(&self) -> usize {
        self.plan.moves.len()
    }
}

impl PagedCache {
    /// Begins to move sequences to the host: give those that share blocks (forks) together. Their blocks on the device are
    /// free when it is finished.
    ///
    /// # Errors
    /// A sequence that is not there or not on the device, too few host blocks, or the device failed; nothing was changed.
    pub fn begin_swap_out(&mut self, ids: &[SequenceId]) -> Result<PagedSwap, PagedCacheError> {
        let plan = self.manager.begin_swap_out(ids)?;
        match self.store.begin_save(&plan.moves) {
            Ok(copies) => Ok(PagedSwap { plan, copies }),
            Err(error) => self.give_up(&plan, error),
        }
    }

    /// Begins to move sequences back to the device.
    ///
    /// # Errors
    /// A sequence that is not there or not swapped out, out of blocks, or the device failed; nothing was changed.
    pub fn begin_swap_in(&mut self, ids: &[SequenceId]) -> Result<PagedSwap, PagedCacheError> {
        let mut plan = self.manager.begin_swap_in(ids)?;
        if self.store.save(&plan.saves).is_err() {
            // Prefixes that could not be kept are computed again by whoever wants them.
            self.manager.forget_saves(&mut plan);
        }
        match self.store.begin_load(&plan.moves) {
            Ok(copies) => Ok(PagedSwap { plan, copies }),
            Err(error) => self.give_up(&plan, error),
        }
    }

    /// Waits for a swap's copies; then its sequences are where they were to go.
    ///
    /// # Errors
    /// The device failed: the sequences are where they were, and read as before. Or the swap is another cache's.
    pub fn finish_swap(&mut self, swap: PagedSwap) -> Result<(), PagedCacheError> {
        let PagedSwap { plan, copies } = swap;
        match self.store.finish(copies) {
            Ok(()) => Ok(self.manager.finish_swap(&plan)?),
            Err(error) => self.give_up(&plan, error),
        }
    }

    /// [`PagedCache::begin_swap_out`] and [`PagedCache::finish_swap`].
    ///
    /// # Errors
    /// As both.
    pub fn swap_out(&mut self, ids: &[SequenceId]) -> Result<(), PagedCacheError> {
        let swap = self.begin_swap_out(ids)?;
        self.finish_swap(swap)
    }

    /// [`PagedCache::begin_swap_in`] and [`PagedCache::finish_swap`].
    ///
    /// # Errors
    /// As both.
    pub fn swap_in(&mut self, ids: &[SequenceId]) -> Result<(), PagedCacheError> {
        let swap = self.begin_swap_in(ids)?;
        self.finish_swap(swap)
    }

    fn give_up<T>(&mut self, plan: &SwapPlan, error: PagedCacheError) -> Result<T, PagedCacheError> {
        self.manager.abort_swap(plan)?;
        Err(error)
    }
}

//! What the clusters of a launch have spent of its budget, so that the same launch ends in the same way on any number of
//! the host's threads.
//!
//! What one cluster spends does not depend on the threads, nor does the sum over the first so many clusters; which of them
//! are how far at a moment does. So a cluster that spends the whole budget alone is at fault when it has, and the first
//! cluster with which the sum exceeds the budget is when it ends. When all that was spent exceeds it, only the first
//! cluster that has not ended goes on, alone, until one or the other is found.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one cluster may spend where nobody says otherwise, in instructions of warps: some minutes of one thread at most. The
/// largest kernels that people emulate spend a hundredth of it.
pub(crate) const OF_CLUSTER: u64 = 1 << 30;

/// See the file's head.
pub(crate) struct Ledger {
    /// Of the launch.
    budget: u64,
    spent: AtomicU64,
    /// The next cluster that nobody has begun, and how many there are.
    next: AtomicU64,
    clusters: u64,
    /// Where to stop: the lowest cluster that faulted.
    stop_at: AtomicU64,
    /// The first cluster that has not ended.
    first_open: AtomicU64,
    ended: Mutex<Ended>,
}

/// Clusters that have ended.
#[derive(Default)]
struct Ended {
    /// What those before `first_open` spent.
    sum: u64,
    /// What later ones did.
    later: BTreeMap<u64, u64>,
}

impl Ledger {
    /// For so many clusters; a budget of zero is none for the launch as a whole.
    pub fn new(clusters: u64, budget: u64) -> Ledger {
        Ledger {
            budget: if budget == 0 { u64::MAX } else { budget },
            spent: AtomicU64::new(0),
            next: AtomicU64::new(0),
            clusters,
            stop_at: AtomicU64::new(clusters),
            first_open: AtomicU64::new(0),
            ended: Mutex::default(),
        }
    }

    /// What the launch may spend.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// What one cluster may spend.
    pub fn of_cluster(&self) -> u64 {
        if self.budget == u64::MAX { OF_CLUSTER } else { self.budget }
    }

    /// The next cluster, if there is one that is to be run.
    pub fn take(&self) -> Option<u64> {
        let index = self.next.fetch_add(1, Relaxed);
        (index < self.stop_at.load(Relaxed)).then_some(index)
    }

    /// That cluster, if it is next.
    pub fn take_only(&self, index: u64) -> bool {
        index < self.stop_at.load(Relaxed)
            && self.next.compare_exchange(index, index + 1, Relaxed, Relaxed).is_ok()
    }

    /// Whether what this cluster does is of no interest any more.
    pub fn is_past(&self, index: u64) -> bool {
        index >= self.stop_at.load(Relaxed)
    }

    /// Whether some cluster faulted.
    pub fn has_stopped(&self) -> bool {
        self.stop_at.load(Relaxed) < self.clusters
    }

    /// A cluster faulted: later ones need not run.
    pub fn stop(&self, index: u64) {
        self.stop_at.fetch_min(index, Relaxed);
    }

    pub fn spend(&self, instructions: u64) {
        self.spent.fetch_add(instructions, Relaxed);
    }

    /// Where the budget is spent, the only cluster that may go on.
    pub fn only(&self) -> Option<u64> {
        (self.spent.load(Relaxed) > self.budget).then(|| self.first_open.load(Relaxed))
    }

    /// A cluster has ended after so many instructions; gives the first with which the sum exceeds the budget.
    pub fn end(&self, index: u64, instructions: u64) -> Option<u64> {
        let mut ended = self.ended.lock().unwrap_or_else(|e| e.into_inner());
        ended.later.insert(index, instructions);
        let mut exceeded = None;
        let mut first = self.first_open.load(Relaxed);
        while let Some(instructions) = ended.later.remove(&first) {
            ended.sum = ended.sum.saturating_add(instructions);
            if ended.sum > self.budget {
                exceeded = exceeded.or(Some(first));
            }
            first += 1;
        }
        self.first_open.store(first, Relaxed);
        exceeded
    }

    /// How many clusters there are.
    pub fn clusters(&self) -> u64 {
        self.clusters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whatever order clusters end, the same one exceeds the budget.
    #[test]
    fn the_first_sum_beyond_the_budget() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let ledger = Ledger::new(4, 10);
            let found: Vec<u64> = order.iter().filter_map(|index| ledger.end(*index, 4)).collect();
            assert_eq!(found.first(), Some(&2), "{order:?}");
        }
        let ledger = Ledger::new(4, 0);
        assert!((0..4).all(|index| ledger.end(index, u64::MAX / 2).is_none()));
    }
}

//! Prefixes that must stay: a lock holds the blocks of a prefix as a sequence would.

use super::PrefixTree;
use crate::pool::BlockPool;

/// A lock on a prefix. One that was given back is never taken for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockId {
    place: u32,
    serial: u64,
}

/// A lock that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lock {} is not held: it was given back, or belongs to another tree", .0.serial)]
pub struct NotLocked(pub LockId);

/// The locks of a tree.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Serial number and blocks; no blocks where the place is free.
    held: Vec<Option<(u64, Vec<u32>)>>,
    free: Vec<u32>,
}

impl PrefixTree {
    /// Locks what is cached of `tokens`, in whole blocks, so that it is not evicted. Gives the lock and how many tokens
    /// it covers, which may be none.
    pub fn lock(&mut self, pool: &mut BlockPool, namespace: &str, tokens: &[u32]) -> (LockId, usize) {
        let mut blocks = Vec::new();
        let covered = self.match_and_hold(pool, namespace, tokens, &mut blocks);
        let place = self.locks.free.pop().unwrap_or_else(|| {
            self.locks.held.push(None);
            self.locks.held.len() as u32 - 1
        });
        let serial = self.next_serial();
        self.locks.held[place as usize] = Some((serial, blocks));
        (LockId { place, serial }, covered)
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// The lock is not held; nothing was changed.
    pub fn unlock(&mut self, pool: &mut BlockPool, lock: LockId) -> Result<(), NotLocked> {
        let held = self.locks.held.get_mut(lock.place as usize);
        let held = held.filter(|held| held.as_ref().is_some_and(|(serial, _)| *serial == lock.serial));
        let (_, blocks) = held.and_then(Option::take).ok_or(NotLocked(lock))?;
        self.locks.free.push(lock.place);
        for block in blocks {
            pool.let_go(block);
        }
        Ok(())
    }

    /// Locks that are held.
    pub fn locks(&self) -> usize {
        self.locks.held.len() - self.locks.free.len()
    }
}

//! Prefixes that must stay: a lock holds the blocks of a prefix as a sequence would.

use std::sync::atomic::{AtomicU64, Ordering};

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

impl Locks {
    /// A lock on blocks that are held for it.
    pub fn add(&mut self, blocks: Vec<u32>) -> LockId {
        // Of all trees, so that a lock of one is never taken for another's.
        static SERIALS: AtomicU64 = AtomicU64::new(0);
        let place = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
        self.held[place as usize] = Some((serial, blocks));
        LockId { place, serial }
    }

    /// Takes a lock away; gives its blocks, which are the caller's to let go.
    ///
    /// # Errors
    /// The lock is not held; nothing was changed.
    pub fn remove(&mut self, lock: LockId) -> Result<Vec<u32>, NotLocked> {
        let held = self.held.get_mut(lock.place as usize);
        let held = held.filter(|held| held.as_ref().is_some_and(|(serial, _)| *serial == lock.serial));
        let (_, blocks) = held.and_then(Option::take).ok_or(NotLocked(lock))?;
        self.free.push(lock.place);
        Ok(blocks)
    }

    /// Locks that are held.
    pub fn count(&self) -> usize {
        self.held.len() - self.free.len()
    }
}

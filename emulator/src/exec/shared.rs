//! The block's shared memory.
//!
//! Every access comes through [`Shared`], with the warp that makes it: this is where a check for races between
//! warps and for reads of copies that are still on their way belongs.

use crate::memory::{Span, Storage};

/// Shared memory of one block.
pub(crate) struct Shared {
    storage: Storage,
}

impl Shared {
    pub fn new(bytes: u32) -> Shared {
        Shared { storage: Storage::new(bytes as usize) }
    }

    pub fn reset(&mut self) {
        self.storage.reset();
    }

    /// `count` bytes at `address`, if they are all there.
    #[inline(always)]
    pub fn span(&self, address: u64, count: u32) -> Option<Span> {
        self.storage.span(address, count)
    }

    /// Where an address lies that should not have been accessed.
    #[cold]
    pub fn describe(&self) -> String {
        format!("is past the end of the block's {} bytes of shared memory", self.storage.len())
    }
}

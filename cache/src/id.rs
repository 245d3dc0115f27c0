//! What sequences and swaps are called: by their cache, by those who use it, and in errors.

use std::fmt;

/// A sequence of a cache. An id is never used for another sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId {
    pub(crate) place: u32,
    pub(crate) generation: u32,
    pub(crate) cache: u32,
}

impl fmt::Display for SequenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.generation)
    }
}

/// A swap under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SwapId(pub(crate) u64);

impl fmt::Display for SwapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

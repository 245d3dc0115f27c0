//! The paged KV cache: blocks of a pool ([`BlockPool`]) lent to sequences ([`PagedCache`]), which turn them
//! into block tables.

mod pool;
mod sequence;

pub use pool::{BlockPool, OutOfBlocks};
pub use sequence::{CacheError, PagedCache, SequenceId};

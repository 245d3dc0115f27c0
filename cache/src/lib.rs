//! The bookkeeping of a paged KV cache: which block holds which tokens of whom. No device is needed, and none is known.
//!
//! - [`BlockPool`]: numbered blocks, reference counts, ids that cannot be mistaken for later ones.
//! - [`PrefixTree`]: a radix tree of prefixes over token ids, with namespaces, locks, eviction and events.
//! - [`BlockManager`]: sequences over both: admit, reserve room for a step, fork, truncate, publish, finish, swap.
//! - [`TableMirror`]: a block table kept from step to step, of which only what changed is uploaded.
//! - [`SharedPrefix`]: sequences of a batch that begin alike, for attention that reads what they share once.
//! - [`CacheStats`]: waste and sharing, by the PagedAttention paper's formulas.
//! - [`handle`]: a `Send` handle for servers; the owner of the cache waits for nobody.
//!
//! What is to be copied is said, never done: a [`Step`], a [`Restore`] or a [`SwapPlan`] lists blocks, whoever owns a
//! device copies them, and then commits, or drops it and everything is as before. `flashpage_runtime::cache` does that on
//! a GPU or the emulator.
//!
//! Inside, what others are made of knows nothing of them: ids (`id`), blocks (`pool`, `slot`), errors (`error`), the tree,
//! the host's blocks and the sequences, what is under way (`under_way`); the manager has one of each. Steps, swaps and
//! tables are its methods or ask it.
//!
//! Invariants: nothing panics on what a user can give; whatever is refused has changed nothing; a block that others hold
//! is never given to be written; every block that the prefix tree alone holds can be evicted, so that free and idle blocks
//! together are what can be had.

mod error;
pub mod handle;
mod host;
mod id;
mod manager;
mod pool;
mod preempt;
mod sequence;
mod shared_prefix;
mod slot;
mod stats;
mod step;
mod swap;
mod table;
mod tree;
mod under_way;

pub use error::CacheError;
pub use id::{SequenceId, SwapId};
pub use manager::{Admitted, BlockManager, ManagerOptions};
pub use pool::{BlockError, BlockId, BlockPool, MAX_REFERENCES, OutOfBlocks, Released};
pub use preempt::{Candidate, Recovery, preemption_order};
pub use sequence::Residence;
pub use shared_prefix::SharedPrefix;
pub use slot::BlockMove;
pub use stats::{CacheStats, Waste, waste_of_max, waste_of_paging, waste_of_pow2};
pub use step::{Appended, Step};
pub use swap::{EvictToHost, Restore, SwapPlan};
pub use table::{TableChange, TableMirror, UNSET};
pub use tree::{
    Eviction, InsertError, Inserted, LockId, NotLocked, PrefixEvent, PrefixStats, PrefixTree, block_hash,
    namespace_hash,
};

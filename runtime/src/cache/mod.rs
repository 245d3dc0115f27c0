//! The paged KV cache on a device: pools of blocks for every layer, and the bookkeeping of [`flashpage_cache`] over them.
//!
//! - [`PagedCache`]: keys and values of every layer behind one block table; sequences that grow, fork, shrink, are
//!   published to the prefix tree and swapped to the host.
//! - [`DeviceTable`]: a block table that is kept on the device from step to step, of which only what changed is uploaded.
//! - [`PagedSwap`]: a swap whose copies go on beside the caller.
//!
//! [`PagedCache`] does what [`flashpage_cache`] says is to be copied, and then commits; if the device fails, it takes the
//! step back. So after any error every sequence can be read, and reads as before.
//!
//! ```text
//!  block table            pools of layer 0, 1, ...: K and V, each [blocks, block_size, num_kv_heads, head_dim] (NHD)
//!  sequence 3: [7, 2] ──▶ block 7: tokens 0..16  │ block 2: tokens 16..29, three slots free
//! ```
//!
//! K and V may differ in `head_dim`. Where values are the first numbers of keys, as in multi-head latent attention, there is
//! no V ([`StoredValues::InKeys`]), and everything else is as before:
//!
//! ```text
//!  pools of layer 0, 1, ...: K alone    a row: │ values: head_dim.v numbers │ the rest: head_dim.qk - head_dim.v │
//! ```

mod error;
mod paged;
mod store;
mod swap;
mod table;

pub use crate::device_kernels::KvScales;
pub use error::PagedCacheError;
pub use flashpage_cache::{
    Admitted, BlockManager, CacheError, CacheStats, Candidate, Eviction, Inserted, LockId, OutOfBlocks,
    PrefixEvent, Recovery, Residence, SequenceId, Waste, handle, preemption_order,
};
pub use paged::{CacheOptions, NewRows, PagedCache, Saturated, StoredValues};
pub use swap::PagedSwap;
pub use table::DeviceTable;

//! A radix tree of prefixes over token ids, in whole blocks.
//!
//! Finished sequences leave their blocks here. Whoever comes with the same first tokens, under the same namespace (an
//! adapter, a tenant), takes the blocks instead of computing them; when memory is needed, blocks that nobody holds are
//! evicted from the ends of the tree ([`Eviction`]).
//!
//! - A node ends only where prompts part: a prompt that ends inside a node leaves it whole, a leaf that a prompt goes
//!   beyond grows, and a node whose children are gone but one is joined with it. So a match takes as many steps as there
//!   were real choices, however many prompts have ended on the way.
//! - Children are found through one hash table for the whole tree, by parent and first block.
//! - The tree keeps no counts of who uses what: [`BlockPool`](crate::BlockPool) does, and a block may be evicted when the tree alone holds
//!   it.
//!
//! The design of nodes, locks and namespaces follows SGLang's RadixAttention (arXiv 2312.07104, §3).
//!
//! What a tree is made of knows nothing of it: nodes (`node`), the queue of leaves (`queue`), locks (`lock`) and events
//! (`event`). [`PrefixTree`] holds them together and keeps its shape (`prefix_tree`), and its methods are in files by what
//! they do: `find`, `insert`, `evict`, `tell`, `show`, `audit`.

mod audit;
mod event;
mod evict;
mod find;
mod insert;
mod lock;
mod node;
mod prefix_tree;
mod queue;
mod show;
mod tell;

pub(crate) use event::Removed;
pub use event::{PrefixEvent, block_hash, namespace_hash};
pub use insert::{InsertError, Inserted};
pub use lock::{LockId, NotLocked};
pub use prefix_tree::{PrefixStats, PrefixTree};
pub use queue::Eviction;

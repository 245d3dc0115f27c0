//! What a tree tells of its blocks: to routers, which send a prompt where its prefix lies, and to whoever keeps evicted
//! blocks elsewhere.

/// A change of what a tree holds.
///
/// A block is named by a hash of its tokens and all before them ([`block_hash`]), which every process computes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixEvent {
    /// Blocks were stored, each after the one before it.
    Stored {
        /// As given to [`PrefixTree::insert`](crate::PrefixTree::insert).
        namespace: String,
        /// Hash of the block that they follow; of no block, the namespace's own ([`namespace_hash`]).
        parent: u64,
        /// Hash of each.
        hashes: Vec<u64>,
        /// Their tokens.
        tokens: Vec<u32>,
    },
    /// Blocks were evicted, the last first.
    Removed {
        /// As given to [`PrefixTree::insert`](crate::PrefixTree::insert).
        namespace: String,
        /// Hash of each.
        hashes: Vec<u64>,
    },
}

/// Where the hashes of a namespace's blocks begin: FNV-1a 64 of its name.
pub fn namespace_hash(namespace: &str) -> u64 {
    namespace
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Hash of a block from its tokens and its predecessor's hash (the namespace's, for a first block).
///
/// Each token is mixed in by `h = (h ^ token) * 0x9e3779b97f4a7c15; h ^= h >> 29`. It tells blocks apart, it does not
/// withstand somebody who looks for two that are alike.
pub fn block_hash(parent: u64, tokens: &[u32]) -> u64 {
    tokens.iter().fold(parent, |hash, token| {
        let mixed = (hash ^ u64::from(*token)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    })
}

/// A run of blocks that is about to leave a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removed<'a> {
    pub namespace: &'a str,
    /// All tokens before the run.
    pub prefix: &'a [u32],
    /// The run's own.
    pub tokens: &'a [u32],
    pub blocks: &'a [u32],
}

/// Who is told of runs that leave.
pub(crate) type Listener<'a> = Option<&'a mut dyn FnMut(Removed<'_>)>;

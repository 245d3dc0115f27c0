//! What a tree tells of its blocks: to routers, which send a prompt where its prefix lies, and to whoever keeps evicted
//! blocks elsewhere.

use super::PrefixTree;
use super::node::NONE;

/// A change of what a tree holds.
///
/// A block is named by a hash of its tokens and all before them ([`block_hash`]), which every process computes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixEvent {
    /// Blocks were stored, each after the one before it.
    Stored {
        /// As given to [`PrefixTree::insert`].
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
        /// As given to [`PrefixTree::insert`].
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

impl PrefixTree {
    /// Begins to record events.
    pub fn record_events(&mut self) {
        self.events.get_or_insert_default();
    }

    /// The events since the last call, in order; none before [`PrefixTree::record_events`].
    pub fn take_events(&mut self) -> Vec<PrefixEvent> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All tokens before a node, and its namespace.
    fn tokens_before(&self, place: u32) -> (Vec<u32>, &str) {
        let mut path = Vec::new();
        let mut at = self.nodes[place].parent;
        while self.nodes[at].parent != NONE {
            path.push(at);
            at = self.nodes[at].parent;
        }
        let tokens = path.iter().rev().flat_map(|node| &self.nodes[*node].tokens).copied().collect();
        (tokens, self.names.get(&at).map_or("", |name| name))
    }

    /// The hash of the block before `place`'s block `from`, and those of the blocks from there on.
    fn hashes(&self, namespace: &str, before: &[u32], place: u32, from: usize) -> (u64, Vec<u64>) {
        let tokens = &self.nodes[place].tokens;
        let at = from * self.block_size;
        let parent = block_hash(block_hash(namespace_hash(namespace), before), &tokens[..at]);
        let hashes = tokens[at..].chunks_exact(self.block_size).scan(parent, |hash, block| {
            *hash = block_hash(*hash, block);
            Some(*hash)
        });
        (parent, hashes.collect())
    }

    /// A node's blocks from `from` on are new.
    pub(super) fn tell_stored(&mut self, place: u32, from: usize) {
        if self.events.is_none() {
            return;
        }
        let (before, namespace) = self.tokens_before(place);
        let (parent, hashes) = self.hashes(namespace, &before, place, from);
        let tokens = self.nodes[place].tokens[from * self.block_size..].to_vec();
        let event = PrefixEvent::Stored { namespace: namespace.to_string(), parent, hashes, tokens };
        self.events.get_or_insert_default().push(event);
    }

    /// A node's blocks from `from` on will go.
    pub(super) fn tell_removed(&mut self, place: u32, from: usize, who: &mut Listener<'_>) {
        if (self.events.is_none() && who.is_none()) || from == self.nodes[place].blocks.len() {
            return;
        }
        let (mut before, namespace) = self.tokens_before(place);
        let event = self.events.is_some().then(|| {
            let (_, mut hashes) = self.hashes(namespace, &before, place, from);
            hashes.reverse();
            PrefixEvent::Removed { namespace: namespace.to_string(), hashes }
        });
        if let Some(who) = who {
            let (node, at) = (&self.nodes[place], from * self.block_size);
            before.extend_from_slice(&node.tokens[..at]);
            who(Removed {
                namespace,
                prefix: &before,
                tokens: &node.tokens[at..],
                blocks: &node.blocks[from..],
            });
        }
        if let (Some(events), Some(event)) = (&mut self.events, event) {
            events.push(event);
        }
    }
}

//! Telling of blocks that come and go, to whoever records events or listens.

use super::event::{Listener, PrefixEvent, Removed, block_hash, namespace_hash};
use super::node::NONE;
use super::prefix_tree::PrefixTree;

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

//! Every invariant of a tree, for tests.

use super::node::{NONE, Use};
use super::prefix_tree::PrefixTree;
use crate::pool::BlockPool;

impl PrefixTree {
    /// Checks every invariant: for tests.
    #[doc(hidden)]
    pub fn audit(&self, pool: &BlockPool) -> Result<(), String> {
        let mut cached = 0;
        let mut seen = std::collections::HashSet::new();
        for place in self.nodes.places() {
            let node = &self.nodes[place];
            if self.is_root(place) {
                if !node.blocks.is_empty() || node.is_leaf() || !self.names.contains_key(&place) {
                    return Err(format!("root {place} has blocks, or no children, or no name"));
                }
                continue;
            }
            cached += node.blocks.len();
            let same = node.tokens.len() == node.blocks.len() * self.block_size;
            if !same || node.blocks.is_empty() || node.blocks.len() != node.uses.len() {
                return Err(format!(
                    "node {place} has {} blocks, {} tokens",
                    node.blocks.len(),
                    node.tokens.len()
                ));
            }
            if self.child(node.parent, &node.tokens[..self.block_size]) != Some(place) {
                return Err(format!("node {place} is not found from its parent"));
            }
            let first = node.first_child;
            if first != NONE && self.nodes[first].next == NONE {
                return Err(format!("node {place} has one child"));
            }
            let worn = |pair: &[Use]| pair[1].last > pair[0].last || pair[1].hits > pair[0].hits;
            if node.uses.windows(2).any(worn) {
                return Err(format!("node {place}: a block was used more than the one before it"));
            }
            if let Some(block) = node.blocks.iter().find(|b| !pool.is_cached(**b) || !seen.insert(**b)) {
                return Err(format!("block {block} of node {place} is not held by the tree, or twice"));
            }
            let waits = node.blocks.last().is_some_and(|block| pool.count(*block) > 1);
            if node.is_leaf() && !node.queued && !waits {
                // Woken but not yet let back in: its block is still waited for.
                let block = node.blocks.last().copied().unwrap_or(NONE);
                if !self.queue.waits_for(block, place) {
                    return Err(format!("leaf {place} can be evicted and is in no queue"));
                }
            }
        }
        if cached != pool.cached_blocks() || self.children.len() != self.nodes.len() - self.roots.len() {
            return Err(format!("{cached} blocks in nodes, {} cached in the pool", pool.cached_blocks()));
        }
        Ok(())
    }
}

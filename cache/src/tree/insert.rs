//! Putting blocks into the tree.

use super::find::Walk;
use super::node::Use;
use super::prefix_tree::PrefixTree;
use crate::pool::{BlockError, BlockId, BlockPool};

/// What cannot be put into a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// Fewer blocks than the tokens fill.
    #[error("{tokens} tokens fill {whole} blocks of {block_size}, and {blocks} blocks were given")]
    Blocks {
        /// Tokens given.
        tokens: usize,
        /// Blocks that they fill.
        whole: usize,
        /// Tokens of a block.
        block_size: usize,
        /// Blocks given.
        blocks: usize,
    },
    /// A block that holds other tokens in the tree.
    #[error("block {0} is in the tree under other tokens: a block holds one run of tokens")]
    Cached(u32),
    /// An id that names no held block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// What [`PrefixTree::insert`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Blocks that were in the tree already; the caller's own of them were not stored.
    pub existing: usize,
    /// Blocks that are new in the tree.
    pub stored: usize,
    /// Blocks of the caller that gave way to the tree's own, where it took those instead.
    pub replaced: usize,
}

impl PrefixTree {
    /// Puts the whole blocks of `tokens` into the tree, of which `blocks` holds the keys and values. Blocks that are in
    /// the tree already stay as they are, and the caller's own stay the caller's; the tree holds each new one once more.
    ///
    /// # Errors
    /// Fewer blocks than the tokens fill, or a block that cannot be stored; nothing was changed.
    pub fn insert(
        &mut self,
        pool: &mut BlockPool,
        namespace: &str,
        tokens: &[u32],
        blocks: &[BlockId],
    ) -> Result<Inserted, InsertError> {
        blocks.iter().try_for_each(|id| pool.check(*id))?;
        let mut numbers: Vec<u32> = blocks.iter().map(|id| id.index).collect();
        self.insert_blocks(pool, namespace, tokens, &mut numbers, false)
    }

    /// As [`PrefixTree::insert`], by number. With `adopt`, blocks that are in the tree already take the place of the
    /// caller's in `blocks`, who holds them instead of its own from then on.
    pub(crate) fn insert_blocks(
        &mut self,
        pool: &mut BlockPool,
        namespace: &str,
        tokens: &[u32],
        blocks: &mut [u32],
        adopt: bool,
    ) -> Result<Inserted, InsertError> {
        let block_size = self.block_size;
        let whole = tokens.len() / block_size;
        if blocks.len() < whole {
            let (tokens, blocks) = (tokens.len(), blocks.len());
            return Err(InsertError::Blocks { tokens, whole, block_size, blocks });
        }
        if whole == 0 {
            return Ok(Inserted::default());
        }
        let tokens = &tokens[..whole * block_size];
        let known = self.roots.get(namespace).map(|root| self.walk(*root, tokens));
        let existing = known.map_or(0, |walk| walk.blocks);
        self.cache_all(pool, &blocks[existing..whole])?;
        let mut replaced = 0;
        if let (Some(walk), true) = (known, adopt) {
            let mut end = existing;
            self.each_run(walk, |run| {
                replaced += adopt_run(pool, run, &mut blocks[end - run.len()..end]);
                end -= run.len();
            });
        }
        let walk = known.unwrap_or_else(|| Walk { node: self.add_root(namespace), within: 0, blocks: 0 });
        let now = self.tick();
        self.touch(walk, now, 0);
        if existing < whole {
            self.store(walk, &tokens[existing * block_size..], &blocks[existing..whole], now);
        }
        let stored = whole - existing;
        self.stats.stored_blocks += stored as u64;
        Ok(Inserted { existing, stored, replaced })
    }

    /// The tree holds all of these, or none.
    fn cache_all(&self, pool: &mut BlockPool, blocks: &[u32]) -> Result<(), InsertError> {
        for (done, block) in blocks.iter().enumerate() {
            if pool.is_cached(*block) {
                for block in &blocks[..done] {
                    pool.uncache(*block);
                }
                return Err(InsertError::Cached(*block));
            }
            pool.cache(*block);
        }
        Ok(())
    }

    /// Puts blocks after the end of a walk.
    fn store(&mut self, walk: Walk, tokens: &[u32], blocks: &[u32], now: u32) {
        let mut place = walk.node;
        let len = self.nodes[place].blocks.len();
        if walk.within < len {
            place = self.split(place, walk.within);
        }
        let grows = !self.is_root(place) && self.nodes[place].is_leaf();
        if !grows {
            let parent = place;
            place = self.nodes.add(parent);
            self.nodes.link(parent, place);
        }
        let node = &mut self.nodes[place];
        let from = node.blocks.len();
        node.tokens.extend_from_slice(tokens);
        node.blocks.extend_from_slice(blocks);
        node.uses.resize(node.blocks.len(), Use { last: now, hits: 0 });
        if !grows {
            self.remember(place);
        }
        self.enqueue(place);
        self.tell_stored(place, from);
    }
}

/// Whoever has `own` holds `run` instead; gives how many blocks that changes.
fn adopt_run(pool: &mut BlockPool, run: &[u32], own: &mut [u32]) -> usize {
    if run == own {
        return 0;
    }
    let mut replaced = 0;
    for (block, own) in run.iter().zip(own).filter(|(block, own)| block != own) {
        pool.hold(*block);
        pool.let_go(*own);
        *own = *block;
        replaced += 1;
    }
    replaced
}

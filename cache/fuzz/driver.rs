//! Bytes as operations on a prefix tree, each checked against a set of all prefixes that are stored.
//!
//! Used by the fuzz target, and by `cache/tests/fuzz.rs` on bytes drawn at random.

use flashpage_cache::{BlockId, BlockPool, Eviction, LockId, PrefixTree};
use std::collections::BTreeMap;

const NAMESPACES: [&str; 3] = ["", "a", "b"];

/// A stored prefix: its namespace and tokens, in whole blocks.
type Prefix = (usize, Vec<u32>);

struct Run {
    tree: PrefixTree,
    pool: BlockPool,
    block_size: usize,
    /// The last block of every prefix that is stored.
    stored: BTreeMap<Prefix, BlockId>,
    /// Prefixes that must stay, and how the hold on them is given up.
    held: Vec<(Prefix, Hold)>,
}

enum Hold {
    Lock(LockId),
    Blocks(Vec<BlockId>),
}

/// Runs one input. Panics where the tree is wrong.
pub fn run(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let policy = [Eviction::Lru, Eviction::Lfu, Eviction::SegmentedLru][usize::from(first % 3)];
    let block_size = 1 + usize::from(first / 3 % 4);
    let pool = BlockPool::new(1 + usize::from(first / 12) * 4);
    let mut run = Run {
        tree: PrefixTree::new(block_size, policy),
        pool,
        block_size,
        stored: BTreeMap::new(),
        held: Vec::new(),
    };
    while let Some((operation, more)) = rest.split_first() {
        let namespace = usize::from(operation >> 4) % NAMESPACES.len();
        let (argument, more) = more.split_first().unwrap_or((&0, &[]));
        rest = more;
        match operation & 15 {
            0..=5 => {
                let tokens = run.tokens(*argument, &mut rest);
                run.store(namespace, &tokens);
            }
            6..=8 => {
                let tokens = run.tokens(*argument, &mut rest);
                run.look_up(namespace, &tokens);
            }
            9 | 10 => run.evict(usize::from(argument % 32)),
            11 => {
                let tokens = run.tokens(*argument, &mut rest);
                let (lock, covered) = run.tree.lock(&mut run.pool, NAMESPACES[namespace], &tokens);
                assert_eq!(covered, run.longest(namespace, &tokens));
                run.held.push(((namespace, tokens[..covered].to_vec()), Hold::Lock(lock)));
            }
            12 => {
                let tokens = run.tokens(*argument, &mut rest);
                let mut blocks = Vec::new();
                let covered = run.tree.match_prefix(&run.pool, NAMESPACES[namespace], &tokens, &mut blocks);
                blocks.iter().for_each(|block| run.pool.retain(*block).expect("a stored block"));
                run.held.push(((namespace, tokens[..covered].to_vec()), Hold::Blocks(blocks)));
            }
            _ => run.give_up(usize::from(*argument)),
        }
        run.tree.audit(&run.pool).and_then(|()| run.pool.audit()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(run.pool.cached_blocks(), run.stored.len());
    }
    while !run.held.is_empty() {
        run.give_up(0);
    }
    run.evict(usize::MAX);
    assert_eq!((run.pool.free_blocks(), run.tree.nodes()), (run.pool.total(), 0));
}

impl Run {
    /// Up to 15 tokens out of four, two bits each.
    fn tokens(&self, argument: u8, rest: &mut &[u8]) -> Vec<u32> {
        let count = usize::from(argument % 16);
        let bytes = count.div_ceil(4).min(rest.len());
        let (own, more) = rest.split_at(bytes);
        *rest = more;
        let bits = |byte: &u8| (0..4).map(|i| u32::from(byte >> (2 * i) & 3)).collect::<Vec<_>>();
        own.iter().flat_map(bits).take(count).collect()
    }

    fn longest(&self, namespace: usize, tokens: &[u32]) -> usize {
        let whole = (1..=tokens.len() / self.block_size).map(|blocks| blocks * self.block_size);
        whole
            .take_while(|len| self.stored.contains_key(&(namespace, tokens[..*len].to_vec())))
            .last()
            .unwrap_or(0)
    }

    fn look_up(&mut self, namespace: usize, tokens: &[u32]) {
        let mut blocks = Vec::new();
        let found = self.tree.match_prefix(&self.pool, NAMESPACES[namespace], tokens, &mut blocks);
        assert_eq!(found, self.longest(namespace, tokens));
        for (index, block) in blocks.iter().enumerate() {
            let prefix = tokens[..(index + 1) * self.block_size].to_vec();
            assert_eq!(self.stored[&(namespace, prefix)], *block);
        }
    }

    fn store(&mut self, namespace: usize, tokens: &[u32]) {
        let known = self.longest(namespace, tokens) / self.block_size;
        let whole = tokens.len() / self.block_size;
        let mut blocks = Vec::new();
        self.tree.match_prefix(&self.pool, NAMESPACES[namespace], tokens, &mut blocks);
        blocks.iter().for_each(|block| self.pool.retain(*block).expect("a stored block"));
        if self.pool.alloc_many(whole - known, &mut blocks).is_ok() {
            let inserted = self
                .tree
                .insert(&mut self.pool, NAMESPACES[namespace], tokens, &blocks)
                .expect("good blocks");
            assert_eq!((inserted.existing, inserted.stored), (known, whole - known));
            for (index, block) in blocks.iter().enumerate() {
                let prefix = tokens[..(index + 1) * self.block_size].to_vec();
                self.stored.insert((namespace, prefix), *block);
            }
        }
        self.pool.release_many(&blocks).expect("held blocks");
    }

    fn evict(&mut self, count: usize) {
        let idle = self.pool.idle_blocks();
        assert_eq!(self.tree.evict(&mut self.pool, count), count.min(idle));
        let tree = &self.tree;
        self.stored
            .retain(|(namespace, tokens), _| tree.peek(NAMESPACES[*namespace], tokens) == tokens.len());
        assert_eq!(self.stored.len(), self.pool.cached_blocks());
        for ((namespace, tokens), _) in &self.held {
            assert_eq!(tree.peek(NAMESPACES[*namespace], tokens), tokens.len(), "what is held stays");
        }
    }

    fn give_up(&mut self, which: usize) {
        if self.held.is_empty() {
            return;
        }
        match self.held.swap_remove(which % self.held.len()).1 {
            Hold::Lock(lock) => {
                self.tree.unlock(&mut self.pool, lock).expect("a lock that is held");
                assert!(self.tree.unlock(&mut self.pool, lock).is_err());
            }
            Hold::Blocks(blocks) => self.pool.release_many(&blocks).expect("held blocks"),
        }
    }
}
